"""Until when AWS supports what a stack runs, and what to say half a year before. Pure.

Sources, looked at in November 2026: https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html and
https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html, standard support.
EKS 1.36 by https://endoflife.date/amazon-eks: out since 2026-06-02, supported for 14 months as the page says of every version.
"""

import datetime
from collections.abc import Iterator, Mapping
from typing import Final

WARN_BEFORE: Final = datetime.timedelta(days=183)
ENDS: Final[Mapping[tuple[str, str], datetime.date]] = {
    ("EKS", "1.32"): datetime.date(2026, 3, 23),
    ("EKS", "1.33"): datetime.date(2026, 7, 29),
    ("EKS", "1.34"): datetime.date(2026, 12, 2),
    ("EKS", "1.35"): datetime.date(2027, 3, 27),
    ("EKS", "1.36"): datetime.date(2027, 8, 2),
    ("RDS for PostgreSQL", "16"): datetime.date(2029, 2, 28),
    ("RDS for PostgreSQL", "17"): datetime.date(2030, 2, 28),
}
"""Product and version: the last day of standard support. A version that is newer than this table is let through."""
_CURES: Final = {
    "EKS": "AWS upgrades the cluster by itself then: raise asya:kubernetesVersion by one before (docs/aws.md, An upgrade)",
    "RDS for PostgreSQL": "it costs more from then on: take a newer release of Asya, which moves it",
}


def warnings(kubernetes: str, postgres: str | None, today: datetime.date) -> Iterator[str]:
    """What ends within half a year.

    Args:
        kubernetes: Version of the cluster.
        postgres: Major version of the database; ``None`` without one.
        today: The date.
    """
    for product, version in (("EKS", kubernetes), ("RDS for PostgreSQL", postgres)):
        ends = ENDS.get((product, version or ""))
        if ends is not None and today > ends - WARN_BEFORE:
            ended = "ended" if today > ends else "ends"
            yield f"{product} {version}: standard support {ended} on {ends}; {_CURES[product]}"
