"""What a sidecar imports before its first receive; a pod that is scaled from zero waits for each of these."""

import json
import subprocess
import sys

import pytest

OURS = {"asya_process", "asya_protocol", "asya_sidecar", "asya_store", "asya_transport"}
NEEDED = {"msgspec", "prometheus_client", "typing_extensions"}
PROGRAM = """
import json, sys
before = set(sys.modules)
import asya_sidecar.main
import {transport}
found = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(json.dumps(sorted(found - set(sys.stdlib_module_names))))
"""


@pytest.mark.parametrize(
    ("transport", "more"),
    [("asya_transport.memory.transport", set()), ("asya_transport.rabbitmq.transport", {"pika"})],
)
def test_a_start_imports_no_library_that_the_first_receive_does_not_need(transport: str, more: set[str]) -> None:
    """No HTTP client, no boto3, no database driver: those are imported where the settings ask for them."""
    program = PROGRAM.format(transport=transport)
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert set(json.loads(said.stdout)) <= OURS | NEEDED | more
