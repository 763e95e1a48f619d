"""What cosign is told to sign, by a stand-in that notes it; `make test-cosign` has the real one."""

from pathlib import Path

import pytest

from lab.errors import LabError
from tools.release.signatures import sign

DIGEST = "sha256:" + "a" * 64


def cosign(folder: Path, code: int) -> None:
    program = folder / "cosign"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/signed\necho "no identity" >&2\nexit {code}\n')
    program.chmod(0o755)


def test_everything_that_was_pushed_is_signed_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cosign(tmp_path, 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("COSIGN_ARGS", "--key 'my keys/cosign.key'")
    crew, chart = f"registry.example/asya-crew@{DIGEST}", f"registry.example/charts/asya-crew@{DIGEST}"
    sign([crew, chart], {crew: {"cyclonedx": Path("bill.json")}}, Path("SUMS"))
    assert (tmp_path / "signed").read_text().splitlines() == [
        f"sign --yes --key my keys/cosign.key --recursive {crew}",
        f"attest --yes --key my keys/cosign.key --type cyclonedx --predicate bill.json {crew}",
        f"sign --yes --key my keys/cosign.key --recursive {chart}",
        "sign-blob --yes --key my keys/cosign.key --bundle SUMS.sigstore.json SUMS",
    ]


def test_a_signature_that_fails_ends_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cosign(tmp_path, 1)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LabError, match="cosign sign a: no identity"):
        sign(["a", "b"], {}, Path("SUMS"))


def test_without_cosign_the_release_says_that_nothing_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sign(["a"], {}, Path("SUMS"))
    assert "nothing is signed" in capsys.readouterr().out
