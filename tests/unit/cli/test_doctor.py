"""``asya doctor`` says what is missing and the one command that brings it."""

import shutil
import sys

import pytest

from asya_cli import doctor
from asya_local.localstack import find_python


@pytest.fixture
def programs(monkeypatch):
    """The programs that are on PATH, by name."""
    present: set[str] = set()
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in present else None)
    return present


def find(name: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.name == name)


def test_this_very_machine_can_run_the_mesh():
    assert all(finding.found for finding in doctor.examine() if finding.required)


def test_what_is_there_needs_no_cure(programs):
    programs.add("rabbitmq-server")
    assert (find("rabbitmq-server").found, find("rabbitmq-server").cure) == (True, "")


@pytest.mark.parametrize(
    ("manager", "cure"),
    [
        ("apt-get", "sudo apt-get install -y rabbitmq-server"),
        ("brew", "brew install rabbitmq"),
        ("pacman", "see https://www.rabbitmq.com/docs/download"),
    ],
)
def test_a_missing_program_comes_with_the_command_of_this_machines_package_manager(programs, manager, cure):
    programs.add(manager)
    finding = find("rabbitmq-server")
    assert (finding.found, finding.required, finding.cure) == (False, False, cure)


def test_every_missing_thing_says_what_it_is_for_and_how_to_get_it(programs):
    for finding in doctor.examine():
        assert finding.purpose
        assert finding.found or finding.cure


def test_a_python_that_does_not_run_is_not_offered_to_localstack(programs, monkeypatch, tmp_path):
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "_base_executable", str(shim))
    assert find_python() is None
