"""Nothing lost, nothing doubled, of ours and of the peers alike; and of ours, nothing left unrecorded."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import create_engine, text

from bench.figures import Violation
from bench.providers.arrivals import Report


def check(who: str, report: Report, expected: Iterable[str]) -> None:
    """Each recipient got one, nobody else any, no Message-ID came twice. Raises Violation."""
    got, wanted = Counter(report.recipients), set(expected)
    lost = wanted - got.keys()
    strange = got.keys() - wanted
    doubled = [recipient for recipient, times in got.items() if times > 1]
    for what, found in (("lost", lost), ("sent twice", doubled), ("sent to nobody we know", strange)):
        if found:
            raise Violation(f"{who}: {len(found)} {what}, such as {min(found)}")
    if report.doubled_ids:
        raise Violation(f"{who}: {report.doubled_ids} came with a Message-ID that was there before")


#: Deliveries that are sent, and of which all is recorded: the attempt, how it ended, each event on the way.
_RECORDED = text(
    "SELECT count(*) FROM deliveries d WHERE d.state = 'sent'"
    " AND EXISTS (SELECT 1 FROM attempts a WHERE a.delivery_id = d.id AND a.number = d.attempt"
    " AND a.outcome = 'sent' AND a.finished_at >= a.started_at)"
    " AND 3 = (SELECT count(DISTINCT e.type) FROM events e WHERE e.delivery_id = d.id"
    " AND e.message_id = d.message_id AND e.type IN ('queued', 'sending', 'sent'))"
)


def check_recorded(who: str, url: str, count: int) -> None:
    """So many are sent in the store at `url`, each with its attempt and its events. Raises Violation."""
    engine = create_engine(url)
    with engine.connect() as connection:
        recorded = connection.execute(_RECORDED).scalar_one()
    engine.dispose()
    if recorded != count:
        raise Violation(f"{who}: {count} were sent, of {recorded} attempt and events are recorded")
