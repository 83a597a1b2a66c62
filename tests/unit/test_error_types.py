"""Error types are what programs rely on: docs, code and HTTP statuses agree on them."""

import re
from pathlib import Path

from intake.answers import type_of
from messages.errors import ErrorType

_ROW = re.compile(r"^\| `(\w+)` \| ([0-9, ]+) \|", re.MULTILINE)


def _documented() -> dict[str, set[int]]:
    page = Path(__file__).parents[2] / "docs" / "errors.md"
    return {name: {int(code) for code in codes.split(",")} for name, codes in _ROW.findall(page.read_text())}


def test_documented_error_types_are_those_of_the_code():
    assert set(_documented()) == set(ErrorType)


def test_type_of_each_status_is_documented_with_that_status():
    documented = _documented()
    for code in (400, 401, 403, 404, 405, 408, 409, 413, 415, 431, 500, 501, 503):
        assert code in documented[type_of(code)]
