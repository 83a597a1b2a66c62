"""How things are told: a producer's value in an error that goes back to that producer; a bug to everybody."""

import traceback


def shown(value: object, limit: int = 60) -> str:
    """The value, quoted and cut; of an object or a list only what it is."""
    if isinstance(value, str):
        cut = f"{value[:limit]!r}… ({len(value)} characters)"
        return repr(value) if len(value) <= limit else cut
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)[:limit]
    return kind_of(value)


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def told(bug: BaseException) -> str:
    """An exception nobody foresaw, by its kind and place: its own text may hold what was sent."""
    places = traceback.extract_tb(bug.__traceback__)
    where = f" at {places[-1].filename}:{places[-1].lineno}" if places else ""
    return f"{type(bug).__name__}{where}"
