"""The text part of an e-mail whose template has no body.txt, derived from its HTML part.

Each word and each URL of the HTML part appears exactly as a mail client shows it: character references are
decoded once, and nothing in a text is taken for markup. The time is linear in the length of the page. The
standard library's HTMLParser is not used because it is quadratic in unfinished tags (on Python 3.11 it takes
half a minute for 48 kB of `<a `) and decodes the `&copy` of a URL, as no browser does.
"""

import re
from html import unescape

# What separates words, as one character each: a page contains no such control characters.
_LINE, _PARAGRAPH, _CELL, _BULLET, _BREAK = "\x01", "\x02", "\x03", "\x04", "\n"
_KEPT_SPACE, _KEPT_LINE_FEED = "\x05", "\x06"
_SEPARATORS = re.compile(f"[ {_LINE}{_PARAGRAPH}{_CELL}{_BULLET}{_BREAK}]+")
_KEEP = str.maketrans({" ": _KEPT_SPACE, "\n": _KEPT_LINE_FEED})
_RESTORE = str.maketrans({_KEPT_SPACE: " ", _KEPT_LINE_FEED: "\n"})

_LINES = """address article aside body caption center dd div dt fieldset figcaption footer form header
    legend li main nav option section summary tbody tfoot thead tr"""
_PARAGRAPHS = "blockquote dl figure h1 h2 h3 h4 h5 h6 hr ol p pre table ul"

#: What an element puts before and after itself.
_BLOCKS = {
    **dict.fromkeys(_LINES.split(), _LINE),
    **dict.fromkeys(_PARAGRAPHS.split(), _PARAGRAPH),
    **dict.fromkeys(("td", "th"), _CELL),
}
#: Elements without an end tag.
_EMPTY = frozenset("area base br col embed hr img input link meta source track wbr".split())  # noqa: SIM905
#: Elements that are not shown, and whose content contains no tags.
_RAW = frozenset({"script", "style", "title"})

