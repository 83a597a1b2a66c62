"""Related objects in the place of ids: as deep as asked for, and within bounds of number and size."""

from collections.abc import Collection

import orjson

from messages.relations import Key, Objects, expand


class Directory:
    def __init__(self, objects: Objects) -> None:
        self.objects, self.read = objects, 0

    def __call__(self, keys: Collection[Key]) -> Objects:
        self.read += len(keys)
        return {key: self.objects[key] for key in keys if key in self.objects}


def leads(count: int, size: int) -> Directory:
    return Directory({("leads", f"l{n:04}"): {"id": f"l{n:04}", "note": "n" * size} for n in range(count)})


def expanded(fields: list[dict], depth: int, directory: Directory, **limits: int) -> int:
    shown = expand(fields, depth, directory, **limits)
    return sum(isinstance(one["lead"], dict) for one in shown)


def test_answer_has_no_more_objects_than_the_limit():
    fields = [{"lead": f"l{n:04}"} for n in range(50)]
    assert expanded(fields, 1, leads(50, 10), limit=20) == 20


def test_answer_has_no_more_bytes_of_objects_than_the_limit_and_ids_beyond():
    fields = [{"lead": f"l{n:04}"} for n in range(100)]
    shown = expand(fields, 1, leads(100, 60_000))
    assert len(orjson.dumps(shown)) < 4_100_000
    assert shown[0]["lead"]["id"] == "l0000"
    assert shown[-1]["lead"] == "l0099"


def test_one_large_object_in_many_messages_counts_each_time():
    assert expanded([{"lead": "l0000"}] * 100, 1, leads(1, 60_000)) == 66


def test_objects_are_not_read_once_there_is_no_room_for_them():
    directory = leads(1000, 60_000)
    assert expanded([{"lead": f"l{n:04}"} for n in range(1000)], 1, directory) == 66
    assert directory.read == 200


def test_attachments_count_by_their_size_only():
    directory = Directory({("attachments", "a"): {"id": "a"}, ("leads", "l"): {"id": "l"}})
    [shown] = expand([{"lead": "l", "attachments": ["a", "unknown"]}], 1, directory, limit=1)
    assert shown == {"lead": {"id": "l"}, "attachments": [{"id": "a"}, "unknown"]}
    [shown] = expand([{"attachments": ["a"]}], 1, directory, limit_bytes=5)
    assert shown == {"attachments": ["a"]}


def test_object_that_holds_itself_is_expanded_once():
    directory = Directory(
        {("leads", "l"): {"id": "l", "agent": "a"}, ("agents", "a"): {"id": "a", "lead": "l"}}
    )
    assert expand([{"lead": "l"}], 10, directory) == [
        {"lead": {"id": "l", "agent": {"id": "a", "lead": "l"}}}
    ]
