"""Several threads of one program that ask a cluster for the first time at the same moment, as the guard of ownership does.

A process of its own for each try, since only a class's first use is at stake. Without what the module prepares, one try in
three ended the interpreter.
"""

import subprocess
import sys

TRIES = 12
PROGRAM = """
import sys, threading
from asya_infra import cluster_api
from lightkube.core.decoders import decode_list

here = {"name": "here"}
CONFIG = {
    "clusters": [{**here, "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{**here, "user": {"token": "x"}}],
    "contexts": [{**here, "context": {"cluster": "here", "user": "here"}}],
    "current-context": "here",
}
kinds = list(cluster_api.LISTED.values())
together = threading.Barrier(8)
came = []


def ask(number):
    together.wait()
    with cluster_api.ClusterApi(CONFIG):
        for kind in kinds[number % len(kinds):] + kinds:
            decode_list(b'{"items": [{"metadata": {"name": "a"}}]}', kind)
    came.append(number)


sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
print(len(came))
"""


def test_threads_that_ask_for_the_first_time_at_once_all_get_their_answer() -> None:
    argv = [sys.executable, "-c", PROGRAM]
    ran = [subprocess.run(argv, capture_output=True, text=True, check=False) for _ in range(TRIES)]
    assert [(each.returncode, each.stdout) for each in ran] == [(0, "8\n")] * TRIES, ran[-1].stderr
