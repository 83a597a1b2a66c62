"""What is read from a template's source: whether its work is linear, and which fields it reads."""

import os

import pytest

from messages.catalogue import Catalogue
from messages.rendering.environment import environment_for
from messages.rendering.source_facts import facts_of
from messages.settings import PROJECT_ROOT

SHIPPED = PROJECT_ROOT / "templates"
PARTS = [f"{template.path}/{part}" for template in Catalogue.read(SHIPPED).all() for part in template.parts]


def facts(folder, source):
    folder.write("t/x/sms.txt", source)
    return facts_of(environment_for(folder.path, timezone="UTC"), "t/x/sms.txt")


@pytest.mark.parametrize("part", sorted(PARTS))
def test_shipped_parts_are_linear_and_take_any_text(part: str):
    found = facts_of(environment_for(SHIPPED, timezone="UTC"), part)
    assert (found.is_linear, found.any_text, found.reads_everything) == (True, True, False)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in message.l %}{% for b in message.l %}x{% endfor %}{% endfor %}",
        "{% for a in message.l if a in (message.l | map('upper')) %}x{% endfor %}",
        "{% for a in message.l recursive %}{{ loop(message.l) }}{% endfor %}",
        "{% for a in message.l %}{% include 't/x/other.txt' %}{% endfor %}",
        "{% macro m(l) %}{% for b in l %}{% endfor %}{% endmacro %}{% for a in text %}{{ m(a) }}{% endfor %}",
        "{% macro m(n) %}{{ m(n - 1) }}{{ m(n - 1) }}{% endmacro %}{{ m(message.n) }}",
        "{% block b %}{{ self.b() }}{{ self.b() }}{% endblock %}",
        "{% include 't/x/sms.txt' %}",
        "{% include message.file %}",
        "{% include 't/x/missing.txt' %}",
        "{{ '-' * message.n }}",
        "{{ message.n * message.n }}",
        "{{ 9 ** message.n }}",
        "{{ message.format % 1 }}",
        "{{ message.text | wordwrap(20) }}",
        "{{ message.text | urlize }}",
        "{{ message.text | center(message.n) }}",
        "{{ message.text | replace('a', message.text) }}",
        "{{ message.text.ljust(message.n) }}",
        "{% for i in range(message.n) %}x{% endfor %}",
        "{% set ns = namespace(t='x') %}{% for a in message.l %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
        "{% filter wordwrap %}{{ text }}{% endfilter %}",
    ],
)
def test_source_that_may_take_more_than_linear_work_is_recognised(folder, source: str):
    folder.write("t/x/other.txt", "{% for b in message.l %}x{% endfor %}")
    assert not facts(folder, source).is_linear


@pytest.mark.parametrize(
    "source",
    [
        "{{ text }} {{ message.n * 2 }} {{ message.price | money }} {{ message.a - message.b }}",
        "{% for a in message.l if a %}{{ a.x | date }}{{ loop.index }}{% endfor %}",
        "{% macro m(a) %}{{ a }}{{ caller() }}{% endmacro %}{% call m(text) %}x{% endcall %}{{ m(text) }}",
        "{% include 't/x/other.txt' %}{% for b in message.l %}x{% endfor %}",
    ],
)
def test_source_with_linear_work_is_recognised(folder, source: str):
    folder.write("t/x/other.txt", "{% for b in message.l %}x{% endfor %}")
    assert facts(folder, source).is_linear


def test_fields_that_a_part_reads_are_named_through_its_layouts(folder):
    folder.write("t/x/other.txt", "{{ message['vin'] }}{{ sales_rep.firstName }}")
    found = facts(folder, "{% include 't/x/other.txt' %}{{ message.vehicle.year }}{{ lead }}{{ text }}")
    assert found.fields == {"vin", "salesRep", "vehicle", "lead", "text"}
    assert {"vin", "firstName", "vehicle", "year"} <= found.attributes
    assert not found.reads_everything


@pytest.mark.parametrize("source", ["{{ message }}", "{% set m = message %}", "{{ message[text] }}"])
def test_message_used_as_a_whole_reads_everything(folder, source: str):
    assert facts(folder, source).reads_everything


@pytest.mark.parametrize(
    "source", ["{{ text | money }}", "{{ message.text }}", "{{ text[0] }}", "{{ text + 1 }}"]
)
def test_text_that_may_fail_in_a_template_is_recognised(folder, source: str):
    assert not facts(folder, source).any_text


def test_changed_files_are_read_again_with_reload(folder):
    renderer = folder.bounded(reload=True, source="{{ text }}")
    template = renderer.catalogue.find("t", "x")
    first = renderer.facts(template)
    assert renderer.facts(template) is first
    changed = folder.write("t/x/sms.txt", "{{ text | wordwrap }}")
    os.utime(changed, (1, 1))
    assert renderer.known_facts(template) is None
    assert not renderer.facts(template).is_linear
