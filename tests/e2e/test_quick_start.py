"""The quick start that users of Asya 0.1.1 know, word for word, against our operator."""

import json
import re

from lab.installs.aws_cli import aws
from tests.support.cluster import Cluster, eventually
from tests.support.installed import ACCOUNT, Brokers, read_examples, wait_for_status
from tests.support.wire import Wire

COLUMNS = "NAME STATUS RUNNING FAILING TOTAL DESIRED MIN MAX LAST-SCALE AGE"
WIDE = f"{COLUMNS} WORKLOAD TRANSPORT SCALING QUEUED PROCESSING"


def test_two_manifests_one_message_and_what_is_seen(cluster: Cluster, brokers: Brokers, wire: Wire, sqs: str) -> None:
    for document in read_examples("seed-quick-start.yaml"):
        cluster.apply(document, namespace=sqs)
    wait_for_status(cluster, "hello-actor", sqs, "Napping")
    wait_for_status(cluster, "image-classifier", sqs, "Running", "Napping", "ImagePullError", "ScalingUp")

    queues = json.loads(aws(brokers.aws, "sqs", "list-queues"))["QueueUrls"]
    assert any(url.endswith(f"/{ACCOUNT}/asya-hello-actor") for url in queues)
    body = '{"id": "0", "route": {"actors": ["hello-actor"]}, "payload": {"who": "artem"}}'
    url = f"{brokers.aws}/{ACCOUNT}/asya-hello-actor"
    aws(brokers.aws, "sqs", "send-message", "--queue-url", url, "--message-body", body)

    assert wire.result("0")["payload"] == {"message": "Hello artem!"}
    status = cluster.status("hello-actor", sqs)
    assert status["transportStatus"] == "Ready"


def test_the_injected_parts_are_those_that_the_quick_start_shows(cluster: Cluster, sqs: str) -> None:
    for document in read_examples("seed-quick-start.yaml"):
        cluster.apply(document, namespace=sqs)
    wait_for_status(cluster, "hello-actor", sqs, "Napping", "Running", "ScalingUp")
    deployment = cluster.get("deployment", "hello-actor", sqs)
    assert deployment is not None
    [owner] = deployment["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"], owner["blockOwnerDeletion"]) == (
        "AsyncActor",
        "hello-actor",
        True,
        True,
    )
    pod = deployment["spec"]["template"]["spec"]
    [runtime] = [each for each in pod["containers"] if each["name"] == "asya-runtime"]
    assert runtime["command"] == ["python3", "/opt/asya/asya_runtime.py"]
    assert {"name": "ASYA_SOCKET_DIR", "value": "/var/run/asya"} in runtime["env"]
    assert runtime["readinessProbe"]["exec"]["command"] == [
        "sh",
        "-c",
        "test -S /var/run/asya/asya-runtime.sock && test -f /var/run/asya/runtime-ready",
    ]
    mounts = {mount["mountPath"]: mount for mount in runtime["volumeMounts"]}
    assert mounts["/opt/asya/asya_runtime.py"] == {
        "mountPath": "/opt/asya/asya_runtime.py",
        "name": "asya-runtime",
        "readOnly": True,
        "subPath": "asya_runtime.py",
    }
    assert mounts["/var/run/asya"]["name"] == "socket-dir"
    [sidecar] = [each for each in pod["initContainers"] if each["name"] == "asya-sidecar"]
    env = {entry["name"]: entry.get("value") for entry in sidecar["env"]}
    assert (env["ASYA_ACTOR_NAME"], env["ASYA_TRANSPORT"]) == ("hello-actor", "sqs")
    assert {mount["mountPath"] for mount in sidecar["volumeMounts"]} >= {"/var/run/asya", "/tmp"}


def test_the_columns_are_the_original_s(cluster: Cluster, sqs: str) -> None:
    wait_for_status(cluster, "happy-end", sqs, "Napping", "Running", "ScalingUp", "ScalingDown")
    eventually(
        lambda: cluster.status("happy-end", sqs),
        lambda status: "queuedMessages" in status,
        180,
        "its queue to be counted",
    )
    narrow = cluster.kubectl("-n", sqs, "get", "asya").splitlines()
    assert re.split(r"\s+", narrow[0].strip()) == COLUMNS.split()
    wide = cluster.kubectl("-n", sqs, "get", "asya", "happy-end", "-o", "wide").splitlines()
    assert re.split(r"\s+", wide[0].strip()) == WIDE.split()
    row = re.split(r"\s{2,}", wide[1].strip())
    shown = dict(zip(WIDE.split(), row, strict=True))
    assert (shown["NAME"], shown["MIN"], shown["MAX"]) == ("happy-end", "0", "1")
    assert (shown["WORKLOAD"], shown["TRANSPORT"], shown["SCALING"]) == ("Deployment", "Ready", "KEDA")
    assert re.fullmatch(r"-|\d+[smhd] ago \((up|down)\)", shown["LAST-SCALE"])
    for column in ("RUNNING", "FAILING", "TOTAL", "DESIRED", "QUEUED", "PROCESSING"):
        assert shown[column].isdecimal()
    assert cluster.kubectl("-n", sqs, "get", "asyas,asyncactor", "-o", "name")
