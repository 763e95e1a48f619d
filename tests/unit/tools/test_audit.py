"""What an audit says of packages: holes with their cure, and what could not be looked up."""

import pytest

from tools.audit import told

pytestmark = pytest.mark.unit


def test_a_hole_is_named_with_its_cure_and_a_package_without_an_answer_is_no_silence() -> None:
    found = told(
        [
            {"name": "fine", "version": "1", "vulns": []},
            {
                "name": "old",
                "version": "1",
                "vulns": [{"id": "PYSEC-1", "fix_versions": ["2", "3"]}, {"id": "PYSEC-2"}],
            },
            {"name": "private", "skip_reason": "not found"},
        ]
    )
    assert found == [
        "old 1: PYSEC-1, mended in 2, 3",
        "old 1: PYSEC-2, mended in no version yet",
        "private: not looked up: not found",
    ]
