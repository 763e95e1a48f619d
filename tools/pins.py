"""``make pins``: until when what we pin is mended by its makers. Warns 90 days before a pin's support ends, and fails after.

Not part of ``make check``: a day that passes must not turn a commit red that was green. A pin that moves to another series
fails here until this table says when that one's support ends.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from asya_infra import collector, monitoring
from asya_manifest.support_ends import ENDS
from asya_oss import images
from lab.cluster import pins as cluster
from lab.engine import pins as engine

NOTICE: Final = timedelta(days=90)
LOOKED: Final = "its makers mend the newest only and name no date: the day on which we look again"
AGAIN: Final = date(2027, 5, 31)


@dataclass(frozen=True, slots=True)
class Pin:
    """Something of others that we run or install.

    Attributes:
        name: What it is.
        pinned: As the code says it: a version, or an image with one.
        ends: By series, the last day on which it is mended.
        source: Who says so.
    """

    name: str
    pinned: str
    ends: Mapping[str, date]
    source: str

    def verdict(self, today: date) -> tuple[bool, str]:
        """Say whether it may stay, and what is to be said about it; nothing where all is well."""
        version = re.sub(r"^.*:v?", "", self.pinned)
        series = next((each for each in self.ends if f"{version}.".startswith(f"{each}.")), None)
        if series is None:
            return False, f"{self.name} is {version}; enter in tools/pins.py when the support of its series ends"
        ends = self.ends[series]
        if today > ends:
            return False, f"{self.name} {version}: support of {series} ended on {ends} ({self.source})"
        if today + NOTICE >= ends:
            return True, f"{self.name} {version}: support of {series} ends on {ends} ({self.source})"
        return True, ""


PINS: Final = (
    Pin(
        "RabbitMQ",
        images.RABBITMQ,
        ENDS["RabbitMQ"],
        "https://www.rabbitmq.com/release-information",
    ),
    Pin(
        "Postgres",
        images.POSTGRES,
        {"15": date(2027, 11, 11), "16": date(2028, 11, 9), "17": date(2029, 11, 8), "18": date(2030, 11, 14)},
        "https://www.postgresql.org/support/versioning",
    ),
    Pin(
        "Prometheus",
        monitoring.PROMETHEUS_IMAGE,
        {"3.5": date(2026, 7, 31), "3.13": date(2027, 7, 31)},
        "https://prometheus.io/docs/introduction/release-cycle",
    ),
    Pin(
        "Grafana",
        monitoring.GRAFANA_IMAGE,
        {"12.1": date(2026, 4, 22), "13.2": date(2027, 5, 18)},  # a minor version is mended for nine months
        "https://grafana.com/docs/grafana/latest/upgrade-guide/when-to-upgrade",
    ),
    Pin("Kubernetes", cluster.KUBERNETES, ENDS["Kubernetes"], "https://kubernetes.io/releases"),
    Pin("KEDA", cluster.KEDA, {"2.21": AGAIN}, LOOKED),
    Pin("etcd", cluster.ETCD, {"3.6": AGAIN}, LOOKED),
    Pin("SeaweedFS", images.SEAWEEDFS, {"4": AGAIN}, LOOKED),
    Pin("postgres_exporter", images.POSTGRES_EXPORTER, {"0.20": AGAIN}, LOOKED),
    Pin("OpenTelemetry's collector", collector.IMAGE, {"0.162": AGAIN}, LOOKED),
    Pin("Pulumi's engine", engine.PULUMI, {"3": AGAIN}, LOOKED),
)


def check(pins: Iterable[Pin], today: date) -> tuple[bool, list[str]]:
    """Judge pins.

    Returns:
        Whether all may stay, and a line for each that is near its end or past it.
    """
    verdicts = [pin.verdict(today) for pin in pins]
    return all(fine for fine, _ in verdicts), [text for _, text in verdicts if text]


def main() -> int:
    """Check them today; the exit code is 1 when one's support has ended."""
    fine, lines = check(PINS, datetime.now(UTC).date())
    for line in lines:
        print(f"pins: {line}", file=sys.stderr)
    print(f"pins: {len(PINS)} looked at")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
