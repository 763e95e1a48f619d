"""Every finding of the two reviews has a test that is there, or words that SECURITY.md has: README.md's tables, checked."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPO = HERE.parents[1]
FOUND = {
    *(f"H{number}" for number in range(1, 5)),
    *(f"M{number}" for number in range(1, 8)),
    *(f"L{number}" for number in range(1, 9)),
    *(str(number) for number in range(1, 20)),
    *(f"T{number}" for number in range(1, 6)),
}
ROWS = [
    tuple(part.strip() for part in line.strip("|").split("|"))
    for line in (HERE / "README.md").read_text().splitlines()
    if line.startswith("|") and not line.startswith(("| point", "|---"))
]
SECURITY = " ".join((REPO / "SECURITY.md").read_text().split())


def test_no_finding_is_left_out() -> None:
    assert len(ROWS) == len(FOUND)
    assert {row[0] for row in ROWS} == FOUND


@pytest.mark.parametrize(("point", "now"), [(row[0], row[2]) for row in ROWS], ids=lambda text: text[:20])
def test_what_is_named_is_there(point: str, now: str) -> None:
    words = re.findall(r"SECURITY\.md: \"([^\"]+)\"", now)
    tests = re.findall(r"`(\S+\.(?:py|txt))(?:::(\S+))?`", re.sub(r"\"[^\"]+\"", "", now))
    assert tests or words, point
    assert now.count("SECURITY.md") == len(words), f"{point}: quote what SECURITY.md says"
    for path, name in tests:
        file = HERE / path if (HERE / path).exists() else REPO / path
        assert file.is_file(), f"{point}: {path} is not there"
        defined = re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
        assert not name or any(fnmatchcase(each, name) for each in defined), f"{point}: {path} has no {name}"
    for each in words:
        assert each in SECURITY, f"{point}: SECURITY.md does not say: {each}"
