"""Routing: to whom a Message goes, by which channels, in whose name. Pure; tabled in docs/routing.md."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from messages.addresses import AddressError, domain_of, read_email
from messages.delivery import Channel, Route
from messages.errors import ErrorType, FieldWarning, InvalidMessage
from messages.invisible import is_blank
from messages.phone import PhoneError, read_phone
from messages.segments import MAX_CHARACTERS, sms_length
from messages.wording import kind_of

#: Under which names a related object (a lead, a sales rep) may hold its addresses.
PHONE_NAMES = ("phoneNumber", "phone", "mobile", "mobilePhone", "externalPhoneNumber")
EMAIL_NAMES = ("email", "emailAddress", "externalEmail")


#: Reads an address of a related object. Raises PhoneError or AddressError.
Parse = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where somebody can be reached."""

    phone: str | None = None
    email: str | None = None

    def __bool__(self) -> bool:
        return bool(self.phone or self.email)


@dataclass(frozen=True, slots=True)
class Senders:
    """In whose name we may send: the defaults, and the domains that are ours."""

    email: str  #: an address, or `Name <address>`
    phone: str | None = None  #: E.164; None: the SMS provider chooses
    domains: Collection[str] = ()  #: in lower case


def route(
    message: Mapping[str, Any],
    *,
    lead: Mapping[str, Any] | None,
    sales_rep: Mapping[str, Any] | None,
    channels: Collection[Channel],
    senders: Senders,
) -> list[Route]:
    """The Routes of a Message whose template has parts for `channels`.

    `message` holds API names with normalised addresses; `lead` and `sales_rep` are the objects
    it names, where they are known. Raises InvalidMessage when nobody can be reached.
    """
    internal = Addresses(message.get("internalPhoneNumber"), message.get("internalEmail"))
    external = Addresses(message.get("externalPhoneNumber"), message.get("externalEmail"))
    outward = external or addresses_of(lead)
    recipient = outward or internal or addresses_of(sales_rep)
    if not recipient:
        raise _nobody()
    routes = _routes(recipient, internal if outward else Addresses(), senders)
    usable = [r for r in routes if r.channel in channels]
    if not usable:
        raise _no_channel(routes, channels)
    return usable


def without_long_sms(routes: list[Route], text: str) -> tuple[list[Route], list[FieldWarning]]:
    """The Routes of a Message whose SMS is its `text`: no SMS where that is too long, with a warning.

    Raises InvalidMessage when no other channel is left.
    """
    if len(text) <= MAX_CHARACTERS or (length := sms_length(text)) <= MAX_CHARACTERS:
        return routes, []
    others = [route for route in routes if route.channel is not Channel.SMS]
    if len(others) == len(routes):
        return routes, []
    reason = f"has {length:,} characters; an SMS may have {MAX_CHARACTERS:,}"
    if not others:
        raise InvalidMessage(f"text: {reason}", {"text": reason}, ErrorType.TOO_LARGE)
    return others, [FieldWarning("text", f"{reason}. No SMS is sent, only the e-mail")]


def addresses_of(related: Mapping[str, Any] | None) -> Addresses:
    """The addresses that a related object holds; what does not parse counts as absent."""
    if not related:
        return Addresses()
    return Addresses(_first(related, PHONE_NAMES, read_phone), _first(related, EMAIL_NAMES, read_email))


def unreadable_addresses(name: str, related: Mapping[str, Any]) -> list[FieldWarning]:
    """Warn of what should be an address in the related object `name`, and does not parse."""
    found = []
    for names, parse in ((PHONE_NAMES, read_phone), (EMAIL_NAMES, read_email)):
        for field in names:
            try:
                _read(related.get(field), parse)
            except (PhoneError, AddressError) as error:
                found.append(FieldWarning(f"{name}.{field}", f"{error}. Nothing is sent to it"))
    return found


def _first(related: Mapping[str, Any], names: Collection[str], parse: Parse) -> str | None:
    for name in names:
        try:
            if address := _read(related.get(name), parse):
                return address
        except (PhoneError, AddressError):
            continue
    return None


def _read(value: object, parse: Parse) -> str | None:
    """The address; None where there is none. Raises PhoneError or AddressError."""
    if value is None or (isinstance(value, str) and is_blank(value)):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a phone number as a number of JSON
    return parse(value if isinstance(value, str) else kind_of(value))


def _routes(to: Addresses, internal: Addresses, senders: Senders) -> list[Route]:
    routes = []
    if to.phone:
        routes.append(Route(Channel.SMS, to.phone, internal.phone or senders.phone))
    if to.email and internal.email and domain_of(internal.email) in senders.domains:
        routes.append(Route(Channel.EMAIL, to.email, internal.email))
    elif to.email:
        routes.append(Route(Channel.EMAIL, to.email, senders.email, reply_to=internal.email))
    return routes


def _nobody() -> InvalidMessage:
    return InvalidMessage(
        "There is nobody to send to: give externalPhoneNumber or externalEmail, "
        "or a lead, salesRep or internal address that has one.",
        {"externalPhoneNumber": "is missing", "externalEmail": "is missing"},
    )


def _no_channel(routes: list[Route], channels: Collection[Channel]) -> InvalidMessage:
    has = " and ".join(sorted(channels)) or "nothing"
    found = " and ".join(r.channel for r in routes)
    missing = "externalEmail" if Channel.EMAIL in channels else "externalPhoneNumber"
    return InvalidMessage(
        f"No channel is left to use: the template can be sent by {has} only, "
        f"the recipient reached by {found} only.",
        {missing: "is missing; the template can be sent on no other channel"},
    )
