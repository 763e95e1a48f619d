"""``asya migrate``: what it prints, and what it refuses."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from asya_cli.exit_codes import BadRequest
from asya_cli.migrate import migrate
from asya_local import mesh
from asya_local.errors import MeshError

THEIRS = """apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: hello}
spec:
  actor: hello
  image: hello:1
  handler: handler.handle
  flavors: [big]
  scaling: {enabled: true, minReplicaCount: 0, maxReplicaCount: 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
"""


def test_a_file_comes_out_as_ours_with_what_is_lost_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "actor.yaml").write_text(THEIRS, encoding="utf-8")
    answer = CliRunner().invoke(migrate, ["manifest", str(tmp_path / "actor.yaml"), "--transport", "rabbitmq"])
    assert answer.exit_code == 0, answer.output
    actor, other = yaml.safe_load_all(answer.stdout)
    assert (actor["spec"]["transport"], actor["spec"]["scaling"]["maxReplicas"]) == ("rabbitmq", 3)
    assert other["data"] == {"a": "b"}
    assert answer.stderr.startswith("warning: hello: spec.flavors: left out; there are none")
    told = json.loads(CliRunner().invoke(migrate, ["manifest", str(tmp_path / "actor.yaml"), "--json"]).stdout)
    assert [each["changed"] for each in told["documents"]] == [True, False]


def test_an_envelope_goes_there_and_back() -> None:
    theirs = {"id": "e1", "route": {"prev": [], "curr": "a", "next": ["b"]}, "payload": {"n": 1}, "headers": {"k": "v"}}
    ours = json.loads(CliRunner().invoke(migrate, ["envelope"], input=json.dumps(theirs)).stdout)
    assert ours == {**theirs, "route": {"actors": ["a", "b"], "current": 0}}
    back = CliRunner().invoke(migrate, ["envelope", "-", "--back"], input=json.dumps(ours))
    assert json.loads(back.stdout) == theirs


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "is no JSON"), ("[]", "has no 'route'"), ('{"id": "e", "payload": 1, "route": {"curr": 1}}', "route.curr")],
)
def test_what_is_no_envelope_is_refused(text: str, told: str) -> None:
    answer = CliRunner().invoke(migrate, ["envelope"], input=text)
    assert isinstance(answer.exception, BadRequest)
    assert told in str(answer.exception)


def test_a_project_folder_of_the_other_tool_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ".asya"
    home.mkdir()
    (home / "config.compiler.rules.yaml").write_text("rules: []", encoding="utf-8")
    with pytest.raises(MeshError, match=r"asya-lab.*--home \.asya-mesh"):
        mesh.up(mesh.UpOptions(manifests=(tmp_path,), home=home), lambda _: None)
    assert [path.name for path in home.iterdir()] == ["config.compiler.rules.yaml"]
