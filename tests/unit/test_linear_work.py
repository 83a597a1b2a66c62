"""Work on what producers, servers and customers send grows no faster than its size, whatever they send."""

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from messages import filenames, invisible, json_values, mime_types
from messages.attachments import AttachmentLimits
from messages.catalogue import Catalogue, Template
from messages.delivery import Channel
from messages.draft import draft
from messages.errors import RoundsmanError
from messages.field_limits import FieldLimits
from messages.rendering.context import context_of, inline_objects
from messages.rendering.filters import FilterError, filters_for
from messages.rendering.inlining import Inliner
from messages.rendering.plain_text import plain_text
from messages.rendering.preview import example_file, read_message
from messages.rendering.renderer import MAX_SUBJECT, Renderer
from messages.routing import addresses_of
from messages.segments import segments_of
from messages.settings import PROJECT_ROOT
from worker.channels import mime
from worker.channels.mailbox import parse_mailbox

#: Characters; from each to the next linear work takes 4 times as long, quadratic work 16 times.
SIZES = (2_000, 8_000, 32_000)
MOST_TIMES = 10
#: CPU seconds below which nothing is compared: the clock and the caches say more than the work.
TOO_SHORT = 0.02

REPEATED = [
    "[", "[](a:", "<", "<a href='", "<!--", "</", "&", "&amp;", "&#", " ", "\n", "\r\n", "-", "- ", ".", "a",
    "a.", "a@", "(", ")", "/", "\\", '\\"', '"', ";", '; a="', "a*0*=", "=", "=?utf-8?q?", "%", "%4", ",",
    ":", "1", "http://a.b/(", "{{", "é", "😀", "\U0001f468\u200d", "\u200d", "\u202e", "\ufeff",
]  # fmt: skip

#: The default of RENDER_TIMEOUT_SECONDS.
RENDER_SECONDS = 1

CATALOGUE = Catalogue.read(PROJECT_ROOT / "templates")
RENDERER = Renderer(CATALOGUE, PROJECT_ROOT / "templates", dealership="D", timezone="UTC")
ANY_SIZE = FieldLimits(text_bytes=10**9, object_bytes=10**9, fields_bytes=10**9)
INLINER = Inliner()


def accepted(**fields: Any) -> None:
    message = {"externalEmail": "a@example.com", "text": "x"} | fields
    draft(message, CATALOGUE, AttachmentLimits(10, 10**9), field_limits=ANY_SIZE)


WORK: dict[str, Callable[[str], object]] = {
    "text": lambda s: accepted(text=s),
    "field name": lambda s: accepted(**{s: 1}),
    "id": lambda s: accepted(id=s),
    "e-mail address": lambda s: accepted(externalEmail=f"{s}@example.com"),
    "phone number": lambda s: accepted(externalPhoneNumber=s),
    "time": lambda s: accepted(sendAt=f"2026-05-14T12:00:00{s}"),
    "template name": lambda s: accepted(template=s),
    "related object": lambda s: addresses_of({"phone": s, "email": s}),
    "attachment URL": lambda s: accepted(attachments=[f"https://a.example/{s}"]),
    "data: URI, head": lambda s: accepted(attachments=[f"data:{s},x"]),
    "data: URI, name": lambda s: accepted(attachments=[f'data:text/plain;name="{s}";base64,eA==']),
    "data: URI, base64": lambda s: accepted(attachments=[f"data:;base64,{s}"]),
    "file name": lambda s: filenames.file_name(s, "text/plain"),
    "file name in a header": lambda s: filenames.file_name(None, f'attachment; filename="{s}'),
    "file name, extended": lambda s: filenames.file_name(None, f"attachment; filename*=utf-8''{s}"),
    "file name in a path": lambda s: filenames.file_name(None, path=s),
    "MIME type": lambda s: mime_types.parse(f"text/plain;{s}"),
    "blank text": invisible.is_blank,
    "trimmed text": invisible.trim,
    "text without marks": invisible.without_marks,
    "JSON": lambda s: json_values.parse_json(s.encode()),
    "segments": segments_of,
    "mailbox": lambda s: parse_mailbox(f"{s} <a@example.com>", "sender"),
    "subject header": lambda s: mime._text_header("Subject", s[:MAX_SUBJECT]),
    "file name header": mime._filename,
    "body": lambda s: mime._text_part("plain", s, "token"),
    "text of HTML": lambda s: plain_text(f"<p>{s}</p>"),
    "text of a link": lambda s: plain_text(f'<a href="{s}">{s}</a>'),
    "inlined CSS of any text": INLINER.inline,
    "inlined CSS": lambda s: INLINER.inline(f"<style>p > b {{color: red}}</style><p>{s}</p>"),
    **{f"filter {name}": function for name, function in filters_for("UTC").items()},
}


@pytest.mark.parametrize("name", WORK)
def test_work_is_linear(name: str):
    too_long = [repeated for repeated in REPEATED if _grows_too_fast(WORK[name], repeated)]
    assert too_long == []


def _grows_too_fast(work: Callable[[str], object], repeated: str) -> bool:
    # Between other characters: a search for the end of the text begins anew at each place of a run.
    texts = [f"x{(repeated * size)[:size]}x" for size in SIZES]
    times = [_seconds(work, texts[0])]
    for smaller, text in pairwise(texts):
        times.append(_seconds(work, text))
        if times[-1] > max(TOO_SHORT, MOST_TIMES * times[-2]):
            # Once more, for the machine may have been busy: the best of three.
            best = [min(_seconds(work, t) for _ in range(3)) for t in (smaller, text)]
            if best[1] > max(TOO_SHORT, MOST_TIMES * best[0]):
                return True
    return False


def _seconds(work: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    with suppress(RoundsmanError, FilterError, ValueError):  # refused, and quickly
        work(text)
    return time.thread_time() - began


@pytest.mark.parametrize("template", CATALOGUE.all(), ids=lambda template: template.path)
def test_shipped_templates_render_any_long_text_in_time(template: Template):
    message = read_message(example_file(PROJECT_ROOT / "templates", template))
    related = inline_objects(message)
    for repeated in ("[", "[](a:", "<", "&", '"', " ", "-", "\n", "http://a.b/(", "é"):
        text = (repeated * 150_000)[:150_000]
        context = context_of(message | {"text": text}, related, dealership="D")
        began = time.thread_time()
        if Channel.SMS in template.channels:
            RENDERER.render_sms(template, context)
        if Channel.EMAIL in template.channels:
            RENDERER.render_email(template, context)
        assert time.thread_time() - began < RENDER_SECONDS, repeated
