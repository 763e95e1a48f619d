"""Pods that cannot work are refused when they are declared: ports, volumes, names, lengths, and what the mesh sets itself."""

from typing import Any

import pytest

from asya_manifest.actor import parse_actor
from asya_manifest.errors import LONGEST_QUOTE, InvalidActor

POD = "spec.workload.template.spec"
MOVED: dict[str, Any] = {"sidecar": {"env": [{"name": "ASYA_METRICS_ADDR", "value": ":9090"}]}}


def declared(pod: dict[str, Any] | None = None, name: str = "ocr", **spec: Any) -> dict[str, Any]:
    """An actor whose pod has a runtime container beside what is given."""
    pod = pod or {}
    containers = pod.get("containers", [{"name": "asya-runtime"}])
    template = {"spec": {**pod, "containers": containers}, **spec.pop("template", {})}
    workload = {**spec.pop("workload", {}), "template": template}
    return {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": name},
        "spec": {"transport": "sqs", "workload": workload, **spec},
    }


def problems(document: dict[str, Any]) -> list[str]:
    try:
        parse_actor(document)
    except InvalidActor as exc:
        return [str(problem) for problem in exc.problems]
    return []


def runtime(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "asya-runtime", **fields}]}


def port(number: int, **fields: Any) -> dict[str, Any]:
    return {"containerPort": number, **fields}


TAKEN = (
    "port 8080 serves the injected sidecar's metrics and health; choose another, or move the sidecar's by "
    "ASYA_METRICS_ADDR in spec.sidecar.env, such as ':9090'"
)


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (runtime(ports=[port(8080, name="http")]), f"containers[0].ports[0].containerPort: {TAKEN}"),
        (
            {"containers": [{"name": "asya-runtime"}, {"name": "web", "ports": [port(80), port(8080)]}]},
            f"containers[1].ports[1].containerPort: {TAKEN}",
        ),
        (
            {"initContainers": [{"name": "proxy", "restartPolicy": "Always", "ports": [port(8080)]}]},
            f"initContainers[0].ports[0].containerPort: {TAKEN}",
        ),
        (
            {"containers": [{"name": "asya-runtime", "ports": [port(90)]}, {"name": "web", "ports": [port(90)]}]},
            "containers[1].ports[0].containerPort: port 90 is that of the container 'asya-runtime' too",
        ),
        (
            runtime(ports=[port(0)]),
            "containers[0].ports[0].containerPort: input should be greater than or equal to 1, got 0",
        ),
        (
            runtime(ports=[port(65536)]),
            "containers[0].ports[0].containerPort: input should be less than or equal to 65535",
        ),
        (runtime(ports=[port(90, name="asya-metrics")]), "containers[0].ports[0].name: 'asya-metrics' is reserved for"),
        (runtime(ports=[port(90, name="HTTP")]), "containers[0].ports[0].name: 'HTTP' must be lower case letters"),
        (runtime(ports=[port(90, name="a" * 16)]), "containers[0].ports[0].name: 'aaaaaaaaaaaaaaaa' must be"),
        (
            runtime(env=[{"name": "ASYA_SOCKET_DIR", "value": "/x"}]),
            "containers[0].env[0]: ASYA_SOCKET_DIR is set by the mesh",
        ),
        (runtime(env=[{"name": "A=B", "value": ""}]), "containers[0].env[0].name: 'A=B' cannot name a variable"),
        (
            {"containers": [{"name": "asya-runtime"}, {"name": "web"}, {"name": "web"}]},
            "containers: 'web' names 2 containers; each needs a name of its own",
        ),
        (
            {"initContainers": [{"name": "asya-runtime"}]},
            "containers: 'asya-runtime' names 2 containers; each needs a name of its own",
        ),
        ({"initContainers": [{"name": "Web"}]}, "initContainers[0].name: 'Web' must be lower case letters"),
        ({"volumes": [{"name": "a"}, {"name": "a"}]}, "volumes[1].name: 'a' names another volume or claim too"),
        ({"volumes": [{"name": "a.b"}]}, "volumes[0].name: 'a.b' must be lower case letters"),
        (
            {"initContainers": [{"name": "fetch", "volumeMounts": [{"name": "x", "mountPath": "/x"}]}]},
            "initContainers[0].volumeMounts[0].name: there is no volume named 'x'",
        ),
        (
            {**runtime(volumeMounts=[{"name": "a", "mountPath": "//tmp/."}]), "volumes": [{"name": "a"}]},
            "containers[0].volumeMounts[0].mountPath: '//tmp/.' is reserved for the injected volumes",
        ),
        (
            {
                **runtime(volumeMounts=[{"name": "a", "mountPath": "/a"}, {"name": "a", "mountPath": "/a/"}]),
                "volumes": [{"name": "a"}],
            },
            "containers[0].volumeMounts[1].mountPath: '/a/' is mounted twice",
        ),
        (
            {"terminationGracePeriodSeconds": 0},
            "terminationGracePeriodSeconds: input should be greater than or equal to 1",
        ),
    ],
)
def test_a_pod_that_cannot_work_is_refused_with_the_place(pod: dict[str, Any], expected: str) -> None:
    found = problems(declared(pod))
    assert len(found) == 1
    assert found[0].startswith(f"{POD}.{expected}")


