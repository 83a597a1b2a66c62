"""How much is too much: what takes kilobytes to send can take megabytes to hold."""

from messages.errors import InvalidMessage

#: More Messages at once than this are a bulk, which goes in a lane of its own: see `messages.delivery.Lane`.
BULK_FROM = 21

#: The most Messages that a producer may post at once.
MAX_BATCH = 1000


def check_values(json: bytes, most: int) -> None:
    """Refuse JSON of many values before it is parsed: `[{},{},…` takes thirty times its size in memory.

    Counts what separates values, also where it stands in texts. Raises InvalidMessage.
    """
    # No JSON of so few bytes can have more.
    if len(json) > most and sum(map(json.count, (b",", b"[", b"{"))) > most:
        raise InvalidMessage(f"The JSON has more than {most:,} values (or commas): too many for a Message.")
