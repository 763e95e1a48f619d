"""Until when the makers of what a mesh stands on mend the series of each. Pure; read by the operator and `make pins`.

KEDA is not in it: its makers mend the newest version only and name no date (``cluster_needs`` has its known holes).
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from asya_manifest.cluster_needs import parsed

ENDS: Final[Mapping[str, Mapping[str, date]]] = {
    "Kubernetes": {
        "1.33": date(2026, 6, 28),
        "1.34": date(2026, 10, 27),
        "1.35": date(2027, 2, 28),
    },
    "RabbitMQ": {"4.1": date(2026, 1, 31), "4.2": date(2026, 7, 31), "4.3": date(2026, 11, 30)},
}
"""By series, the last day. Sources: https://kubernetes.io/releases, https://www.rabbitmq.com/release-information; looked up in
November 2026. Whoever runs one may have it mended for longer, by a provider or a contract."""


def support_ends(part: str, version: str) -> date | None:
    """The last day on which a version's series is mended.

    Of one that is older than all that are listed it is the first of their days, at the latest; of one that is newer, or
    cannot be read, nothing is known.
    """
    have, ends = parsed(version), ENDS.get(part)
    if have is None or ends is None:
        return None
    listed = {_series(name): day for name, day in ends.items()}
    series = have[:2]
    return listed.get(series) or (min(listed.values()) if series < min(listed) else None)


def _series(name: str) -> tuple[int, int]:
    major, minor = name.split(".")
    return int(major), int(minor)
