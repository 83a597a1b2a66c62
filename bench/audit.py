"""Nothing lost, nothing doubled: looked at after every run, of ours and of the peers alike."""

from collections import Counter
from collections.abc import Iterable

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
