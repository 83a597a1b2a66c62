"""A field without effect that looks as if it had one is a warning; any other field is the producer's own."""

import pytest

from messages.odd_fields import MAX_WARNINGS, odd_fields


def warned(given, read=()) -> dict[str, str]:
    return {one.field: one.message for one in odd_fields(given, lambda name: name in read)}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("externalphonenumber", "externalPhoneNumber"),
        ("external_phone_number", "externalPhoneNumber"),
        ("extrenalEmail", "externalEmail"),
        ("externlEmail", "externalEmail"),
        ("externallEmail", "externalEmail"),
        ("Text", "text"),
        ("texts", "text"),
        ("sendat", "sendAt"),
        ("ExpiresAt", "expiresAt"),
        ("sales-rep", "salesRep"),
        ("attachment", "attachments"),
        ("ID", "id"),
        (" text ", "text"),
    ],
)
def test_misspelt_field_names_the_one_that_was_meant(name, meant):
    assert warned({name: "x"}) == {name: f"has no effect; did you mean {meant}?"}


@pytest.mark.parametrize(
    "name", ["to", "cc", "Bcc", "callbackUrl", "callback_url", "subject", "from", "body"]
)
def test_well_known_name_without_effect_says_what_has_one(name):
    assert warned({name: "x"})[name].startswith("has no effect; ")


@pytest.mark.parametrize(
    "name", ["vehicle", "dealNumber", "vin", "kid", "external", "metadata", "", "x" * 10**6]
)
def test_other_name_is_no_warning(name):
    assert warned({name: "x", "text": "Hello", "externalEmail": "dana@example.com"}) == {}


def test_field_that_the_template_reads_is_no_warning():
    assert warned({"subject": "x", "to": "y"}, read={"subject"}).keys() == {"to"}


def test_attachment_and_addresses_of_related_objects_are_compared_too():
    given = {
        "attachments": [
            "https://example.com/a.pdf",
            {"fileName": "a", "contentType": "b", "content": "QQ=="},
        ],
        "lead": {
            "Email": "dana@example.com",
            "phone_number": "x",
            "phone": "804-555-0100",
            "firstName": "Dana",
        },
    }
    assert warned(given).keys() == {
        "attachments[1].fileName", "attachments[1].contentType", "lead.Email", "lead.phone_number",
    }  # fmt: skip


def test_warnings_are_bounded():
    files = [{"fileName": "a", "content": "QQ=="}] * 10_000
    assert len(odd_fields({"attachments": files}, lambda _: False)) == MAX_WARNINGS
