"""What a gateway may be told, and that it never starts open to everyone by accident."""

import pytest

from asya_gateway.settings import read_settings
from asya_protocol.errors import SettingsError

TOKEN = "a-token-of-some-length"
OFF = {"ASYA_GATEWAY_AUTH": "off"}


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "ASYA_GATEWAY_TOKENS: names no token; give at least one, or set ASYA_GATEWAY_AUTH=off"),
        ({"ASYA_GATEWAY_TOKENS": "short"}, "token 1 is shorter than 16 characters"),
        ({"ASYA_GATEWAY_TOKENS": f"{TOKEN}|fly"}, "token 1 has an unknown scope 'fly'"),
        ({**OFF, "ASYA_GATEWAY_TOKENS": TOKEN}, "is off, but tokens are given too"),
        ({"ASYA_GATEWAY_AUTH": "no"}, "neither tokens nor off"),
        ({"ASYA_GATEWAY_TOKENS_FILE": "/nowhere"}, "ASYA_GATEWAY_TOKENS_FILE"),
        ({**OFF, "ASYA_DATABASE_URL": "mysql://u:hidden@h/d"}, "ASYA_DATABASE_URL: must be memory:"),
        (
            {**OFF, "ASYA_DATABASE_URL": "postgresql://asya:hidden/x@host/db"},
            "write special characters of the password as",
        ),
        (
            {**OFF, "ASYA_DATABASE_URL": "postgresql://asya:hid%den@host/db"},
            "write special characters of the password as",
        ),
        ({**OFF, "ASYA_GATEWAY_OIDC_ISSUER": "https://issuer"}, "ASYA_GATEWAY_OIDC_AUDIENCE: is needed"),
        ({"ASYA_GATEWAY_OIDC_ISSUER": "http://issuer", "ASYA_GATEWAY_OIDC_AUDIENCE": "a"}, "must start with https://"),
        ({**OFF, "ASYA_GATEWAY_OIDC_ISSUER": "https://i", "ASYA_GATEWAY_OIDC_AUDIENCE": "a"}, "is off, but"),
        ({**OFF, "ASYA_GATEWAY_CORS_ORIGINS": "https://a.example, *"}, "'*' is no origin"),
        ({**OFF, "ASYA_GATEWAY_RATE": "-1"}, "ASYA_GATEWAY_RATE"),
        ({**OFF, "ASYA_GATEWAY_TLS_CERT": "/nowhere"}, "ASYA_GATEWAY_TLS_CERT: there is no file"),
        ({**OFF, "ASYA_GATEWAY_TLS_KEY": "/nowhere"}, "ASYA_GATEWAY_TLS_CERT: is needed"),
        ({**OFF, "ASYA_GATEWAY_RETENTION": "1h"}, "must not be shorter than ASYA_GATEWAY_HISTORY"),
        ({**OFF, "ASYA_GATEWAY_PORT": "x"}, "ASYA_GATEWAY_PORT"),
        ({**OFF, "ASYA_LOG_LEVEL": "LOUD"}, "ASYA_LOG_LEVEL"),
        ({**OFF, "ASYA_GATEWAY_SWEEP": "0s"}, "ASYA_GATEWAY_SWEEP"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_told(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    assert problem in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "transport"),
    [
        ({}, "sqs"),
        ({"ASYA_SQS_ENDPOINT": "http://x", "ASYA_RABBITMQ_URL": "amqp://x"}, "sqs"),
        ({"ASYA_RABBITMQ_URL": "amqp://x"}, "rabbitmq"),
        ({"ASYA_RABBITMQ_URL": "amqp://x", "ASYA_TRANSPORT": "memory"}, "memory"),
    ],
)
def test_the_transport_is_chosen_as_the_original_does_unless_told(environ: dict[str, str], transport: str) -> None:
    assert read_settings({**OFF, **environ}).transport.name == transport


async def test_tokens_have_scopes() -> None:
    lines = f"{TOKEN}1|call:ocr,read\n# a remark, with words\n{TOKEN}2|report  {TOKEN}3|call:* {TOKEN}4"
    door = read_settings({"ASYA_GATEWAY_TOKENS": lines}).door
    asked = ["call:ocr", "call:echo", "read", "cancel", "report"]
    granted = {}
    for number in "1234":
        caller = await door.admit(f"Bearer {TOKEN}{number}")
        assert caller is not None
        granted[number] = [scope for scope in asked if caller.may(scope)]
    assert granted == {"1": ["call:ocr", "read"], "2": ["report"], "3": ["call:ocr", "call:echo"], "4": asked}
    assert TOKEN not in repr(door)
    for wrong in (None, "", "Bearer", f"Basic {TOKEN}4", f"Bearer {TOKEN}5", f"Bearer {TOKEN}"):
        assert await door.admit(wrong) is None
