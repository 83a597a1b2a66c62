import pytest

from messages.errors import SettingsError
from messages.settings import load_settings
from messages.sms_rates import SenderKind, kind_of

SERVICE = "MG" + "0" * 32
ACCOUNT = {"twilio_account_sid": "AC1", "twilio_auth_token": "secret"}


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        ("+18042221111", SenderKind.LONG),
        ("+18002221111", SenderKind.TOLL_FREE),
        ("+18442221111", SenderKind.TOLL_FREE),
        ("+18882221111", SenderKind.TOLL_FREE),
        ("+18222221111", SenderKind.LONG),  # kept for toll-free numbers, and not one yet
        ("+448002221111", SenderKind.LONG),
        ("12345", SenderKind.SHORT),
        ("123456", SenderKind.SHORT),
        ("1234567", SenderKind.LONG),
        (SERVICE, SenderKind.SERVICE),
    ],
)
def test_a_sender_tells_its_kind(sender, kind):
    assert kind_of(sender) is kind


@pytest.mark.parametrize(
    "url", ["https://api.twilio.com", "https://api.dublin.ie1.twilio.com", "https://API.twilio.com/"]
)
def test_at_twilio_its_own_limits_hold(url):
    rates = load_settings(**ACCOUNT, twilio_base_url=url).rates
    assert [rates.of(s) for s in ("+18042221111", "+18002221111", "12345", SERVICE)] == [1, 3, 100, None]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8025", "https://nottwilio.com", "https://twilio.com.example"]
)
def test_a_look_alike_has_no_limit_unless_one_is_set(url):
    assert load_settings(**ACCOUNT, twilio_base_url=url).rates.of("+18042221111") is None
    assert load_settings(**ACCOUNT, twilio_base_url=url, sms_rates="long=2").rates.of("+18042221111") == 2


def test_a_senders_own_rate_wins_over_its_kinds_and_what_is_not_named_stays():
    given = f"long=5, +18042221111=0.5,toll-free=unlimited, {SERVICE}=40"
    rates = load_settings(**ACCOUNT, sms_rates=given).rates
    senders = ("+18042221111", "+18042222222", "+18002221111", "12345", SERVICE)
    assert [rates.of(sender) for sender in senders] == [0.5, 5, None, 100, 40]


@pytest.mark.parametrize(
    "given",
    ["long", "long=", "long=0", "long=-1", "long=nan", "long=inf", "long=1e9", "tall=1", "804-222-1111=1",
     "long=1,long=2", "=1", "MG1=1"],
)  # fmt: skip
def test_what_is_no_rate_is_refused_by_name(given):
    with pytest.raises(SettingsError, match=r"SMS_RATES is wrong: write it like long=1"):
        load_settings(sms_rates=given)


def test_there_is_no_limit_where_there_is_no_account():
    assert load_settings().rates.of("+18042221111") is None
