"""What arrives at the SMTP server and at Twilio is what the producer gave, in words, URLs and lines."""

import pytest

from tests.integration.task_steps import accept_one, send_all
from tests.servers.http import is_error

TO = {"externalEmail": "maya@example.com", "templateType": "vehicle-enquiry"}


def part_of(mail, subtype="plain"):
    return mail.message.get_body((subtype,)).get_content().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {
                "vehicle": {
                    "make": "VW",
                    "url": "https://example.com/v?id=7&currency=usd&region=va&timestamp=5&section=2&lt=3",
                }
            },
            "See photos and details: "
            "https://example.com/v?id=7&currency=usd&region=va&timestamp=5&section=2&lt=3\n",
        ),
        (
            {"vehicle": {"make": "VW"}, "text": "Write &lt;b&gt; and &amp;amp; please; 5 &lt 6"},
            "\nWrite &lt;b&gt; and &amp;amp; please; 5 &lt 6\n",
        ),
        ({"text": "[a](https://x.example/b) *c* _d_ (e)"}, "\n[a](https://x.example/b) *c* _d_ (e)\n"),
    ],
)
def test_text_part_holds_urls_and_words_as_given(parts, smtp, fields, expected):
    send_all(parts, accept_one(parts, **TO, **fields))
    assert expected in part_of(smtp.mails[0])


@pytest.mark.parametrize("template", ["plain", "vehicle-enquiry"])
def test_line_breaks_of_all_kinds_arrive(parts, smtp, twilio, template):
    recipients = {"externalPhoneNumber": "804-555-0100", "externalEmail": "a@example.com"}
    for text in ("Line one\x0bLine two", "Line one\rLine two", "Line one\fLine two", "Line one\r\nLine two"):
        send_all(parts, accept_one(parts, **recipients, templateType=template, text=text))
        assert "Line one\nLine two" in twilio.created[-1]["Body"][0]
        assert "Line one\nLine two" in part_of(smtp.mails[-1])
        assert "Line one<br>\nLine two" in part_of(smtp.mails[-1], "html")


@pytest.mark.parametrize("price", ["1.234,56", "24990,50", "24,99,0", "24.990"])
def test_ambiguous_price_is_a_400_that_names_it(client, price):
    error = is_error(client.post("/api/messages", json=TO | {"vehicle": {"make": "VW", "price": price}}), 400)
    assert repr(price) in error["fields"]["vehicle.price"]
    assert "such as 24990 or $24,990.50" in error["fields"]["vehicle.price"]


@pytest.mark.parametrize("price", ["", " "])
def test_blank_optional_price_is_left_out(parts, smtp, price):
    send_all(
        parts, accept_one(parts, **TO, vehicle={"make": "VW", "price": price, "url": "", "color": price})
    )
    text = part_of(smtp.mails[0])
    assert "the VW" in text
    assert "price" not in text


def test_blank_value_that_a_template_needs_is_missing(client):
    message = {"externalEmail": "a@example.com", "templateType": "price-drop", "vehicle": {"price": " "}}
    error = is_error(client.post("/api/messages", json=message), 400)
    assert error["fields"]["vehicle.price"].startswith("is missing")