#: A tag; a value in quotes may contain `>`. Possessive: text that was matched is not tried again.
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*+)((?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+)>""")
_LOOKS_LIKE_TAG = re.compile(r"</?[a-zA-Z]")
_ATTRIBUTE = re.compile(r'\s([^\s=]+)="([^"]*)"')
_NOT_DISPLAYED = re.compile(r"(?:^|;)\s*display\s*:\s*none\b", re.IGNORECASE)
_KEEPS_LINES = re.compile(r"(?:^|;)\s*white-space\s*:\s*(?:pre|break-spaces)", re.IGNORECASE)
#: The white space that HTML collapses: neither the no-break space nor other Unicode spaces.
_SPACES = re.compile(r"[ \t\n\r\f]+")

_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):(.+)", re.DOTALL)
#: Schemes of links that lead nowhere outside of the page.
_INTERNAL_SCHEMES = frozenset({"javascript", "vbscript", "data", "cid"})
_NOT_DIGITS = re.compile(r"\D+")
_MIN_PHONE_DIGITS = 7


def plain_text(page: str) -> str:
    """Return the text of `page`, the URL of each link behind its label: `See it: https://…`.

    `page` is HTML as the CSS inliner writes it: each element is closed, each attribute's value is in double
    quotes, and a rule that hides an element stands in its style attribute.
    """
    reader = _Reader()
    position = 0
    while (start := page.find("<", position)) >= 0:
        reader.text(page[position:start])
        position = _read_markup(page, start, reader)
    reader.text(page[position:])
    return reader.lines()


def _read_markup(page: str, start: int, reader: "_Reader") -> int:
    """Read what begins with the `<` at `start`; return where it ends. Unfinished markup ends the page."""
    if page.startswith("<!--", start):
        return _end_of(page, "-->", start)
    if page.startswith(("<!", "<?"), start):
        return _end_of(page, ">", start)
    if not _LOOKS_LIKE_TAG.match(page, start):
        reader.text("<")
        return start + 1
    if not (tag := _TAG.match(page, start)):
        return len(page)
    name = tag[2].lower()
    if tag[1]:
        reader.end(name)
    elif name in _RAW:
        return _end_of(page, f"</{name}>", tag.end())
    else:
        reader.start(name, tag[3])
    return tag.end()


def _end_of(page: str, end: str, start: int) -> int:
    found = page.find(end, start)
    return found + len(end) if found >= 0 else len(page)


class _Reader:
    """Collects words and separators from the tags and texts of a page, in their order."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._depth = 0  #: how many elements are open
        self._hidden = 0  #: the depth of the outermost element that is not displayed; 0: none
        self._kept = 0  #: the depth of the outermost element whose white space is kept; 0: none
        self._link: tuple[str, int] | None = None  #: the address of the open link, and where its label begins

    def text(self, source: str) -> None:
        if not source or self._hidden:
            return
        text = _decoded(source)
        self._pieces.append(text.translate(_KEEP) if self._kept else _SPACES.sub(" ", text))

    def start(self, name: str, source: str) -> None:
        if name not in _EMPTY:
            self._depth += 1
        if self._hidden:
            return
        attributes = _attributes(source)
        style = attributes.get("style", "")
        if (_NOT_DISPLAYED.search(style) or "hidden" in attributes) and name not in _EMPTY:
            self._hidden = self._depth
            return
        self._pieces.append(_BREAK if name == "br" else _BLOCKS.get(name, ""))
        if not self._kept and (name == "pre" or _KEEPS_LINES.search(style)):
            self._kept = self._depth
        if name == "li":
            self._pieces.append(_BULLET)
        elif name == "img":
            self.text(attributes.get("alt", ""))
        elif name == "a" and not self._link:
            self._link = _decoded(attributes.get("href", "")).strip(), len(self._pieces)

    def end(self, name: str) -> None:
        if name in _EMPTY:
            return
        if not self._hidden:
            if name == "a" and self._link:
                self._end_link(*self._link)
            self._pieces.append(_BLOCKS.get(name, ""))
        if self._hidden == self._depth:
            self._hidden = 0
        if self._kept == self._depth:
            self._kept = 0
        self._depth -= 1

    def _end_link(self, address: str, begin: int) -> None:
        self._link = None
        label = _SEPARATORS.sub(" ", "".join(self._pieces[begin:]).translate(_RESTORE)).strip()
        if _is_missing(address, label):
            # A space on both sides: text that stands next to a URL would become a part of it.
            colon = ": " if label and not label.endswith(":") else " "
            self._pieces.append(f"{colon}{_SPACES.sub('%20', address)} ")

    def lines(self) -> str:
        return _SEPARATORS.sub(_written, "".join(self._pieces)).translate(_RESTORE).strip()


def _decoded(source: str) -> str:
    try:
        return unescape(source)
    except ValueError:  # a number of thousands of digits stands for no character
        return source


def _attributes(source: str) -> dict[str, str]:
    return {name.lower(): value for name, value in _ATTRIBUTE.findall(source)} if source else {}


def _is_missing(address: str, label: str) -> bool:
    """Whether `address` is a URL that the reader of `label` does not see."""
    if not (found := _ADDRESS.fullmatch(address)) or address in label.split():
        return False
    scheme, rest = found[1].lower(), found[2]
    if scheme == "mailto":
        return rest.partition("?")[0].lower() not in label.lower().split()
    if scheme == "tel":
        called, shown = _NOT_DIGITS.sub("", rest), _NOT_DIGITS.sub("", label)
        is_shown = len(shown) >= _MIN_PHONE_DIGITS and shown in called
        return len(called) >= _MIN_PHONE_DIGITS and not is_shown
    return scheme not in _INTERNAL_SCHEMES


def _written(separators: re.Match[str]) -> str:
    run, bullet, _ = separators[0].partition(_BULLET)
    if _PARAGRAPH in run or run.count(_BREAK) > 1:
        lines = "\n\n"
    elif _LINE in run or _BREAK in run:
        lines = "\n"
    else:
        lines = "  " if _CELL in run else " "
    return f"{lines}* " if bullet else lines
