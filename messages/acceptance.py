"""Acceptance: the one way in, for the HTTP door and the queue entrance alike.

draft (checked alone) → plan (with what the store knows) → store. Nothing is half-accepted.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from messages.attachments import AttachmentLimits, is_url
from messages.catalogue import PLAIN, Catalogue, Template
from messages.clock import Clock, from_iso
from messages.delivery import Channel, Route
from messages.draft import Draft, draft
from messages.errors import Conflict, FieldWarning, InvalidMessage, StoreUnavailable, Unforeseen
from messages.field_limits import FieldLimits
from messages.odd_fields import odd_fields
from messages.relations import COLLECTIONS, Objects
from messages.rendering.bounded import BoundedRenderer
from messages.routing import Senders, route, unreadable_addresses, without_long_sms
from messages.settings import Settings
from messages.store import Accepted, NewMessage, Store
from messages.store.related import KnownAttachment, digest
from messages.template_check import TemplateCheck
from messages.wording import told

log = logging.getLogger(__name__)

#: How long Messages that come together are rendered for, in seconds; then the worker finds what they lack.
RENDER_SECONDS = 5

#: What became of one Draft.
Acceptance = Accepted | InvalidMessage | Conflict

#: What checking one of many came to, and what became of it in the end.
Checked = Draft | InvalidMessage | Unforeseen
Result = Acceptance | Unforeseen | StoreUnavailable


@dataclass(frozen=True, slots=True)
class Acceptor:
    """Checks, plans and stores Messages. Synchronous; one per process."""

    store: Store
    catalogue: Catalogue
    limits: AttachmentLimits
    senders: Senders
    clock: Clock
    field_limits: FieldLimits = field(default_factory=FieldLimits)
    template_check: TemplateCheck | None = None  #: None: Messages are rendered by the worker only
    renderer: BoundedRenderer | None = None  #: says what templates read

    @classmethod
    def from_settings(
        cls, settings: Settings, store: Store, clock: Clock, renderer: BoundedRenderer | None = None
    ) -> "Acceptor":
        """As the settings say, with the templates of `renderer`, or those that are in their folder now."""
        renderer = renderer or BoundedRenderer.from_settings(settings, Catalogue.read(settings.templates))
        return cls(
            store,
            renderer.catalogue,
            AttachmentLimits(
                settings.attachment_max_files, settings.attachment_max_bytes, settings.email_max_bytes
            ),
            Senders(settings.sender_email, settings.sender_phone, settings.sender_domains),
            clock,
            FieldLimits.from_settings(settings),
            TemplateCheck(renderer) if settings.render_at_acceptance else None,
            renderer,
        )

    def draft(
        self,
        raw: object,
        idempotency_key: str | None = None,
        *,
        bulk: bool = False,
        warnings: Sequence[FieldWarning] = (),
    ) -> Draft:
        """Check input alone. Raises InvalidMessage."""
        try:
            one = draft(
                raw,
                self.catalogue,
                self.limits,
                idempotency_key,
                bulk=bulk,
                field_limits=self.field_limits,
                warnings=warnings,
            )
        except InvalidMessage as error:
            odd = odd_fields(raw, lambda _: False) if isinstance(raw, dict) else []
            error.warnings = [*warnings, *odd]
            raise
        odd = odd_fields(one.given, partial(self._is_read, one.template))
        return replace(one, warnings=[*warnings, *odd]) if odd else one

    def _is_read(self, template: Template, name: str) -> bool:
        """Whether the template reads this field of the Message; read from its files once."""
        if self.renderer is None:
            return False
        facts = self.renderer.facts(template)
        return facts.reads_everything or name in facts.fields

    def must_render(self, d: Draft) -> bool:
        """Whether `check_template` must be called before `accept`."""
        return self.template_check is not None and d.too_large is None and self.template_check.is_needed(d)

    def check_template(self, d: Draft) -> None:
        """Render without sending. Raises InvalidMessage, which names what the template needs. Blocks.

        A Message that is stored already is left to `accept`, which knows a repeat.
        """
        if self.template_check is None:
            return
        try:
            self.template_check.check(d, self._channels)
        except InvalidMessage as error:
            if self.store.find_repeat(d) is None:
                error.warnings = d.warnings
                raise

    def accept(self, drafts: Sequence[Draft], until: float | None = None) -> list[Acceptance]:
        """Store these, in one transaction; one result each, in order. Raises StoreUnavailable.

        `until`, by time.monotonic(): later than that nothing is stored.
        """
        known = self._known(drafts)
        named = {attachment for d in drafts for attachment in _attachment_ids(d)}
        before = self.store.known_attachments(named) if named else {}
        planned = [self._plan(d, known, before) for d in drafts]
        new = [plan for plan in planned if isinstance(plan, NewMessage)]
        stored = iter(
            self.store.accept(new, self.clock, until, self.field_limits.object_bytes) if new else ()
        )
        return [next(stored) if isinstance(plan, NewMessage) else plan for plan in planned]

    def close(self) -> None:
        """End the processes that render."""
        if self.template_check is not None:
            self.template_check.close()

    def check(self, entries: Iterable[tuple[object, str | None]], *, bulk: bool = False) -> list[Checked]:
        """Check many, each with its idempotency key: what is wrong with one spoils no other.

        Raises StoreUnavailable, where a template must be tried with what the store knows.
        """
        until = time.monotonic() + RENDER_SECONDS
        return [self._checked(raw, key, bulk, until) for raw, key in entries]

    def accept_each(self, checked: Sequence[Checked], until: float | None = None) -> list[Result]:
        """Store the Drafts among these; results in order. Raises StoreUnavailable: none is stored.

        Together; where that fails, each by itself, so that one that cannot be stored spoils no other. If the
        store goes away meanwhile, StoreUnavailable is the result of those that are not stored.
        """
        stored = iter(self._stored([one for one in checked if isinstance(one, Draft)], until))
        return [next(stored) if isinstance(one, Draft) else one for one in checked]

    def _checked(self, raw: object, key: str | None, bulk: bool, render_until: float) -> Checked:
        try:
            one = self.draft(raw, key, bulk=bulk)
            if self.must_render(one) and time.monotonic() < render_until:
                self.check_template(one)
        except StoreUnavailable:
            raise
        except InvalidMessage as error:
            return error
        except Exception as error:  # noqa: BLE001 - a bug must not take the others with it
            log.error("Nobody classified %s while a Message was checked", told(error))  # noqa: TRY400
            return Unforeseen(f"It could not be checked ({type(error).__name__}).")
        return one

    def _stored(self, drafts: Sequence[Draft], until: float | None) -> Sequence[Result]:
        try:
            return self.accept(drafts, until)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - likewise
            log.error("Nobody classified %s while Messages were stored", told(error))  # noqa: TRY400
            if len(drafts) > 1:
                return self._one_by_one(drafts, until)
            return [Unforeseen(f"It could not be stored ({type(error).__name__}).")]

    def _one_by_one(self, drafts: Sequence[Draft], until: float | None) -> Sequence[Result]:
        """Once the store is away the rest is not tried: each would wait for it."""
        results: list[Result] = []
        for one in drafts:
            try:
                results += self._stored([one], until)
            except StoreUnavailable as error:
                return [*results, *[error] * (len(drafts) - len(results))]
        return results

    def _channels(self, d: Draft) -> set[Channel]:
        """The channels by which it will be sent; none where it cannot be, which is said later."""
        try:
            return {route.channel for route in self._routes(d, self._known([d]))}
        except InvalidMessage:
            return set()

    def _routes(self, d: Draft, known: Objects) -> list[Route]:
        return route(
            d.fields,
            lead=_find("lead", d, known),
            sales_rep=_find("salesRep", d, known),
            channels=d.template.channels,
            senders=self.senders,
        )

    def _known(self, drafts: Sequence[Draft]) -> Objects:
        """What is kept of the related objects that routing may need, or that are given again."""
        wanted = {
            (COLLECTIONS[name], d.fields[name])
            for d in drafts
            for name in ("lead", "salesRep")
            if d.fields.get(name)
        }
        wanted |= {key for d in drafts for key in d.objects}
        return self.store.objects(wanted) if wanted else Objects()

    def _plan(self, d: Draft, known: Objects, before: dict[str, KnownAttachment]) -> NewMessage | Acceptance:
        """What is to be stored; or what became of the Draft, where nothing is."""
        try:
            if d.too_large is not None:
                raise d.too_large
            return self._new_message(d, known, before)
        except InvalidMessage as error:
            error.warnings = d.warnings
            # What was accepted once may be repeated at any time, whatever has changed since.
            return self.store.find_repeat(d) or error

    def _new_message(self, d: Draft, known: Objects, before: dict[str, KnownAttachment]) -> NewMessage:
        """Raises InvalidMessage."""
        now = self.clock()
        send_at = from_iso(d.fields["sendAt"]) if d.fields.get("sendAt") else now
        later = send_at if send_at > now else None
        expires_at = _expiry(d, later or now, now)
        _check_attachments(d, before)
        sizes = _sizes(d, before)
        self.limits.check(len(d.fields.get("attachments") or ()), sum(sizes))
        self.field_limits.check_merged(d.objects, known, d.given)
        routes = self._routes(d, known)
        warnings = [*d.warnings, *_unreadable(d, known)]
        if d.template.path == PLAIN:  # its SMS is the text, and nothing else
            routes, found = without_long_sms(routes, d.fields.get("text", ""))
            warnings += found
        if any(one.channel is Channel.EMAIL for one in routes):
            self.limits.check_email(sizes, d.fields.get("text") or "")
        return NewMessage(d, routes, later, expires_at, warnings)


def _expiry(d: Draft, due: int, now: int) -> int | None:
    """The Message's own, else its template type's, counted from when it is due. Raises InvalidMessage."""
    given = d.fields.get("expiresAt")
    if given is None:
        after = d.template.expires_after
        return None if after is None else due + int(after * 1000)
    at = from_iso(given)
    if at <= now:
        reason = f"{given!r} lies in the past: it would never be sent"
        raise InvalidMessage(f"expiresAt: {reason}", {"expiresAt": reason})
    return at


def _unreadable(d: Draft, known: Objects) -> list[FieldWarning]:
    """Warnings for the addresses of objects given with the Message, or that it needs for its recipient."""
    has_recipient = d.fields.get("externalEmail") or d.fields.get("externalPhoneNumber")
    found: list[FieldWarning] = []
    for name in ("lead", "salesRep"):
        is_inline = (COLLECTIONS[name], d.fields.get(name)) in d.objects
        if is_inline or (name == "lead" and not has_recipient):
            found += unreadable_addresses(name, _find(name, d, known) or {})
    return found


def _find(name: str, d: Draft, known: Objects) -> dict[str, object] | None:
    key = (COLLECTIONS[name], d.fields.get(name) or "")
    if key not in known and key not in d.objects:
        return None
    return known.get(key, {}) | d.objects.get(key, {})


def _attachment_ids(d: Draft) -> list[str]:
    return [reference for reference in d.fields.get("attachments") or () if not is_url(reference)]


def _sizes(d: Draft, before: dict[str, KnownAttachment]) -> list[int]:
    """Those of the attachments of which it is known; what is to be fetched has none yet."""
    given = {a.id: len(a.content) for a in d.attachments if a.content is not None}
    known = {name: one.size for name, one in before.items() if one.size is not None}
    ids = _attachment_ids(d)
    return [size for name in ids if (size := given.get(name, known.get(name))) is not None]


def _check_attachments(d: Draft, known: dict[str, KnownAttachment]) -> None:
    """An id must be one given before, or given here; and an id means one content for ever."""
    given = {a.id: digest(a) for a in d.attachments}
    for index, reference in enumerate(d.fields.get("attachments") or ()):
        if is_url(reference):
            continue
        before, here = known[reference].digest if reference in known else None, given.get(reference)
        if before is None and here is None:
            reason = f"{reference!r} is no attachment given before; give its url or content"
        elif before is not None and here is not None and before != here:
            reason = f"{reference!r} was given before with other content; use another id"
        else:
            continue
        where = f"attachments[{index}]"
        raise InvalidMessage(f"{where}: {reason}", {where: reason})
