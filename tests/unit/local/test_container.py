"""What a container would give a handler."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from asya_local.container import FilePlan, MountedFile, container_env, map_paths, plan_files, resolve_env
from asya_local.errors import MeshError
from asya_manifest.files import Manifests
from asya_manifest.pod import EnvFrom, EnvVar, PodTemplate

OBJECTS = Manifests(
    config_maps={"c": {"a": b"1", "b": b"two"}, "bin": {"x": b"\xff"}},
    secrets={"s": {"token": b"hush"}},
)
FIELDS = {"metadata.name": "ocr"}
ROOT = Path("/mesh/volumes/ocr")


def env(*entries: dict[str, Any], sources: list[dict[str, Any]] | None = None) -> dict[str, str]:
    return resolve_env(
        [EnvVar.model_validate(entry) for entry in entries],
        [EnvFrom.model_validate(source) for source in sources or []],
        OBJECTS,
        FIELDS,
    )


def ref(kind: str, **content: Any) -> dict[str, Any]:
    return {"name": "V", "valueFrom": {kind: content}}


def template(mounts: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> PodTemplate:
    container = {"name": "asya-runtime", "volumeMounts": mounts}
    return PodTemplate.model_validate({"spec": {"containers": [container], "volumes": volumes}})


def test_values_come_from_literals_config_maps_secrets_and_fields():
    """Every kind of reference that has a meaning on one machine."""
    assert env({"name": "V", "value": "x"}) == {"V": "x"}
    assert env({"name": "V"}) == {"V": ""}
    assert env(ref("configMapKeyRef", name="c", key="b")) == {"V": "two"}
    assert env(ref("secretKeyRef", name="s", key="token")) == {"V": "hush"}
    assert env(ref("fieldRef", fieldPath="metadata.name")) == {"V": "ocr"}


def test_whole_objects_bring_all_their_keys_and_single_entries_win():
    """As with envFrom in a pod."""
    sources: list[dict[str, Any]] = [{"configMapRef": {"name": "c"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}]
    assert env({"name": "P_a", "value": "9"}, sources=sources) == {"P_a": "9", "P_b": "two", "token": "hush"}


def test_references_to_earlier_variables_are_expanded_and_unknown_ones_stay():
    """Kubernetes' rule: $(NAME), and $$ for a dollar sign."""
    assert env({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(NO)-$$(A)-$5"}) == {
        "A": "1",
        "B": "1-$(NO)-$(A)-$5",
    }


def test_an_optional_reference_that_leads_nowhere_sets_nothing():
    """As in a pod."""
    assert env(ref("configMapKeyRef", name="no", key="k", optional=True)) == {}
    assert env(ref("secretKeyRef", name="s", key="no", optional=True)) == {}
    assert env(sources=[{"configMapRef": {"name": "no", "optional": True}}]) == {}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (ref("configMapKeyRef", name="no", key="k"), "env V: ConfigMap 'no' is in none of the manifests"),
        (ref("secretKeyRef", name="s", key="no"), "env V: Secret 's' has no key 'no'"),
        (ref("fieldRef", fieldPath="status.podIP"), "env V: field 'status.podIP' has no meaning here"),
        (ref("resourceFieldRef", resource="limits.cpu"), "env V: a value from resourceFieldRef has no meaning here"),
        (ref("configMapKeyRef", name="bin", key="x"), "key 'x' is binary"),
    ],
)
def test_a_reference_that_cannot_be_followed_names_the_variable(entry: dict[str, Any], expected: str):
    """A missing value is never an empty one."""
    with pytest.raises(MeshError) as caught:
        env(entry)
    assert expected in str(caught.value)


