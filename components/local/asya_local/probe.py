"""Ask a process of the mesh over HTTP, bounded in time; proxies of the environment do not come between."""

from typing import Final

import urllib3

from asya_local.figures import Reading, read_metrics

LIMIT_S: Final = 2.0


def get(address: str, path: str) -> str:
    """Read ``http://address`` and a path.

    Raises:
        OSError: Nobody answers in time, or not with 200.
    """
    try:
        answer = urllib3.request("GET", f"http://{address}{path}", timeout=LIMIT_S, retries=False)
    except urllib3.exceptions.HTTPError as exc:
        raise OSError(f"{address}{path}: {exc}") from exc
    if answer.status != 200:
        raise OSError(f"{address}{path} answered {answer.status}")
    return answer.data.decode("utf-8")


def scrape(address: str) -> Reading | None:
    """Read ``http://address/metrics``; ``None`` when there is no usable answer (it starts, ends or is stuck)."""
    try:
        return read_metrics(get(address, "/metrics"))
    except (OSError, ValueError):
        return None
