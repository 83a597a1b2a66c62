"""The templates that come with Roundsman, rendered as they would be sent."""

import re
from collections import Counter

import pytest
from lxml import html as lxml_html

from messages.catalogue import Catalogue, Part
from messages.delivery import Channel
from messages.errors import TemplateError
from messages.rendering.checks import check
from messages.rendering.preview import example_file, preview, read_message
from messages.rendering.renderer import Renderer
from messages.segments import Encoding, segments_of
from messages.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "templates"
DEALERSHIP = "Rivertown Motors"
CATALOGUE = Catalogue.read(FOLDER)
RENDERER = Renderer(CATALOGUE, FOLDER, dealership=DEALERSHIP, timezone="America/New_York")

ALL = [pytest.param(template, id=template.path) for template in CATALOGUE.all()]
SMS = [pytest.param(t, id=t.path) for t in CATALOGUE.all() if Channel.SMS in t.channels]
EMAIL = [pytest.param(t, id=t.path) for t in CATALOGUE.all() if Channel.EMAIL in t.channels]

#: What a template cannot do without, by template type; its head comment says the same.
NEEDED = {
    "appointment": {"appointment": {"startsAt": "2025-06-14T10:30:00"}},
    "price-drop": {"vehicle": {"price": 23490}},
    "invoice": {"invoice": {"total": 25871.45}},
}


def made(template, message):
    return preview(RENDERER, template, message, dealership=DEALERSHIP)


def example(template):
    return read_message(example_file(FOLDER, template))


def test_the_check_finds_nothing_wrong():
    assert [str(problem) for problem in check(FOLDER)] == []


def test_every_template_that_a_dealership_was_promised_is_there():
    assert {template.path for template in CATALOGUE.all()} >= {
        *("plain/default", "lead/default", "lead/first-text", "lead/nudge", "vehicle-enquiry/default"),
        *("appointment/default", "appointment/confirmation", "appointment/reminder", "price-drop/default"),
        *("invoice/default", "credit-application/default", "credit-application/received"),
        *("delivery/default", "delivery/thank-you"),
    }


