"""The plain manifests under deploy: loadable, least privilege, pinned images, restricted pods, agreeing with the code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_kube import resources
from asya_operator.crd import dump_crd, dump_limit_crd
from asya_operator.lease import LEASE_NAME
from asya_operator.settings import read_settings
from asya_operator.transport_config import parse_transports

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
OPERATOR = DEPLOY / "operator"
FILES = [*sorted(OPERATOR.glob("*.yaml")), *sorted((DEPLOY / "crew").glob("*.yaml"))]
WRITES = {"create", "patch", "delete"}


def documents(files: list[Path] = FILES) -> Iterator[dict[str, Any]]:
    for file in files:
        yield from (document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document)


def find(kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in documents() if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pods() -> Iterator[dict[str, Any]]:
    for document in documents():
        if document["kind"] == "Deployment":
            yield document["spec"]["template"]["spec"]
        elif document["kind"] == "AsyncActor":
            yield document["spec"]["workload"]["template"]["spec"]


def allowed(role: dict[str, Any]) -> dict[str, set[str]]:
    """Verbs by ``resource.group``."""
    found: dict[str, set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault(f"{resource}.{group}".rstrip("."), set()).update(rule["verbs"])
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_a_file_holds_kubernetes_objects(file: Path):
    """Every document says what it is."""
    found = list(documents([file]))
    assert found
    assert all({"apiVersion", "kind"} <= set(document) for document in found)


@pytest.mark.parametrize("folder", ["operator", "crew"])
def test_a_kustomization_names_files_that_are_there_and_no_example(folder: str):
    """Examples are to be copied, not applied as they are; the admission policy is for clusters that want it."""
    listed = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    present = {file.name for file in (DEPLOY / folder).glob("*.yaml")} - {"kustomization.yaml", "admission-policy.yaml"}
    assert set(listed) == {name for name in present if ".example." not in name}


def test_the_definition_is_the_one_that_the_models_make():
    """`make docs` writes it."""
    assert (OPERATOR / "crd.yaml").read_text(encoding="utf-8") == dump_crd()
    assert (OPERATOR / "crd-limits.yaml").read_text(encoding="utf-8") == dump_limit_crd()


def test_no_role_has_a_wildcard():
    """Each right is named."""
    roles = [each for each in documents() if each["kind"] in {"ClusterRole", "Role"}]
    assert len(roles) == 4
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


def test_the_role_allows_what_the_operator_does():
    """It owns some kinds, watches some, and reads the secrets that are named to it."""
    rights = allowed(find("ClusterRole", "asya-operator"))
    for kind in resources.OWNED:
        assert WRITES | {"get"} <= rights[f"{kind.plural}.{kind.group}".rstrip(".")], kind.kind
    for kind in (resources.ACTOR, *resources.WATCHED):
        assert {"get", "list", "watch"} <= rights[f"{kind.plural}.{kind.group}".rstrip(".")], kind.kind
    assert rights["configmaps"] >= WRITES
    assert {"get", "list", "create", "patch"} <= rights["events"]
    assert "patch" in rights["asyncactors.asya.sh"]
    assert "patch" in rights["asyncactors/status.asya.sh"]
    assert rights["asyncactors/finalizers.asya.sh"] == {"update"}


def test_the_role_allows_no_more():
    """No listing of secrets, no making of actors, pods, roles or definitions."""
    rights = allowed(find("ClusterRole", "asya-operator"))
    assert rights["secrets"] == {"get"}
    assert rights["pods"] == {"get", "list", "watch", "delete"}  # made anew without credentials of AWS
    assert rights["customresourcedefinitions.apiextensions.k8s.io"] == {"get", "list", "watch"}
    assert not {"create", "delete"} & rights["asyncactors.asya.sh"]
    assert not [name for name in rights if "rbac" in name or "lease" in name]


def test_the_lease_and_the_list_of_kept_queues_are_of_the_operators_own_namespace():
    """A right of a Role, not of the ClusterRole alone: an operator of some namespaces has no other there."""
    role = find("Role", "asya-operator-leader-election")
    assert role["metadata"]["namespace"] == "asya-system"
    assert allowed(role) == {
        "leases.coordination.k8s.io": {"get", "create", "update", "patch"},
        "configmaps": {"get", "create", "patch"},
    }
    assert LEASE_NAME == "asya-operator.asya.sh"


def test_images_are_pinned():
    """A tag that moves makes two replicas of one revision differ."""
    for file in FILES:
        assert ":latest" not in file.read_text(encoding="utf-8"), file
    for pod in pods():
        for container in pod["containers"]:
            assert ":" in container["image"]


def test_every_pod_is_restricted():
    """Pod Security's strictest level, and a root file system that cannot be written."""
    found = list(pods())
    assert len(found) == 4
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])


def test_the_operator_reads_its_flags_and_environment():
    """What the Deployment sets is known to the program, and its probes ask where it listens."""
    deployment = find("Deployment", "asya-operator")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    literal = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    settings = read_settings(container["args"], literal)
    assert deployment["spec"]["replicas"] == 2
    assert settings.leader_elect
    assert settings.manage_queues
    assert (settings.metrics_addr, settings.probe_addr) == (":8080", ":8081")
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {"metrics": 8080, "health": 8081}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}


@pytest.mark.parametrize("transport", ["sqs", "rabbitmq"])
def test_an_example_of_transports_is_read(transport: str):
    """Under the name and key from which the Deployment takes it."""
    (config_map,) = documents([OPERATOR / f"transports-{transport}.example.yaml"])
    (container,) = find("Deployment", "asya-operator")["spec"]["template"]["spec"]["containers"]
    source = next(entry for entry in container["env"] if entry["name"] == "ASYA_TRANSPORT_CONFIG")["valueFrom"]
    assert source["configMapKeyRef"]["name"] == config_map["metadata"]["name"]
    transports = parse_transports(config_map["data"][source["configMapKeyRef"]["key"]])
    assert transports.get(transport).type == transport
