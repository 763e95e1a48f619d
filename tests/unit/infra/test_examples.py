"""The Pulumi examples under mocks, for both environments; tests/stack runs them on the engine."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_cli.init import FILES, PULUMI_FILES, write_actor
from asya_manifest.tools import parse_tools
from lab.checkout import ROOT
from tests.support.pulumi_program import KUBECONFIG, Run, run_program

pytestmark = pytest.mark.unit

EXAMPLES = ROOT / "examples"


def run(monkeypatch: pytest.MonkeyPatch, folder: str, stack: str, tmp_path: Path, **config: Any) -> Run:
    monkeypatch.chdir(EXAMPLES / folder)
    (tmp_path / "config").write_text(KUBECONFIG, encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    file = EXAMPLES / folder / f"Pulumi.{stack}.yaml"
    own = yaml.safe_load(file.read_text(encoding="utf-8"))["config"] if file.exists() else {}
    program = str(EXAMPLES / folder / "__main__.py")
    return run_program(lambda: runpy.run_path(program), {**own, **config}, stack=stack)


def test_ten_lines_are_an_actor_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = run(monkeypatch, "pulumi-minimal", "local", tmp_path)
    (manifest,) = [yaml.safe_load(each.inputs["manifest"]) for each in seen.resources if each.inputs.get("actor")]
    assert manifest["spec"] == {
        "transport": "sqs",
        "image": "hello:1",
        "handler": "hello.process",
        "scaling": {"enabled": True},
    }
    assert manifest["metadata"]["annotations"]["asya.sh/source"] == str(EXAMPLES / "pulumi-minimal")
    lines = (EXAMPLES / "pulumi-minimal/__main__.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line]) <= 10


def test_and_in_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = run(monkeypatch, "pulumi-minimal", "cluster", tmp_path, **{"asya:transport": "rabbitmq"})
    made = seen.one("kubernetes:asya.sh/v1alpha1:AsyncActor")
    assert made.inputs["metadata"]["namespace"] == "asya"
    assert made.inputs["spec"]["transport"] == "rabbitmq"
    assert seen.exports == {"queue": "asya-hello", "status": "Running"}


def test_the_program_that_asya_init_writes_is_that_actor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "page-ocr"
    write_actor("page-ocr", folder, [*FILES, *PULUMI_FILES])
    monkeypatch.chdir(folder)
    config = yaml.safe_load((folder / "Pulumi.local.yaml").read_text(encoding="utf-8"))["config"]
    seen = run_program(lambda: runpy.run_path(str(folder / "__main__.py")), config, stack="local")
    (made,) = [yaml.safe_load(each.inputs["manifest"]) for each in seen.resources if each.inputs.get("actor")]
    assert (made["metadata"]["name"], made["spec"]["handler"]) == ("page-ocr", "handler.PageOcr.process")
    assert made["metadata"]["annotations"]["asya.sh/source"] == str(folder)


@pytest.mark.parametrize("stack", ["local", "cluster"])
def test_a_pipeline_is_three_actors_wherever(monkeypatch: pytest.MonkeyPatch, stack: str, tmp_path: Path) -> None:
    seen = run(monkeypatch, "pulumi-pipeline", stack, tmp_path)
    assert [each.name for each in seen.of_type("asya:index:AsyncActor")] == ["clean", "count", "rank"]
    assert seen.exports["queues"] == {"clean": "asya-clean", "count": "asya-count", "rank": "asya-rank"}
    if stack == "local":
        (text,) = [each.inputs["text"] for each in seen.resources if each.inputs.get("folder") == "stack-tools"]
        assert parse_tools([("tool", text)])["count_words"].timeout_s == 60
    else:
        ((key, text),) = seen.one("kubernetes:core/v1:ConfigMapPatch").inputs["data"].items()
        assert parse_tools([(key, text)])["count_words"].route == ("clean", "count", "rank")


def test_its_handlers_count() -> None:
    words = runpy.run_path(str(EXAMPLES / "pulumi-pipeline/words.py"))
    payload = {"text": "To be, or not to be!"}
    for name in ("clean", "count", "rank"):
        payload = words[name](payload)
    assert payload == {"most": ["be", "to", "not"], "total": 6}
    with pytest.raises(TypeError, match="text must be a string"):
        words["clean"]({"text": 3})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"asya:mesh": "mars"}, "asya:mesh: 'mars' is not one of local, cluster"),
        ({"asya:transport": "kafka"}, "asya:transport: 'kafka' is not one of sqs, rabbitmq"),
        ({"asya:kubeconfig": "nowhere"}, "asya:kubeconfig: .*nowhere cannot be read"),
    ],
)
def test_a_way_that_leads_nowhere_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: dict[str, str], said: str
) -> None:
    from asya_infra import ConfigError

    with pytest.raises(ConfigError, match=said):
        run(monkeypatch, "pulumi-minimal", "cluster", tmp_path, **config)
