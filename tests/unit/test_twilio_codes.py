"""A file may say what Twilio's codes mean; one that is wrong is named in one line when the worker starts."""

import json

import pytest

from messages.errors import SettingsError
from messages.outcomes import ActionBy, FailureKind
from messages.settings import load_settings
from messages.twilio_codes import CODES, Meaning, read_codes
from worker.up.checks import check_files
from worker.up.service import StartError


@pytest.fixture
def codes(tmp_path):
    """What the file means, given as JSON."""

    def read(content):
        path = tmp_path / "codes.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_codes(path)

    return read


def test_without_a_file_nothing_differs():
    assert read_codes(None) == {}


def test_what_is_left_out_of_a_known_code_stays_as_it_is_in_our_table(codes):
    meanings = codes({"30003": {"kind": "retryable"}, "21610": {"sentence": "They said STOP."}})
    assert meanings == {
        30003: Meaning(FailureKind.RETRYABLE, CODES[30003].sentence, ActionBy.RECIPIENT),
        21610: Meaning(FailureKind.PERMANENT, "They said STOP", ActionBy.RECIPIENT, opted_out=True),
    }


def test_a_code_of_which_we_know_nothing_can_be_added(codes):
    assert codes({"21999": {"kind": "ambiguous", "sentence": "Who knows", "optedOut": True}}) == {
        21999: Meaning(FailureKind.AMBIGUOUS, "Who knows", ActionBy.RECIPIENT, opted_out=True)
    }


@pytest.mark.parametrize(
    ("entry", "action_by"),
    [
        ({"kind": "permanent", "actionBy": "content"}, ActionBy.CONTENT),
        ({"kind": "permanent"}, ActionBy.OPERATOR),
        ({"kind": "retryable"}, ActionBy.NOBODY),
    ],
)
def test_the_file_may_say_who_has_to_act(codes, entry, action_by):
    assert codes({"21999": entry | {"sentence": "Ported away"}})[21999].action_by is action_by


@pytest.mark.parametrize("code", [30008, 30019, 30023, 30024, 30036, 30410, 30453, 30500, 21656])
def test_a_code_that_twilio_documents_has_its_row(code):
    assert code in CODES


def test_only_trouble_of_the_account_or_the_settings_counts_as_the_providers():
    assert {code for code, meaning in CODES.items() if meaning.of_the_account} == {
        20003, 20005, 21609, 21701, 21703, 21704, 30002,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "codes.json: Expecting"),
        (b"\xff", "codes.json: 'utf-8'"),
        ([], "codes.json: it is a list, not an object"),
        ({"abc": {}}, "'abc' is no code of Twilio; they have five digits"),
        ({"2121": {}}, "'2121' is no code"),
        ({"٢١٢١١": {}}, "is no code"),
        ({"21211": "retryable"}, "code 21211: it is a string, not an object"),
        ({"21211": {"kind": "sometimes"}}, "code 21211: kind is 'sometimes'; it must be one of retryable, "),
        ({"21211": {"kind": 5}}, "code 21211: kind is 5;"),
        ({"21211": {"Kind": "retryable"}}, "code 21211: 'Kind' is not known here; there are kind, sentence"),
        ({"21211": {"sentence": " . "}}, "code 21211: sentence is ' . '; it must be a line"),
        ({"21211": {"sentence": "two\nlines"}}, "code 21211: sentence is "),
        ({"21211": {"optedOut": "no"}}, "code 21211: optedOut is 'no'; it must be true or false"),
        ({"21211": {"actionBy": "them"}}, "code 21211: actionBy is 'them'; it must be one of recipient, "),
        ({"21999": {"kind": "retryable"}}, "code 21999: sentence is missing"),
        ({"21999": {"sentence": "x"}}, "code 21999: kind is missing"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_code(codes, content, said):
    with pytest.raises(SettingsError) as caught:
        codes(content)
    assert str(caught.value).startswith("TWILIO_ERRORS_FILE: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_roundsman_up_does_not_start_with_a_file_that_is_not_there(tmp_path):
    settings = load_settings(twilio_errors_file=tmp_path / "gone.json")
    with pytest.raises(StartError, match=r"TWILIO_ERRORS_FILE: .*gone.json cannot be read: No such file"):
        check_files(settings)


def test_roundsman_up_does_not_start_with_a_template_type_that_is_wrong(tmp_path):
    (tmp_path / "lead").mkdir()
    (tmp_path / "lead" / "type.json").write_text('{"expiresAfter": 5}')
    with pytest.raises(StartError, match=r"lead/type.json: expiresAfter is 5; write it like"):
        check_files(load_settings(templates_dir=tmp_path))
