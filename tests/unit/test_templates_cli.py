import json
import webbrowser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from messages.settings import PROJECT_ROOT
from worker.cli_templates import templates_app


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `roundsman templates …` with var/ in a temporary folder."""
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("DEALERSHIP_NAME", "Rivertown Motors")
    monkeypatch.setenv("TEMPLATES_DIR", str(PROJECT_ROOT / "templates"))
    monkeypatch.setenv("COLUMNS", "160")

    def invoke(*arguments, **settings):
        return CliRunner().invoke(templates_app, [str(a) for a in arguments], env=settings)

    return invoke


def test_list_shows_every_template_with_its_channels_and_parts(run):
    result = run("list")
    assert result.exit_code == 0
    [line] = [line for line in result.stdout.splitlines() if line.startswith("invoice/default")]
    assert line.split(maxsplit=1)[1].split("  ")[0] == "sms, email"
    assert "sms.txt, subject.txt, body.html" in line


def test_list_is_json_on_demand(run):
    templates = json.loads(run("list", "--json").stdout)
    assert {
        "template": "lead/nudge",
        "templateType": "lead",
        "name": "nudge",
        "channels": ["sms"],
        "parts": ["sms.txt"],
    } in templates


def test_check_says_that_the_shipped_set_is_right(run):
    result = run("check")
    assert (result.exit_code, "no problem found" in result.stdout) == (0, True)


def test_check_lists_the_problems_and_exits_with_1(run, tmp_path):
    (tmp_path / "plain/default").mkdir(parents=True)
    (tmp_path / "plain/default/sms.txt").write_text("{{ nobody }}")
    result = run("check", TEMPLATES_DIR=str(tmp_path))
    assert result.exit_code == 1
    assert "error: plain/default/sms.txt, line 1: nobody is undefined" in result.stdout
    assert "found" in result.stderr


def test_preview_shows_the_sms_with_its_segments_and_the_email_and_writes_its_html(run, tmp_path):
    result = run("preview", "invoice/default")
    assert result.exit_code == 0
    assert "1 segment, GSM-7, 108 units" in result.stdout
    assert "Subject: Your invoice INV-10482 from Rivertown Motors" in result.stdout
    assert "View and pay online: https://rivertown.example/invoices/INV-10482" in result.stdout
    page = Path(result.stdout.splitlines()[-1])
    assert page == tmp_path / "var/previews/invoice-default.html"
    assert "INV-10482" in page.read_text("utf-8")


def test_preview_takes_a_type_for_its_default_and_a_unique_name(run):
    assert run("preview", "appointment").stdout.startswith("appointment/default, with ")
    assert run("preview", "nudge").stdout.startswith("lead/nudge, with ")


def test_preview_renders_a_given_message(run, tmp_path):
    file = tmp_path / "message.json"
    file.write_text(json.dumps({"text": "It\u2019s [bold] here", "lead": {"firstName": "Ann"}}), "utf-8")
    result = run("preview", "lead/nudge", "--with", file)
    assert "Hi Ann, the team at Rivertown Motors again. It\u2019s [bold] here Reply STOP" in result.stdout
    assert "UCS-2" in result.stdout


class NotingBrowser(webbrowser.BaseBrowser):
    """A browser that only notes what it is told to open."""

    def __init__(self):
        super().__init__("noting")
        self.opened = []

    def open(self, url, new=0, autoraise=True):
        self.opened.append(url)
        return True


def test_preview_opens_the_html_in_the_browser(run, tmp_path):
    browser = NotingBrowser()
    webbrowser.register("noting", None, browser, preferred=True)
    assert run("preview", "invoice", "--open").exit_code == 0
    assert run("preview", "lead", "--open").exit_code == 0  # has no HTML to open
    assert browser.opened == [(tmp_path / "var/previews/invoice-default.html").as_uri()]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("preview", "nope"), "'nope' is no template here; there are: appointment/confirmation"),
        (("preview", "default"), "say which of"),
        (("preview", "lead", "--with", "gone.json"), "gone.json cannot be read: No such file"),
        (("preview", "lead", "--with", "bad.json"), "bad.json is not JSON"),
        (("preview", "lead", "--with", "list.json"), "list.json is no Message"),
        (("preview", "appointment", "--with", "empty.json"), "message.appointment.startsAt is undefined"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(run, tmp_path, arguments, says):
    for name, content in {"bad.json": "{", "list.json": "[1]", "empty.json": "{}"}.items():
        (tmp_path / name).write_text(content)
    arguments = [tmp_path / a if a.endswith(".json") else a for a in arguments]
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("roundsman: ")
    assert result.stderr.count("\n") == 1
    assert says in result.stderr


@pytest.mark.parametrize("command", ["list", "preview lead"])
def test_a_folder_without_templates_is_named(run, tmp_path, command):
    result = run(*command.split(), TEMPLATES_DIR=str(tmp_path))
    assert result.exit_code == 1
    assert f"roundsman: there are no templates in {tmp_path}" in result.stderr


def test_a_wrong_setting_is_one_line(run):
    result = run("check", DEFAULT_TIMEZONE="Mars/Olympus")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "DEFAULT_TIMEZONE is wrong" in result.stderr
