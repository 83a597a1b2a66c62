"""The tables. Times are milliseconds since the epoch, UTC; JSON is kept as text on every database."""

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    literal,
    text,
)

from messages.states import DeliveryState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite counts rows up by itself only in a column of exactly the type INTEGER.
_Serial = BigInteger().with_variant(Integer(), "sqlite")

messages = Table(
    "messages",
    metadata,
    Column("id", String, primary_key=True),
    Column("idempotency_key", String, unique=True),
    Column("fingerprint", String(64), nullable=False),
    Column("template", String, nullable=False),  # type/name
    Column("fields", Text, nullable=False),  # JSON, as the API shows them at depth 0, without id
    Column("objects", Text),  # JSON: related objects as they were given inline, by "collection/id"
    Column("status", String, nullable=False),  # see `status`: `sending` is kept as `queued`
    Column("created_at", BigInteger, nullable=False),
    Column("warnings", Text),  # JSON: a list of {field, message}; null: none
    Index("ix_messages_created_at_id", "created_at", "id"),
    Index("ix_messages_status_created_at_id", "status", "created_at", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("channel", String, nullable=False),
    Column("lane", String, nullable=False),  # the queue on which it waits
    Column("recipient", String, nullable=False),
    Column("sender", String),
    Column("reply_to", String),
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False),  # number of the last attempt begun; the fencing token
    Column("first_attempt", Integer),  # number of the first attempt since it was accepted or redriven
    Column("first_attempt_at", BigInteger),  # when that one was begun
    Column("next_attempt_at", BigInteger),  # not before this time; while unknown: when to ask next
    Column("place_at", BigInteger),  # while it waits for its sender's rate: the place it has there
    Column("expires_at", BigInteger),  # never begun from this time on
    Column("doubts", Integer, nullable=False, server_default="0"),  # attempts that may have arrived
    Column("lease_until", BigInteger),  # while sending: after this the claim is void
    Column("worker", String),  # the process that claimed it last, as it shows life on the broker
    Column("begun_at", BigInteger),  # when the last attempt's hand-over was begun; null: it was not
    Column("rung_at", BigInteger, nullable=False),  # when it was last put on the queue
    Column("provider_id", String),
    Column("segments", Integer),
    Column("encoding", String),
    Column("error", Text),
    Column("sent_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    # What begins was claimed just before, and no index has `begun_at`: where its page has room, PostgreSQL
    # writes to the page alone.
    postgresql_with={"fillfactor": 70},
)

# The sweep looks only at what is under way: partial indexes stay small however much is stored.
for _name, _state, _column in (
    ("ix_deliveries_queued", "queued", deliveries.c.rung_at),
    ("ix_deliveries_sending", "sending", deliveries.c.lease_until),
    ("ix_deliveries_scheduled", "scheduled", deliveries.c.next_attempt_at),
    ("ix_deliveries_failed", "failed", deliveries.c.message_id),
    ("ix_deliveries_unknown", "unknown", deliveries.c.recipient),
):
    _where = text(f"state = '{_state}'")
    Index(_name, _column, sqlite_where=_where, postgresql_where=_where)

# Those that wait and may expire: most never do, and are not in it.
_where = text("expires_at IS NOT NULL AND state IN ('queued', 'scheduled')")
Index("ix_deliveries_expiring", deliveries.c.expires_at, sqlite_where=_where, postgresql_where=_where)

# What Twilio lists is looked up by its id; e-mail has nothing to look up.
_where = text("channel = 'sms' AND provider_id IS NOT NULL")
Index("ix_deliveries_sms", deliveries.c.provider_id, sqlite_where=_where, postgresql_where=_where)


def in_state(*states: DeliveryState) -> ColumnElement[bool]:
    """`state = 'queued'`, written out: with a bound value SQLite would not use the partial index."""
    if len(states) == 1:
        return deliveries.c.state == literal(states[0].value, literal_execute=True)
    return deliveries.c.state.in_([literal(state.value, literal_execute=True) for state in sorted(states)])


#: ms since the epoch; or what stands for it in a statement that is put together once.
Moment = int | BindParameter[int]


def moment(name: str) -> BindParameter[int]:
    """A parameter of that name."""
    return bindparam(name, type_=BigInteger())


attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", ForeignKey("deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("outcome", String),  # sent, retryable, permanent, ambiguous
    Column("error", Text),
    Column("code", String),
    Column("action_by", String),  # who has to act: see `outcomes.ActionBy`; null: nobody, or not known
    Column("provider_id", String),
    Column("text_hash", String(64)),  # of the SMS as it was handed over
)

# What Twilio took and could not deliver: few, and looked up by its id like those above.
_where = text("outcome = 'permanent' AND provider_id IS NOT NULL")
Index("ix_attempts_failed_there", attempts.c.provider_id, sqlite_where=_where, postgresql_where=_where)

events = Table(
    "events",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("delivery_id", String),  # null: the event is the Message's own
    Column("at", BigInteger, nullable=False),
    Column("type", String, nullable=False),  # a delivery state, or "accepted"
    Column("detail", Text),
)

objects = Table(
    "objects",
    metadata,
    Column("collection", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("body", Text, nullable=False),  # JSON
    Column("updated_at", BigInteger, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", String, primary_key=True),
    Column("filename", String),
    Column("mime_type", String),
    Column("url", Text),
    Column("content", LargeBinary),
    Column("size", BigInteger),
    Column("digest", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

refused = Table(
    "refused",
    metadata,
    Column("id", String, primary_key=True),
    Column("received_at", BigInteger, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("fields", Text, nullable=False),  # JSON: field → sentence
    Column("body", Text, nullable=False),  # what was given, as JSON
    Column("message_id", String, index=True),  # the id that the producer gave
    Column("task", Text),  # JSON: what the task said that was refused as a whole
)

providers = Table(
    "providers",
    metadata,
    Column("channel", String, primary_key=True),
    Column("open_until", BigInteger),  # its circuit is open: nothing is sent before
    Column("reason", Text),
    Column("updated_at", BigInteger, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
