"""What intake counts, in Prometheus' text format."""

from collections.abc import Callable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily

from messages.errors import StoreUnavailable

ACCEPTED = Counter("roundsman_messages_accepted", "Messages accepted by this process")
ANSWERS = Counter("roundsman_http_answers", "Answers by this process, by HTTP status", ["code"])


class _Waiting:
    """Deliveries under way, read from the store at each scrape."""

    def __init__(self, count: Callable[[], dict[str, int]]) -> None:
        self._count = count

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("roundsman_deliveries", "Deliveries under way", labels=["state"])
        try:
            counts = self._count()
        except StoreUnavailable:
            counts = {}
        for state, number in counts.items():
            family.add_metric([state], number)
        yield family


def exposition(count: Callable[[], dict[str, int]]) -> bytes:
    """Everything counted, for one scrape. `count` gives the Deliveries under way by state."""
    registry = CollectorRegistry()
    registry.register(_Waiting(count))
    return generate_latest(registry) + generate_latest(REGISTRY)
