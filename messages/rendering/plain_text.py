"""The text body of an e-mail that has only HTML."""

import re

from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.model.config import ParserConfig

_CONFIG = ParserConfig(css=STRICT_CSS_PROFILE, display_links=True)

#: How inscriptis writes a link: `[label](scheme:rest)`.
_LINK = re.compile(r"\[([^\]\n]*)\]\((\w+):([^)\s]*)\)")
_BLANK_LINES = re.compile(r"\n{3,}")


def plain_text(html: str) -> str:
    """Give what a reader of text mail sees: the words, with each link's address beside it.

    Costs most of a millisecond; a template that is sent in bulk does well to have a body.txt.
    """
    # inscriptis indents and pads for centered tables; a line of mail begins at its margin.
    lines = (line.strip() for line in get_text(html, _CONFIG).splitlines())
    return _BLANK_LINES.sub("\n\n", _LINK.sub(_link, "\n".join(lines)))


def _link(match: re.Match[str]) -> str:
    label, scheme, rest = match.groups()
    return f"{label}: {scheme}:{rest}" if scheme in ("http", "https") else label
