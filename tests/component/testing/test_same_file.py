"""One test file of a user, the one in docs/testing.md, passes unchanged on memory, RabbitMQ and SQS."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from asya_transport.factory import open_admin
from asya_transport.settings import read_transport_settings
from lab.servers.localstack import CREDENTIALS, localstack_endpoint
from lab.servers.rabbitmq import rabbitmq_management_url, rabbitmq_server, rabbitmq_url
from tests.support.pages import Shell, fences

__all__ = ["localstack_endpoint", "rabbitmq_management_url", "rabbitmq_server", "rabbitmq_url"]

LIMIT_S = 240

pytestmark = pytest.mark.xdist_group("asya-testing")  # one after another, so that each sees what the last one left


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    """The files of the page, as a reader would save them."""
    files = fences("docs/testing.md")
    assert [fence.file for fence in files] == ["greeter.py", "test_greeter.py"]
    Shell(tmp_path).follow(files)
    return tmp_path


def run_tests(folder: Path, settings: dict[str, str]) -> str:
    """Run pytest in a folder as its owner would, with the given settings and no others of Asya; returns what it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ASYA_", "PYTEST_"))}
    # The rules of this repository's own tests must not decide over the user's; warnings are errors all the same.
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error", "."]
    done = subprocess.run(
        argv, cwd=folder, env={**inherited, **settings},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def queues_left(settings: dict[str, str]) -> list[str]:
    """What test runs have left on a broker."""

    async def ask() -> list[str]:
        admin = open_admin(replace(read_transport_settings(settings), queue_retry_max_attempts=3))
        try:
            return list(await admin.list_queues("asya-t-"))
        finally:
            await admin.close()

    return asyncio.run(ask())


def test_it_passes_on_memory(users_folder: Path):
    """Which is what a user has without setting anything."""
    assert "4 passed" in run_tests(users_folder, {})


def test_it_passes_on_rabbitmq(users_folder: Path, rabbitmq_url: str, rabbitmq_management_url: str):
    """And leaves no queue."""
    settings = {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": rabbitmq_url}
    assert "4 passed" in run_tests(users_folder, settings)
    assert queues_left({**settings, "ASYA_RABBITMQ_MANAGEMENT_URL": rabbitmq_management_url}) == []


def test_it_passes_on_sqs(users_folder: Path, localstack_endpoint: str):
    """And leaves no queue."""
    settings = {**CREDENTIALS, "ASYA_TRANSPORT": "sqs", "ASYA_SQS_ENDPOINT": localstack_endpoint}
    assert "4 passed" in run_tests(users_folder, settings)
    assert queues_left(settings) == []
