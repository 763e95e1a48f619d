"""The demo's handlers are plain functions, and its account finds what does not add up."""

import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "code-census"


@pytest.fixture
def census(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import census

    yield census
    sys.modules.pop("census", None)


@pytest.fixture
def ledger(census):
    import ledger

    yield ledger
    sys.modules.pop("ledger", None)


@pytest.fixture
def library(tmp_path):
    sources = {
        "small.py": "x = 1\n",
        "large.py": "def f():\n    return 1 if True else 2\n\n\nclass C:\n    pass\n",
        "pkg/__init__.py": "",
        "test/test_small.py": "assert True\n",
        "test/tokenizedata/bad.py": "def broken(:\n",
        "site-packages/foreign.py": "y = 2\n",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_broken_come_first_then_the_largest(census, library):
    found = [item["module"] for item in census.modules({"root": str(library), "limit": 9})]
    assert found == ["test.tokenizedata.bad", "large", "small", "pkg"]


def test_the_limit_holds_and_extra_files_count(census, library, tmp_path):
    payload = {"root": str(library / "pkg"), "limit": 1, "extra": [str(library / "small.py")]}
    assert list(census.modules(payload)) == [{"path": str(library / "small.py"), "module": "small"}]


def test_a_file_is_measured_and_graded(census, library):
    parsed = census.Parser().parse({"path": str(library / "large.py"), "module": "large"})
    assert {name: parsed[name] for name in ("lines", "functions", "classes", "branches")} == {
        "lines": 6, "functions": 1, "classes": 1, "branches": 1,
    }  # fmt: skip
    graded = census.grade(parsed)
    assert (graded["complexity"], graded["grade"], graded["module"]) == (2, "B", "large")


def test_a_broken_file_raises(census, library):
    with pytest.raises(SyntaxError):
        census.Parser().parse({"path": str(library / "test/tokenizedata/bad.py")})


def test_the_account_counts_what_the_actor_must_find(census, ledger, library):
    assert ledger.count_files(library, 99, 0) == len(list(census.modules({"root": str(library), "limit": 99})))
    assert ledger.count_files(library, 2, 0) == 2


def test_an_account_balances_when_each_envelope_has_one_end(ledger, library):
    happy = {"c": payload(library / "large.py"), "c-1": payload(library / "small.py")}
    error = {"c-2": payload(library / "test/tokenizedata/bad.py")}
    account = ledger.settle(3, "c", happy, error)
    assert account.balanced
    assert account.lost == []


def test_an_account_names_what_is_lost_blamed_doubled_or_nobody_sent(ledger, library):
    happy = {"c": payload(library / "large.py"), "d": payload(library / "large.py")}
    error = {"c-1": payload(library / "small.py")}
    account = ledger.settle(3, "c", happy, error)
    assert not account.balanced
    assert account.lost == ["c-2"]
    assert account.unexpected == [
        "d: nobody sent it",
        f"c-1: {library / 'small.py'} failed though it parses",
        f"{library / 'large.py'}: processed twice",
    ]


def payload(path: Path):
    return {"payload": {"path": str(path)}}
