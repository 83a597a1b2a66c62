"""Every setting, read once per process from the environment and `.env`.

`.env.example` documents the same names for people; a test holds the two together.
"""

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from messages import urls
from messages.addresses import AddressError, to_email
from messages.broker_connection import BrokerConnection, broker_connection, check_ca_file
from messages.broker_file import read_broker_url
from messages.errors import SettingsError
from messages.phone import PhoneError, to_e164
from messages.sms_rates import SmsRates, default_rates, parse_rates

PROJECT_ROOT = Path(__file__).resolve().parent.parent

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: An API key of fewer characters is refused: it could be guessed.
MIN_KEY_LENGTH = 16

#: Seconds beyond a provider's time-out within which its outcome is recorded.
HAND_OVER_MARGIN = 5

#: How URLs are checked that are no web addresses.
_URLS = {
    "smtp_url": urls.check_smtp,
    "database_url": urls.check_database,
    "broker_url": urls.check_broker,
}

#: A setting given as `a, b,c` (or left empty).
CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """All settings, with their defaults: a fresh clone runs with none of them set."""

    model_config = SettingsConfigDict(
        env_file=PROJECT_ROOT / ".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    # Where things are kept
    var_dir: Path = PROJECT_ROOT / "var"
    templates_dir: Path = PROJECT_ROOT / "templates"
    templates_reload: bool = False
    database_url: str = ""
    broker_url: str = ""
    broker_ca_file: Path | None = None

    # The door
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    public_url: str = ""
    signing_key: SecretStr | None = None

    # Who sends
    sender_email: str = "Roundsman <messages@roundsman.example>"
    sender_domains: CommaSeparated = ()
    sender_phone: str | None = None
    twilio_messaging_service_sid: str | None = None

    # Providers; without them `roundsman up` uses the sandbox
    smtp_url: SecretStr | None = None
    smtp_tls: Literal["required", "opportunistic", "off"] | None = None
    smtp_connections: int = Field(default=64, ge=1, le=100)
    smtp_timeout_seconds: float = Field(default=30, gt=0)
    smtp_messages_per_second: float | None = Field(default=None, gt=0, le=1_000_000)
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_base_url: str = "https://api.twilio.com"
    twilio_connections: int = Field(default=150, ge=1, le=1000)
    twilio_timeout_seconds: float = Field(default=15, gt=0)
    twilio_errors_file: Path | None = None
    sms_rates: str = ""

    # The embedded parts of `roundsman up`
    valkey_port: int = Field(default=6390, ge=1, le=65535)
    flower_port: int = Field(default=5555, ge=1, le=65535)
    flower_hosts: CommaSeparated = ()
    sandbox_port: int = Field(default=8025, ge=1, le=65535)
    sandbox_smtp_port: int = Field(default=2525, ge=1, le=65535)
    worker_processes: int = Field(default=2, ge=1, le=64)

    # Stopping
    shutdown_seconds: float = Field(default=10, ge=1)

    # Delivery
    lease_seconds: float = Field(default=120, gt=0)
    retry_base_seconds: float = Field(default=30, gt=0)
    retry_max_seconds: float = Field(default=3600, gt=0)
    retry_max_age_seconds: float = Field(default=86_400, gt=0)
    retry_max_attempts: int = Field(default=100, ge=1)
    reconcile_after_seconds: float = Field(default=60, gt=0)
    ambiguous_email: Literal["resend", "hold"] = "resend"
    render_timeout_seconds: float = Field(default=1, gt=0, le=60)
    render_at_acceptance: bool = True
    dealership_name: str = "Your dealership"
    default_timezone: str = "UTC"

    # Attachments
    attachment_hosts: CommaSeparated = ()
    attachment_deny: CommaSeparated = ()
    attachment_max_files: int = Field(default=10, ge=0)
    attachment_max_bytes: int = Field(default=18_000_000, ge=0)
    attachment_timeout_seconds: float = Field(default=20, gt=0)
    email_max_bytes: int = Field(default=25_000_000, ge=100_000)

    # Limits at the door
    max_body_bytes: int = Field(default=30_000_000, gt=0)
    max_text_bytes: int = Field(default=200_000, ge=1)
    max_object_bytes: int = Field(default=65_536, ge=1)
    max_fields_bytes: int = Field(default=1_000_000, ge=1)
    max_nesting: int = Field(default=50, ge=1, le=100)
    max_connections: int = Field(default=800, ge=1)
    head_timeout_seconds: float = Field(default=10, gt=0)
    body_timeout_seconds: float = Field(default=30, gt=0)

    log_level: str = "INFO"

    @field_validator("sender_domains", "attachment_hosts", "attachment_deny", "flower_hosts", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip().lower() for part in value.split(",") if part.strip())

    @field_validator("attachment_deny")
    @classmethod
    def _denied_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network, strict=False)
            except ValueError:
                raise ValueError(f"{network!r} is not a network; write it like 203.0.113.0/24") from None
        return value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(SecretStr(part.strip()) for part in value.split(",")) if value else ()

    @field_validator("api_keys")
    @classmethod
    def _keys_are_strong(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for position, key in enumerate(value, start=1):
            _check_key(key.get_secret_value(), f"key {position} of {len(value)}")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _proxies_are_addresses(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        given = [part.strip() for part in value.split(",") if part.strip()]
        try:
            return tuple(ip_network(part, strict=False) for part in given)
        except ValueError:
            raise ValueError("must be IP addresses or networks, like 10.0.0.5, 10.0.1.0/24") from None

    @field_validator("sender_phone")
    @classmethod
    def _sender_is_a_phone_number(cls, value: str | None) -> str | None:
        try:
            return to_e164(value) if value else None
        except PhoneError as error:
            raise ValueError(str(error)) from None

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in LOG_LEVELS:
            raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
        return value.upper()

    @field_validator("sms_rates")
    @classmethod
    def _rates_are_rates(cls, value: str) -> str:
        parse_rates(value)
        return value

    @field_validator("sender_email")
    @classmethod
    def _sender_is_an_address(cls, value: str) -> str:
        address = value.rpartition("<")[2].rstrip("> ") if value.rstrip().endswith(">") else value
        try:
            to_email(address.strip())
        except AddressError as error:
            raise ValueError(f"{error}, or like Name <name@example.com>") from None
        return value

    @field_validator("default_timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone; write it like America/New_York") from None
        return value

    @field_validator("public_url", "twilio_base_url", "smtp_url", "database_url", "broker_url")
    @classmethod
    def _well_formed(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if plain:
            _URLS.get(info.field_name or "", urls.check_web_address)(plain)
        return value

    @model_validator(mode="after")
    def _lease_is_long_enough(self) -> "Settings":
        if self.lease_seconds < 2 * self.hand_over_seconds:
            raise ValueError(
                f"LEASE_SECONDS must be at least {2 * self.hand_over_seconds:g}, not {self.lease_seconds:g}: "
                "twice the longest hand-over (SMTP_TIMEOUT_SECONDS or TWILIO_TIMEOUT_SECONDS, and a margin)"
            )
        return self

    @property
    def hand_over_seconds(self) -> float:
        """The longest that one hand-over to a provider may take, once begun, with a margin to record it."""
        return max(self.smtp_timeout_seconds, self.twilio_timeout_seconds) + HAND_OVER_MARGIN

    @property
    def patience_seconds(self) -> float:
        """How long what is on the wire may take to end, of the time that stopping may take in all."""
        return max(self.shutdown_seconds - 3, self.shutdown_seconds / 2)

    @cached_property
    def database(self) -> str:
        """The store's URL: DATABASE_URL, or a SQLite file under var/."""
        return self.database_url or f"sqlite:///{self.var_dir}/roundsman.db"

    @cached_property
    def broker(self) -> str:
        """The broker's URL: BROKER_URL, or the embedded one's. Raises SettingsError: it cannot be read."""
        return self.broker_url or self._embedded_broker or f"redis://127.0.0.1:{self.valkey_port}/0"

    @property
    def _embedded_broker(self) -> str | None:
        url = read_broker_url(self.var_dir)
        try:
            if url:
                urls.check_broker(url)
        except ValueError:
            raise SettingsError(
                f"{self.var_dir / 'broker.url'} does not hold a broker's URL: "
                "delete it and start `roundsman up` again"
            ) from None
        return url

    @cached_property
    def broker_connection(self) -> BrokerConnection:
        """How to connect to the broker. Raises SettingsError when BROKER_CA_FILE holds no certificates."""
        if self.broker_ca_file is not None:
            check_ca_file(self.broker_ca_file)
        return broker_connection(self.broker, self.broker_ca_file)

    @property
    def templates(self) -> Path:
        """The folder of the templates. Raises SettingsError when there is none."""
        if not self.templates_dir.is_dir():
            raise SettingsError(f"TEMPLATES_DIR is wrong: there is no folder {self.templates_dir}")
        return self.templates_dir

    @cached_property
    def rates(self) -> SmsRates:
        """Segments a second by sender: SMS_RATES over Twilio's limits, those only where it is Twilio."""
        limits = default_rates(self.twilio_base_url) if self.twilio_account_sid else {}
        return SmsRates({**limits, **parse_rates(self.sms_rates)})

    @cached_property
    def public_base(self) -> str:
        """Where the world reaches intake, without a trailing slash."""
        return (self.public_url or f"http://127.0.0.1:{self.port}").rstrip("/")


def _check_key(key: str, name: str) -> None:
    """Raise ValueError unless the API key can be sent in a header and is hard to guess. Never shows it."""
    if not key:
        raise ValueError(
            f"{name} is blank; write keys as key,key, each of {MIN_KEY_LENGTH} characters or more"
        )
    if not all("!" <= character <= "~" for character in key):
        raise ValueError(f"{name} has a character that is not printable ASCII, or a blank inside")
    if len(key) < MIN_KEY_LENGTH:
        raise ValueError(f"{name} has {len(key)} characters; at least {MIN_KEY_LENGTH} are needed")


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises SettingsError: one line that names each wrong setting, never a secret."""
    try:
        _refuse_broken_lines(PROJECT_ROOT / ".env")
        return Settings(**overrides)
    except ValidationError as error:
        wrong = "; ".join(_sentence(detail) for detail in error.errors(include_input=False))
        raise SettingsError(wrong) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{PROJECT_ROOT / '.env'} cannot be read: {error}") from None


def _refuse_broken_lines(path: Path) -> None:
    # Read otherwise, such a line is passed over, and a setting is silently not set.
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as stream:
        broken = [str(line.original.line) for line in parse_stream(stream) if line.error]
    if broken:
        raise SettingsError(f"{path}, line {', '.join(broken)}: write NAME=value, every quote closed")


def _sentence(detail: Any) -> str:
    reason = detail["msg"].removeprefix("Value error, ")
    return f"{str(detail['loc'][0]).upper()} is wrong: {reason}" if detail["loc"] else reason
