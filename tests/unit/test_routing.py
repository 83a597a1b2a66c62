import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.delivery import Channel, Route
from messages.errors import InvalidMessage
from messages.routing import Senders, addresses_of, route, unreadable_addresses

PHONE, EMAIL = "+18042221111", "dana@example.com"
OWN_PHONE, OWN_EMAIL = "+18042222222", "sam@dealer.example"
FOREIGN_EMAIL = "sam@elsewhere.example"
DEFAULT_PHONE, DEFAULT_EMAIL = "+15005550006", "Dealer <hello@dealer.example>"
SENDERS = Senders(DEFAULT_EMAIL, DEFAULT_PHONE, ("dealer.example",))
BOTH = frozenset(Channel)


def sms(to: str, sender: str | None = DEFAULT_PHONE) -> Route:
    return Route(Channel.SMS, to, sender)


def email(to: str, sender: str = DEFAULT_EMAIL, reply_to: str | None = None) -> Route:
    return Route(Channel.EMAIL, to, sender, reply_to)


def routed(message, lead=None, sales_rep=None, channels=BOTH, senders=SENDERS):
    return route(message, lead=lead, sales_rep=sales_rep, channels=channels, senders=senders)


# The table of docs/routing.md.
TABLE = [
    ("phone: SMS", {"externalPhoneNumber": PHONE}, None, None, [sms(PHONE)]),
    ("e-mail: e-mail", {"externalEmail": EMAIL}, None, None, [email(EMAIL)]),
    (
        "both: both",
        {"externalPhoneNumber": PHONE, "externalEmail": EMAIL},
        None,
        None,
        [sms(PHONE), email(EMAIL)],
    ),
    ("neither: the lead's", {}, {"phone": "804-222-1111", "email": EMAIL}, None, [sms(PHONE), email(EMAIL)]),
    ("own addresses win over the lead's", {"externalEmail": EMAIL}, {"phone": PHONE}, None, [email(EMAIL)]),
    (
        "from the internal phone",
        {"externalPhoneNumber": PHONE, "internalPhoneNumber": OWN_PHONE},
        None,
        None,
        [sms(PHONE, OWN_PHONE)],
    ),
    (
        "from the internal e-mail when its domain is ours",
        {"externalEmail": EMAIL, "internalEmail": OWN_EMAIL},
        None,
        None,
        [email(EMAIL, OWN_EMAIL)],
    ),
    (
        "else from the default with Reply-To",
        {"externalEmail": EMAIL, "internalEmail": FOREIGN_EMAIL},
        None,
        None,
        [email(EMAIL, reply_to=FOREIGN_EMAIL)],
    ),
    (
        "to the lead, in the sales rep's name",
        {"internalEmail": OWN_EMAIL},
        {"email": EMAIL},
        None,
        [email(EMAIL, OWN_EMAIL)],
    ),
    (
        "nothing external: a note to the internal ones, from the default",
        {"internalEmail": OWN_EMAIL, "internalPhoneNumber": OWN_PHONE},
        None,
        None,
        [sms(OWN_PHONE), email(OWN_EMAIL)],
    ),
    ("nothing else: the sales rep's own", {}, None, {"email": OWN_EMAIL}, [email(OWN_EMAIL)]),
    (
        "a lead without addresses counts as none",
        {"internalEmail": OWN_EMAIL},
        {"name": "D"},
        None,
        [email(OWN_EMAIL)],
    ),
]


@pytest.mark.parametrize(
    ("message", "lead", "sales_rep", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_message_goes(message, lead, sales_rep, expected):
    assert routed(message, lead, sales_rep) == expected


def test_a_channel_the_template_has_no_part_for_is_not_used():
    message = {"externalPhoneNumber": PHONE, "externalEmail": EMAIL}
    assert routed(message, channels={Channel.SMS}) == [sms(PHONE)]


def test_no_channel_left_is_an_error_that_says_so():
    with pytest.raises(InvalidMessage, match="No channel is left") as raised:
        routed({"externalEmail": EMAIL}, channels={Channel.SMS})
    assert set(raised.value.fields) == {"externalPhoneNumber"}


@pytest.mark.parametrize("lead", [None, {}, {"phone": "12", "email": "no"}, {"phone": 5, "email": None}])
def test_nobody_to_send_to_is_an_error_that_names_the_fields(lead):
    with pytest.raises(InvalidMessage, match="nobody to send to") as raised:
        routed({}, lead)
    assert set(raised.value.fields) == {"externalPhoneNumber", "externalEmail"}


def test_without_a_default_phone_the_provider_chooses_the_sender():
    assert routed({"externalPhoneNumber": PHONE}, senders=Senders("a@b.example")) == [sms(PHONE, None)]


def test_a_related_objects_addresses_are_normalised_and_the_first_good_one_is_taken():
    found = addresses_of({"phoneNumber": "none", "mobile": "(804) 222-1111", "email": "Dana@EXAMPLE.com"})
    assert (found.phone, found.email) == (PHONE, "Dana@example.com")


addresses = st.fixed_dictionaries(
    {},
    optional={
        "externalPhoneNumber": st.just(PHONE),
        "externalEmail": st.just(EMAIL),
        "internalPhoneNumber": st.just(OWN_PHONE),
        "internalEmail": st.sampled_from([OWN_EMAIL, FOREIGN_EMAIL]),
    },
)


@given(addresses, st.sets(st.sampled_from(Channel)))
def test_a_customer_who_can_be_reached_is_reached_and_nobody_else_is(message, channels):
    external = {message.get("externalPhoneNumber"), message.get("externalEmail")} - {None}
    try:
        routes = routed(message, channels=channels)
    except InvalidMessage:
        return
    assert len({r.channel for r in routes}) == len(routes)
    assert {r.channel for r in routes} <= channels
    if external:
        assert {r.recipient for r in routes} <= external


@pytest.mark.parametrize(
    "lead",
    [
        {"phone": "+1 804 222 1111", "email": " dana@example.com "},
        {"phone": "12", "mobile": "804.222.1111", "email": 5, "emailAddress": "mailto:dana@example.com"},
        {"phone": 8042221111, "email": "dana@example.com"},
    ],
)
def test_addresses_of_a_related_object_are_read_in_their_usual_notations(lead):
    assert routed({}, lead=lead) == [sms(PHONE), email(EMAIL)]


def test_address_of_a_related_object_that_cannot_be_read_is_a_warning():
    lead = {"phone": "804-222-1111 x5", "mobile": " ", "email": ["dana@example.com"], "emailAddress": None}
    warnings = {one.field: one.message for one in unreadable_addresses("lead", lead)}
    assert warnings.keys() == {"lead.phone", "lead.email"}
    assert "'804-222-1111 x5' is not a North American phone number" in warnings["lead.phone"]
    assert unreadable_addresses("lead", {"phone": "804.222.1111", "email": EMAIL, "firstName": "Dana"}) == []
