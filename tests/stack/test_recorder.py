"""The stand-in that records refuses what an API server would refuse: by Kubernetes' document and by recorded CRDs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_aws.eks import kubeconfig
from asya_aws.node_objects import storage_class
from lab.checkout import ROOT
from lab.installs.kubernetes_openapi import openapi_document
from lab.pulumi_standins.aws.clients import EMULATED_VARIABLE
from lab.pulumi_standins.aws.eks import CLUSTER
from lab.pulumi_standins.aws.emulated import note
from lab.pulumi_standins.kubernetes.eks_cluster import makes_volumes
from lab.pulumi_standins.kubernetes.port import Refused
from lab.pulumi_standins.kubernetes.recorder import Recorder, recorded

POD = {"containers": [{"name": "a", "image": "a:1"}]}
DEPLOYMENT = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD}}


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setenv("STANDIN_OPENAPI", str(openapi_document()))
    return Recorder(tmp_path / "recorded", "room")


def thing(version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, **fields}


def test_what_is_valid_is_recorded_and_forgotten(recorder: Recorder, tmp_path: Path) -> None:
    """In the provider's namespace when it names none."""
    made = recorder.apply(thing("apps/v1", "Deployment", spec=DEPLOYMENT))
    assert made["metadata"]["namespace"] == "room" and recorder.get(made) == made
    recorder.delete(made, 1)
    recorder.delete(made, 1)
    assert recorder.get(made) is None and recorded(tmp_path / "recorded") == []


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (thing("apps/v1", "Deployment", spec={**DEPLOYMENT, "replica": 1}), "spec.replica: unknown field"),
        (
            thing("apps/v1", "Deployment", spec={**DEPLOYMENT, "replicas": "1"}),
            "spec.replicas: integer is wanted, not str",
        ),
        (thing("apps/v1", "Deployment", spec={"template": {}}), "spec.selector: required"),
        (
            thing("v1", "Service", spec={"ports": [{"port": 80, "targetPort": True}]}),
            "ports[0].targetPort: a number or",
        ),
        (thing("v1", "ConfigMap", data={"a": 1}), "data.a: string is wanted, not int"),
        (thing("asya.sh/v1alpha1", "AsyncActor", spec={}), "no matches for kind 'AsyncActor'"),
        (thing("v2", "ConfigMap"), "no matches for kind 'ConfigMap' in version 'v2'"),
        ({**thing("v1", "ConfigMap"), "metadata": {"name": "No_Name"}}, "'No_Name' is no DNS name"),
    ],
)
def test_what_an_api_server_would_refuse_is_refused(recorder: Recorder, refused: dict[str, Any], says: str) -> None:
    """Also in a preview, but for a kind whose definition may come with the same update."""
    with pytest.raises(Refused) as refusal:
        recorder.apply(refused)
    assert says in str(refusal.value)
    if "no matches" not in says:
        with pytest.raises(Refused):
            recorder.apply(refused, dry=True)


def test_custom_resources_are_checked_by_their_definition(recorder: Recorder) -> None:
    """The operator's own."""
    definition = yaml.safe_load((ROOT / "deploy/operator/crd.yaml").read_text(encoding="utf-8"))
    recorder.apply(definition)
    image = {"transport": "sqs", "image": "a:1", "handler": "a.b"}
    assert recorder.apply(thing("asya.sh/v1alpha1", "AsyncActor", spec=image))["spec"] == image
    for spec, says in (
        ({**image, "transprot": "sqs"}, "spec.transprot: unknown field"),
        ({**image, "scaling": {"maxReplicas": "9"}}, "spec.scaling.maxReplicas: integer is wanted"),
    ):
        with pytest.raises(Refused, match=says):
            recorder.apply(thing("asya.sh/v1alpha1", "AsyncActor", spec=spec))


def test_a_patch_is_kept_beside_its_object(recorder: Recorder, tmp_path: Path) -> None:
    """Each manager's fields by themselves; released, the object is as it was."""
    recorder.apply(thing("v1", "ConfigMap", data={"own": "1"}))
    patch = thing("v1", "ConfigMap", data={"more": "2"})
    patch["metadata"] = {"name": "a", "annotations": {"pulumi.com/patchFieldManager": "tool"}}
    recorder.apply(patch, patch=True)
    assert [p["data"] for p in recorded(tmp_path / "recorded", "patch")] == [{"more": "2"}]
    recorder.release(patch)
    assert recorded(tmp_path / "recorded", "patch") == []
    assert [p["data"] for p in recorded(tmp_path / "recorded")] == [{"own": "1"}]


CLAIM: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "disk"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@pytest.mark.usefixtures("recorder")
def test_a_volume_waits_for_ever_without_a_class_or_a_driver(tmp_path: Path) -> None:
    """EKS marks no default class since 1.30, and a class makes nothing without its driver."""
    with pytest.raises(Refused, match="unbound immediate PersistentVolumeClaims"):
        Recorder(tmp_path, served=bool).create(CLAIM)
    eks = Recorder(tmp_path, served={"ebs.csi.eks.amazonaws.com"}.__contains__)
    eks.create({**CLAIM, "spec": {**CLAIM["spec"], "storageClassName": "theirs"}, "metadata": {"name": "other"}})
    eks.create(storage_class(auto=True, tags={}))
    eks.create(CLAIM)
    with pytest.raises(Refused, match=r"external provisioner .ebs\.csi\.eks\.amazonaws\.com"):
        Recorder(tmp_path, served={"ebs.csi.aws.com"}.__contains__).create(CLAIM)
    Recorder(tmp_path / "kind").create(CLAIM)


@pytest.mark.parametrize(
    ("cluster", "addon", "served"),
    [
        ({"storageConfig": {"blockStorage": {"enabled": True}}}, {}, {"ebs.csi.eks.amazonaws.com"}),
        ({}, {"podIdentityAssociations": [{"roleArn": "arn"}]}, {"ebs.csi.aws.com"}),
        ({}, {}, set()),  # the add-on alone may make no volume
    ],
)
def test_what_makes_volumes_on_eks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: dict[str, Any], addon: dict[str, Any], served: set[str]
) -> None:
    monkeypatch.setenv(EMULATED_VARIABLE, str(tmp_path / "emulated.json"))
    note(CLUSTER, "asya-aws", cluster)
    note("addon", "asya-aws:aws-ebs-csi-driver", addon)
    text = kubeconfig("asya-aws", "https://eks.example", "Q0E=", "eu-central-1")
    both = ("ebs.csi.eks.amazonaws.com", "ebs.csi.aws.com")
    assert {each for each in both if makes_volumes(text, each)} == served
    theirs = kubeconfig("theirs", "https://eks.example", "Q0E=", "eu-central-1")
    assert all(makes_volumes(theirs, each) for each in both)
