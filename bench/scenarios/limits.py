"""How fast the SMTP server is when nobody renders or stores anything: far faster, or it would be measured."""

import subprocess

from bench import audit
from bench.figures import Figures
from bench.processes import PATIENCE, bare_environment, python
from bench.stage import Stage
from messages.settings import PROJECT_ROOT

_EMAILS = 20_000


def smtp_limit(stage: Stage) -> Figures:
    """E-mails a second over eight connections."""
    count = stage.sizes.of(_EMAILS, least=2_000)
    argv = python("-m", "bench.providers.limit", str(stage.smtp.port), str(count))
    done = subprocess.run(  # noqa: S603 - our own command
        argv, cwd=PROJECT_ROOT, env=bare_environment(), capture_output=True, timeout=PATIENCE, check=True
    )
    audit.check("The limit", stage.smtp.took.report(), [f"{number}@limit" for number in range(count)])
    return {"per_second": float(done.stdout)}