def test_a_mount_brings_all_keys_some_items_or_one_file():
    """ConfigMap and Secret volumes, with items and subPath."""
    plan = plan_files(
        template(
            [
                {"name": "all", "mountPath": "/etc/all"},
                {"name": "some", "mountPath": "/etc/some/"},
                {"name": "all", "mountPath": "/app/one.py", "subPath": "a"},
                {"name": "some", "mountPath": "/app/sub", "subPath": "deep"},
            ],
            [
                {"name": "all", "configMap": {"name": "c"}},
                {
                    "name": "some",
                    "secret": {
                        "secretName": "s",
                        "items": [{"key": "token", "path": "deep/t"}],
                        "defaultMode": 0o400,
                    },
                },
            ],
        ),
        OBJECTS,
    )
    assert plan.files == (
        MountedFile(PurePosixPath("/etc/all/a"), b"1"),
        MountedFile(PurePosixPath("/etc/all/b"), b"two"),
        MountedFile(PurePosixPath("/etc/some/deep/t"), b"hush", 0o400),
        MountedFile(PurePosixPath("/app/one.py"), b"1"),
        MountedFile(PurePosixPath("/app/sub/t"), b"hush", 0o400),
    )


def test_empty_volumes_become_folders_and_foreign_ones_a_note():
    """Nothing is left out in silence."""
    plan = plan_files(
        template(
            [{"name": "e", "mountPath": "/cache"}, {"name": "h", "mountPath": "/host"}],
            [{"name": "e", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/data"}}],
        ),
        OBJECTS,
    )
    assert (plan.scratch, plan.mounts) == ((PurePosixPath("/cache"),), (PurePosixPath("/cache"),))
    assert plan.notes == ("volume 'h' (hostPath) has no meaning here; /host is left out",)


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"configMap": {"name": "no"}}, "volume 'v': ConfigMap 'no' is in none of the manifests"),
        ({"configMap": {"name": "c", "items": [{"key": "no", "path": "x"}]}}, "has no key 'no'"),
        ({"configMap": {"name": "c", "items": [{"key": "a", "path": "../x"}]}}, "must be relative, without '..'"),
    ],
)
def test_a_volume_that_cannot_be_had_is_named(volume: dict[str, Any], expected: str):
    """Also one whose files would end up outside of their folder."""
    with pytest.raises(MeshError) as caught:
        plan_files(template([{"name": "v", "mountPath": "/v"}], [{"name": "v", **volume}]), OBJECTS)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/app", "/mesh/volumes/ocr/app"),  # above a mounted file
        ("/app/handler.py", "/mesh/volumes/ocr/app/handler.py"),  # the mount itself
        ("/etc/conf/a/b.json", "/mesh/volumes/ocr/etc/conf/a/b.json"),  # below a mounted folder
        ("/app:/usr/lib", "/mesh/volumes/ocr/app:/usr/lib"),  # a list
        ("/usr", "/usr"),
        ("/", "/"),
        ("/application", "/application"),
        ("app", "app"),
        ("http://x:80/app", "http://x:80/app"),
        ("", ""),
    ],
)
def test_container_paths_lead_to_where_the_mounted_files_are(value: str, expected: str):
    """At, above and below a mount; nothing else is touched."""
    mounts = (PurePosixPath("/app/handler.py"), PurePosixPath("/etc/conf"))
    assert map_paths(value, mounts, ROOT) == expected


def test_a_containers_environment_is_resolved_and_then_mapped():
    """Both steps together."""
    pod = template([{"name": "v", "mountPath": "/app"}], [{"name": "v", "configMap": {"name": "c"}}])
    container = pod.runtime.model_copy(update={"env": [EnvVar(name="PYTHONPATH", value="/app")]})
    plan: FilePlan = plan_files(pod, OBJECTS)
    assert container_env(container, OBJECTS, FIELDS, plan, ROOT) == {"PYTHONPATH": "/mesh/volumes/ocr/app"}


def test_a_stateful_set_s_claim_is_a_folder_here():
    """Claims are no volumes of the pod template; a mount of one starts out empty, and stays."""
    plan = plan_files(template([{"name": "data", "mountPath": "/data"}], []), OBJECTS)
    assert (plan.scratch, plan.mounts, plan.notes) == ((PurePosixPath("/data"),), (PurePosixPath("/data"),), ())