def test_every_name_but_default_is_unique():
    names = [template.name for template in CATALOGUE.all() if template.name != "default"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("template", SMS)
def test_an_sms_fits_one_gsm_segment_with_its_example(template):
    segments = segments_of(made(template, example(template)).sms.body)
    assert (segments.encoding, segments.count) == (Encoding.GSM_7, 1)


@pytest.mark.parametrize("template", SMS)
def test_an_sms_says_who_writes_unless_it_is_the_senders_own_text(template):
    body = made(template, example(template)).sms.body
    assert DEALERSHIP in body or template.type == "plain"


@pytest.mark.parametrize("path", ["lead/first-text", "lead/nudge", "lead/default", "price-drop/default"])
def test_a_marketing_sms_says_how_to_opt_out(path):
    template = CATALOGUE.find(None, path)
    assert made(template, example(template)).sms.body.endswith("Reply STOP to opt out.")


@pytest.mark.parametrize("template", ALL)
def test_a_sparse_message_renders_with_nothing_but_what_is_needed(template):
    sparse = {"text": "Hello there", "lead": "lead_nobody_knows", **NEEDED.get(template.type, {})}
    rendered = made(template, sparse)
    for text in (rendered.sms and rendered.sms.body, rendered.email and rendered.email.text):
        assert text is None or "Hello there" in text
        assert "None" not in (text or "")
        assert "  " not in re.sub(r"(?<=\S)  +(?=\S)", " ", text or "")


def leaves(value, *path):
    """Yield the path of each field of a Message that holds no other fields."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, *path, key)
    else:
        yield path


def replaced(value, path, new):
    return {**value, path[0]: replaced(value[path[0]], path[1:], new)} if path else new


@pytest.mark.parametrize("template", ALL)
def test_a_blank_text_is_left_out_like_an_absent_value(template):
    message = example(template)
    needed = {("invoice", "total"), ("vehicle", "price"), ("appointment", "startsAt")}
    for path in leaves(message):
        is_needed = path[:2] == ("invoice", "lines") or (template.type in NEEDED and path in needed)
        if not is_needed:
            blank, absent = replaced(message, path, " "), replaced(message, path, None)
            assert made(template, blank) == made(template, absent), path


@pytest.mark.parametrize("template", [p for p in ALL if p.values[0].type in NEEDED])
def test_what_a_template_needs_is_named_when_it_is_missing(template):
    with pytest.raises(TemplateError) as caught:
        made(template, {"text": "Hello"})
    variable = caught.value.variable or ""
    kind, needed = next(iter(NEEDED[template.type].items()))
    assert variable == f"message.{kind}.{next(iter(needed))}"


def test_a_message_with_attachments_only_says_so():
    rendered = made(CATALOGUE.find(None, None), {"attachments": ["https://rivertown.example/a.pdf"]})
    assert rendered.sms.body == "Rivertown Motors has sent you a file."
    assert "a file" in rendered.email.text
    assert "a file" in rendered.email.html


def test_plain_text_goes_out_word_for_word():
    text = "Two  spaces, {{ braces }}, <b>tags</b> &\n\nA second paragraph\nin two lines"
    rendered = made(CATALOGUE.find(None, None), {"text": text})
    assert rendered.sms.body == text
    assert f"\n\n{text}\n\n" in rendered.email.text
    assert "&lt;b&gt;tags&lt;/b&gt; &amp;</p>" in rendered.email.html


@pytest.mark.parametrize("template", EMAIL)
def test_no_value_of_a_message_can_put_markup_into_an_email(template):
    def hostile(value):
        if isinstance(value, dict):
            return {key: inner if key in KEPT else hostile(inner) for key, inner in value.items()}
        return [hostile(item) for item in value] if isinstance(value, list) else "<img src=x>\"'><i>"

    message = hostile({**example(template), "text": "x", "subject": "x"})
    tree = lxml_html.document_fromstring(made(template, message).email.html)
    assert not tree.xpath("//img | //i | //@*[starts-with(name(), 'on')]")


#: Values that filters read; a hostile one is refused there.
KEPT = {
    *(
        "startsAt",
        "price",
        "previousPrice",
        "mileage",
        "url",
        "mapUrl",
        "total",
        "amount",
        "dueOn",
        "issuedOn",
    ),
    *("receivedAt", "firstServiceOn", "firstServiceMiles", "reviewUrl", "phoneNumber"),
}


@pytest.mark.parametrize("template", EMAIL)
def test_a_link_in_an_email_cannot_run_a_script(template):
    def hostile(value):
        if not isinstance(value, dict):
            return value
        return {k: "javascript:x" if k.lower().endswith("url") else hostile(v) for k, v in value.items()}

    message = hostile(example(template))
    if message == example(template):
        assert "javascript:" not in made(template, message).email.html
    else:
        with pytest.raises(TemplateError, match="'link'"):
            made(template, message)


@pytest.mark.parametrize("template", EMAIL)
def test_an_email_loads_nothing_from_elsewhere_and_is_inlined(template):
    html = made(template, example(template)).email.html
    tree = lxml_html.document_fromstring(html)
    assert not tree.xpath("//img | //link | //script | //iframe")
    assert "url(" not in html
    assert all(image.get("alt") for image in tree.xpath("//img"))
    assert tree.xpath("//td[@class='body']/@style")
    assert "@media (prefers-color-scheme: dark)" in "".join(tree.xpath("//style/text()"))


@pytest.mark.parametrize("template", EMAIL)
def test_an_email_has_a_one_line_subject_a_title_and_a_preheader(template):
    email = made(template, example(template)).email
    tree = lxml_html.document_fromstring(email.html)
    assert 10 < len(email.subject) < 78
    assert tree.xpath("string(//title)")
    assert tree.xpath("string(//body/div[1])").strip()
    assert "display: none" in tree.xpath("//body/div[1]/@style")[0]


@pytest.mark.parametrize("template", EMAIL)
def test_a_long_word_of_a_message_is_broken_where_it_does_not_fit(template):
    def long(value):
        if isinstance(value, dict):
            return {key: inner if key in KEPT else long(inner) for key, inner in value.items()}
        return [long(item) for item in value] if isinstance(value, list) else "W" * 300

    email = made(template, long(example(template)) | {"text": "W" * 300}).email
    tree = lxml_html.document_fromstring(email.html)
    shown = tree.xpath("//body//*[text()[contains(., 'WWW')]][not(contains(@style, 'display: none'))]")
    assert shown
    for element in shown:
        nearest = element.xpath("ancestor-or-self::*[contains(@style, 'overflow-wrap')][1]")[0].get("style")
        # `anywhere` also lets a table become narrower than its longest word; older Safari has only the other.
        assert "overflow-wrap: anywhere" in nearest
        assert "word-break: break-word" in nearest
        assert not element.xpath("ancestor-or-self::*[contains(@style, 'nowrap')]")


def words(text):
    """Count the words as SpamAssassin's MPART_ALT_DIFF does; a colon may follow the label of a link."""
    return Counter(word.rstrip(":") for word in text.split() if re.search(r"\w", word))


@pytest.mark.parametrize("template", EMAIL)
@pytest.mark.parametrize("filled", [True, False], ids=["example", "sparse"])
def test_both_parts_of_an_email_say_the_same(template, filled):
    sparse = {"text": "Ready.", **NEEDED.get(template.type, {})}
    email = made(template, example(template) if filled else sparse).email
    tree = lxml_html.document_fromstring(email.html)
    for hidden in tree.xpath("//head | //*[contains(@style, 'display: none')]"):
        hidden.drop_tree()
    for block in tree.xpath("//p | //td | //th | //h1 | //br | //tr"):
        block.tail = f" {block.tail or ''}"
    html_words, text_words = words(tree.text_content()), words(email.text)
    assert html_words - text_words == Counter()
    assert set(text_words - html_words) == set(tree.xpath("//a[starts-with(@href, 'http')]/@href"))
    assert len(email.text) > len(email.html) / 50  # MIME_HTML_MOSTLY: below 1 in 100


@pytest.mark.parametrize("template", [p for p in EMAIL if Part.TEXT not in p.values[0].parts])
def test_the_derived_text_begins_with_the_dealership_and_shows_where_each_link_goes(template):
    email = made(template, example(template)).email
    assert email.text.startswith(DEALERSHIP)
    for address in lxml_html.document_fromstring(email.html).xpath("//a[starts-with(@href, 'http')]/@href"):
        assert f": {address}" in email.text
    assert "](" not in email.text


@pytest.mark.parametrize("template", ALL)
def test_a_default_makes_what_the_template_it_stands_for_makes(template):
    twins = {
        "lead": "lead/first-text",
        "appointment": "appointment/confirmation",
        "credit-application": "credit-application/received",
        "delivery": "delivery/thank-you",
    }
    twin = CATALOGUE.find(None, twins.get(template.type, template.path))
    if template.name == "default":
        assert made(template, example(template)) == made(twin, example(template))
