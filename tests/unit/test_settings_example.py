"""`.env.example` is true of every setting: that it exists, its default, and an example that works."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from messages.settings import PROJECT_ROOT, Settings

TEXT = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8")
#: name → the comment above it, and the example.
DOCUMENTED = {
    name: (comment, example)
    for comment, name, example in re.findall(r"((?:^# .*\n)+?)^# ([A-Z][A-Z_]+)=(.*)$", TEXT, re.MULTILINE)
}
FIELDS = {name.upper(): field for name, field in Settings.model_fields.items()}
#: Defaults that are said in words.
FOLDERS = {"VAR_DIR": "var", "TEMPLATES_DIR": "templates"}


def only_for_docker():
    compose = (PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(compose)
    return set(re.findall(r"\$\{([A-Z_]+)", compose)) - FIELDS.keys()


def test_every_setting_is_documented_and_nothing_else():
    assert DOCUMENTED.keys() == FIELDS.keys() | only_for_docker()


def test_nothing_is_set_by_the_example_as_it_is():
    assert [line for line in TEXT.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_the_documented_default_is_the_real_one(name):
    said = re.search(r"^# Default: (.*)$", DOCUMENTED[name][0], re.MULTILINE)
    assert said, f"{name} has no line `# Default: …`"
    real = FIELDS[name].default
    if name in FOLDERS:
        assert said[1] == f"{FOLDERS[name]} in the project's folder"
        assert real == PROJECT_ROOT / FOLDERS[name]
    elif real in ("", (), None):
        assert said[1].startswith("empty")
    else:
        assert said[1] == (str(real).lower() if isinstance(real, bool) else str(real))


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_the_example_is_accepted_and_differs_from_the_default(name, monkeypatch):
    monkeypatch.setenv(name, DOCUMENTED[name][1])
    value = getattr(Settings(_env_file=None), name.lower())
    assert value != FIELDS[name].default
    assert not isinstance(value, str | SecretStr | Path) or str(value)


@pytest.mark.parametrize("name", sorted(name for name in FIELDS if name.endswith(("_SECONDS", "_BYTES"))))
def test_the_unit_is_said(name):
    assert f"in {name.rpartition('_')[2].lower()}" in DOCUMENTED[name][0]
