"""``asya build``: which builder, which Dockerfile, which command; a real builder makes an image where one is installed."""

from pathlib import Path

import pytest

from asya_cli.build import build_cure, choose_builder, command, is_usable, left_out, write_files
from asya_cli.doctor import _docker
from asya_cli.exit_codes import BadRequest, NotFound


def test_the_first_builder_that_is_installed_is_taken_unless_one_is_wanted() -> None:
    assert choose_builder(None, lambda name: name != "docker") == "podman"
    assert choose_builder("buildah", lambda _: True) == "buildah"
    with pytest.raises(BadRequest, match="docker is not installed"):
        choose_builder("docker", lambda _: False)
    with pytest.raises(NotFound, match="docker, podman, buildah"):
        choose_builder(None, lambda _: False)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("requirements.txt", "RUN pip install --no-cache-dir -r requirements.txt"),
        ("pyproject.toml", "RUN pip install --no-cache-dir ."),
    ],
)
def test_the_dockerfile_installs_what_the_folder_says_and_is_the_users_then(
    tmp_path: Path, file: str, line: str
) -> None:
    (tmp_path / file).touch()
    assert [path.name for path in write_files(tmp_path)] == ["Dockerfile", ".dockerignore"]
    lines = (tmp_path / "Dockerfile").read_text().splitlines()
    assert {"ARG BASE=python:3.13-slim", "FROM $BASE", line, "COPY . /app", "ENV PYTHONPATH=/app"} <= set(lines)
    assert left_out(tmp_path) == ""
    (tmp_path / "Dockerfile").write_text("FROM mine\n")
    assert write_files(tmp_path) == []
    assert left_out(tmp_path) == file
    assert (tmp_path / "Dockerfile").read_text() == "FROM mine\n"


@pytest.mark.parametrize(("code", "answers"), [(0, True), (1, False)])
def test_dockers_daemon_is_asked_and_not_its_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, answers: bool
) -> None:
    client = tmp_path / "docker"
    client.write_text(f"#!/bin/sh\nexit {code}\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert is_usable("docker") is answers
    assert _docker("images").found is answers
    assert not is_usable("podman")


def test_without_packages_nothing_is_installed(tmp_path: Path) -> None:
    write_files(tmp_path)
    assert "RUN" not in (tmp_path / "Dockerfile").read_text()


def test_all_builders_get_the_same_options(tmp_path: Path) -> None:
    assert command("buildah", tmp_path, "ocr:1", "debian:12") == [
        "buildah", "build", "-t", "ocr:1", "-f", f"{tmp_path}/Dockerfile", "--build-arg", "BASE=debian:12", str(tmp_path),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dockerfile", "base", "words"),
    [
        ("ARG BASE=python:3.13-slim\nFROM $BASE\n", None, "could not get python:3.13-slim: --base"),
        ("ARG BASE=python:3.13-slim\nFROM $BASE\n", "debian:12", "could not get debian:12: --base"),
        ("FROM mine\n", None, "name one in the Dockerfile"),
    ],
)
def test_a_build_that_failed_names_what_helps(dockerfile: str, base: str | None, words: str) -> None:
    assert words in build_cure(dockerfile, base)
