"""From a manifest to processes: the seed's own manifest, sources, interpreters."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asya_local.container import lay_out
from asya_local.declarations import declare, signature
from asya_local.errors import MeshError
from asya_local.handler_environment import lasting
from asya_local.interpreter import Interpreter, activated_environment, choose_python
from asya_local.plan import ActorPlan
from asya_local.state import Request, StateFolder
from asya_manifest.errors import ManifestError

HELLO = Path(__file__).parents[2] / "support" / "hello_actor.yaml"
ACTOR = """
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: ocr, annotations: %s}
spec:
  transport: sqs
  workload:
    pythonExecutable: %s
    template: {spec: {containers: [{name: asya-runtime, env: [{name: ASYA_HANDLER, value: m.f}, %s]}]}}
"""


def request(*paths: Path, **changes: Any) -> Request:
    fields = {
        "id": "1", "manifests": [str(path) for path in paths], "transport": "memory", "source": None, "endpoint": None,
        "rabbitmq_url": None, "rabbitmq_management_url": None, "max_replicas": 4,
    }  # fmt: skip
    return Request(**{**fields, **changes})


def plans(home: Path, asked: Request, environ: dict[str, str] | None = None) -> dict[str, ActorPlan]:
    store = {"ASYA_STORE_URL": "file:///r"}
    transport = {"ASYA_TRANSPORT": "memory", "ASYA_MEMORY_SOCKET": "/m.sock"}
    declared = declare(asked, StateFolder(home), environ or {}, transport_env=transport, store_env=store)
    return dict(declared.plans)


def write(folder: Path, annotations: str = "{}", python: str = "python3", env: str = "{name: A, value: '1'}") -> Path:
    path = folder / "a.yaml"
    path.write_text(ACTOR % (annotations, python, env))
    return path


def test_the_seeds_hello_actor_gets_its_file_where_its_path_leads(tmp_path: Path):
    """The manifest of Asya 0.1.1's quick start, unchanged."""
    plan = plans(tmp_path / "home", request(HELLO))["hello-actor"]
    lay_out(plan.files, plan.files_root)
    mapped = tmp_path / "home" / "volumes" / "hello-actor" / "app"
    assert plan.runtime_env["PYTHONPATH"].split(":")[0] == str(mapped)
    assert "def process" in (mapped / "handler.py").read_text()
    assert plan.runtime_argv[0] == sys.executable
    assert plan.runtime_argv[1].endswith("asya_runtime.py")


def test_the_crew_is_part_of_every_mesh_and_knows_its_store(tmp_path: Path):
    """Unless the user's files define it."""
    found = plans(tmp_path, request(HELLO))
    assert sorted(found) == ["error-end", "fan-in", "happy-end", "hello-actor"]
    crew = found["happy-end"]
    assert crew.runtime_env["ASYA_STORE_URL"] == "file:///r"
    assert crew.runtime_env["ASYA_HANDLER_MODE"] == "envelope"
    assert crew.runtime_env["ASYA_ENABLE_VALIDATION"] == "false"
    assert crew.sidecar_env["ASYA_IS_END_ACTOR"] == "true"
    assert (crew.scaling.minimum, crew.scaling.polling_s) == (0, 1)
    assert "ASYA_STORE_URL" not in found["hello-actor"].runtime_env


def test_the_users_own_end_actor_replaces_the_built_in_one(tmp_path: Path):
    """Same name, other handler."""
    path = tmp_path / "x.yaml"
    path.write_text((ACTOR % ("{}", "python3", "{name: A, value: '1'}")).replace("name: ocr", "name: happy-end"))
    assert plans(tmp_path, request(path))["happy-end"].runtime_env["ASYA_HANDLER"] == "m.f"


