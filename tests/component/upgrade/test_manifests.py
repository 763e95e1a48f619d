"""What the previous release's users have written down is taken by this one, and means the same."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from lab.checkout import ROOT
from lab.installs.previous_release import THIS, Release, previous_release

LEAST: Final = ("minimum", "minLength", "minItems", "minProperties")
MOST: Final = ("maximum", "maxLength", "maxItems", "maxProperties")
SAME: Final = (
    "type",
    "pattern",
    "format",
    "nullable",
    "default",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
)
DEFINITION: Final = "deploy/operator/crd.yaml"


@pytest.fixture
def before() -> Release:
    return previous_release()


def narrower(old: dict[str, Any], new: dict[str, Any], path: str = "") -> Iterator[str]:
    """Where a schema refuses, drops or changes what another takes."""
    # What an operator reports may begin with something: it writes over it.
    same = [key for key in SAME if not (key == "default" and path.startswith(".status"))]
    yield from (f"{path}: {key} was {old.get(key)!r}" for key in same if old.get(key) != new.get(key))
    yield from (f"{path}: requires {key}" for key in new.get("required", []) if key not in old.get("required", []))
    if "enum" in new and not ("enum" in old and set(old["enum"]) <= set(new["enum"])):
        yield f"{path}: values were {old.get('enum')}"
    for key in (*LEAST, *MOST):
        if key in new and (key not in old or (new[key] > old[key] if key in LEAST else new[key] < old[key])):
            yield f"{path}: {key} was {old.get(key)}"
    rules = [each["rule"] for each in old.get("x-kubernetes-validations", [])]
    yield from (
        f"{path}: new rule {each['rule']}"
        for each in new.get("x-kubernetes-validations", [])
        if each["rule"] not in rules
    )
    for name, inner in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{path}.{name}: gone"
        else:
            yield from narrower(inner, new["properties"][name], f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict):
            yield from narrower(old[key], new.get(key) or {}, f"{path}[]")


def schema(tree: Release | None = None) -> dict[str, Any]:
    text = ((tree.tree if tree else ROOT) / DEFINITION).read_text(encoding="utf-8")
    (version,) = yaml.safe_load(text)["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"])


def test_the_definition_only_grows(before: Release) -> None:
    assert list(narrower(schema(before), schema())) == []


def test_what_would_be_narrower_is_found() -> None:
    old, new = schema(), schema()
    spec = new["properties"]["spec"]["properties"]
    del spec["handler"]
    spec["scaling"]["properties"]["maxReplicas"]["maximum"] = 3
    spec["timeout"]["required"] = ["processing"]
    found = "\n".join(narrower(old, new))
    for what in ("handler: gone", "maxReplicas: maximum was", "timeout: requires processing"):
        assert what in found


MEANING: Final = """
import json, sys
from pathlib import Path
from asya_manifest.environment import build_runtime_env, build_sidecar_env, grace_period_s
from asya_manifest.files import read_manifests

found = {}
for file in Path(sys.argv[1]).glob("*.yaml"):
    for each in read_manifests([file]).actors:
        actor, key = each.actor, f"{file.name} {each.actor.name}"
        env = build_sidecar_env(actor, transport=actor.spec.transport), build_runtime_env(actor)
        found[key] = [{entry.name: entry.value for entry in part} for part in env]
        found[key].append({"grace": grace_period_s(actor)})
print(json.dumps(found))
"""


def meaning(release: Release, manifests: Path) -> dict[str, list[dict[str, Any]]]:
    """Environments and grace of every actor, as a release makes them of manifests."""
    argv = [str(release.python), "-c", MEANING, str(manifests)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_manifests_of_the_release_before_mean_what_they_meant(before: Release) -> None:
    manifests = before.tree / "examples/asyas"
    then, now = meaning(before, manifests), meaning(THIS, manifests)
    assert then.keys() == now.keys() != set()
    for name, parts in then.items():
        for part, present in zip(parts, now[name], strict=True):
            assert {key: present.get(key) for key in part} == part, name
