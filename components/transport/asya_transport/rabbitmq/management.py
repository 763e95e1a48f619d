"""RabbitMQ's management API, for what AMQP cannot answer: unacknowledged counts and the list of queues.

Its counts are samples, up to 5 s old by default (``collect_statistics_interval``, and as much again for quorum
queues), so callers combine them with what AMQP says live. Blocking; callers run it in a thread.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

import urllib3

from asya_protocol.errors import SettingsError, TransportError, TransportUnavailable

VARIABLE: Final = "ASYA_RABBITMQ_MANAGEMENT_URL"
TIMEOUT_S: Final = 10.0
# Totals straight from the broker's counters instead of the metrics history, which lags more and may be switched off.
_TOTALS: Final = {"disable_stats": "true", "enable_queue_totals": "true"}
_COLUMNS: Final = ("name", "messages", "messages_ready", "messages_unacknowledged")


@dataclass(frozen=True, slots=True)
class Sample:
    """One queue's counts as the management API last sampled them.

    Attributes:
        ready: Waiting to be received.
        unacknowledged: Received and not settled.
        delayed: Held back by the broker itself, as a policy of delayed retries has it do (4.3).
    """

    ready: int
    unacknowledged: int
    delayed: int = 0


class Management:
    """The management API of one broker, for one vhost."""

    def __init__(self, url: str, vhost: str, credentials: tuple[str, str] | None) -> None:
        """Note where it is; nothing is sent yet.

        Args:
            url: ``http(s)://[user:password@]host:port[/path]``.
            vhost: Virtual host of all queues.
            credentials: User name and password where the URL has none.

        Raises:
            SettingsError: The URL cannot be used.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise SettingsError(VARIABLE, str(exc)) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(VARIABLE, "must be like http://user:password@host:15672")
        if parts.username is not None:
            credentials = (unquote(parts.username), unquote(parts.password or ""))
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._base = urlunsplit(
            (parts.scheme, host if port is None else f"{host}:{port}", parts.path.rstrip("/"), "", "")
        )
        self._vhost = quote(vhost, safe="")
        # Encoded here: urllib3 would take a user name for latin-1, RabbitMQ reads UTF-8.
        basic = None if credentials is None else ":".join(credentials).encode()
        self._headers = {} if basic is None else urllib3.make_headers(basic_auth=basic.decode("latin-1"))
        self._pool = urllib3.PoolManager(
            maxsize=4, timeout=urllib3.Timeout(total=TIMEOUT_S), retries=urllib3.Retry(total=2, redirect=False)
        )

    def sample(self, queue: str) -> Sample | None:
        """Read the last sample of a queue; ``None`` where there is none, as for a queue made a moment ago.

        Raises:
            TransportUnavailable: The API cannot be reached.
            TransportError: It refuses.
        """
        # One page of the list, filtered: only lists come without statistics history.
        query = {**_TOTALS, "page": "1", "page_size": "100", "name": f"^{_escape(queue)}$", "use_regex": "true"}
        answer = self._get(f"/api/queues/{self._vhost}?{urlencode(query)}")
        found = next((item for item in answer.get("items", []) if item.get("name") == queue), None)
        return None if found is None else _read_sample(found)

    def list_queues(self) -> dict[str, Sample | None]:
        """Every queue of the vhost with its last sample; ``None`` where there is none yet.

        Raises:
            TransportUnavailable: The API cannot be reached.
            TransportError: It refuses.
        """
        answer = self._get(f"/api/queues/{self._vhost}?{urlencode({**_TOTALS, 'columns': ','.join(_COLUMNS)})}")
        return {str(item["name"]): _read_sample(item) for item in answer}

    def alarms(self) -> tuple[str, ...]:
        """What keeps the broker from taking messages: ``memory``, ``disk``, ``file_descriptor_limit``.

        Nothing where it does not say.

        Source: https://www.rabbitmq.com/docs/alarms, and its HTTP API's ``/api/health/checks/alarms``, which answers 503 then.

        Raises:
            TransportUnavailable: The API cannot be reached.
        """
        answer = self._ask("/api/health/checks/alarms")
        try:
            found = json.loads(answer.data).get("alarms", ()) if answer.status == 503 else ()
            return tuple(sorted({str(each["resource"]) for each in found}))
        except (ValueError, KeyError, TypeError, AttributeError):
            return ()

    def close(self) -> None:
        """Close its sockets."""
        self._pool.clear()

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON, whose shape depends on the path
        answer = self._ask(path)
        if answer.status >= 500:
            raise TransportUnavailable(f"RabbitMQ management API at {self._base} answers {answer.status}")
        if answer.status != 200:
            hint = {401: "user name or password is wrong", 404: "the vhost does not exist"}.get(
                answer.status, "does the user have the management tag?"
            )
            raise TransportError(
                f"RabbitMQ management API at {self._base} answers {answer.status}: {hint} ({VARIABLE})"
            )
        try:
            return json.loads(answer.data)
        except ValueError as exc:
            raise TransportError(f"{self._base} is no RabbitMQ management API: no JSON ({VARIABLE})") from exc

    def _ask(self, path: str) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request("GET", self._base + path, headers=self._headers)
        except urllib3.exceptions.HTTPError as exc:
            raise TransportUnavailable(f"RabbitMQ management API at {self._base} cannot be reached ({exc})") from exc


def _read_sample(item: Mapping[str, Any]) -> Sample | None:
    if "messages_unacknowledged" not in item:
        return None
    ready, unacknowledged = int(item.get("messages_ready", 0)), int(item["messages_unacknowledged"])
    return Sample(ready, unacknowledged, max(0, int(item.get("messages", 0)) - ready - unacknowledged))


def _escape(name: str) -> str:
    """Quote a queue's name for the broker's regular expressions (PCRE)."""
    return "".join(letter if letter.isalnum() or letter in "-_" else f"\\{letter}" for letter in name)