def test_a_named_source_goes_first_and_the_manifests_folder_last(tmp_path: Path):
    """Annotation, flag, or nobody's choice."""
    (tmp_path / "src").mkdir()
    (tmp_path / "flag").mkdir()
    own = "{name: PYTHONPATH, value: '/lib'}"
    plain = plans(tmp_path, request(write(tmp_path, env=own)))["ocr"]
    assert (plain.cwd, plain.runtime_env["PYTHONPATH"]) == (tmp_path, f"/lib:{tmp_path}")
    annotated = plans(tmp_path, request(write(tmp_path, "{asya.sh/source: src}", env=own)))["ocr"]
    assert (annotated.cwd, annotated.runtime_env["PYTHONPATH"]) == (tmp_path / "src", f"{tmp_path}/src:/lib")
    flag = plans(tmp_path, request(write(tmp_path, "{asya.sh/source: src}", env=own), source=str(tmp_path / "flag")))
    assert flag["ocr"].cwd == tmp_path / "flag"


@pytest.mark.parametrize(("annotation", "expected"), [("current", "current"), ("../{folder}/current", "one")])
def test_a_source_that_is_a_link_stays_one(tmp_path: Path, annotation: str, expected: str):
    """Turned to another folder it is an edit of all code behind it; where the way goes up, it is the folder behind it."""
    (tmp_path / "one").mkdir()
    (tmp_path / "current").symlink_to("one")
    found = write(tmp_path, f"{{asya.sh/source: {annotation.format(folder=tmp_path.name)}}}")
    assert plans(tmp_path, request(found))["ocr"].cwd == tmp_path / expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"annotations": "{asya.sh/source: no}"}, "metadata.annotations.asya.sh/source"),
        (
            {"env": "{name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}"},
            "env B: Secret 's' is in none of the manifests",
        ),
    ],
)
def test_what_is_not_to_be_had_here_is_said_with_file_and_actor(
    tmp_path: Path, arguments: dict[str, str], expected: str
):
    """Before anything is started."""
    path = write(tmp_path, **arguments)
    with pytest.raises(ManifestError) as caught:
        plans(tmp_path, request(path))
    assert str(path) in str(caught.value)
    assert "AsyncActor 'ocr'" in str(caught.value)
    assert expected in str(caught.value)


def test_an_interpreter_of_the_clusters_image_does_not_stop_the_mesh_here(tmp_path: Path):
    """One manifest for both; it is said which runs instead."""
    path = write(tmp_path, python="/opt/venv/bin/python9")
    plan = plans(tmp_path, request(path))["ocr"]
    assert plan.runtime_argv[0] == sys.executable
    text = f"spec.workload.pythonExecutable '/opt/venv/bin/python9' is not on this machine; {sys.executable} runs it"
    assert plan.notes == (text,)


def test_the_crew_runs_on_our_own_interpreter_without_the_users_modules(tmp_path: Path):
    """Whatever is asked for."""
    made = make_environment(tmp_path / "env")
    found = plans(tmp_path, request(write(tmp_path), python=str(made)))
    assert found["ocr"].runtime_argv[0] == str(made)
    assert found["happy-end"].runtime_argv[:3] == (sys.executable, "-P", "-E")


def make_environment(folder: Path) -> Path:
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return python


def test_handlers_get_the_environment_of_the_last_up_above_dotenv_and_nothing_of_a_terminal(tmp_path: Path):
    """Sidecars and crew keep that of the supervisor: a new variable of a handler's starts none of them anew."""
    (tmp_path / ".env").write_text("MODEL=small\nKEY='from file'\nexport LEFT=1\nASYA_LOG_LEVEL=debug\nEMPTY\n")
    environ = lasting({"KEY": "exported", "PATH": "/bin", "SHLVL": "2", "SSH_TTY": "/dev/1", "ASYA_HOME": "/h"})
    assert environ == {"KEY": "exported", "PATH": "/bin"}
    asked = replace(request(write(tmp_path)), environ=environ)
    found = plans(tmp_path / "home", asked, environ={"OLD": "1"})
    own = found["ocr"].runtime_env
    assert (own["KEY"], own["MODEL"], own["LEFT"], own["PATH"]) == ("exported", "small", "1", "/bin")
    assert not {"OLD", "EMPTY"} & set(own)
    assert own.get("ASYA_LOG_LEVEL") != "debug"
    assert "OLD" in found["ocr"].sidecar_env
    assert "KEY" not in found["happy-end"].runtime_env


