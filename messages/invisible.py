"""Characters that a reader does not see: white space, control characters, and those that Unicode ignores."""

import re

#: White space, control characters, and `Default_Ignorable_Code_Point` of Unicode (DerivedCoreProperties.txt):
#: soft hyphen, zero-width space and joiners, byte order mark, bidirectional marks, variation selectors and
#: fillers. Also the braille pattern without a dot, which fonts show as a blank.
_INVISIBLE = (
    r"\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_VISIBLE = re.compile(f"[^{_INVISIBLE}]")

#: Invisible characters that are not white space, wherever they stand.
_MARKS = re.compile(f"(?!\\s)[{_INVISIBLE}]")


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing of the text."""
    return _VISIBLE.search(text) is None


def trim(text: str) -> str:
    """The text without what is invisible at its beginning and end."""
    first, last = _VISIBLE.search(text), _VISIBLE.search(text[::-1])
    return text[first.start() : len(text) - last.start()] if first and last else ""


def without_marks(text: str) -> str:
    """The text without invisible characters; white space stays. For short texts."""
    return _MARKS.sub("", text)
