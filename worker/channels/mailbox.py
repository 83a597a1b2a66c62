"""An e-mail address, made ready for the wire: `Ann Lee <ann@dealer.example>`."""

import re
from dataclasses import dataclass

import idna

#: Without spaces or angle brackets nothing can be smuggled into an SMTP command or a header; within quotes
#: both are text (RFC 5321 4.1.2).
_ADDRESS = re.compile(
    r"(?:[^\s<>\"(),:;@\\\[\]\x00-\x20\x7f]+"
    r"|\"(?:[^\"\\\x00-\x1f\x7f-\xa0\u2028\u2029]|\\[\x20-\x7e])+\")"
    r"@[^\s<>\"(),:;@\\\x00-\x20\x7f]+"
)
#: Strictly, unlike `email.utils.parseaddr`, which makes an address of nearly anything.
_NAMED = re.compile(r"([^<>\x00-\x1f\x7f]*)<(.+)>")
_DOMAIN = re.compile(r"[A-Za-z0-9._-]+|\[[A-Za-z0-9.:]+\]")


class MailboxError(ValueError):
    """The text is no address that e-mail can be sent to or from. The sentence does not contain it."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A person's name (may be empty) and their address, whose domain is in ASCII (IDNA)."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The part behind the @, in ASCII."""
        return self.address.rpartition("@")[2]

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the part before the @ is not ASCII: only servers with SMTPUTF8 take such an address."""
        return not self.address.isascii()


def parse_mailbox(text: str, what: str) -> Mailbox:
    """Read `address` or `Name <address>`. `what` names it in the error: "recipient", "SENDER_EMAIL".

    Raises MailboxError.
    """
    named = None if _ADDRESS.fullmatch(text) else _NAMED.fullmatch(text)
    name, address = (_unquoted(named[1].strip()), named[2]) if named else ("", text)
    if not _ADDRESS.fullmatch(address):
        raise MailboxError(f"The {what} is not an e-mail address; write it like name@example.com")
    local, _, domain = address.rpartition("@")
    return Mailbox(name, f"{local}@{_ascii_domain(domain, what)}")


def _ascii_domain(domain: str, what: str) -> str:
    try:
        # UTS 46 first, as browsers do: `BÜCHER.example` and `bücher.example` are one name.
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        ascii_domain = ""
    if not _DOMAIN.fullmatch(ascii_domain):
        raise MailboxError(f"The domain of the {what} is not a valid domain name; correct the address")
    return ascii_domain


def _unquoted(name: str) -> str:
    quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if quoted else name