def test_an_edit_of_dotenv_is_followed_like_one_of_a_manifest(tmp_path: Path):
    asked = request(write(tmp_path))
    before = signature(asked)
    (tmp_path / ".env").write_text("A=1\n")
    assert signature(asked) != before


def test_the_interpreter_is_the_first_of_those_that_its_author_may_mean(tmp_path: Path):
    """``--python``, the manifest, the activated environment, ``.venv`` of the code's folder, ours."""
    asked, manifest, activated, beside = (
        str(make_environment(tmp_path / name)) for name in ("asked", "manifest", "activated", "code/.venv")
    )
    environment, code = str(tmp_path / "activated"), tmp_path / "code"
    chosen = choose_python(asked, manifest, environment, code)
    assert (chosen.path, chosen.origin) == (asked, "--python")
    assert choose_python(None, manifest, environment, code) == Interpreter(manifest, "the manifest")
    assert choose_python(None, "python3", environment, code) == Interpreter(activated, "the activated environment")
    assert choose_python(None, "python3", None, code) == Interpreter(beside, ".venv of the code's folder")
    assert choose_python(None, "python3", None, tmp_path) == Interpreter(sys.executable, "Asya's own")
    with pytest.raises(MeshError, match="--python 'python9' is not on this machine"):
        choose_python("python9", manifest, environment, code)


def test_our_own_environment_is_not_taken_for_an_activated_one(tmp_path: Path):
    assert activated_environment({"VIRTUAL_ENV": sys.prefix}) is None
    assert activated_environment({"VIRTUAL_ENV": "/env", "CONDA_PREFIX": "/conda"}) == "/env"
    assert activated_environment({"CONDA_PREFIX": "/conda"}) == "/conda"
    assert activated_environment({}) is None


def test_manifests_without_an_actor_make_no_mesh(tmp_path: Path):
    """A folder with nothing in it is more likely a mistake."""
    with pytest.raises(MeshError, match="no AsyncActor in"):
        plans(tmp_path, request(tmp_path))


def test_processes_inherit_the_environment_without_our_own_variables(tmp_path: Path):
    """A variable meant for whoever brought the mesh up must not reach every sidecar."""
    environ = {"PATH": "/bin", "OPENAI_API_KEY": "k", "ASYA_LOG_LEVEL": "debug", "ASYA_HANDLER": "no.no"}
    plan = plans(tmp_path, request(write(tmp_path)), environ)["ocr"]
    assert (plan.runtime_env["OPENAI_API_KEY"], plan.runtime_env["ASYA_HANDLER"]) == ("k", "m.f")
    assert (plan.sidecar_env["ASYA_LOG_LEVEL"], plan.sidecar_env["ASYA_MEMORY_SOCKET"]) == ("info", "/m.sock")


def test_a_change_of_what_runs_changes_the_digest_and_a_change_of_pace_does_not(tmp_path: Path):
    """Replicas are replaced only when they would differ."""
    first = plans(tmp_path, request(write(tmp_path)))["ocr"]
    other = plans(tmp_path, request(write(tmp_path, env="{name: A, value: '2'}")))["ocr"]
    text = write(tmp_path).read_text() + "  scaling: {enabled: true}\n"
    (tmp_path / "a.yaml").write_text(text)
    paced = plans(tmp_path, request(tmp_path / "a.yaml"))["ocr"]
    assert first.digest != other.digest
    assert first.digest == paced.digest
    assert paced.scaling.fixed is None


def test_an_edited_added_or_removed_manifest_changes_the_signature(tmp_path: Path):
    """What the supervisor looks at every second."""
    asked = request(tmp_path)
    empty = signature(asked)
    path = write(tmp_path)
    written = signature(asked)
    path.write_text(path.read_text() + "\n")
    assert len({empty, written, signature(asked)}) == 3
    path.unlink()
    assert signature(asked) == empty
