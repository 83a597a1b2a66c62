"""What intake counts, in Prometheus' text format."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily

from messages.delivery import Channel
from messages.errors import StoreUnavailable

ACCEPTED = Counter("roundsman_messages_accepted", "Messages accepted by this process")
ANSWERS = Counter("roundsman_http_answers", "Answers by this process, by HTTP status", ["code"])


@cache
def _answers_with(status: int) -> Counter:
    return ANSWERS.labels(str(status))


def count_answer(status: int) -> None:
    """Another answer with this HTTP status."""
    _answers_with(status).inc()


class _Waiting:
    """Deliveries under way and open circuits, read from the store at each scrape."""

    def __init__(
        self,
        count: Callable[[], dict[str, int]],
        open_circuits: Callable[[], Collection[str]],
        for_rates: Callable[[], Mapping[Channel, int]],
    ) -> None:
        self._count, self._open_circuits, self._for_rates = count, open_circuits, for_rates

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            counts, opened, paced = self._count(), self._open_circuits(), self._for_rates()
        except StoreUnavailable:  # nobody knows these numbers: a 0 would be read as one
            return
        family = GaugeMetricFamily("roundsman_deliveries", "Deliveries under way", labels=["state"])
        for state, number in counts.items():
            family.add_metric([state], number)
        yield family
        circuits = GaugeMetricFamily(
            "roundsman_circuit_open", "1 while a provider fails and is left alone", labels=["channel"]
        )
        for channel in Channel:
            circuits.add_metric([channel], channel in opened)
        yield circuits
        waiting = GaugeMetricFamily(
            "roundsman_waiting_for_rate",
            "Queued Deliveries that wait for their sender's rate",
            labels=["channel"],
        )
        for channel in Channel:
            waiting.add_metric([channel], paced.get(channel, 0))
        yield waiting


def exposition(
    count: Callable[[], dict[str, int]],
    open_circuits: Callable[[], Collection[str]],
    for_rates: Callable[[], Mapping[Channel, int]],
) -> bytes:
    """Everything counted, for one scrape.

    `count` gives the Deliveries under way by state, `open_circuits` the channels that are left alone,
    `for_rates` how many wait for their sender's rate.
    """
    registry = CollectorRegistry()
    registry.register(_Waiting(count, open_circuits, for_rates))
    return generate_latest(registry) + generate_latest(REGISTRY)
