"""The policy pack as the process that an engine starts, asked by the engine's own protocol.

The pinned Python host starts a pack in the program's folder and then takes the program for the pack, so `--policy-pack` needs
Pulumi's own, newer host; here the process is started as that one does.
"""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from lab.checkout import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def pack() -> Iterator[Any]:
    """The running pack."""
    argv = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(ROOT / "infra/policies")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            process.kill()


def analyzed(pack: Any, token: str, **inputs: Any) -> list[tuple[str, str, int]]:
    properties = struct_pb2.Struct()
    properties.update(inputs)
    request = analyzer_pb2.AnalyzeRequest(
        type=token, name="r", urn=f"urn:pulumi:s::p::{token}::r", properties=properties
    )
    answer = pack.Analyze(request)
    return [(each.policyName, each.message, each.enforcementLevel) for each in answer.diagnostics]


def test_it_offers_its_rules_as_mandatory(pack: Any) -> None:
    info = pack.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "asya"
    assert {policy.name for policy in info.policies} >= {"asya-no-iam-star", "asya-encrypted", "asya-limits"}
    levels = {policy.name: policy.enforcementLevel for policy in info.policies}
    # Off until somebody wants it: a stack that builds its own images names them by tags.
    assert levels.pop("asya-images-by-digest") == analyzer_pb2.DISABLED
    assert set(levels.values()) == {analyzer_pb2.MANDATORY}


def test_it_refuses_an_open_queue_and_lets_an_encrypted_one_pass(pack: Any) -> None:
    ((name, message, level),) = analyzed(pack, "aws:sqs/queue:Queue", name="asya-ocr")
    assert (name, level) == ("asya-encrypted", analyzer_pb2.MANDATORY)
    assert "r is not encrypted" in message
    assert analyzed(pack, "aws:sqs/queue:Queue", name="asya-ocr", kmsMasterKeyId="key") == []
