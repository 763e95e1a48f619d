"""Which Pulumi engine serves."""

import pytest

from lab.engine.find import serves, version_of


@pytest.mark.parametrize(
    ("said", "usable"),
    [("v3.250.0\n", True), ("v3.272.1", True), ("3.249.9", False), ("v4.0.0", False), ("", False), ("nonsense", False)],
)
def test_an_engine_serves_from_the_pinned_version_on(said: str, usable: bool) -> None:
    """Newer ones serve older SDKs; another major version may not."""
    assert serves(version_of(said)) is usable
