"""The certificate for HTTPS, reloaded when its files change."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from asya_protocol.errors import SettingsError

log: Final = logging.getLogger(__name__)

LOOK_S: Final = 10.0


class Certificate:
    """A certificate that may be renewed while it is in use; open connections keep the old one.

    Args:
        chain: Its file, whose first certificate is our own.
        key: The private key's.
        told: Called with its subject and its end (Unix time), and again when it is renewed.

    Raises:
        SettingsError: The certificate cannot be used.
    """

    def __init__(self, chain: Path, key: Path, told: Callable[[str, float], None] = lambda *_: None) -> None:
        self._files = (chain, key)
        self._told = told
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._content = self._read()
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError("ASYA_GATEWAY_TLS_CERT", f"{chain} with {key} cannot be used: {exc}") from None
        told(*read_end(self._content[0]))

    async def watch(self) -> None:
        """Reload periodically until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> bool:
        """Reload the files when they have changed; returns whether the certificate changed."""
        try:
            content = self._read()
            if content == self._content:
                return False
            self._content = content
            # A chain and a key that do not match must not reach the context in use.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as exc:
            log.warning("certificate not renewed", extra={"error": str(exc)})
            return False
        self._told(*read_end(content[0]))
        log.info("certificate renewed")
        return True

    def _read(self) -> tuple[bytes, bytes]:
        return self._files[0].read_bytes(), self._files[1].read_bytes()


def read_end(chain: bytes) -> tuple[str, float]:
    """The subject of a chain's first certificate, and the end of its validity (Unix time).

    Raises:
        ValueError: There is none.
    """
    from cryptography.x509 import load_pem_x509_certificate

    found = load_pem_x509_certificate(chain)
    return found.subject.rfc4514_string(), found.not_valid_after_utc.timestamp()
