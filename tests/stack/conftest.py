"""The engine with LocalStack and moto behind its stand-ins, shared by a worker's tests; a project per test."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.localstack import LocalStackServer, require_server
from tests.support.moto_server import MotoServer

SERVICES: Final = ("sqs", "s3", "iam", "sts", "ec2", "kms", "secretsmanager", "logs", "cloudwatch")


@dataclass(frozen=True, slots=True)
class Clouds:
    """Where AWS is emulated."""

    aws: str
    moto: str


@pytest.fixture(scope="session")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """LocalStack with all services that the stacks use, and moto for the two it lacks."""
    require_server()
    folder: Path = tmp_path_factory.mktemp("clouds")
    with LocalStackServer(services=SERVICES) as aws, MotoServer(folder / "moto.log") as moto:
        yield Clouds(aws.endpoint, moto.endpoint)
