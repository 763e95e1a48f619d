"""What is built is built once, and its folder is whole or not there."""

from pathlib import Path

import pytest

from lab import built_once as module
from lab.built_once import built_once


def test_a_build_happens_once(tmp_path: Path) -> None:
    """The second caller gets what the first one made."""
    made: list[str] = []

    def make(half: Path, scratch: Path) -> None:
        made.append(scratch.name)
        (half / "tool").write_text("built", encoding="utf-8")

    done = tmp_path / "cache/tool-1"
    assert built_once(done, make) == done == built_once(done, make)
    assert len(made) == 1 and (done / "tool").read_text(encoding="utf-8") == "built"


def test_a_build_that_fails_once_is_tried_again_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a download that broke off."""
    monkeypatch.setattr(module, "PAUSES_S", (0.0, 0.0))
    tries: list[int] = []

    def make(half: Path, scratch: Path) -> None:
        tries.append(len([*half.iterdir(), *scratch.iterdir()]))
        (half / "tool").touch()
        if len(tries) == 1:
            raise RuntimeError("cut off")

    done = tmp_path / "cache/tool-1"
    assert built_once(done, make) == done
    assert tries == [0, 0]
    assert "tool-1: cut off" in capsys.readouterr().err


def test_a_build_that_failed_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one starts afresh."""
    monkeypatch.setattr(module, "PAUSES_S", (0.0, 0.0))

    def breaks(half: Path, scratch: Path) -> None:
        (half / "tool").touch()
        raise RuntimeError("cut off")

    done = tmp_path / "cache/tool-1"
    with pytest.raises(RuntimeError, match="cut off"):
        built_once(done, breaks)
    assert [path.name for path in done.parent.iterdir()] == ["tool-1.lock"]
