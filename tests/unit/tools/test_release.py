"""What a release writes into charts, and what it refuses before it builds anything."""

import zipfile
from pathlib import Path

import pytest
import yaml

from lab.checkout import ROOT
from lab.errors import LabError
from lab.images.catalogue import IMAGES
from tools.release.__main__ import release, sign
from tools.release.charts import FOLDER, with_images
from tools.release.packages import OWN, top_level

DIGEST = "sha256:" + "a" * 64
IMAGES_BY_ROOM = {image.room: f"127.0.0.1:5000/x/{image.name}:0.2.0@{DIGEST}" for image in IMAGES}


@pytest.mark.parametrize("chart", ["asya-operator", "asya-gateway", "asya-crew"])
def test_a_released_chart_leads_to_the_images_that_it_was_released_with(chart: str) -> None:
    before = (FOLDER / chart / "values.yaml").read_text(encoding="utf-8")
    text = with_images(before, chart, IMAGES_BY_ROOM)
    values = yaml.safe_load(text)
    assert values["image"]["repository"] == f"127.0.0.1:5000/x/{chart}"
    assert values["image"]["tag"] == f"0.2.0@{DIGEST}"
    if chart == "asya-operator":
        assert values["sidecar"]["image"] == IMAGES_BY_ROOM["sidecar"]
    assert text.count("#") == before.count("#")
    told = yaml.safe_load(before)
    for changed in (values, told):
        for key in ("image", "sidecar"):
            changed.pop(key, None)
    assert values == told


def test_a_chart_without_images_of_its_own_stays_as_it_is() -> None:
    text = (FOLDER / "asya-actor/values.yaml").read_text(encoding="utf-8")
    assert with_images(text, "asya-actor", IMAGES_BY_ROOM) == text
    assert with_images("image:\n  repository: asya-crew\n", "asya-crew", {}) == "image:\n  repository: asya-crew\n"


def test_another_version_than_the_checkouts_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"is 0\.2\.0, not '9\.9\.9'; set the version in every pyproject"):
        release("9.9.9", "", images=[], architectures=[], folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_wheel_puts_at_the_top_is_read_off_it(tmp_path: Path) -> None:
    wheel = tmp_path / "asya_crew-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (
            "asya_crew/__init__.py",
            "handlers/__init__.py",
            "asya_runtime.py",
            "asya_crew-0.2.0.dist-info/RECORD",
        ):
            archive.writestr(name, "")
    assert top_level(wheel) == ["asya_crew", "asya_runtime", "handlers"]
    assert [bool(OWN.fullmatch(name)) for name in top_level(wheel)] == [True, True, False]


def test_the_names_of_the_old_manifests_are_in_the_crews_image_alone() -> None:
    (crew,) = (image for image in IMAGES if image.room == "crew")
    assert crew.files == ("handlers",)
    assert "COPY handlers /app/handlers" in (ROOT / "components/crew/Dockerfile").read_text(encoding="utf-8")


def cosign(folder: Path, code: int) -> None:
    """A stand-in for cosign, which notes what it is told to sign; `make test-cosign` has the real one."""
    program = folder / "cosign"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/signed\necho "no identity" >&2\nexit {code}\n')
    program.chmod(0o755)


def test_everything_that_was_pushed_is_signed_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cosign(tmp_path, 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("COSIGN_ARGS", "--key 'my keys/cosign.key'")
    sign([f"registry.example/asya-crew@{DIGEST}", f"registry.example/charts/asya-crew@{DIGEST}"])
    assert (tmp_path / "signed").read_text().splitlines() == [
        f"sign --yes --recursive --key my keys/cosign.key registry.example/asya-crew@{DIGEST}",
        f"sign --yes --recursive --key my keys/cosign.key registry.example/charts/asya-crew@{DIGEST}",
    ]


def test_a_signature_that_fails_ends_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cosign(tmp_path, 1)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LabError, match="cosign sign a: no identity"):
        sign(["a", "b"])


def test_without_cosign_the_release_says_that_nothing_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sign(["a"])
    assert "nothing is signed" in capsys.readouterr().out
