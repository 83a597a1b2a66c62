"""The text part that is derived from an HTML part: the same words, the same URLs, in linear time."""

import re
from time import perf_counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from messages.rendering.inlining import Inliner
from messages.rendering.plain_text import plain_text
from tests.unit.templates_folder import Folder

INLINER = Inliner()


def derived(html):
    return plain_text(INLINER.inline(html))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello <b>Ma</b>ya</p>\n<p>two</p>", "Hello Maya\n\ntwo"),
        ("<div>a<br></div><div>b<br><br>c</div>", "a\nb\n\nc"),
        ("a   b\n\n\tc", "a b c"),
        ("a&nbsp; b", "a\u00a0 b"),
        ("<table><tr><td>a</td><td></td><td><b>b</b></td></tr><tr><th>c</th></tr></table>d", "a  b\nc\n\nd"),
        ("x<ul><li>a</li><li><p>b</p></li></ul>y", "x\n\n* a\n* b\n\ny"),
        ("<pre>a  b\n\n\n  c</pre>", "a  b\n\n\n  c"),
        ('<div style="white-space: pre-line">a\nb</div>c\nd', "a\nb\nc d"),
        ('<img alt="Our logo" src="x"> now <img src="y">', "Our logo now"),
        ("a<!-- b > c --><!--[if mso]><p>d</p><![endif]-->e", "ae"),
        ("<title>t</title><style>p > a { color: red }</style><script>if (a<b) x()</script>e", "e"),
        ('<p style="display: none">a<br>b<p>c', "c"),
        ("<style>.peek { display: none }</style><div class=peek><div>a</div>b</div>c", "c"),
        ('<p hidden>a</p><p title="a > b">c', "c"),
        ("a &#" + "9" * 5000 + "; b", "a &#" + "9" * 5000 + "; b"),
        ("1 < 2 <3 &lt;b&gt; &amp;lt; AT&amp;T &copy", "1 < 2 <3 <b> &lt; AT&T ©"),
    ],
)
def test_text_has_the_words_that_the_html_shows(html, text):
    assert derived(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<a href="https://x.example/a?b=1&amp;copy=2">See it</a>', "See it: https://x.example/a?b=1&copy=2"),
        ('<a href="https://x.example/a?b=1&copy=2&region=3">See</a>', "See: https://x.example/a?b=1&copy=2&region=3"),
        ('(<a href="https://x.example/a">here</a>).', "(here: https://x.example/a )."),
        ('<a href="https://x.example/a">Here:</a>b', "Here: https://x.example/a b"),
        ('<a href="https://x.example/(a)_[b]*">[c](d)</a>', "[c](d): https://x.example/(a)_[b]*"),
        ('<a href="https://x.example/a b">c</a>', "c: https://x.example/a%20b"),
        ('<a href="https://x.example/">https://x.example/</a>', "https://x.example/"),
        ('<a href="https://x.example/a">https://x.example/ab</a>', "https://x.example/ab: https://x.example/a"),
        ('a<a href="https://x.example/"><img src="y"></a>', "a https://x.example/"),
        ('<a href="https://x.example/"><img alt="Logo"></a>', "Logo: https://x.example/"),
        ('<a href="mailto:dana@x.example?subject=Hi">Dana@x.example</a>', "Dana@x.example"),
        ('<a href="mailto:dana@x.example">Write to us</a>', "Write to us: mailto:dana@x.example"),
        ('<a href="tel:+18042223344">(804) 222-3344</a>', "(804) 222-3344"),
        ('<a href="tel:+18042223344">Call 1</a>', "Call 1: tel:+18042223344"),
        ('<a href="#top">a</a> <a href="/b">b</a> <a name="c">c</a> <a href="javascript:d">d</a>', "a b c d"),
    ],
)  # fmt: skip
def test_a_link_has_its_url_behind_its_label(html, text):
    assert derived(html) == text


#: No control characters, which the renderer removes.
words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
markdown = st.lists(
    st.sampled_from("[]()<>&;*_#`:/ab") | st.sampled_from(["&copy", "&amp;", "&lt;b", "](http:"])
)
texts = st.lists(words | markdown.map("".join), max_size=6).map(" ".join)
urls = st.text(st.sampled_from("abz019-._~:/?#[]@!$&'()*+,;=%<>\"é"), max_size=30) | st.sampled_from(
    ["v?id=7&currency=usd&region=va&timestamp=5&section=2&lt=3", "a&amp;b=&copy;", "x)](y"]
)


@pytest.fixture(scope="module")
def email(tmp_path_factory):
    """Render one template with any text and URL."""
    folder = Folder(tmp_path_factory.mktemp("templates"))
    folder.write("t/x/subject.txt", "s")
    folder.write(
        "t/x/body.html",
        "<p>{{ text }}</p>{{ text | paragraphs }}"
        "<a title='{{ text }}' href='{{ message.url }}'>See it</a>{{ text }}"
        '<div><a href="{{ message.url | link }}">(<b>{{ text }}</b>)</a></div><td>{{ message.url }}</td>',
    )
    renderer = folder.renderer()
    template = renderer.catalogue.find("t", "x")
    return lambda message: renderer.render_email(template, folder.context(message))


@given(text=texts, url=urls)
@example("Write &lt;b&gt; and &amp;amp; please; 5 &lt 6", "")
@example("[a](https://x.example) (b) <c> *d* _e_", "(a)")
def test_text_has_each_word_and_url_exactly_as_given(email, text, url):
    url = f"https://x.example/{url}"
    rendered = email({"text": text, "url": url}).text
    shown, given_words = rendered.split(), text.split()
    assert [word for word in given_words if shown.count(word) < 3 * given_words.count(word)] == []
    assert f"({re.sub(' +', ' ', text)}): {url}" in rendered
    assert shown.count(url) >= 3


@pytest.mark.parametrize(
    "unit",
    ["[", "](a:", "[](a:", "<", "</", "<a ", '<a b="', "<a b='", "<!-", "<!--", "<? ", "<a=", "&", "&#",
     "<a href=b>", "<b>", "<p>", "</p>", "<script>", "<style>", "<title>", "<xmp><!--", " ", "\n", "<br>",
     "<li>", '<p style="', "<div hidden>", "\u00a0", "a "],
)  # fmt: skip
def test_the_time_is_linear_in_the_length_of_the_page(unit):
    page = "<body>" + unit * (100_000 // len(unit)) + "</body>"
    started = perf_counter()
    plain_text(page)
    assert perf_counter() - started < 2  # a quadratic step takes minutes
