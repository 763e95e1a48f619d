"""Where a release came from: the commit, the lock file and the command, as SLSA's provenance in an in-toto statement."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lab.checkout import ROOT
from lab.errors import LabError

PREDICATE: Final = "https://slsa.dev/provenance/v1"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
BY_HAND: Final = "urn:asya:release:by-hand"
"""Who built it, where nobody says: somebody at their own machine, whose word has the weight of their key."""


@dataclass(frozen=True, slots=True)
class Source:
    """What it was built from.

    Attributes:
        commit: Of the checkout; forty hex digits.
        changed: Whether the checkout had changes that are in no commit.
        lock: Sum (SHA-256) of the lock file.
    """

    commit: str
    changed: bool
    lock: str


def predicate(source: Source, parameters: Mapping[str, Any], builder: str, began: datetime, ended: datetime) -> Any:  # noqa: ANN401
    """Say how it was made. Pure.

    Source: https://slsa.dev/spec/v1.1/provenance

    Args:
        source: What it was built from.
        parameters: What was typed.
        builder: URI of who or what built it.
        began: With its zone.
        ended: With its zone.
    """
    return {
        "buildDefinition": {
            "buildType": "urn:asya:make-release:1",
            "externalParameters": dict(parameters),
            "internalParameters": {"uncommittedChanges": source.changed},
            "resolvedDependencies": [
                {"name": "source", "digest": {"gitCommit": source.commit}},
                {"name": "uv.lock", "digest": {"sha256": source.lock}},
            ],
        },
        "runDetails": {
            "builder": {"id": builder},
            "metadata": {"startedOn": _instant(began), "finishedOn": _instant(ended)},
        },
    }


def statement(subjects: Mapping[str, str], said: Any) -> Any:  # noqa: ANN401 - JSON
    """Tie a predicate to what it is about. Pure.

    Args:
        subjects: Sums (SHA-256) by name, at least one.
        said: The predicate.
    """
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())],
        "predicateType": PREDICATE,
        "predicate": said,
    }


def commit_and_changes() -> tuple[str, bool]:
    """The checkout's commit, and whether something in it is in no commit.

    Raises:
        LabError: This is no checkout of git.
    """
    return _git("rev-parse", "HEAD").strip(), bool(_git("status", "--porcelain"))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"a release says which commit it is of: git {arguments[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
