"""Before a mesh is removed: whose actors would be left without an operator, and when that is asked."""

from typing import Any, ClassVar

import pytest

from asya_infra.cluster_api import ACTOR, SCALED_OBJECT, ClusterRefused, ClusterSilent
from asya_infra.removal_guard import foreign, look, words
from tests.support.pulumi_program import run_environment

pytestmark = pytest.mark.unit


def meta(name: str, namespace: str = "asya", owner: str = "") -> dict[str, Any]:
    owners = [{"kind": owner, "name": "x"}] if owner else []
    return {"name": name, "namespace": namespace, "ownerReferences": owners}


def test_others_are_those_that_nobody_here_declared() -> None:
    found = [meta("ocr"), meta("happy-end"), meta("ocr", "team-b"), meta("asya-ocr", owner="AsyncActor")]
    assert foreign(found, ["asya/ocr", "asya/happy-end"]) == ["team-b/ocr"]
    assert foreign([], ["asya/ocr"]) == []


def test_what_keeps_the_mesh_is_listed() -> None:
    assert words([], []) == ""
    said = words(["team-b/ocr"], ["web/api"])
    assert "would never end without its operator: team-b/ocr;" in said
    assert "KEDA of this stack scales for others: web/api" in said
    assert said.endswith("nothing was removed")
    assert "and 5 more" in words([f"a/{number}" for number in range(25)], [])


def test_it_is_the_first_to_end() -> None:
    """What is made last is removed first: it waits for every actor, and those for the operator."""
    seen = run_environment("oss")
    guard = seen.one("pulumi-python:dynamic:Resource", "mesh-guard")
    assert guard.inputs["own"] == ["asya/error-end", "asya/fan-in", "asya/happy-end", "asya/hello-actor"]
    assert guard.inputs["keda"] is False
    assert "kubeconfig" in guard.secrets
    after = {name for _, name in guard.depends}
    assert {"hello-actor", "happy-end", "mesh-operator-deployment-asya-system-asya-operator"} <= after
    assert not any((guard.type, guard.name) in each.depends for each in seen.resources)


class _Api:
    """An API server that has what it is told, by kind; what it has not, nobody may list."""

    answers: ClassVar[dict[Any, Any]] = {}

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> "_Api":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def metadata(self, kind: Any) -> list[dict[str, Any]]:
        found = self.answers.get(kind, ClusterRefused("403: forbidden"))
        if isinstance(found, Exception):
            raise found
        return list(found)


@pytest.mark.parametrize(
    ("answers", "keda", "seen"),
    [
        ({ACTOR: [meta("ocr"), meta("b", "team")]}, False, (["team/b"], [])),
        ({ACTOR: [], SCALED_OBJECT: [meta("api", "web")]}, True, ([], ["web/api"])),
        ({ACTOR: [], SCALED_OBJECT: [meta("api", "web")]}, False, ([], [])),
        ({}, True, ([], [])),
        ({ACTOR: ClusterSilent("gone")}, True, ([], [])),
    ],
    ids=["others", "scaled", "keda-is-not-ours", "not-allowed", "no-answer"],
)
def test_what_a_cluster_says_of_others(
    monkeypatch: pytest.MonkeyPatch, answers: dict[Any, Any], keda: bool, seen: tuple[list[str], list[str]]
) -> None:
    monkeypatch.setattr("asya_infra.cluster_api.ClusterApi", _Api)
    monkeypatch.setattr(_Api, "answers", answers)
    props = {"kubeconfig": "{}", "context": "", "own": ["asya/ocr"], "keda": keda}
    assert look(props) == seen
