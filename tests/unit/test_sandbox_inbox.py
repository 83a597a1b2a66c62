"""What the sandbox keeps, and what it counts."""

import pytest

from messages.delivery import Channel
from worker.sandbox.inbox import ArrivedEmail, ArrivedSms, Inbox, Limits, message_id_of, recipient_filter


def add_email(
    inbox: Inbox, message_id: str | None = None, to: str = "pat@example.com", size: int = 0
) -> ArrivedEmail:
    header = f"Message-ID: {message_id}\r\n" if message_id else ""
    raw = f"Subject: x\r\n{header}\r\n".encode() + b"x" * size
    return inbox.add_email(mail_from="a@example.com", recipients=(to,), raw=raw)


def add_sms(inbox: Inbox, callback: str | None = None, to: str = "+18042221111") -> ArrivedSms:
    return inbox.add_sms(to=to, sender="+18045550100", body="Hello", status_callback=callback)


def test_the_newest_message_of_either_channel_comes_first():
    inbox = Inbox()
    arrived = [add_email(inbox), add_sms(inbox), add_sms(inbox), add_email(inbox)]
    assert inbox.newest(10) == arrived[::-1]
    assert inbox.newest(2) == [arrived[3], arrived[2]]
    assert inbox.newest(10, channel=Channel.SMS) == [arrived[2], arrived[1]]


def test_only_the_latest_messages_are_kept_but_all_are_counted():
    inbox = Inbox(Limits(sms=2, emails=3))
    first = add_email(inbox, "<0@x>")
    for n in range(1, 5):
        add_email(inbox, f"<{n}@x>")
        add_sms(inbox)
    counts = inbox.counts()
    assert (counts["sms"], counts["email"], counts["kept"], counts["distinctMessageIds"]) == (4, 5, 5, 5)
    assert inbox.get(first.id) is None


def test_large_e_mails_push_out_the_oldest_ones():
    inbox = Inbox(Limits(email_bytes=1000))
    old, new = add_email(inbox, size=600), add_email(inbox, size=600)
    assert inbox.newest(10) == [new]
    assert inbox.get(old.id) is None


def test_an_e_mail_larger_than_all_that_may_be_kept_is_still_counted():
    inbox = Inbox(Limits(email_bytes=1000))
    add_email(inbox, size=2000)
    assert (inbox.counts()["email"], inbox.counts()["kept"]) == (1, 0)


def test_e_mails_with_the_same_message_id_are_duplicates():
    inbox = Inbox()
    emails = [add_email(inbox, i) for i in ("<1@x>", "<2@x>", "<1@x>", None, None)]
    assert [inbox.copies(email) for email in emails] == [2, 1, 2, 1, 1]
    assert (inbox.counts()["duplicates"], inbox.counts()["distinctMessageIds"]) == (1, 2)


def test_sms_with_the_same_callback_are_duplicates():
    inbox = Inbox()
    copies = [
        inbox.copies(sms) for sms in [add_sms(inbox, c) for c in ("http://a/1", "http://a/1", None, None)]
    ]
    assert copies == [2, 2, 1, 1]
    assert inbox.counts()["smsDuplicates"] == 1


def test_clearing_forgets_messages_and_counts():
    inbox = Inbox()
    add_email(inbox, "<1@x>")
    add_sms(inbox)
    inbox.clear()
    assert inbox.newest(10) == []
    assert set(inbox.counts().values()) == {0}


def test_the_version_changes_with_every_arrival_and_with_clearing():
    inbox = Inbox()
    versions = [inbox.version]
    for change in (lambda: add_sms(inbox), lambda: add_email(inbox), inbox.clear):
        change()
        versions.append(inbox.version)
    assert len(set(versions)) == 4


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"Subject: a\r\nMessage-ID: <1@x>\r\n\r\nbody", "<1@x>"),
        (b"message-id:<1@x>  \r\n\r\n", "<1@x>"),
        (b"Message-ID:\r\n <1@x>\r\n\r\n", "<1@x>"),
        (b"Subject: a\r\n\r\nMessage-ID: <in-the-body@x>\r\n", None),
        (b"X-Message-ID: <other@x>\r\n\r\n", None),
        (b"", None),
    ],
)
def test_the_message_id_is_read_from_the_header_only(raw, found):
    assert message_id_of(raw) == found


@pytest.mark.parametrize(
    ("typed", "recipient", "matches"),
    [
        ("", "+18042221111", True),
        ("(804) 222", "+18042221111", True),
        ("804-222-1111", "+18042221111", True),
        ("+1 804", "+18042221111", True),
        ("999", "+18042221111", False),
        ("PAT@", "pat@example.com", True),
        ("pat", "+18042221111", False),
        ("42", "agent42@example.com", True),
    ],
)
def test_recipients_are_found_as_people_type_them(typed, recipient, matches):
    assert recipient_filter(typed)(recipient) is matches
