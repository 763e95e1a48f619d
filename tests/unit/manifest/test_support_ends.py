"""Until when series are mended."""

from datetime import date

import pytest

from asya_manifest.support_ends import ENDS, support_ends

pytestmark = pytest.mark.unit
FIRST = min(ENDS["RabbitMQ"].values())


@pytest.mark.parametrize(
    ("part", "version", "ends"),
    [
        ("RabbitMQ", "4.3", date(2026, 11, 30)),
        ("RabbitMQ", "4.2.7", date(2026, 7, 31)),
        ("RabbitMQ", "3.13", FIRST),
        ("RabbitMQ", "4.4", None),
        ("RabbitMQ", "", None),
        ("Kubernetes", "v1.35.2-eks-3cf0ce", date(2027, 2, 28)),
        ("Kubernetes", "v1.29.0", date(2026, 6, 28)),
        ("Kubernetes", "v1.100.0", None),
        ("KEDA", "2.21.0", None),
    ],
)
def test_a_series_has_an_end_or_nothing_is_known(part: str, version: str, ends: date | None) -> None:
    assert support_ends(part, version) == ends
