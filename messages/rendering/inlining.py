"""CSS moved into style attributes: there it is found by mail clients that drop what is in the head.

What becomes of a page by that depends on its tags, and two e-mails of one template hardly differ in these,
only in what stands between them. So tags are inlined once, with placeholders for the texts, and kept: to
parse the CSS and the page again for each e-mail would take a good part of the time that sending one does.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, zip_longest

from css_inline import CSSInliner

#: How many frames are kept, and of how long pages, in characters: most have some thousands.
_KEPT, _LONGEST = 128, 100_000

#: A style sheet with its tags is one, too: what is in it is no text that is shown.
#: A `<` within a tag makes it a text, and so the page one that is inlined as a whole.
_TAG = re.compile(r"(<style[^<>]*>[^<]*</style>|<[^<>]*>)")
_MARK = "\ue000"
_PLACEHOLDER = re.compile(f"{_MARK}([0-9]+){_MARK}")


class Inliner:
    """Inlines pages; safe to share between threads."""

    def __init__(self) -> None:
        self._inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
        self._frame = lru_cache(_KEPT)(self._make_frame)

    def inline(self, html: str) -> str:
        """The page, with each tag's style. Raises css_inline's InlineError, or ValueError."""
        if len(html) > _LONGEST:
            return self._inliner.inline(html)
        pieces = _TAG.split(html)  # blank or text, tag, blank or text, …
        texts = [piece for piece in pieces[::2] if piece and not piece.isspace()]
        pieces[::2] = [_MARK if piece and not piece.isspace() else piece for piece in pieces[::2]]
        frame = self._frame(tuple(pieces)) if _is_plain(texts) else None
        if frame is None:
            return self._inliner.inline(html)
        return "".join(chain.from_iterable(zip_longest(frame, texts, fillvalue="")))

    def _make_frame(self, pieces: Sequence[str]) -> Sequence[str] | None:
        """What stands before, between and behind the texts, inlined; None where that cannot be told."""
        if any(map(_is_open_style, pieces[1::2])):
            return None
        page, count = [], 0
        for piece in pieces:
            page.append(f"{_MARK}{count}{_MARK}" if piece == _MARK else piece)
            count += piece == _MARK
        inlined = _PLACEHOLDER.split(self._inliner.inline("".join(page)))
        in_order = inlined[1::2] == [str(number) for number in range(count)]
        return inlined[::2] if in_order else None


def _is_plain(texts: Sequence[str]) -> bool:
    """Whether they can end no tag, comment or attribute, and begin none."""
    return not any("<" in text or ">" in text for text in texts)


def _is_open_style(tag: str) -> bool:
    """Whether its style sheet was taken for a text: it has a < in it, or is spelt <STYLE>."""
    return tag[:6].lower() == "<style" and tag[-8:] != "</style>"
