"""Texts as they are sent: one kind of line break, no control characters, no halves of characters."""

import re

#: Line breaks beside the line feed: of old Macs, word processors (vertical tab) and printers (form feed), and
#: the separators of files, groups and records in ASCII, which Unicode counts as ends of a paragraph.
_LINE_BREAKS = b"\r\v\f\x1c\x1d\x1e"
_UNIT_SEPARATOR = b"\x1f"
_TRANSLATED = _LINE_BREAKS + _UNIT_SEPARATOR
_TABLE = bytes.maketrans(_TRANSLATED, b"\n" * len(_LINE_BREAKS) + b" ")

#: No reader shows these, and mail servers and providers refuse some: the rest of C0 but tab, and DEL.
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n" + _TRANSLATED)

#: What else Unicode calls a line break: next line, line separator, paragraph separator.
_UNICODE_LINE_BREAK = re.compile("[\x85\u2028\u2029]")
_SPACES = re.compile("[ \t\n\x85\u2028\u2029]+")


def clean(text: str) -> str:
    """Return the text with a line feed per line break of ASCII, without control characters and surrogates.

    By way of bytes: ten times as fast as a pattern. Line breaks beyond ASCII stay as they were given.
    """
    data = text.encode("utf-8", "ignore").replace(b"\r\n", b"\n")
    return data.translate(_TABLE, _CONTROLS).decode()


def on_one_line(text: str) -> str:
    """Return a clean text on one line: for a header. Other spaces than ASCII's stay as they were given."""
    return _SPACES.sub(" ", text).strip(" ")


def with_line_feeds(text: str) -> str:
    """Return a text whose line breaks, those beyond ASCII included, are line feeds: for HTML."""
    return _UNICODE_LINE_BREAK.sub("\n", clean(text))
