"""What ``asya doctor --cluster`` makes of what a cluster says of itself."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from asya_cli import cluster_check
from asya_cli.main import asya

KEDA = {"metadata": {"name": "scaledobjects.keda.sh", "labels": {"app.kubernetes.io/version": "2.21.0"}}}
SERVED = {
    "metadata": {"name": "asyncactors.asya.sh"},
    "status": {"conditions": [{"type": "Established", "status": "True"}]},
}


def operator(ready: int, namespace: str = "asya-system", its_class: str = "", watches: str = "") -> dict[str, Any]:
    given = {"ASYA_OPERATOR_CLASS": its_class, "ASYA_WATCH_NAMESPACES": watches}
    env = [{"name": name, "value": value} for name, value in given.items()]
    manager = {"name": "manager", "env": [{"name": "ASYA_TRANSPORT_CONFIG"}, *env]}
    return {
        "metadata": {"namespace": namespace, "name": "mesh-asya-operator"},
        "spec": {"template": {"spec": {"containers": [manager]}}},
        "status": {"readyReplicas": ready} if ready else {},
    }


GATEWAY = {
    "metadata": {"namespace": "team", "name": "asya-gateway"},
    "spec": {"template": {"spec": {"containers": [{"name": "gateway"}]}}},
    "status": {"readyReplicas": 1},
}


def test_an_old_kubernetes_is_refused() -> None:
    found = cluster_check.read_kubernetes({"serverVersion": {"gitVersion": "v1.28.9"}})
    assert (found.found, found.cure) == (False, "upgrade Kubernetes to 1.29.0 or newer")
    assert "1.28.9 is too old" in found.detail


def test_a_kubernetes_that_nobody_mends_any_more_does_and_is_named() -> None:
    found = cluster_check.read_kubernetes({"serverVersion": {"gitVersion": "v1.33.1"}})
    assert found.found
    assert "support of its series ended on 2026-06-28" in found.detail


def test_a_keda_with_a_known_hole_is_named_with_its_cure() -> None:
    old = {"metadata": {"labels": {"app.kubernetes.io/version": "2.20.1"}}}
    found = cluster_check.read_keda(old)
    assert not found.found
    assert found.required
    assert "CVE-2026-77524" in found.detail
    assert found.cure == "upgrade KEDA to 2.21.0 or newer"


def test_no_keda_is_only_optional_and_an_unknown_one_is_let_be() -> None:
    assert (cluster_check.read_keda({}).found, cluster_check.read_keda({}).required) == (False, False)
    for labels in ({}, {"app.kubernetes.io/version": "main"}):
        unknown = cluster_check.read_keda({"metadata": {"labels": labels}})
        assert unknown.found
        assert "known holes are not looked for" in unknown.detail
    assert cluster_check.read_keda(KEDA).detail == "2.21.0"


def test_an_operator_counts_when_it_is_ready_whatever_its_release_is_called() -> None:
    assert not cluster_check.read_operators({"items": [GATEWAY]}).found
    waiting = cluster_check.read_operators({"items": [GATEWAY, operator(0)]})
    assert (waiting.found, "asya-system/mesh-asya-operator is not ready" in waiting.detail) == (False, True)
    assert "kubectl logs -n asya-system deployment/mesh-asya-operator" in waiting.cure
    assert cluster_check.read_operators({"items": [operator(0, "second", "blue"), operator(1)]}).found


def test_a_cluster_without_a_mesh_is_fit_and_one_with_half_of_it_is_not() -> None:
    assert not cluster_check.read_definition({}).required
    assert not cluster_check.read_operators({"items": [GATEWAY]}).required
    assert cluster_check.read_definition({"metadata": {}, "status": {}}).required
    assert cluster_check.read_operators({"items": [operator(0)]}).required


@pytest.mark.parametrize(
    ("other", "fine"),
    [
        ({}, False),
        ({"its_class": "blue"}, True),
        ({"watches": "team-a"}, False),
        ({"its_class": "blue", "watches": "team-a"}, True),
    ],
)
def test_two_operators_of_the_same_actors_are_found(other: dict[str, str], fine: bool) -> None:
    # The second may stand by, and is not ready then.
    for ready in (0, 1):
        found = cluster_check.read_operators({"items": [operator(1), operator(ready, "second", **other)]})
        assert found.found == fine
        both = "asya-system/mesh-asya-operator and second/mesh-asya-operator"
        assert fine or f"{both} would keep the same actors" in found.detail


def test_operators_of_namespaces_apart_do_not_meet() -> None:
    two = [operator(1, "one", watches="team-a,team-b"), operator(1, "two", watches="team-c")]
    assert cluster_check.read_operators({"items": two}).found


def fake_kubectl(folder: Path, answers: dict[str, dict[str, Any]]) -> None:
    """A stand-in for kubectl: one answer for each second word of its line."""
    lines = [f"{word}) echo '{json.dumps(answer)}';;" for word, answer in answers.items()]
    program = folder / "kubectl"
    program.write_text(
        '#!/bin/sh\ncase "$3$2" in\n' + "\n".join(lines) + "\n*) echo 'no such host' >&2; exit 1;;\nesac\n"
    )
    program.chmod(0o755)


@pytest.mark.parametrize(("ready", "code"), [(1, 0), (0, 1)])
def test_the_exit_code_says_whether_a_mesh_can_run(
    ready: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: dict[str, dict[str, Any]] = {
        "json--output": {"serverVersion": {"gitVersion": "v1.35.0"}},
        "scaledobjects.keda.shcrd": KEDA,
        "asyncactors.asya.shcrd": SERVED,
        "--all-namespacesdeployments": {"items": [operator(ready)]},
    }
    fake_kubectl(tmp_path, answers)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = CliRunner().invoke(asya, ["doctor", "--cluster", "--json"])
    assert done.exit_code == code, done.output
    checks = json.loads(done.stdout)["checks"]
    assert [each["name"] for each in checks] == ["Kubernetes", "KEDA", "AsyncActor", "operator"]


def test_a_cluster_that_does_not_answer_is_said_in_kubectl_s_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_kubectl(tmp_path, {})
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = CliRunner().invoke(asya, ["doctor", "--cluster"])
    assert done.exit_code == 1
    assert "no such host" in done.output


def test_without_kubectl_its_installation_is_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    (only,) = cluster_check.examine()
    assert "kubectl is not on PATH" in only.detail
    assert only.cure
