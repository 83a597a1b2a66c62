"""What a template sees of a Message and its objects, and what becomes of what is absent."""

import pytest


def test_a_template_sees_the_message_its_text_and_the_related_objects(folder):
    source = (
        "{{ message.id }} {{ text }} {{ lead.firstName }} {{ salesRep.a }}{{ sales_rep.a }} {{ agent.b }}"
    )
    message = {"id": "m1", "text": "hello"}
    body = folder.sms(source, message, lead={"firstName": "Maya"}, salesRep={"a": 1}, agent={"b": 2})
    assert body == "m1 hello Maya 11 2"


def test_extra_fields_are_seen_through_message_only(folder):
    assert folder.sms("{{ message.vehicle.year }}", {"vehicle": {"year": 2022}}) == "2022"
    assert folder.error("{{ vehicle.year }}", {"vehicle": {"year": 2022}}).variable == "vehicle.year"


def test_a_field_may_be_called_like_a_method_of_dict(folder):
    message = {"items": "six", "values": "seven", "get": {"keys": "eight"}}
    assert folder.sms("{{ message.items }} {{ message.values }} {{ message.get.keys }}", message) == (
        "six seven eight"
    )


def test_the_dealership_is_always_there(folder):
    assert folder.sms("{{ dealership }}") == "Rivertown Motors"


def test_text_is_data_and_never_a_template(folder):
    assert folder.sms("{{ text }}", {"text": "{{ 7*7 }} {% raw %}"}) == "{{ 7*7 }} {% raw %}"
    email = folder.email({"text": "{{ 7*7 }}"}, html="<p>{{ text }}</p>", subject="{{ text }}")
    assert (email.subject, email.text) == ("{{ 7*7 }}", "{{ 7*7 }}\n")
    assert "{{ 7*7 }}" in (email.html or "")


# Absent values


@pytest.mark.parametrize("lead", [None, {}, {"firstName": None}])
def test_a_default_is_used_when_the_lead_or_its_name_is_absent(folder, lead):
    assert folder.sms("Hi {{ lead.firstName | default('there') }}", lead=lead) == "Hi there"
    assert folder.sms("{{ lead.address.city.name | default('town') }}", lead=lead) == "town"
    assert folder.sms("{{ lead.owner.hint | default('none') }}", lead=lead) == "none"
    assert folder.sms("{% if lead.firstName is defined %}yes{% else %}no{% endif %}", lead=lead) == "no"


@pytest.mark.parametrize("blank", ["", " ", "\u00a0\r\n", "\u200b\ufeff"])
def test_a_blank_text_is_an_absent_value(folder, blank):
    message = {"price": blank, "text": blank}
    source = (
        "{{ message.price | default('a') }} {{ message.price | d('b') }} "
        "{{ message.price | money | default('c') }} "
        "{{ text is defined }} {{ message.price is defined }} {{ message.price is undefined }} "
        "{{ message['price'] is not defined }} {{ message.price | default({}) | vehicle | default('d') }}"
    )
    assert folder.sms(source, message) == "a b c False False True True d"


def test_a_blank_text_can_be_shown_and_compared_like_any_other(folder):
    source = "[{{ lead.name }}] {{ lead.name == '' }} {{ 'x' ~ lead.name | upper }} {{ lead.name | length }}"
    assert folder.sms(source, lead={"name": ""}) == "[] True x 0"


def test_a_value_that_a_filter_refuses_is_named_but_not_shown(folder):
    source = "{% for line in message.lines %}{{ line.amount | money }}{% endfor %}"
    error = folder.error(source, {"lines": [{"amount": 7}, {"amount": "1.234,56"}]})
    assert error.variable == "message.lines[1].amount"
    assert error.reason.startswith("the filter 'money' takes an amount of dollars")
    assert error.reason.endswith("it was given a text like '9.999,99' (message.lines[1].amount)")
    assert "1.234,56" not in str(error)
    assert folder.error("{{ message.a | phone }}", {"a": 5, "b": 5}).variable is None


def test_a_blank_text_that_a_filter_needs_is_named(folder):
    error = folder.error("{{ message.invoice.total | money }}", {"invoice": {"total": ""}, "other": ""})
    assert error.variable == "message.invoice.total"
    assert "the filter 'money'" in folder.error("{{ text | money }}", {"text": " "}).reason


@pytest.mark.parametrize(
    ("expression", "message", "lead", "variable"),
    [
        ("lead", {}, None, "lead"),
        ("lead.firstName", {}, None, "lead.firstName"),
        ("lead.firstName", {}, {"lastName": "Chen"}, "lead.firstName"),
        ("lead.address.city", {}, {}, "lead.address.city"),
        ("message.vehicle.trim", {"vehicle": {"year": 2022}}, None, "message.vehicle.trim"),
        ("message.vehicle.trim", {}, None, "message.vehicle.trim"),
        ("message.a.b.c.d", {"a": {"b": {"c": {"x": 1}}}}, None, "message.a.b.c.d"),
        ("message.lines[0].price", {"lines": [{"name": "tax"}]}, None, "message.lines[0].price"),
        ("message.lines[3]", {"lines": []}, None, "message.lines[3]"),
        ("lead.firstName | money", {}, None, "lead.firstName"),
        ("lead.firstName | upper", {}, None, "lead.firstName"),
        ("lead.age + 1", {}, {}, "lead.age"),
        ("lead.greet()", {}, {}, "lead.greet"),
        ("'x' if lead.vip", {}, {}, "lead.vip"),
        ("lead.vip == 1 and 'x'", {}, {}, "lead.vip"),
        ("message[text]", {"text": "secret"}, None, "message[…]"),
    ],
)
def test_an_absent_variable_is_named_in_full_with_its_template_and_line(
    folder, expression, message, lead, variable
):
    error = folder.error("Hello\n\n{{ " + expression + " }}", message, lead=lead)
    assert (error.template, error.line, error.variable) == ("t/x/sms.txt", 3, variable)
    assert str(error).startswith(f"t/x/sms.txt, line 3: {variable} is undefined")


def test_a_loop_variable_is_named_by_its_place_in_the_message(folder):
    source = "{% for line in message.lines %}{{ line.price }}{% endfor %}"
    assert folder.error(source, {"lines": [{"price": 1}, {}]}).variable == "message.lines[1].price"


def test_looping_over_something_absent_is_an_error(folder):
    assert folder.error("{% for x in message.lines %}{{ x }}{% endfor %}").variable == "message.lines"
