"""What intake counts, in Prometheus' text format."""

from collections.abc import Callable, Collection, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily

from messages.delivery import Channel
from messages.errors import StoreUnavailable

ACCEPTED = Counter("roundsman_messages_accepted", "Messages accepted by this process")
ANSWERS = Counter("roundsman_http_answers", "Answers by this process, by HTTP status", ["code"])


class _Waiting:
    """Deliveries under way and open circuits, read from the store at each scrape."""

    def __init__(
        self, count: Callable[[], dict[str, int]], open_circuits: Callable[[], Collection[str]]
    ) -> None:
        self._count, self._open_circuits = count, open_circuits

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("roundsman_deliveries", "Deliveries under way", labels=["state"])
        try:
            counts, opened = self._count(), self._open_circuits()
        except StoreUnavailable:
            counts, opened = {}, ()
        for state, number in counts.items():
            family.add_metric([state], number)
        yield family
        circuits = GaugeMetricFamily(
            "roundsman_circuit_open", "1 while a provider fails and is left alone", labels=["channel"]
        )
        for channel in Channel:
            circuits.add_metric([channel], channel in opened)
        yield circuits


def exposition(count: Callable[[], dict[str, int]], open_circuits: Callable[[], Collection[str]]) -> bytes:
    """Everything counted, for one scrape.

    `count` gives the Deliveries under way by state, `open_circuits` the channels that are left alone.
    """
    registry = CollectorRegistry()
    registry.register(_Waiting(count, open_circuits))
    return generate_latest(registry) + generate_latest(REGISTRY)
