"""Prepare: turn a claimed Delivery into what goes on the wire."""

from collections.abc import Mapping
from typing import Any

from messages.catalogue import Template, UnknownTemplate
from messages.delivery import Channel
from messages.errors import RenderBusy, RenderPostponed, RenderUnavailable, TemplateError
from messages.outcomes import ActionBy, Failed, FailureKind
from messages.outgoing import OutgoingEmail, OutgoingSms
from messages.rendering.context import context_of
from messages.store import Claimed
from tasks.parts import Parts

#: Ready for its channel, or why it is not.
Prepared = OutgoingSms | OutgoingEmail | Failed | RenderPostponed

#: For how long a Message waits when all render processes are at work: between one and so many ms.
RENDER_PAUSE_MS = 1000, 3000


def prepare(parts: Parts, claimed: Claimed) -> Prepared:
    """Render it; a template that cannot be rendered fails this Delivery only."""
    content = claimed.content
    try:
        template = parts.catalogue.find(None, content.template)
        context = context_of(content.fields, content.related, dealership=parts.dealership)
        return _render(parts, claimed, template, context)
    except TemplateError as error:
        return Failed(FailureKind.PERMANENT, str(error), code="template", action_by=ActionBy.CONTENT)
    except RenderBusy as error:
        least, most = RENDER_PAUSE_MS
        return RenderPostponed(str(error), parts.clock() + least + int(parts.random() * (most - least)))
    except RenderUnavailable as error:
        return Failed(FailureKind.RETRYABLE, str(error), code="template", action_by=ActionBy.NOBODY)
    except UnknownTemplate as error:  # accepted by an intake that is newer than this worker
        reason = f"{error.reason}. Workers read the templates when they start."
        return Failed(FailureKind.RETRYABLE, reason, code="template", action_by=ActionBy.OPERATOR)


def _render(
    parts: Parts, claimed: Claimed, template: Template, context: Mapping[str, Any]
) -> OutgoingSms | OutgoingEmail:
    claim = claimed.claim
    route = claim.route
    if route.channel is Channel.SMS:
        return OutgoingSms(
            claim.delivery_id,
            route.recipient,
            route.sender,
            parts.renderer.render_sms(template, context).body,
            tuple(a.url or parts.media_url(a) for a in claimed.content.attachments),
            claim.expires_at,
        )
    return OutgoingEmail(
        claim.delivery_id,
        route.recipient,
        route.sender,
        route.reply_to,
        parts.renderer.render_email(template, context),
        claimed.content.attachments,
    )
