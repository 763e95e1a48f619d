"""The settings that the engine is given: the shared ones, what it wrote itself, and credentials that nobody chose."""

from typing import Any

import pytest

from tools.stack.settings_file import credentials

pytestmark = pytest.mark.unit

PAIR = {"asya:accessKey": "fresh", "asya:secretKey": "fresh"}


@pytest.mark.parametrize(
    ("preset", "given", "known", "made"),
    [
        ("oss", {}, {}, {"asya:password": "fresh", **PAIR}),
        ("oss", {"asya:password": "mine"}, {}, PAIR),
        ("oss", {"asya:password": {"secure": "v1:..."}, "asya:store": "s3-endpoint"}, {}, {}),
        ("oss", {}, {"asya:password": "first"}, {"asya:password": "first", **PAIR}),
        ("localstack", {}, {}, {"asya:password": "fresh"}),
        ("aws", {}, {}, {}),
        ("local", {}, {}, {}),
    ],
)
def test_credentials_are_made_up_once_where_nobody_chose_any(
    preset: str, given: dict[str, Any], known: dict[str, Any], made: dict[str, str]
) -> None:
    assert credentials(preset, given, known, lambda: "fresh") == made
