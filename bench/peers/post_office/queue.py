"""`python -m bench.peers.post_office.queue NAME COUNT`: queues that many e-mails.

They are rendered here, by Roundsman's own templates, as post_office does unless it is told to render on
delivery: while the backlog is drained, it has only to send.
"""

import sys
from itertools import islice

import django

django.setup()

from post_office import mail  # noqa: E402 - once Django is set up

from bench.corpus import DEALERSHIP, SENDER, TEMPLATES, TEXT, addresses  # noqa: E402
from messages.catalogue import Catalogue  # noqa: E402
from messages.rendering.context import context_of  # noqa: E402
from messages.rendering.renderer import Renderer  # noqa: E402

_CHUNK = 500


def main() -> None:
    """Render once, for all get the same text; queue in bulk."""
    catalogue = Catalogue.read(TEMPLATES)
    renderer = Renderer(catalogue, TEMPLATES, dealership=DEALERSHIP, timezone="UTC")
    context = context_of({"id": "bench", "text": TEXT}, {}, dealership=DEALERSHIP)
    rendered = renderer.render_email(catalogue.find(None, None), context)
    entries = (
        {
            "recipients": [recipient],
            "sender": SENDER,
            "subject": rendered.subject,
            "message": rendered.text,
            "html_message": rendered.html,
        }
        for recipient in addresses(sys.argv[1], int(sys.argv[2]))
    )
    while chunk := list(islice(entries, _CHUNK)):
        mail.send_many(chunk)


if __name__ == "__main__":
    main()
