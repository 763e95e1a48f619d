"""Reading manifests from files and folders."""

import base64
import json
from pathlib import Path

import pytest
import yaml

from asya_manifest.errors import ManifestError, UnreadableManifest
from asya_manifest.files import read_manifests

ACTOR = """
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {name: %s}
spec: {transport: sqs, handler: m.f}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_documents_of_several_files_and_folders_are_read_together(tmp_path: Path):
    """A folder stands for its YAML and JSON files; everything else in it is left alone."""
    folder = tmp_path / "actors"
    folder.mkdir()
    write(folder, "b.yml", ACTOR % "b")
    write(folder, "a.yaml", (ACTOR % "a") + "---\n" + (ACTOR % "a2") + "---\n")
    write(folder, "notes.txt", "not: [yaml")
    single = write(tmp_path, "c.json", _as_json("c"))
    read = read_manifests([folder, single, single])
    assert [declared.actor.name for declared in read.actors] == ["a", "a2", "b", "c"]
    assert str(read.actors[1].origin) == f"{folder / 'a.yaml'} (document 2)"


def _as_json(name: str) -> str:
    return json.dumps({"kind": "List", "items": [yaml.safe_load(ACTOR % name)]})


def test_config_maps_and_secrets_are_decoded_by_name_and_key(tmp_path: Path):
    """Text, binary and secret data become bytes."""
    encoded = base64.b64encode(b"\x00\xff").decode()
    path = write(
        tmp_path,
        "x.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: 'text'}\n"
        f"binaryData: {{b: {encoded}}}\n---\n"
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{p: {encoded}}}\nstringData: {{q: plain}}\n",
    )
    read = read_manifests([path])
    assert read.config_maps == {"c": {"k": b"text", "b": b"\x00\xff"}}
    assert read.secrets == {"s": {"p": b"\x00\xff", "q": b"plain"}}


def test_other_kinds_are_left_out_with_a_note(tmp_path: Path):
    """Nothing is ignored in silence."""
    path = write(tmp_path, "x.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n")
    assert read_manifests([path]).notes == (f"{path} (document 1): Service is not used here",)


@pytest.mark.parametrize(
    ("version", "kind", "meant"),
    [
        ("asya.sh/v1alpha1", "AsynActor", "AsyncActor"), ("asya.sh/v1alpha1", "asyncactor", "AsyncActor"),
        ("v1", "AsyncActors", "AsyncActor"), ("asya.sh/v1alpha1", "Limits", "Limit"), ("v1", "Configmap", "ConfigMap"),
        ("v1", "LimitRange", ""), ("v1", "Service", ""), ("external-secrets.io/v1", "SecretStore", ""),
        ("v1", "ConfigMapList", ""), ("v1", "SecretList", ""), ("asya.sh/v1alpha1", "Function", ""),
    ],
)  # fmt: skip
def test_a_slip_in_a_kind_is_refused_with_what_was_meant(tmp_path: Path, version: str, kind: str, meant: str):
    """Left out with a note, the actor would be missed much later."""
    path = write(tmp_path, "x.yaml", f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: s}}\n")
    if meant:
        with pytest.raises(UnreadableManifest, match=f"x.yaml .document 1.: kind '{kind}' .*did you mean '{meant}'"):
            read_manifests([path])
    else:
        assert len(read_manifests([path]).notes) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "x.yaml: cannot be read as YAML"),
        ("- 1\n", "x.yaml (document 1): is no Kubernetes object"),
        ("kind: ConfigMap\n", "x.yaml (document 1): metadata.name: required field is missing"),
        ("kind: ConfigMap\nmetadata: {name: c}\ndata: {k: 1}\n", "x.yaml (document 1): data.k: must be a string"),
        ("kind: Secret\nmetadata: {name: c}\ndata: {k: '?'}\n", "x.yaml (document 1): data: is not base64"),
        ("kind: Other\n---\n" + (ACTOR % "A"), "x.yaml (document 2): AsyncActor 'A': metadata.name:"),
        ((ACTOR % "a") + "---\n" + (ACTOR % "a"), "x.yaml (document 2): AsyncActor 'a' is defined in"),
        ((ACTOR % "a").replace("v1alpha1", "v9"), "x.yaml (document 1): apiVersion 'asya.sh/v9' of AsyncActor"),
    ],
)
def test_an_error_names_the_file_the_document_and_the_place(tmp_path: Path, text: str, expected: str):
    """A person must find the line."""
    path = write(tmp_path, "x.yaml", text)
    with pytest.raises(ManifestError) as caught:
        read_manifests([path])
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "0000-01-01",
        "2001-12-14t21:59:43+99:00",
        "1" * 4400,
        "!!float x",
        "!!int 0x",
        "!!int ''",
        "!!bool x",
        "!!timestamp x",
    ],
)
def test_a_value_that_only_python_refuses_is_an_error_with_its_line(tmp_path: Path, value: str):
    """PyYAML lets through what int(), float() and date() raise; bare, it would end whoever reads manifests."""
    path = write(tmp_path, "x.yaml", f"kind: Other\n---\n{ACTOR % 'a'}reviewed: [{value}]\n")
    with pytest.raises(UnreadableManifest) as caught:
        read_manifests([path])
    assert str(caught.value).startswith(f"{path}: cannot be read as YAML: ")
    assert "line 8, column 12" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a: "\\UFFFFFFFF"\n', "cannot be read as YAML"),
        ("kind: List\nitems: 5\n", "(document 1): items: must be a list of objects"),
        ("&a\nkind: List\nitems: [*a]\n", "(document 1): is nested too deeply, or an alias refers to what it is in"),
        (
            (ACTOR % "a").replace("{transport: sqs", "&s {env: [*s], transport: sqs"),
            "(document 1): is nested too deeply",
        ),
        ('kind: ConfigMap\nmetadata: {name: c}\ndata: {k: "\\ud800"}\n', "(document 1): data: holds half a surrogate"),
    ],
    ids=["character", "items", "list in itself", "spec in itself", "surrogate"],
)
def test_nothing_that_a_file_holds_is_an_error_of_another_kind(tmp_path: Path, text: str, expected: str):
    """Who follows manifests takes ManifestErrors, and goes on with the last good ones."""
    with pytest.raises(UnreadableManifest) as caught:
        read_manifests([write(tmp_path, "x.yaml", text)])
    assert expected in str(caught.value)


def test_a_file_that_is_not_text_or_not_there_is_named(tmp_path: Path):
    """Bytes that are no UTF-8, and a path that leads nowhere."""
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableManifest, match="cannot be read as YAML"):
        read_manifests([path])
    with pytest.raises(UnreadableManifest, match="no such file or folder"):
        read_manifests([tmp_path / "absent"])
