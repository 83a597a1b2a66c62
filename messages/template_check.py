"""Whether the template of a Draft can be rendered with what its producer gave.

Most Messages need no render for that: once a template was rendered without complaint, another Message that
gives the same fields passes too, as long as the template reads only fields that cannot be wrong in it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from messages.catalogue import Part
from messages.delivery import Channel
from messages.draft import Draft
from messages.errors import InvalidMessage, RenderUnavailable, TemplateError
from messages.relations import COLLECTIONS, MAX_DEPTH, expand
from messages.rendering.bounded import BoundedRenderer
from messages.rendering.context import RELATED
from messages.rendering.dry_run import Finding, Given
from messages.rendering.source_facts import SourceFacts

#: How long a Draft waits for a process that can render it. Longer, and it is left to the worker.
WAIT_SECONDS = 0.25

#: Fields that were checked at acceptance: whatever they hold, no use of them in a template can fail.
_ALWAYS_RIGHT = frozenset(
    ("id", "externalEmail", "internalEmail", "externalPhoneNumber", "internalPhoneNumber", "attachments")
)

_PARTS = {Channel.SMS: {Part.SMS}, Channel.EMAIL: {Part.SUBJECT, Part.TEXT, Part.HTML}}

#: Gives the channels by which a Draft will be sent; it may ask the store.
Channels = Callable[[Draft], Collection[Channel]]


@dataclass(frozen=True, slots=True)
class TemplateCheck:
    """Renders Drafts without sending them. Safe to share between threads."""

    renderer: BoundedRenderer
    _passed: set[object] = field(default_factory=set)

    def is_needed(self, draft: Draft) -> bool:
        """Whether `check` must be called: it may take long. This does not, and reads no file."""
        facts = self.renderer.known_facts(draft.template)
        return facts is None or _shape(draft, facts) not in self._passed

    def check(self, draft: Draft, channels: Channels) -> None:
        """Raise InvalidMessage for variables that the template needs and the Draft lacks. Blocks.

        A template that cannot be rendered for another reason is left to the worker.
        """
        shape = _shape(draft, self.renderer.facts(draft.template))
        try:
            found = self.renderer.findings(draft.template, _given(draft), wait_seconds=WAIT_SECONDS)
        except (TemplateError, RenderUnavailable):
            return
        if found:
            used = {part for channel in channels(draft) for part in _PARTS[channel]}
            if wrong := [finding for finding in found if finding.part in used]:
                raise _invalid(draft, wrong)
        elif shape is not None:
            self._passed.add(shape)

    def close(self) -> None:
        """End the processes that render."""
        self.renderer.close()


def _shape(draft: Draft, facts: SourceFacts) -> object:
    """The Draft as far as its template can tell it from others; None where its values matter."""
    if facts.reads_everything:
        return None
    given = facts.fields.intersection(draft.fields)
    for name in given - _ALWAYS_RIGHT:
        is_reference = name in RELATED and (COLLECTIONS[name], draft.fields[name]) not in draft.objects
        if not is_reference and not (name == "text" and facts.any_text):
            return None
    has_text = bool(draft.fields.get("text"))
    return draft.template.path, facts, given, has_text, len(draft.fields.get("attachments") or ())


def _given(draft: Draft) -> Given:
    """The Draft as the worker will have it, as far as that is known."""
    related, still_open = {}, []
    for name in RELATED:
        key = (COLLECTIONS[name], draft.fields.get(name) or "")
        if key in draft.objects:
            related[name] = draft.objects[key]
        if key[1] and not _has_made_id(draft.given.get(name)):
            still_open.append(name)
    inline = draft.objects
    whole = expand(
        list(related.values()), MAX_DEPTH, lambda keys: {k: inline[k] for k in keys if k in inline}
    )
    message = {"id": draft.made_id} | draft.fields
    return Given(message, dict(zip(related, whole, strict=True)), still_open)


def _has_made_id(given: object) -> bool:
    """Whether the object has no id but one made from its content: then the store has nothing more of it."""
    return isinstance(given, dict) and not given.get("id")


def _invalid(draft: Draft, findings: Collection[Finding]) -> InvalidMessage:
    fields: dict[str, str] = {}
    for finding in findings:
        where = f"{draft.template.path}/{finding.part}"
        name = finding.field or ("template" if draft.fields.get("template") else "templateType")
        reason = f"is missing: the template {where} needs it" if finding.is_missing else finding.reason
        fields.setdefault(name, reason if finding.is_missing else f"{reason} (template {where})")
    return InvalidMessage("; ".join(f"{name}: {why}" for name, why in fields.items()), fields)
