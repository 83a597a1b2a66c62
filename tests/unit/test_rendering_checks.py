import json

import pytest

from messages.rendering.checks import Severity, check

GOOD = {
    "plain/default/sms.txt": "{{ text }}",
    "plain/default/subject.txt": "About {{ message.topic }}",
    "plain/default/body.html": "<p>{{ text | paragraphs }}</p>",
    "plain/default/example.json": json.dumps({"text": "hi", "topic": "cars"}),
    "README.md": "how to",
}


@pytest.fixture
def problems(tmp_path):
    """The problems of a good folder with some files changed; None removes one."""

    def of(changes):
        for name, content in {**GOOD, **changes}.items():
            if content is not None:
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return check(tmp_path)

    return of


def test_a_good_folder_has_no_problems(problems):
    assert problems({}) == []
    assert problems({"plain/type.json": '{"expiresAfter": "2h"}'}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"plain/default/sms.txt": "a\n{{ nobody }}"},
            "plain/default/sms.txt, line 2: nobody is undefined",
            id="undefined variable",
        ),
        pytest.param(
            {"plain/default/sms.txt": "a\n{% if text == 'x' %}\n{{ nobody }}{% endif %}"},
            "plain/default/sms.txt, line 3: nobody is undefined",
            id="undefined variable where the example does not come",
        ),
        pytest.param(
            {"plain/default/sms.txt": "{{ lead.firstName }}"},
            "plain/default/sms.txt, line 1: lead.firstName is undefined",
            id="undefined field",
        ),
        pytest.param(
            {"_base/unused.html": "{{ nobody }}"},
            "_base/unused.html, line 1: nobody is undefined",
            id="undefined variable in a layout",
        ),
        pytest.param(
            {"plain/default/sms.txt": "a\n{% if %}"}, "plain/default/sms.txt, line 2: ", id="syntax error"
        ),
        pytest.param(
            {"plain/default/sms.txt": "{% if 0 %}\n{{ text | nonsense }}{% endif %}"},
            "plain/default/sms.txt, line 2: No filter named 'nonsense'",
            id="unknown filter where the example does not come",
        ),
        pytest.param(
            {"plain/default/sms.txt": "\n{{ text | nonsense }}"},
            "plain/default/sms.txt, line 2: No filter named 'nonsense'",
            id="unknown filter",
        ),
        pytest.param(
            {"plain/default/sms.txt": "{% if 0 %}{% if text is nonsense %}{% endif %}{% endif %}"},
            "plain/default/sms.txt, line 1: No test named 'nonsense'",
            id="unknown test",
        ),
        pytest.param(
            {"plain/default/sms.txt": "{{ text | money }}"},
            "plain/default/sms.txt, line 1: the filter 'money' takes",
            id="filter given the wrong thing",
        ),
        pytest.param(
            {"plain/default/sms.txt": b"\xff"},
            "plain/default/sms.txt: the file is not UTF-8",
            id="not UTF-8",
        ),
        pytest.param(
            {"_base/x.txt": "{{ text }}", "plain/default/body.html": '{% include "_base/x.txt" %}'},
            "plain/default/body.html: it uses _base/x.txt, whose values are not escaped",
            id="unescaped text in HTML",
        ),
        pytest.param(
            {"plain/default/subject.txt": None},
            "plain/default/subject.txt: there is a body but no subject.txt",
            id="no subject",
        ),
        pytest.param(
            {"plain/default/body.html": None},
            "plain/default/subject.txt: there is a subject but neither",
            id="no body",
        ),
        pytest.param(
            {"lead/nudge/sms.txt": "x", "lead/example.json": "{}"},
            "lead: there is no lead/default",
            id="no default",
        ),
        pytest.param(
            {"plain/type.json": '{"expiresAfter": "soon"}'},
            "plain/type.json: expiresAfter: 'soon' is not a duration; write it like 90s",
            id="rules of a type that are wrong",
        ),
        pytest.param({"plain/type.json": "{"}, "plain/type.json: ", id="rules of a type that are not JSON"),
        pytest.param({"lead/nudge/notes.md": "x"}, "lead/nudge: there is none of its parts", id="no parts"),
        pytest.param(
            {"plain/default/example.json": None},
            "plain/default/example.json: there is no example.json",
            id="no example",
        ),
        pytest.param(
            {"plain/default/example.json": "{"},
            "plain/default/example.json: ",
            id="example that is not JSON",
        ),
        pytest.param(
            {"plain/default/example.json": "[]"},
            "plain/default/example.json: ",
            id="example that is no object",
        ),
    ],
)
def test_what_would_fail_a_message_is_found(problems, changes, expected):
    [problem] = [p for p in problems(changes) if p.severity is Severity.ERROR]
    assert str(problem).startswith(expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"plain/default/sms.txt": "x" * 161},
            "plain/default/sms.txt: with its example it takes 2 segments (161 units of GSM-7)",
            id="long SMS",
        ),
        pytest.param(
            {"plain/default/sms.txt": "x" * 70 + "\u2019"},
            "plain/default/sms.txt: with its example it takes 2 segments "
            "(71 units of UCS-2 because of '\u2019')",
            id="SMS that one character makes long",
        ),
        pytest.param(
            {"plain/default/body.htm": "x"},
            "plain/default/body.htm: this is no part",
            id="misspelled part",
        ),
        pytest.param(
            {"plain/stray.txt": "x"}, "plain/stray.txt: this file is no part", id="file among templates"
        ),
        pytest.param({"stray.txt": "x"}, "stray.txt: a template belongs in", id="file at the top"),
    ],
)
def test_what_costs_money_or_hides_a_mistake_is_a_warning(problems, changes, expected):
    [problem] = problems(changes)
    assert problem.severity is Severity.WARNING
    assert str(problem).startswith(expected)


def test_names_that_a_template_sets_for_its_layout_and_the_other_way_round_are_known(problems):
    layout = (
        '{% from "_base/parts.html" import bold as strong %}{% set a = 1 %}'
        "{% block b scoped %}{% endblock %}{{ c }}{{ strong(1) }}"
    )
    child = (
        '{% extends "_base/l.html" %}{% set c = 2 %}'
        "{% block b %}{{ a }}{% for i in [1] %}{{ i }}{% endfor %}{% endblock %}"
    )
    changes = {
        "_base/parts.html": "{% macro bold(x) %}{{ x }}{% endmacro %}",
        "_base/l.html": layout,
        "plain/default/body.html": child,
    }
    assert problems(changes) == []


def test_a_folder_without_templates_is_a_problem(tmp_path):
    assert ["there are no templates" in str(problem) for problem in check(tmp_path / "gone")] == [True]
