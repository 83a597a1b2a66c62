import pytest

from messages.catalogue import Catalogue, Part, UnknownTemplate
from messages.delivery import Channel
from messages.errors import SettingsError


@pytest.fixture
def catalogue(tmp_path):
    for file in (
        "plain/default/sms.txt",
        "lead/default/sms.txt",
        "lead/nudge/sms.txt",
        "invoice/default/subject.txt",
        "invoice/default/body.html",
        "invoice/late/body.txt",
        "order/late/sms.txt",
        "order/empty/notes.md",
        "_base/layout/sms.txt",
        ".git/x/sms.txt",
        "stray.txt",
    ):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return Catalogue.read(tmp_path)


def test_every_folder_with_a_part_is_a_template_except_layouts_and_hidden_ones(catalogue):
    assert [template.path for template in catalogue.all()] == [
        "invoice/default",
        "invoice/late",
        "lead/default",
        "lead/nudge",
        "order/late",
        "plain/default",
    ]


def test_the_parts_decide_the_channels(catalogue):
    assert catalogue.find("invoice", None).channels == {Channel.EMAIL}
    assert catalogue.find("invoice", None).parts == {Part.SUBJECT, Part.HTML}
    assert catalogue.find("lead", "nudge").channels == {Channel.SMS}


@pytest.mark.parametrize(
    ("template_type", "name", "path"),
    [
        ("lead", "nudge", "lead/nudge"),
        ("lead", "lead/nudge", "lead/nudge"),
        ("lead", None, "lead/default"),
        ("lead", "", "lead/default"),
        (None, "nudge", "lead/nudge"),
        (None, "order/late", "order/late"),
        (None, None, "plain/default"),
        ("", "", "plain/default"),
    ],
)
def test_a_template_is_found_by_type_and_name(catalogue, template_type, name, path):
    assert catalogue.find(template_type, name).path == path


@pytest.mark.parametrize(
    ("template_type", "name", "field", "says"),
    [
        ("nope", None, "templateType", "there are: invoice, lead, order, plain"),
        ("nope", "nudge", "templateType", "'nope'"),
        ("lead", "nope", "template", "'lead/nope'"),
        ("lead", "order/late", "template", "'lead/order/late'"),
        ("order", None, "template", "'order/default'"),
        (None, "nope", "template", "lead/nudge"),
        (None, "late", "template", "say which of invoice/late, order/late"),
        (None, "../_base/layout", "template", "is no template"),
        (None, "x" * 500, "template", "…"),
    ],
)
def test_an_unknown_template_is_an_error_that_names_the_field_and_what_there_is(
    catalogue, template_type, name, field, says
):
    with pytest.raises(UnknownTemplate) as caught:
        catalogue.find(template_type, name)
    assert caught.value.field == field
    assert says in caught.value.reason
    assert len(caught.value.reason) < 300


@pytest.mark.parametrize(
    ("content", "seconds"), [(None, None), ("{}", None), ('{"expiresAfter": "2h"}', 7200)]
)
def test_a_types_rules_hold_for_all_its_templates(tmp_path, content, seconds):
    for name in ("default", "nudge"):
        (tmp_path / "lead" / name).mkdir(parents=True)
        (tmp_path / "lead" / name / "sms.txt").write_text("x")
    if content:
        (tmp_path / "lead" / "type.json").write_text(content)
    assert {template.expires_after for template in Catalogue.read(tmp_path).all()} == {seconds}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "type.json: Expecting"),
        ("[]", "type.json: it holds a list, not an object"),
        ('{"expires": "2h"}', "type.json: 'expires' is not known here; there is expiresAfter"),
        (
            '{"expiresAfter": 7200}',
            'type.json: expiresAfter is 7200; write it like "90s", "30m", "2h" or "7d"',
        ),
        ('{"expiresAfter": "0s"}', "type.json: expiresAfter: '0s' is not a duration"),
    ],
)
def test_rules_that_are_wrong_are_said_in_one_line_with_their_file(tmp_path, content, says):
    (tmp_path / "lead").mkdir()
    (tmp_path / "lead" / "type.json").write_text(content)
    with pytest.raises(SettingsError) as caught:
        Catalogue.read(tmp_path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_does_not_exist_has_no_templates(tmp_path):
    assert Catalogue.read(tmp_path / "gone").all() == []
