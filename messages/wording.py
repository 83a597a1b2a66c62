"""How a producer's value is quoted in an error that goes back to that producer."""


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
