"""`python -m messages.rendering.process_main OPTIONS`: renders what standard input asks for, until its end.

The kernel ends the process when one request has used up its processor time: no regular expression, no loop
of a template and no dead parent can keep it running. Its memory is limited as well.
"""

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from messages.catalogue import Catalogue, Part, Template
from messages.errors import TemplateError
from messages.rendering.dry_run import Given
from messages.rendering.process import requests, write
from messages.rendering.renderer import Renderer
from messages.rendering.templates_in_use import Templates
from messages.wording import told

#: Bytes that rendering one Message may take beyond what the process has when it starts.
MAX_MEMORY_BYTES = 500_000_000

#: What others on this machine do goes first.
_NICENESS = 5


def main() -> None:
    """Answer requests one by one."""
    options = json.loads(sys.argv[1])
    timeout_seconds = options.pop("timeout_seconds")
    templates = Templates(
        Renderer(Catalogue([]), Path(options.pop("folder")), **options), reload=options["reload"]
    )
    # What a library prints must not get between the answers.
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with suppress(OSError):
        os.nice(_NICENESS)
    _limit_memory()
    for request in requests(sys.stdin.buffer):
        signal.setitimer(signal.ITIMER_PROF, timeout_seconds)
        answer = _answer(templates, request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        write(answers, answer)


def _limit_memory() -> None:
    with suppress(OSError, ValueError):  # not every system has /proc, or such a limit
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + MAX_MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _answer(templates: Templates, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"made": _made(templates, request)}
    except TemplateError as error:
        return {"error": [error.reason, error.template, error.line, error.variable]}
    except Exception as error:  # noqa: BLE001 - it goes to the process that asked
        return {"bug": told(error)}


def _made(templates: Templates, request: dict[str, Any]) -> Any:
    kind, name, parts = request["template"]
    template = Template(kind, name, frozenset(map(Part, parts)))
    match request["kind"]:
        case "sms":
            return asdict(templates.renderer.render_sms(template, request["context"]))
        case "email":
            return asdict(templates.renderer.render_email(template, request["context"]))
    return [asdict(finding) for finding in templates.findings(template, Given(**request["given"]))]


if __name__ == "__main__":
    main()