@pytest.mark.parametrize(
    "document",
    [
        declared(runtime(ports=[port(8080)]), **MOVED),
        declared(runtime(ports=[port(8080)]), sidecar={"env": [{"name": "ASYA_METRICS_ENABLED", "value": "false"}]}),
        declared(runtime(ports=[port(8080, protocol="UDP")])),
        declared(runtime(ports=[port(90, name="a"), port(90, name="b")])),
        declared({"initContainers": [{"name": "fetch", "ports": [port(8080)]}]}),
        declared(runtime(env=[{"name": "ASYA_SOCKET_DIR", "value": "/var/run/asya"}])),
        declared({**runtime(volumeMounts=[{"name": "a", "mountPath": "/tmp/a"}]), "volumes": [{"name": "a"}]}),
        declared({"initContainers": [{"name": "fetch", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}]}),
        declared(name="a" * 63),
        declared(name="1a"),
        declared(name="a" * 52, workload={"kind": "StatefulSet"}),
    ],
)
def test_what_can_work_is_taken(document: dict[str, Any]) -> None:
    assert problems(document) == []


def test_a_port_of_the_moved_sidecar_is_taken_too() -> None:
    assert "port 9090 serves the injected sidecar's" in problems(declared(runtime(ports=[port(9090)]), **MOVED))[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a" * 53, "has 53: the name of a StatefulSet has at most 52 characters, for the labels of its pods"),
        ("1a", "a StatefulSet has a Service of its name, which must begin with a letter"),
    ],
)
def test_a_name_of_which_a_stateful_set_makes_no_pods_is_refused(name: str, text: str) -> None:
    [found] = problems(declared(name=name, workload={"kind": "StatefulSet"}))
    assert found.startswith("metadata.name: ")
    assert found.endswith(text)


def test_a_volume_that_a_claim_would_replace_is_refused() -> None:
    workload = {"kind": "StatefulSet", "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    found = problems(declared({"volumes": [{"name": "data", "emptyDir": {}}]}, workload=workload))
    assert found == [f"{POD}.volumes[0].name: 'data' names another volume or claim too"]


@pytest.mark.parametrize(
    ("metadata", "place"),
    [
        ({"labels": {"asya.sh/asya": "other"}}, "labels[asya.sh/asya]"),
        ({"labels": {"asya.sh/workload": "statefulset"}}, "labels[asya.sh/workload]"),
        ({"annotations": {"asya.sh/runtime-hash": "x"}}, "annotations[asya.sh/runtime-hash]"),
    ],
)
def test_what_the_mesh_would_overwrite_is_refused(metadata: dict[str, Any], place: str) -> None:
    found = problems(declared(template={"metadata": metadata}))
    assert found == [f"spec.workload.template.metadata.{place}: is set by the mesh; leave it out"]


def test_two_grace_periods_are_one_too_many() -> None:
    """The API server fills in 30 where the section is there, which says nothing."""
    pod = {"terminationGracePeriodSeconds": 1800}
    found = problems(declared(pod, timeout={"gracefulShutdown": 60}))
    assert found == [f"{POD}.terminationGracePeriodSeconds: spec.timeout.gracefulShutdown says it too; set one of them"]
    for timeout in ({"gracefulShutdown": 1800}, {"gracefulShutdown": 30, "processing": 60}, {}):
        assert problems(declared(pod, timeout=timeout)) == []


@pytest.mark.parametrize(
    "document",
    [
        declared(name="x" * 100_000),
        declared(**dict[str, Any]({"y" * 100_000: 1})),
        declared(retry={"retryOn": [f"{'z' * 100_000}-"]}),
        declared(timeout={"processing": "q" * 100_000}),
        declared(runtime(env=[{"name": "A", "value": {"k" * 100_000: 1}}])),
        declared(runtime(volumeMounts=[{"name": "v" * 100_000, "mountPath": "/a"}])),
        declared(workload={"kind": "K" * 100_000}),
        declared(scaling={"advanced": {"formula": "total", "target": "t" * 100_000}}),
    ],
)
def test_a_refusal_repeats_little_of_what_it_refuses(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidActor) as caught:
        parse_actor(document)
    assert len(str(caught.value)) < 4 * LONGEST_QUOTE
