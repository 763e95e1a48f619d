"""The same wire checks with the runtime under the oldest, a middle and the newest Python that it promises to run on."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.installs.pythons import NEWEST, find_python, require_python
from tests.support.runtime_process import envelope, running
from tests.support.vectors import body_of, check_items, load

VERSIONS = ("3.7", "3.11", "3.13", *([NEWEST] if find_python(NEWEST) else []))
# A bare 3.13 is 4 MiB smaller than a bare 3.11, so that more of what we import is not in it yet; 3.14 still smaller.
# The verbs of generators cost 0.4 MiB of the compiled file.
LIMITS_MIB = {"python3.13": 7.5, "python3.14": 9.0}
EXCHANGES: list[dict[str, Any]] = load("runtime.json")["cases"]
VERBS: list[dict[str, Any]] = load("verbs.json")["cases"]
SETTINGS = sorted({(case["handler"], case["mode"], case["validate"]) for case in EXCHANGES})


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    return require_python(request.param)


@pytest.mark.parametrize(("handler", "mode", "validate"), SETTINGS)
def test_every_vector_is_answered_under(python: str, handler: str, mode: str, validate: bool) -> None:
    environ = {"ASYA_HANDLER_MODE": mode, "ASYA_ENABLE_VALIDATION": str(validate).lower()}
    with running(f"answers.{handler}", python=python, environ=environ) as runtime, runtime.connect() as old:
        with runtime.connect() as new:
            new.hello()
            for case in EXCHANGES:
                if (case["handler"], case["mode"], case["validate"]) == (handler, mode, validate):
                    check_items(old.call(case["request"]), case["items"])
                    more, final = new.call_2(case["request"], timeout_s=60)
                    assert final is not None
                    check_items([item for frame in more for item in frame] + final, case["items"])
        assert runtime.stop() == 0


def test_every_verb_works_under(python: str) -> None:
    with running("answers.act", python=python) as runtime, runtime.connect() as client:
        client.hello(pieces=True)
        for case in VERBS:
            pieces, items = client.stream(case["request"])
            check_items(items, case["items"])
            assert pieces == list(enumerate(case["pieces"]))


def test_bytes_are_judged_as_the_protocol_does_under(python: str) -> None:
    with running("answers.act", python=python) as runtime, runtime.connect() as client:
        for case in load("envelope.json")["cases"]:
            accepts = "envelope" in case or case.get("runtime") == "accepts"
            (item,) = client.call(body_of(case)) or [{}]
            assert (item.get("error") == "msg_parsing_error") is not accepts, case["name"]


def test_a_late_handler_is_answered_for_and_ends_the_process_under(python: str) -> None:
    with running("trouble.act", python=python) as runtime, runtime.connect() as client:
        client.hello()
        more, final = client.call_2(envelope({"do": "block"}), timeout_s=0.2)
        assert (more, [item["error"] for item in final or []]) == ([], ["timeout_error"])
        assert runtime.wait_exit() == 124


def test_a_class_handler_keeps_its_state_under(python: str) -> None:
    with running("classes.Counter.process_async", python=python) as runtime, runtime.connect() as client:
        counts = [(client.call(envelope(None)) or [{}])[0]["payload"]["count"] for _ in range(3)]
    assert counts == [1, 2, 3]


def test_it_needs_little_memory_above_a_bare_interpreter_under(python: str) -> None:
    with running("classes.Plain.process", python=python) as runtime, runtime.connect() as client:
        client.hello()
        for _ in range(100):
            client.call_2(envelope({"text": "x" * 100}), timeout_s=10)
        ours_kib = own_memory_kib(runtime.process.pid)
    program = "import sys; sys.stdout.write('up'); sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen([python, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bare:
        assert bare.stdout is not None
        assert bare.stdout.read(2) == b"up"
        bare_kib = own_memory_kib(bare.pid)  # leaving the block closes its input, which ends it
    limit_mib = LIMITS_MIB.get(Path(python).name, 6.0)
    assert ours_kib - bare_kib <= limit_mib * 1024


def own_memory_kib(pid: int) -> int:
    """Resident memory without mapped files: the interpreter's own pages are shared with every process of the image."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1])
