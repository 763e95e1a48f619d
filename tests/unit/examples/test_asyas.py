"""The manifests under examples/asyas and deploy/crew: each is read by the operator, and has the shape it stands for."""

import ast
from pathlib import Path

import pytest

from asya_manifest.actor import AsyncActor
from asya_manifest.files import Manifests, read_manifests

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "asyas"
CREW = ROOT / "deploy" / "crew"
FILES = sorted(EXAMPLES.glob("*.yaml"))


def read(name: str) -> Manifests:
    return read_manifests([EXAMPLES / f"{name}.yaml"])


def only(name: str) -> AsyncActor:
    (declared,) = read(name).actors
    return declared.actor


def env(actor: AsyncActor) -> dict[str, str | None]:
    return {entry.name: entry.value for entry in actor.spec.workload.template.runtime.env}


def test_all_examples_of_the_original_are_there():
    """And two of ours."""
    assert {file.stem for file in FILES} == {
        *(
            "simple-actor",
            "no-scaling",
            "advanced-scaling",
            "custom-python",
            "custom-sidecar",
            "fully-configured",
            "gpu",
        ),
        *("multi-container", "pipeline-preprocess", "pipeline-inference", "pipeline-postprocess"),
        *("stateful", "seed-quick-start"),
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_has_its_handler_where_it_says(file: Path):
    """Module, and function or class with method, are in the ConfigMap that the container mounts."""
    manifests = read_manifests([file])
    assert manifests.actors
    assert not manifests.notes
    for declared in manifests.actors:
        actor = declared.actor
        maps = [volume.config_map for volume in actor.spec.workload.template.spec.volumes if volume.config_map]
        if actor.name == "image-classifier":
            assert not maps  # its handler is in its image
            continue
        handler = env(actor)["ASYA_HANDLER"]
        assert handler
        module, *path = handler.split(".")
        (source,) = (manifests.config_maps[config_map.name][f"{module}.py"].decode() for config_map in maps)
        body = ast.parse(source).body
        for name in path:
            found = next(
                node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
            )
            body = found.body


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.stem != "seed-quick-start"], ids=lambda file: file.stem
)
def test_examples_use_rabbitmq(file: Path):
    """As Asya 0.1.1's do."""
    for declared in read_manifests([file]).actors:
        assert declared.actor.spec.transport == "rabbitmq"


def test_the_scaling_examples_have_the_originals_figures():
    """Fixed, scaled, and scaled by a formula."""
    assert only("simple-actor").name == "hello-actor"
    fixed = only("no-scaling")
    assert (fixed.name, fixed.spec.scaling.enabled, fixed.spec.workload.replicas) == ("fixed-replicas-actor", False, 3)
    by_formula = only("advanced-scaling")
    advanced = by_formula.spec.scaling.advanced
    assert advanced is not None
    assert (by_formula.name, by_formula.metadata.namespace) == ("advanced-scaling-actor", "asya")
    assert (advanced.formula, advanced.target) == ("ceil(queueLength / 10)", "10")
    assert (advanced.activation_target, advanced.metric_type) == ("5", "AverageValue")


def test_the_workload_examples_have_the_originals_shapes():
    """Another Python, another sidecar, a GPU, a container more, a StatefulSet."""
    conda = only("custom-python")
    assert (conda.name, conda.spec.workload.python_executable) == ("conda-ml-actor", "/opt/conda/bin/python")
    assert "PYTHONPATH" in env(conda)
    custom = only("custom-sidecar").spec
    assert custom.sidecar.image_pull_policy == "Always"
    assert custom.sidecar.image
    assert custom.sidecar.resources
    assert custom.sidecar.env
    assert (custom.timeout.processing, custom.timeout.graceful_shutdown) == (600, 60)
    llm = only("gpu")
    assert (llm.name, llm.spec.scaling.queue_length) == ("llm-actor", 2)
    extra = llm.spec.workload.template.runtime.model_extra or {}
    assert extra["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"nodeSelector", "tolerations"} <= set(llm.spec.workload.template.spec.model_extra or {})
    cached = only("multi-container")
    assert cached.name == "cached-actor"
    assert [each.name for each in cached.spec.workload.template.spec.containers] == ["asya-runtime", "redis"]
    assert only("stateful").spec.workload.kind == "StatefulSet"


def test_the_pipeline_is_three_actors():
    """One file each, named by what it does."""
    assert [only(f"pipeline-{name}").name for name in ("preprocess", "inference", "postprocess")] == [
        "preprocess",
        "inference",
        "postprocess",
    ]


def test_the_first_versions_quick_start_is_read():
    """`workload.type` and `workload.kind` alike."""
    classifier, hello = (declared.actor for declared in read("seed-quick-start").actors)
    assert classifier.spec.workload.kind == hello.spec.workload.kind == "Deployment"
    assert (classifier.spec.scaling.enabled, classifier.spec.scaling.max_replicas) == (False, 100)
    assert (hello.spec.scaling.enabled, hello.spec.scaling.max_replicas) == (True, 50)


def test_the_crew_is_three_actors_in_envelope_mode():
    """Only one replica joins what was fanned out."""
    actors = {declared.actor.name: declared.actor for declared in read_manifests([CREW]).actors}
    assert set(actors) == {"happy-end", "error-end", "fan-in"}
    for actor in actors.values():
        assert (env(actor)["ASYA_HANDLER_MODE"], env(actor)["ASYA_ENABLE_VALIDATION"]) == ("envelope", "false")
        assert actor.spec.workload.template.runtime.image == "asya-crew:0.2.0"
    assert {name: env(actor)["ASYA_HANDLER"] for name, actor in actors.items()} == {
        "happy-end": "asya_crew.end_handlers.happy_end_handler",
        "error-end": "asya_crew.end_handlers.error_end_handler",
        "fan-in": "asya_crew.fan_in_handler.fan_in_handler",
    }
    assert actors["fan-in"].spec.scaling.max_replicas == 1
