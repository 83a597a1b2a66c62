"""Inlined by way of a kept frame, a page is the same page as inlined by itself."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from css_inline import CSSInliner
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import html as parser

from messages.rendering.inlining import Inliner

HEAD = "<html><head><style>p { color: red } td:empty { width: 1px } .a b { margin: 0 }</style></head>"
DIRECT = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def page(*body: str) -> str:
    return f"{HEAD}<body>{''.join(body)}</body></html>"


def read(html: str) -> bytes:
    """The page as a reader has it."""
    return parser.tostring(parser.document_fromstring(html))


TAGS = st.sampled_from(
    ["<p>", "</p>", '<p class="a">', "<b>", "</b>", "<table>", "</table>", "<tr>", "<td>", "</td>", "<br>",
     "<!--", "-->", "<!--[if mso]>", "<![endif]-->", "<STYLE>", "</STYLE>", "<style>", "</style>",
     '<a title="', '">', "</a>", "<title>", "</title>", "<pre>", "</pre>", "\ue000", "<"]
)  # fmt: skip
TEXTS = st.sampled_from(
    ["", " ", "\n", "x", "x y ", "&amp;", "&lt;b&gt;", "AT&T", "\ue000", "\ue0000\ue000", "<", ">", "a > b",
     "->", "-", '"', "é", "b { top: 0 }", "p { content: '<' }", "p { left: 0 }"]
)  # fmt: skip


@given(st.lists(st.tuples(TAGS, TEXTS, TEXTS), max_size=8))
@example([("<p>", "Ann", "Bob"), ("</p>", "", "")])
@example([("<p>", "\ue0000\ue000", "x"), ("</p>", "x", "y")])
@example([("<table>", "", ""), ("<td>", "", "x")])
@example([("<table>", "", ""), ("<td>", "a", "b"), ("</td>", "moved", "away"), ("</table>", "", "")])
@example([('<a title="', ' > one">x', ' > two">x'), ("</a>", "", ""), ('<b title="y">', "z", "z")])
@example([('<STYLE data-css-inline="keep">', "b { top: 0 }", "b { left: 0 }"), ("</STYLE><b>", "x", "x")])
@example([('<p title="\ue0000\ue000">', "x", "y"), ("</p>", "", "")])
def test_two_pages_with_the_same_tags_become_what_the_library_makes_of_each(pieces):
    inliner = Inliner()
    for texts in ([one for _, one, _ in pieces], [other for _, _, other in pieces]):
        html = page(*(tag + text for (tag, _, _), text in zip(pieces, texts, strict=True)))
        assert read(inliner.inline(html)) == read(DIRECT.inline(html)), html


def test_pages_that_differ_in_their_texts_share_a_frame():
    inliner = Inliner()
    pages = [page(f"<p>{name}</p><td> </td>") for name in ("Ann &amp; Bob", "Eve", "\ue000")]
    assert ['<p style="color: red;">Ann &amp; Bob</p>' in inliner.inline(one) for one in pages] == [
        True, False, False,
    ]  # fmt: skip
    assert inliner._frame.cache_info().misses == 1


@pytest.mark.parametrize(("cell", "is_empty"), [("<td></td>", True), ("<td>x</td>", False)])
def test_a_text_that_is_not_there_is_another_page(cell, is_empty):
    inliner = Inliner()
    inliner.inline(page("<table><tr><td>y</td></tr></table>"))
    inlined = inliner.inline(page(f"<table><tr>{cell}</tr></table>"))
    assert ("width: 1px" in inlined.partition("</head>")[2]) is is_empty


def test_threads_share_it():
    inliner = Inliner()
    with ThreadPoolExecutor(8) as threads:
        pages = list(threads.map(inliner.inline, (page(f"<p>{number}</p>") for number in range(200))))
    assert all(f">{number}</p>" in inlined for number, inlined in enumerate(pages))
