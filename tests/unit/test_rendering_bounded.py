"""Rendering has an end, whatever the template and the Message; and others are rendered meanwhile."""

import os
import signal
import threading
import time

import psutil
import pytest

from messages.errors import RenderUnavailable, TemplateError
from messages.rendering.bounded import SMALL, is_small
from messages.rendering.context import context_of
from messages.rendering.process import RenderProcesses

LIMIT = 0.2

QUADRATIC = (
    "{% for a in message.l %}{% for b in message.l %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}"
)

REPEATED = "{{% for a in message.l %}}{{% if text | {} %}}{{% endif %}}{{% endfor %}}"
DOUBLING = "{% set ns = namespace(t='ab') %}{% for a in message.l %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}"
MACRO = "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}"


def sms(renderer, **message):
    template = renderer.catalogue.find("t", "x")
    return renderer.render_sms(template, context_of(message, {}, dealership="Rivertown Motors")).body


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (QUADRATIC, {"l": list(range(20_000))}),
        (REPEATED.format("wordwrap(60)"), {"text": "- " * 50_000, "l": [1] * 2000}),
        (REPEATED.format("urlize"), {"text": "http://a.b(" * 5000, "l": [1] * 2000}),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", {}),
        ("{{ 7 ** (7 ** message.n) }}", {"n": 9}),
        (MACRO, {}),
    ],
)
def test_render_beyond_the_limit_fails_with_a_sentence_that_names_the_limit(folder, source, message):
    renderer = folder.bounded(timeout=LIMIT, source=source)
    with pytest.raises(TemplateError) as caught:
        sms(renderer, **message)
    assert "more than 0.2 s of processor time" in str(caught.value)
    assert "RENDER_TIMEOUT_SECONDS" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message", "reason"),
    [
        ("{{ '-' * message.n }}", {"n": 10**10}, "more memory than one Message may take"),
        ("{{ '-' * message.n }}", {"n": 3_000_000}, "more than 2,000,000 characters"),
        ("{{ text | center(message.n) }}", {"text": "x", "n": 10**10}, "more memory"),
        ("{{ message.f % 1 }}", {"f": "%9999999999d"}, "more memory"),
        (DOUBLING, {"l": [1] * 60}, "more memory"),
        ("{% for i in range(message.n) %}{% endfor %}", {"n": 10**9}, "a range has at most 100,000 steps"),
    ],
)
def test_render_that_makes_much_out_of_little_fails_with_its_reason(folder, source, message, reason):
    with pytest.raises(TemplateError) as caught:
        sms(folder.bounded(timeout=5, source=source), **message)
    assert reason in str(caught.value)


def test_small_messages_are_rendered_while_a_large_one_takes_its_time(folder):
    folder.write("t/small/sms.txt", "{{ text }}")
    renderer = folder.bounded(source=QUADRATIC)

    def render_late():
        with pytest.raises(TemplateError):
            sms(renderer, l=list(range(20_000)))

    late = threading.Thread(target=render_late)
    late.start()
    small = renderer.catalogue.find("t", "small")
    count, longest = 0, 0.0
    while late.is_alive():
        began = time.monotonic()
        assert renderer.render_sms(small, context_of({"text": "Hi"}, {}, dealership="D")).body == "Hi"
        count, longest = count + 1, max(longest, time.monotonic() - began)
        time.sleep(0.001)
    late.join()
    assert count > 20
    assert longest < 0.9


def test_process_that_was_ended_is_replaced(folder):
    renderer = folder.bounded(timeout=LIMIT, source=f"{QUADRATIC}{{{{ text | wordwrap }}}}")
    for _ in range(2):
        assert sms(renderer, text="Hi", l=[1]) == "Hi"
        with pytest.raises(TemplateError):
            sms(renderer, l=list(range(20_000)))
    assert sms(renderer, text="Hi", l=[1]) == "Hi"


def test_errors_of_a_template_are_the_same_in_a_process(folder):
    renderer = folder.bounded(source="{{ message.price | money }}\n{{ text | wordwrap }}")
    with pytest.raises(TemplateError) as caught:
        sms(renderer, price="abc")
    assert (caught.value.template, caught.value.line) == ("t/x/sms.txt", 1)
    with pytest.raises(TemplateError) as caught:
        sms(renderer, text="x")
    assert caught.value.variable == "message.price"


def test_large_email_is_the_same_as_one_rendered_by_the_thread(folder):
    parts = {
        "subject": "{{ text | truncate(9) }}",
        "html": "<style>p {color: red}</style>{{ text | paragraphs }}",
    }
    here = folder.email({"text": "word " * 4000}, **parts)
    renderer = folder.bounded()
    template = renderer.catalogue.find("t", "x")
    assert renderer.render_email(template, folder.context({"text": "word " * 4000})) == here


def test_process_that_somebody_else_ended_is_no_fault_of_the_message(folder):
    renderer = folder.bounded(timeout=20, source=QUADRATIC)
    before = set(psutil.Process().children())
    failed = []

    def render():
        try:
            sms(renderer, l=list(range(20_000)))
        except RenderUnavailable as error:
            failed.append(error)

    thread = threading.Thread(target=render)
    thread.start()
    deadline = time.monotonic() + 20
    while not (started := set(psutil.Process().children()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    for process in started:
        os.kill(process.pid, signal.SIGKILL)
    thread.join(20)
    assert len(failed) == 1


def test_request_that_finds_all_processes_busy_is_refused_in_time():
    processes = RenderProcesses({}, timeout_seconds=1, size=0)
    with pytest.raises(RenderUnavailable):
        processes.request({}, wait_seconds=0.01)


def test_closed_renderer_leaves_no_process(folder):
    renderer = folder.bounded(source="{{ text | wordwrap }}")
    before = set(psutil.Process().children())
    assert sms(renderer, text="Hi") == "Hi"
    assert set(psutil.Process().children()) - before
    renderer.close()
    assert not set(psutil.Process().children()) - before


@pytest.mark.parametrize(
    "value",
    ["x" * (SMALL + 1), ["x"] * SMALL, {"y" * SMALL: 1}, {str(n): n for n in range(SMALL)}, [[[]] * SMALL]],
)
def test_much_data_of_any_shape_is_not_small(value):
    assert not is_small({"message": {"field": value}})
    assert is_small({"message": {"field": "x" * 1000, "list": [1, 2, {"a": None}]}})
