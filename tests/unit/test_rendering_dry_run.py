"""What a Message lacks for a template, named as the producer spells it."""

import pytest

from messages.rendering.dry_run import Given

DATE = "a time in ISO 8601 or in seconds since 1970"


def findings(folder, source, message=None, related=None, still_open=()):
    renderer = folder.bounded(source=source)
    given = Given(message or {}, related or {}, list(still_open))
    return renderer.findings(renderer.catalogue.find("t", "x"), given, wait_seconds=5)


def missing(*arguments, **options):
    return [finding.field for finding in findings(*arguments, **options) if finding.is_missing]


@pytest.mark.parametrize(
    ("source", "message", "fields"),
    [
        ("{{ message.a }} {{ message.b.c }} {{ message.a }}", {}, ["a", "b.c"]),
        ("{{ message.vehicle.year }}", {"vehicle": {"make": "Honda"}}, ["vehicle.year"]),
        ("{{ message.vehicle.year }}", {"vehicle": None}, ["vehicle.year"]),
        ("{{ message.l[1].price }}", {"l": [{"price": 1}, {}]}, ["l[1].price"]),
        ("{% for one in message.l %}{{ one.price }}{% endfor %}", {"l": [{"price": 1}, {}]}, ["l[1].price"]),
        (
            "{% set v = message.vehicle %}{{ v.year ~ v.make }}",
            {"vehicle": {}},
            ["vehicle.year", "vehicle.make"],
        ),
        ("{{ lead.firstName }} {{ sales_rep.phone | phone }}", {}, ["lead.firstName", "salesRep.phone"]),
        ("{{ message.price | money }}", {}, ["price"]),
        ("{% if message.vip %}x{% else %}{{ message.y }}{% endif %}", {}, ["vip"]),
        ("{{ message.a + 1 }}", {}, ["a"]),
    ],
)
def test_missing_variables_are_all_named(folder, source, message, fields):
    assert missing(folder, source, message) == fields


@pytest.mark.parametrize(
    "source",
    [
        "{{ message.a | default('x') }}",
        "{% if message.a is defined %}{{ message.a }}{% endif %}",
        "{{ text }}",
        "{{ dealership }}",
        "{{ message.a if message.a is defined }}",
        "{{ message.number + 'x' }}",  # wrong whatever is given: the worker says so
        "{{ message.id | no_such_filter }}",
    ],
)
def test_what_a_template_does_without_is_not_missing(folder, source):
    assert findings(folder, source, {"number": 1, "id": "m1"}) == []


@pytest.mark.parametrize(
    ("source", "message", "field", "reason"),
    [
        (
            "{{ message.vehicle.price | money }}",
            {"vehicle": {"price": "abc"}},
            "vehicle.price",
            "'abc' is wrong",
        ),
        ("{{ message.on | date }}", {"on": "tomorrow", "a": "tomorrow"}, "on", DATE),
        ("{{ message.l[0].url | link }}", {"l": [{"url": "javascript:x"}]}, "l[0].url", "http(s)"),
        ("{{ message.price | money }}", {"other": True, "price": True}, "price", "true is wrong"),
        ("{{ message.price | money }}", {"price": {"a": 1}}, "price", "an object is wrong"),
        ("{{ (message.a ~ 'x') | money }}", {"a": 1}, None, "'1x' is wrong"),
    ],
)
def test_value_that_a_filter_refuses_is_named_with_what_would_be_right(
    folder, source, message, field, reason
):
    [finding] = findings(folder, source, message)
    assert finding.field == field
    assert reason in finding.reason
    assert "takes" in finding.reason


@pytest.mark.parametrize(
    "source",
    [
        "{{ lead.firstName }} {{ lead.address.street[0] }}",
        "{% if lead.vip %}{{ lead.a }}{% else %}{{ message.a }}{% endif %}",
        "{% if lead.vip is defined %}{{ lead.a }}{% else %}{{ message.a }}{% endif %}",
        "{% for car in lead.cars %}{{ car.name }}{{ message.a }}{% endfor %}",
        "{{ lead.phone | phone }} {{ lead.price | money }} {{ lead.on | date }} {{ lead | full_name }}",
        "{{ lead.age + 1 }} {{ lead.age > 5 }} {{ lead.name ~ '!' }} {{ lead.name | upper }}",
        "{{ lead.cars | length }} {{ lead.cars | first }} {{ 'x' in lead.tags }} {{ lead.price / 2 }}",
    ],
)
def test_object_that_the_store_may_know_is_left_to_the_worker(folder, source):
    assert findings(folder, source, {"lead": "lead_77"}, still_open=["lead"]) == []
    inline = {"lead": {"id": "lead_77"}}
    assert findings(folder, source, {"lead": "lead_77"}, inline, still_open=["lead"]) == []


def test_missing_variable_is_found_beside_an_object_that_the_store_may_know(folder):
    source = (
        "Hi {{ lead.firstName | default('there', true) }}{% if lead.vip %}!{% endif %} {{ message.price }}"
    )
    assert missing(folder, source, {"lead": "lead_77"}, still_open=["lead"]) == ["price"]


def test_wrong_value_in_an_object_given_inline_is_found(folder):
    inline = {"lead": {"id": "lead_77", "price": "abc"}}
    [finding] = findings(folder, "{{ lead.price | money }}", {"lead": "lead_77"}, inline, still_open=["lead"])
    assert finding.field == "lead.price"


def test_findings_of_a_process_are_the_same(folder):
    source = "{{ message.price | money }} {{ text | wordwrap }} {{ lead.firstName }} {{ message.b }}"
    message = {"price": "abc", "text": "x" * 20_000, "lead": "lead_77"}
    found = findings(folder, source, message, still_open=["lead"])
    assert [(one.field, one.is_missing) for one in found] == [("price", False), ("b", True)]
