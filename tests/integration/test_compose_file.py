"""docker-compose.yml and the Dockerfile, read: the schema holds, nothing secret or slack is in them."""

import re
import shlex
import subprocess
import sys

import pytest
import yaml

from messages.settings import PROJECT_ROOT

COMPOSE_TEXT = (PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES = COMPOSE["services"]
LONG_LIVED = sorted(SERVICES.keys() - {"migrate"})
OURS = ["flower", "intake", "migrate", "worker"]
DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_file_keeps_to_the_compose_schema():
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    done = subprocess.run(
        [sys.executable, *command], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_parts_are_there():
    assert SERVICES.keys() == {"postgres", "valkey", "mailpit", "migrate", "intake", "worker", "flower"}


@pytest.mark.parametrize("name", LONG_LIVED)
def test_a_service_has_a_health_check_and_comes_back_by_itself(name):
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_migrate_runs_once_and_the_others_wait_for_its_good_end():
    assert SERVICES["migrate"]["restart"] == "on-failure"
    for name in ("intake", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_every_image_is_pinned_to_a_version():
    images = {service["image"] for name, service in SERVICES.items() if name not in OURS}
    assert all(re.search(r":v?\d+\.\d+", image) for image in images), images


def test_the_worker_can_be_scaled():
    worker = SERVICES["worker"]
    assert worker.keys().isdisjoint({"container_name", "ports", "hostname"})
    assert not {"-n", "--hostname"} & set(worker["command"])


def test_ports_are_published_to_this_machine_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", ["API_KEYS", "FLOWER_BASIC_AUTH", "POSTGRES_PASSWORD"])
def test_a_secret_must_be_given_and_the_file_holds_none(name):
    assert f"${{{name}:?" in COMPOSE_TEXT
    given = [
        str(service["environment"][key])
        for service in SERVICES.values()
        for key in service.get("environment", {})
        if re.search("PASSWORD|KEY|TOKEN|AUTH$", key)
    ]
    assert given
    assert all(value.startswith("${") for value in given)


def test_what_must_last_is_on_named_volumes():
    mounted = {
        volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])
    }
    assert mounted == COMPOSE["volumes"].keys() == {"postgres", "valkey", "mailpit"}
    command = SERVICES["valkey"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_privileges(name):
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def instructions():
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return [line.split(maxsplit=1) for line in joined.splitlines() if line and line[0] not in "# "]


def stages():
    """The instructions of each stage, in order."""
    found = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def test_the_image_is_built_in_two_stages_from_a_pinned_slim_python():
    assert len(stages()) == 2
    for stage in stages():
        assert re.fullmatch(
            r"FROM python:3\.1[23]\.\d+-slim-\w+(@sha256:\w{64})?( AS \w+)?", " ".join(stage[0])
        )


def test_the_image_runs_as_nobody_in_particular():
    users = [rest for word, rest in stages()[-1] if word == "USER"]
    assert users == ["10001"]


def test_signals_reach_the_process_itself():
    commands = [rest for word, rest in instructions() if word in ("CMD", "ENTRYPOINT")]
    assert commands == ['["roundsman", "intake"]']


def test_the_image_is_built_from_locked_files_and_its_own_source_only():
    installs = [
        shlex.split(command)
        for word, rest in instructions()
        if word == "RUN"
        for command in rest.split("&&")
        if re.search(r"pip\b.* install ", command)
    ]
    build, runtime, own = installs
    assert build[-3:] == ["--require-hashes", "-r", "requirements-build.lock"]
    assert runtime[-4:] == ["--require-hashes", "--no-deps", "-r", "requirements.lock"]
    assert own[-3:] == ["--no-deps", "--no-index", "/dist/*.whl"]
    assert ["/opt/venv/bin/python" in install for install in installs] == [False, True, True]
    [wheel] = [rest for word, rest in instructions() if word == "RUN" and "pip wheel" in rest]
    assert "--no-build-isolation" in wheel  # or what builds it would be fetched, unlocked


def test_no_secret_is_in_the_image():
    names = re.findall(
        r"\b([A-Z_]+)=", " ".join(rest for word, rest in instructions() if word in ("ENV", "ARG"))
    )
    assert names
    assert not [name for name in names if re.search("PASSWORD|KEY|TOKEN|SECRET|AUTH|URL", name)]


def test_what_is_copied_exists_and_is_let_through():
    ignore = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = [
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert "*" in ignore
    assert {"intake", "messages", "tasks", "worker", "templates"} <= set(copied)
    for source in copied:
        assert (PROJECT_ROOT / source).exists(), source
        assert f"!{source}" in ignore
