"""Compares what was accepted, what the providers took and what the store says."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from messages.clock import from_iso
from messages.store import Store
from messages.view import show
from tests.chaos.arrivals import Arrival, Provider
from tests.chaos.load import Produced
from tests.chaos.recovery import Journey

_SENT = {"sent", "delivered", "undelivered"}
_OVER = _SENT | {"failed", "expired", "unknown"}
_KEPT = 20
_CHUNK = 500


@dataclass
class Findings:
    """What the audit found. `violations`: a sentence each; there must be none."""

    accepted: int = 0
    deliveries: int = 0
    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled_sms: int = 0
    doubled_email: int = 0
    marked_email: int = 0
    unknown: Counter[str] = field(default_factory=Counter)  #: why it could not be settled, how often
    not_taken_in: int = 0  #: pushed onto a queue that was lost before a worker took them: no promise
    journeys: list[Journey] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    def violate(self, what: str, evidence: object) -> None:
        """A promise is broken."""
        self.counted[what] += 1
        if self.counted[what] <= _KEPT:
            self.violations.append(f"{what}: {evidence}")


def audit(store: Store, produced: Sequence[Produced], sms: Provider, email: Provider) -> Findings:
    """Look at every Message that was accepted."""
    findings = Findings()
    accepted = [message for message in produced if message.accepted_at is not None]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message, shown in _stored(store, accepted):
        if shown is None:
            _missing(findings, message)
            continue
        findings.accepted += 1
        channels = {delivery["channel"] for delivery in shown["deliveries"]}
        if channels != message.channels:
            findings.violate("a Delivery is missing", (message.id, sorted(channels)))
        for delivery in shown["deliveries"]:
            delivery["message"], delivery["since"] = message, message.accepted_at
            _count(findings, delivery)
            if delivery["channel"] == "sms":
                groups[message.token].append(delivery)
            else:
                _audit_email(findings, delivery, email)
    for token, deliveries in groups.items():
        _audit_sms(findings, deliveries, sms.arrivals.get(token, []), sms)
    return findings


def _stored(store: Store, accepted: Sequence[Produced]) -> Iterator[tuple[Produced, dict[str, Any] | None]]:
    rest = iter(accepted)
    while chunk := list(islice(rest, _CHUNK)):
        shown = show(store.find([message.id for message in chunk]), 0, store.objects)
        by_id = {each["id"]: each for each in shown}
        yield from ((message, by_id.get(message.id)) for message in chunk)


def _missing(findings: Findings, message: Produced) -> None:
    if message.pushed:
        findings.not_taken_in += 1
    else:
        findings.lost += 1
        findings.violate("accepted, and not in the store", message.id)


def _count(findings: Findings, delivery: Mapping[str, Any]) -> None:
    state = delivery["status"]
    findings.deliveries += 1
    findings.states[state] += 1
    if state == "unknown":
        findings.unknown[f"{delivery['channel']}: {delivery['error']}"] += 1
    if state not in _OVER:
        findings.violate("neither final nor unknown", _evidence(delivery))
    elif state in {"failed", "unknown"} and not delivery["error"]:
        findings.violate(f"{state} without a reason", _evidence(delivery))


def _audit_email(findings: Findings, delivery: Mapping[str, Any], provider: Provider) -> None:
    token = delivery["message"].token
    arrivals = provider.arrivals.get(token, [])
    _check_state(findings, [delivery], arrivals, token in provider.refused)
    identities = {arrival.identity for arrival in arrivals}
    own = {i for i in identities if i.startswith(delivery["id"])}
    if own != identities or len(identities) > 1:
        findings.violate("another Message-ID", (_evidence(delivery), sorted(identities)))
    if len(arrivals) > 1:
        findings.doubled_email += 1
        marked = sum(attempt.get("possibleDuplicate", False) for attempt in delivery["attempts"])
        if marked >= len(arrivals) - 1:
            findings.marked_email += 1
        else:
            findings.violate("a second e-mail that is not marked", _evidence(delivery, arrivals))


def _audit_sms(
    findings: Findings,
    deliveries: Sequence[Mapping[str, Any]],
    arrivals: Sequence[Arrival],
    provider: Provider,
) -> None:
    """Two Messages that say the same to the same number are looked at together."""
    if len(arrivals) > len(deliveries):
        findings.doubled_sms += len(arrivals) - len(deliveries)
        evidence = [_evidence(delivery, arrivals) for delivery in deliveries]
        findings.violate("an SMS that was sent twice", evidence)
    _check_state(findings, deliveries, arrivals, deliveries[0]["message"].token in provider.refused)
    named = [d["providerId"] for d in deliveries if d["status"] in _SENT]
    if len(set(named)) < len(named) or not set(named) <= {arrival.identity for arrival in arrivals}:
        findings.violate("a SID that is not this SMS's own", [_evidence(d, arrivals) for d in deliveries])


def _check_state(
    findings: Findings, deliveries: Sequence[Mapping[str, Any]], arrivals: Sequence[Arrival], refused: bool
) -> None:
    sent = sum(delivery["status"] in _SENT for delivery in deliveries)
    if sent > len(arrivals):
        findings.lost += sent - len(arrivals)
        findings.violate("sent, says the store, and the provider never got it", _evidence(deliveries[0]))
    if not refused and any(delivery["status"] == "failed" for delivery in deliveries):
        findings.lost += 1
        findings.violate("failed, and the provider never refused it", [_evidence(d) for d in deliveries])
    for delivery, arrival in zip(deliveries, arrivals, strict=False):
        since = delivery["since"]
        findings.journeys.append(
            Journey(delivery["channel"], since, arrival.at, [_span(a) for a in delivery["attempts"]])
        )


def _span(attempt: Mapping[str, Any]) -> tuple[float, float]:
    """When an attempt held the Delivery; with the pause after it, which is part of trying again."""
    return _seconds(attempt["startedAt"]) - 0.01, _seconds(attempt["finishedAt"]) + 2.0


def _seconds(iso: str | None) -> float:
    return from_iso(iso) / 1000 if iso else float("inf")


def _evidence(delivery: Mapping[str, Any], arrivals: Sequence[Arrival] = ()) -> dict[str, Any]:
    wanted = ("id", "channel", "status", "error", "providerId", "nextAttemptAt", "attempts")
    took = [(round(a.at, 3), a.identity) for a in arrivals]
    return {"message": delivery["message"].id, **{n: delivery[n] for n in wanted}, "took": took}
