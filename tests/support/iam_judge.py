"""IAM's answer to a policy, on real queues: moto's server with enforcement.

moto judges SQS calls by action and queue. It does not read conditions, and judges CreateQueue and GetQueueUrl by ``*``, so
those two are no part of this.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import boto3
from botocore.exceptions import ClientError

from lab.servers.moto import ACCOUNT, MotoServer

Answer = Literal["allowed", "refused"]
REGION: Final = "eu-central-1"
_OF_A_MESSAGE: Final = ("extend", "settle")
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    ],
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One call on a queue: ``get``, ``set``, ``send``, ``receive``, ``extend`` and ``settle`` (of a message), ``delete``."""

    action: str
    queue: str

    def __str__(self) -> str:
        return f"{self.action} {self.queue}"


class Judge:
    """One server per judgement, as enforcement cannot be taken back.

    Args:
        folder: For logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def answers(self, name: str, policy: str, trials: Sequence[Trial]) -> dict[Trial, Answer]:
        """Make the queues and a role with a policy, take the role, and try every call."""
        with MotoServer(self._folder / f"{name}.log", free_calls=1_000_000) as server:
            root = _clients(server, "test", "test")
            urls = {
                queue: root["sqs"].create_queue(QueueName=queue)["QueueUrl"]
                for queue in {trial.queue for trial in trials}
            }
            made = root["iam"].create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]
            root["iam"].put_role_policy(RoleName=name, PolicyName="duty", PolicyDocument=policy)
            keys = root["sts"].assume_role(RoleArn=made["Arn"], RoleSessionName="trial")["Credentials"]
            taken = _clients(server, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
            handles = {
                trial: _received(root["sqs"], urls[trial.queue]) for trial in trials if trial.action in _OF_A_MESSAGE
            }
            server.enforce()
            return {trial: _tried(taken["sqs"], trial, urls, handles.get(trial, "")) for trial in trials}


def _received(sqs: Any, url: str) -> str:
    """The receipt handle of a message of its own."""
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    return str(message["ReceiptHandle"])


def _tried(sqs: Any, trial: Trial, urls: dict[str, str], handle: str) -> Answer:
    url = urls[trial.queue]
    calls = {
        "get": lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]),
        "set": lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"}),
        "send": lambda: sqs.send_message(QueueUrl=url, MessageBody="{}"),
        "receive": lambda: sqs.receive_message(QueueUrl=url),
        "extend": lambda: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=60),
        "settle": lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=handle),
        "delete": lambda: sqs.delete_queue(QueueUrl=url),
    }
    try:
        calls[trial.action]()
    except ClientError as error:
        if "AccessDenied" in str(error):  # moto writes it in XML, which SQS's JSON clients take for a mere 403
            return "refused"
        raise
    return "allowed"


def _clients(server: MotoServer, key: str, secret: str, token: str = "") -> dict[str, Any]:
    return {
        service: boto3.client(
            service,
            endpoint_url=server.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token or None,
        )
        for service in ("sqs", "iam", "sts")
    }
