"""docs/troubleshooting.md says what the code says: messages, what holds an envelope, statuses, and what doctor looks for."""

import re
from typing import get_args

import pytest

from asya_cli.doctor import examine
from asya_local.mesh_status import ActorState
from asya_manifest import explanation
from lab.checkout import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "components").rglob("*.py")))
ROW = re.compile(r"^\| (`.*?) \|", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
MESSAGES = [said for row in ROW.findall(PAGE.partition("## By message")[2]) for said in CODE.findall(row)]


def first_column(heading: str) -> set[str]:
    section = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    return {word for row in ROW.findall(section) for word in CODE.findall(row)}


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) > 20


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_codes_own(message: str) -> None:
    for part in message.split("..."):
        assert part.strip(" :()") in SOURCES


def test_every_answer_of_why_is_explained() -> None:
    source = (ROOT / explanation.__file__).read_text(encoding="utf-8")
    assert first_column("What `asya why` says") == set(re.findall(r'\bWhy\(\s*"(\w+)"', source))


def test_every_status_of_the_local_mesh_is_explained() -> None:
    assert first_column("What an actor's status says") == set(get_args(ActorState))


def test_whatever_doctor_looks_for_is_explained() -> None:
    section = PAGE.partition("## What `asya doctor` says")[2].partition("\n## ")[0]
    for finding in examine():
        assert finding.name.removesuffix("-server") in section
