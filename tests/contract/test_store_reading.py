"""What every store promises of reading: texts as they were given, lists, related objects level by level."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages.acceptance import Acceptor
from messages.delivery import Channel
from messages.states import DeliveryState
from messages.store import Accepted, Result, Store
from tests.stored import BOTH, claim, shown


@given(text=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_any_text_comes_back_as_it_was_given(acceptor: Acceptor, store: Store, text: str):
    result = acceptor.accept([acceptor.draft({**BOTH, "text": f".{text}"})])[0]
    assert isinstance(result, Accepted)
    assert shown(store, result.message_id)["text"] == f".{text}"


def test_lists_are_newest_first_and_filter_by_status(store, accept, clock):
    accepted = []
    for _ in range(5):
        accepted.append(accept(externalPhoneNumber="804-222-1111", text="Hello"))
        clock.pass_seconds(1)
    claimed = claim(store, accepted[1], Channel.SMS, clock)[0]
    store.record([Result(claimed.claim, DeliveryState.SENT, "sent")], clock())
    newest_first = [a.message_id for a in reversed(accepted)]
    assert [s.message.id for s in store.page(None, 3, 1).items] == newest_first[:3]
    assert [s.message.id for s in store.page(None, 3, 2).items] == newest_first[3:]
    sent = store.page(DeliveryState.SENT, 10, 1)
    assert ([s.message.id for s in sent.items], sent.total) == ([accepted[1].message_id], 1)


def test_an_attachments_content_is_never_shown(store, accept):
    message_id = accept(**BOTH, attachments=["data:text/plain;name=a.txt;base64,SGVsbG8="]).message_id
    assert "SGVsbG8" not in str(shown(store, message_id, 0))
    assert shown(store, message_id, 1)["attachments"][0]["filename"] == "a.txt"
    assert shown(store, message_id, 1)["attachments"][0]["size"] == 5
    assert "SGVsbG8" not in str(shown(store, message_id, 1))


# Related objects


def test_depth_expands_related_objects_level_by_level(store, accept):
    lead = {"id": "lead-1", "firstName": "Dana", "salesRep": {"id": "rep-1", "name": "Sam"}}
    message_id = accept(**BOTH, lead=lead, agent="agent-nobody-knows").message_id
    assert shown(store, message_id, 0)["lead"] == "lead-1"
    assert shown(store, message_id, 1)["lead"] == {"id": "lead-1", "firstName": "Dana", "salesRep": "rep-1"}
    assert shown(store, message_id, 2)["lead"]["salesRep"] == {"id": "rep-1", "name": "Sam"}
    assert shown(store, message_id, 2)["agent"] == "agent-nobody-knows"


def test_an_object_given_again_keeps_the_fields_that_are_not_given(store, accept):
    accept(**BOTH, lead={"id": "lead-1", "firstName": "Dana", "city": "Reno"})
    accept(**BOTH, lead={"id": "lead-1", "city": "Sparks"})
    found = store.objects([("leads", "lead-1")])
    assert found["leads", "lead-1"] == {"id": "lead-1", "firstName": "Dana", "city": "Sparks"}


def test_no_field_of_an_object_that_several_give_at_once_is_lost(acceptor, store):
    def give(number: int) -> None:
        lead = {"id": "lead-1", f"field{number}": number}
        acceptor.accept([acceptor.draft({**BOTH, "lead": lead})])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(give, range(60)))
    assert len(store.objects([("leads", "lead-1")])["leads", "lead-1"]) == 61


def test_objects_that_hold_each_other_are_expanded_without_end_nowhere(store, accept, clock):
    names = {"agent": "a", "lead": "l", "salesRep": "s", "template": "plain/default"}
    crosswise = {
        name: {"id": key, **{other: k for other, k in names.items() if other != "template"}}
        for name, key in names.items()
        if name != "template"
    }
    accepted = accept(**BOTH, **crosswise)
    message = shown(store, accepted.message_id, depth=10)
    assert len(str(message)) < 10_000
    assert message["lead"]["agent"]["lead"] == "l"
    assert claim(store, accepted, Channel.SMS, clock)[0].content.related["lead"]["id"] == "l"
