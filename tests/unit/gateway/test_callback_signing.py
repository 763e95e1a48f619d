"""Secrets of callbacks, their names, and the headers they make."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from asya_gateway.callbacks.settings import CallbackSettings
from asya_gateway.callbacks.signing import read_secrets
from asya_gateway.settings import read_settings
from asya_manifest.callback import Callback
from asya_protocol.errors import SettingsError

OLD, NEW, OTHER = (f"whsec_{b64encode(bytes([number]) * 24).decode()}" for number in (1, 2, 3))
OFF = {"ASYA_GATEWAY_AUTH": "off"}


def test_a_name_given_twice_signs_with_both_secrets_and_no_other() -> None:
    secrets = read_secrets(f"a={OLD} a={NEW}\nb={OTHER}")
    headers = secrets.headers("a", "id.3", '{"n":"ü"}', datetime.now(UTC))
    for known in (OLD, NEW):
        assert Webhook(known).verify('{"n":"ü"}', headers) == {"n": "ü"}
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify('{"n":"ü"}', headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify('{"n":"u"}', headers)
    with pytest.raises(KeyError):
        secrets.headers("c", "id", "", datetime.now(UTC))


def test_the_specification_s_own_example_is_signed_as_it_says() -> None:
    """Source: the specification's and the libraries' test vector."""
    secrets = read_secrets("default=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    moment = datetime.fromtimestamp(1614265330, UTC)
    headers = secrets.headers("default", "msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', moment)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("whsec_aGlkZGVuaGlkZGVuaGlkZGVuaGlkZGVu", "secret 1 is not written as NAME="),
        ("whsec_aGlkZGVu=", "secret 1 has 0 bytes"),
        (f"a={OLD} b=whsec_aGlkZGVu", "secret 2 has 6 bytes, not 24 to 64"),
        ("a=whsec_hidden!hidden!hidden!", "secret 1 is not whsec_ and base64"),
        ("a b=whsec_aGlkZGVu", "secret 1 is not written as NAME="),
        (f"a/b={OLD}", "secret 1 is not written as NAME="),
        (f"a={b64encode(bytes(65)).decode()}", "secret 1 has 65 bytes"),
    ],
)
def test_a_secret_that_cannot_be_stops_the_start_and_is_not_told(text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({**OFF, "ASYA_GATEWAY_CALLBACK_SECRETS": text})
    assert str(caught.value).startswith(f"ASYA_GATEWAY_CALLBACK_SECRETS: {problem}")
    assert "aGlkZGVu" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_settings_tell_no_secret() -> None:
    settings = read_settings({**OFF, "ASYA_GATEWAY_CALLBACK_SECRETS": f"a={OLD}"})
    assert settings.callbacks.secrets
    assert OLD.removeprefix("whsec_") not in repr(settings)


@pytest.mark.parametrize(
    ("callback", "problem"),
    [
        (Callback("https://a.example", "a"), None),
        (Callback("https://10.1.2.3", "a"), None),
        (Callback("https://a.example", "b"), "the gateway has no callback secret 'b'"),
        (Callback("https://10.2.2.3", "a"), "its callback's address is not public, and not allowed"),
        (Callback("http://[::1]:80/x", "a"), "its callback's address is not public, and not allowed"),
    ],
)
def test_a_callback_that_could_never_be_made_is_known_beforehand(callback: Callback, problem: str | None) -> None:
    given = {"ASYA_GATEWAY_CALLBACK_SECRETS": f"a={OLD}", "ASYA_GATEWAY_CALLBACK_ALLOW": "10.1.0.0/16"}
    assert read_settings({**OFF, **given}).callbacks.problem(callback) == problem


def test_without_a_secret_callbacks_are_off() -> None:
    assert "callbacks are off" in (CallbackSettings().problem(Callback("https://a.example")) or "")
