"""The servers that benchmarks need, each started for one run and gone after it.

RabbitMQ and LocalStack are those of the tests, from the same pins.
"""

from collections import Counter

from lab.servers.localstack import CREDENTIALS, LocalStackServer
from lab.servers.rabbitmq import RabbitMqServer

__all__ = ["CREDENTIALS", "LocalStackServer", "RabbitMqServer", "count_requests"]


def count_requests(server: LocalStackServer) -> Counter[str]:
    """Count what LocalStack says that it was asked: its own log has a line ``AWS sqs.SendMessage => 200`` for each."""
    counts: Counter[str] = Counter()
    for log in server.folder.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            _, found, rest = line.partition("AWS sqs.")
            if found:
                counts[rest.split(" ", 1)[0]] += 1
    return counts
