"""The engine with LocalStack and moto behind its stand-ins, shared by a worker's tests; a project per test."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml
from pulumi import automation

from lab.servers.localstack import LocalStackServer, require_server
from lab.servers.moto import MotoServer
from tests.support.pulumi_program import MADE_BY_MAKE_UP
from tests.support.pulumi_project import Project, project
from tests.support.stack_program import NOBODY, Run, program_folder

SERVICES: Final = ("sqs", "s3", "iam", "sts", "kms", "secretsmanager", "logs", "cloudwatch")


@dataclass(frozen=True, slots=True)
class Clouds:
    """Where AWS is emulated."""

    aws: str
    moto: str


@pytest.fixture(scope="session")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """LocalStack with the services that the stacks use, and moto for those it lacks."""
    require_server()
    folder: Path = tmp_path_factory.mktemp("clouds")
    with LocalStackServer(services=SERVICES) as aws, MotoServer(folder / "moto.log") as moto:
        yield Clouds(aws.endpoint, moto.endpoint)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Run]:
    """Make an environment's stack; it is destroyed at the end."""
    with environments(tmp_path) as start:
        yield start


@contextmanager
def environments(tmp_path: Path) -> Iterator[Run]:
    """Make stacks below a folder, and destroy them at the end."""
    made: list[automation.Stack] = []
    with ExitStack() as ends:

        def start(
            name: str, settings: dict[str, str], secrets: dict[str, str] | None = None, **where: str
        ) -> tuple[Project, automation.Stack]:
            prepared = project(program_folder(tmp_path), tmp_path, **where)
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(NOBODY), encoding="utf-8")
            prepared.attach()
            ends.callback(prepared.close)
            # Nothing runs, so no actor would become ready.
            recording = {"asya:kubeconfig": str(kubeconfig), "asya:waitSeconds": "0"}
            made_up = {f"asya:{key}": value for key, value in MADE_BY_MAKE_UP.get(name, {}).items()}
            made.append(prepared.stack(name, recording | settings, made_up | (secrets or {})))
            return prepared, made[-1]

        yield start
        for stack in made:
            stack.destroy()
