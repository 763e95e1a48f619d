"""Arguments as users of Pulumi write them: outputs, dicts in place of classes, and one sentence for what has to be plain."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from asya_aws import EksCluster
from asya_aws.scope import Scope
from asya_aws.settings import AwsSettings
from asya_infra import AsyaMesh, AsyncActor, Cluster, ConfigError, McpTool, MeshOptions, Queue, Scaling, local_resources
from asya_infra.local_resources import TOOLS_FOLDER, manifest_path
from asya_infra.local_target import LocalTarget
from asya_infra.tool_names import file_name
from tests.support.pulumi_program import Run, on_a_cluster, run_program

pytestmark = pytest.mark.unit

KIND = "kubernetes:asya.sh/v1alpha1:AsyncActor"
TOOLS = "kubernetes:core/v1:ConfigMapPatch"


def later(value: Any) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value)


def actor(**arguments: Any) -> Run:
    return run_program(
        lambda: AsyncActor(
            "ocr", mesh=on_a_cluster(), image="ocr:1", handler="a.b", **{k: v() for k, v in arguments.items()}
        )
    )


TAKEN: list[tuple[str, Callable[[], Any], tuple[str, ...], Any]] = [
    ("scaling", lambda: Scaling(max_replicas=later(5)), ("scaling", "maxReplicas"), 5),
    ("scaling", lambda: {"max_replicas": 5}, ("scaling", "maxReplicas"), 5),
    ("scaling", lambda: {"max_replicas": later(5)}, ("scaling", "maxReplicas"), 5),
    ("retry", lambda: {"max_attempts": 2, "initial_delay": later("5s")}, ("retry", "initialDelay"), "5s"),
    ("batch", lambda: {"size": later(8)}, ("batch", "size"), 8),
    ("delivery", lambda: {"dedup": {"window": "1h"}}, ("delivery", "dedup", "window"), "1h"),
    ("timeout", lambda: {"processing": later("10m")}, ("timeout", "processing"), "10m"),
]


@pytest.mark.parametrize(("key", "value", "path", "found"), TAKEN)
def test_values_may_be_outputs_and_parts_may_be_dicts(
    key: str, value: Callable[[], Any], path: tuple[str, ...], found: Any
) -> None:
    spec = actor(**{key: value}).one(KIND).inputs["spec"]
    for part in path:
        spec = spec[part]
    assert spec == found


def test_the_variables_of_a_handler_may_be_one_output() -> None:
    spec = actor(env=lambda: later({"LANGUAGE": "de"})).one(KIND).inputs["spec"]
    (container,) = spec["workload"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "LANGUAGE", "value": "de"}]


def test_an_account_may_be_an_output() -> None:
    pod = actor(service_account=lambda: later("mine")).one(KIND).inputs["spec"]["workload"]["template"]["spec"]
    assert pod["serviceAccountName"] == "mine"


GPU: dict[str, Any] = {
    "node_selector": {"accelerator": "nvidia-gpu"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
}


@pytest.mark.parametrize("when", [lambda value: value, later])
def test_pods_go_where_a_gpu_is(when: Callable[[Any], Any]) -> None:
    seen = actor(
        resources=lambda: {"limits": {"nvidia.com/gpu": 1}}, **{k: lambda v=v: when(v) for k, v in GPU.items()}
    )
    pod = seen.one(KIND).inputs["spec"]["workload"]["template"]["spec"]
    assert (pod["nodeSelector"], pod["tolerations"]) == tuple(GPU.values())
    with pytest.raises(ConfigError, match="node_selector and tolerations belong into the workload's own template"):
        actor(workload=dict, node_selector=lambda: {"a": "b"})


def test_secret_variables_are_in_a_secret_and_nowhere_else() -> None:
    seen = actor(secrets=lambda: {"API_KEY": pulumi.Output.secret("hush")}, env=lambda: {"LANGUAGE": "de"})
    kept = seen.one("kubernetes:core/v1:Secret", "ocr-secrets")
    assert kept.inputs["stringData"] == {"API_KEY": "hush"} and "stringData" in kept.secrets
    made = seen.one(KIND)
    template = made.inputs["spec"]["workload"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["env"] == [{"name": "LANGUAGE", "value": "de"}]
    assert container["envFrom"] == [{"secretRef": {"name": "asya-ocr-env"}}]
    assert (kept.type, kept.name) in made.depends
    assert "hush" not in str(made.inputs) and made.secrets == frozenset()
    another = actor(secrets=lambda: {"API_KEY": "other"}).one(KIND).inputs["spec"]["workload"]["template"]
    assert another["metadata"] != template["metadata"], "pods read it when they start"


REFUSED: list[tuple[dict[str, Callable[[], Any]], str]] = [
    (
        {"scaling": lambda: {"max": 5}},
        "AsyncActor ocr: scaling has no 'max'; it has advanced, cooldown_period, enabled, ",
    ),
    (
        {"scaling": lambda: later({})},
        "AsyncActor ocr: scaling decides the manifest: give its values, which may be outputs",
    ),
    ({"batch": dict}, "AsyncActor ocr: batch: missing 1 required keyword-only argument: 'size'"),
    (
        {"resources": lambda: {"limit": {"memory": "1Gi"}}},
        "resources: has no limit; it has requests, limits and claims",
    ),
    (
        {"opts": lambda: pulumi.ResourceOptions(provider=on_a_cluster().target.provider)},
        "AsyncActor ocr: goes where its mesh is: a provider in opts would not be used",
    ),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_cannot_be_is_one_sentence(arguments: dict[str, Callable[[], Any]], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        actor(**arguments)
    assert str(caught.value).startswith(said)


def test_a_tool_s_route_and_description_may_be_outputs() -> None:
    seen = run_program(
        lambda: McpTool("read", mesh=on_a_cluster(), route=[later("ocr"), "grade"], description=later("Reads"))
    )
    (tool,) = yaml.safe_load(seen.one(TOOLS).inputs["data"]["read.yaml"])["tools"]
    assert (tool["route"], tool["description"]) == (["ocr", "grade"], "Reads")


def test_a_tool_has_its_schedules_in_its_file() -> None:
    nightly = {"name": "nightly", "cron": "@daily"}
    seen = run_program(lambda: McpTool("read", mesh=on_a_cluster(), route=["ocr"], schedules=[nightly]))
    document = yaml.safe_load(seen.one(TOOLS).inputs["data"]["read.yaml"])
    assert document["schedules"] == [{**nightly, "tool": "read"}]
    with pytest.raises(ConfigError, match=r"McpTool read: schedules\[0\]: Object missing required field `cron`"):
        run_program(lambda: McpTool("read", mesh=on_a_cluster(), route=["ocr"], schedules=[{"name": "nightly"}]))


def test_a_tool_of_a_mesh_without_a_gateway_is_refused() -> None:
    with pytest.raises(ConfigError, match="McpTool read: is served by a gateway, and this mesh has none"):
        run_program(lambda: McpTool("read", mesh=on_a_cluster(gateway=False), route=["ocr"]))


@pytest.mark.parametrize("name", ["docs/read", "../../evil", "a b", "..", "x" * 200])
def test_a_tool_s_file_is_never_a_path(tmp_path: Path, name: str) -> None:
    safe = file_name(name)
    assert manifest_path(str(tmp_path), safe, TOOLS_FOLDER).resolve().parent == (tmp_path / TOOLS_FOLDER).resolve()
    assert len(safe) <= 128 and safe != file_name(f"{name}!")
    assert file_name("read_docs.v2") == "read_docs.v2"


def test_a_tool_of_the_local_mesh_lies_in_its_folder() -> None:
    def program() -> None:
        class Local:
            target = LocalTarget(mesh=pulumi.ComponentResource("a:b:C", "m", {}), home="/home", transport="memory")

        McpTool("docs_read", mesh=Local, route=["ocr"])

    assert run_program(program).one("pulumi-python:dynamic:Resource").inputs["object"] == file_name("docs_read")


@pytest.mark.parametrize("name", ["docs/read", "../../evil", "a b"])
def test_a_tool_whose_name_no_model_could_call_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name that every model can call"):
        run_program(lambda: McpTool(name, mesh=on_a_cluster(), route=["ocr"]))


def test_the_subnets_of_a_cluster_may_be_one_output() -> None:
    def program() -> None:
        scope = later(Scope(region="eu-central-1", account="123456789012"))
        EksCluster("c", subnet_ids=later(["a", "b"]), settings=AwsSettings(), scope=scope)

    assert run_program(program).one("aws:eks/cluster:Cluster").inputs["vpcConfig"]["subnetIds"] == ["a", "b"]


def mesh(name: str, options: MeshOptions | None = None) -> AsyaMesh:
    there = on_a_cluster().target
    assert there.provider is not None
    cluster = Cluster(provider=there.provider, kubeconfig=there.kubeconfig, context="there")
    queue = Queue(transport="rabbitmq", config={"host": "broker"}, url=later("amqp://broker"))
    return AsyaMesh(name, cluster=cluster, queue=queue, options=options)


def test_names_of_resources_are_plain() -> None:
    with pytest.raises(ConfigError, match=r"MeshOptions\.namespace: begins the names of resources: a plain text"):
        run_program(lambda: mesh("mesh", MeshOptions(namespace=later("actors"))))  # type: ignore[arg-type]


def test_one_program_holds_two_meshes_and_actors_of_one_name() -> None:
    def program() -> None:
        for name, namespace in (("mesh", "one"), ("second", "two")):
            made = mesh(name, MeshOptions(namespace=namespace, system_namespace=f"{namespace}-system"))
            AsyncActor("ocr", mesh=made, image="ocr:1", handler="a.b", resource_name=f"{name}-ocr")

    names = [each.name for each in run_program(program).of_type(KIND)]
    assert len(names) == len(set(names)) == 8
    assert {"happy-end", "second-happy-end", "mesh-ocr", "second-ocr"} <= set(names)


def test_a_moved_actor_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine makes it below its new parent before it deletes it below the old one; both are one manifest."""
    monkeypatch.setattr(local_resources, "_up", lambda _: None)
    monkeypatch.setattr(local_resources, "_await", lambda *_: "Running")
    props = {
        "home": str(tmp_path),
        "transport": "memory",
        "endpoint": "",
        "actor": "ocr",
        "manifest": "kind: AsyncActor",
    }
    actors = local_resources._Actors()
    first, second = actors.create({**props, "wait_s": 1}), actors.create({**props, "wait_s": 1})
    actors.delete(first.id, first.outs or {})
    assert manifest_path(str(tmp_path), "ocr").is_file()
    monkeypatch.setattr("asya_local.mesh.down", lambda *_: None)
    actors.delete(second.id, second.outs or {})
    assert list((tmp_path / local_resources.FOLDER).iterdir()) == []


def test_a_moved_mesh_is_not_taken_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one that an earlier version made kept for want of a mark."""
    ended: list[Path] = []
    monkeypatch.setattr("asya_local.mesh.down", lambda home, _: ended.append(home))
    meshes = local_resources._Meshes()
    props = {"home": str(tmp_path), "transport": "memory", "endpoint": ""}
    first, second = meshes.create(props), meshes.create(props)
    meshes.delete(first.id, props)
    assert ended == []
    meshes.delete(second.id, props)
    meshes.delete(str(tmp_path), props)
    assert ended == [tmp_path, tmp_path]


def test_what_an_earlier_version_made_is_deleted(tmp_path: Path) -> None:
    """It left no mark of its owner."""
    objects = local_resources._Objects()
    made = objects.create({"home": str(tmp_path), "folder": TOOLS_FOLDER, "object": "read", "text": "tools: []"})
    path = manifest_path(str(tmp_path), "read", TOOLS_FOLDER)
    path.with_suffix(local_resources.OWNER).unlink()
    objects.delete(str(path), made.outs or {})
    assert not path.exists()
