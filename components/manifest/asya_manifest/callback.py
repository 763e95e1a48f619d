"""Where the end of an envelope is told: `callback` of a tool, or of one call. Pure.

Whether a gateway would post there, and has the secret, is its own to say (``asya_gateway.callbacks``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

EVENTS: Final = ("succeeded", "failed")
"""The ends of an envelope that can be told; one that was cancelled, or whose time was over, has failed."""
DEFAULT_SECRET: Final = "default"  # noqa: S105 - a name
LONGEST_URL: Final = 2048
LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Callback:
    """Where an envelope's end is told.

    Attributes:
        url: Where to post, ``http`` or ``https``.
        secret_ref: Name of the secret that signs it, as the gateway's settings have it.
        events: Which ends are told, of ``EVENTS``.
    """

    url: str
    secret_ref: str = DEFAULT_SECRET
    events: tuple[str, ...] = EVENTS


def read_callback(value: object) -> Callback:
    """Read ``{url, secretRef, events}``.

    Raises:
        ValueError: It is none; the text goes behind the word ``callback``, and does not repeat the URL, which may hold a token.
    """
    if not isinstance(value, Mapping):
        raise ValueError("must have a url")  # noqa: TRY004 - as for every other wrong value
    if strange := sorted(set(value) - {"url", "secretRef", "events"}, key=str):
        raise ValueError(f"has an unknown key {str(strange[0])[:80]!r} (known: url, secretRef, events)")
    url, secret, events = value.get("url"), value.get("secretRef", DEFAULT_SECRET), value.get("events", EVENTS)
    split_url(url)
    if not isinstance(secret, str) or not is_name(secret):
        raise ValueError(f"secretRef must be a name of 1 to {LONGEST_NAME} letters, digits, _, . and -")
    if not isinstance(events, list | tuple) or not events or not all(event in EVENTS for event in events):
        raise ValueError(f"events must be a list of {' and '.join(EVENTS)}")
    return Callback(str(url), secret, tuple(event for event in EVENTS if event in events))


def is_name(text: str) -> bool:
    """Whether a text can be the name of a secret."""
    return 0 < len(text) <= LONGEST_NAME and text.isascii() and all(each.isalnum() or each in "_.-" for each in text)


def split_url(url: object) -> SplitResult:
    """Read the URL of a callback; its ``hostname`` is there, its ``port`` can be read.

    Raises:
        ValueError: It cannot be one; the text goes behind the word ``callback``, and repeats nothing of it.
    """
    # Before urlsplit, which leaves out tabs and ends of lines that others would see.
    if not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL:
        raise ValueError(f"url must be a text of 1 to {LONGEST_URL} characters")
    if not url.isascii() or not url.isprintable() or any(each in ' \\"<>^`{|}' for each in url):
        raise ValueError(
            "url has characters that no URL has; write them percent-encoded, and names of hosts in punycode"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("url is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("url must begin with https:// or http:// and a host")
    if "@" in parts.netloc:
        raise ValueError("url must not have a user or a password; a signature says who posts")
    if "#" in url:
        raise ValueError("url must not have a fragment")
    return parts
