"""How a runtime's process ended: the note that its parent leaves in the socket folder, and the words for it. Pure.

A sidecar sees no more of a runtime's death than a closed connection. Whoever started the runtime is told the wait status by
the kernel and writes it down (docs/protocol.md, 2.3): the small init of the runtime's own container, or the supervisor of a
local mesh. An empty note says that somebody watches and that nothing has ended yet.
"""

import json
import signal
from typing import Final

_WHY: Final = {
    signal.SIGKILL: "out of memory?",
    signal.SIGSEGV: "a crash in native code",
    signal.SIGBUS: "a crash in native code",
    signal.SIGILL: "a crash in native code",
    signal.SIGFPE: "a crash in native code",
    signal.SIGABRT: "native code gave up",
}
WHOLE_CONTAINER: Final = "the runtime was ended together with its whole container (out of memory?)"
"""Said where somebody watched and left no note: the watcher was ended too."""


def encode_end(exit_code: int) -> bytes:
    """Write the note for the end of a process.

    Args:
        exit_code: As ``subprocess`` has it: below 0 it is the signal, negated.
    """
    return json.dumps({"signal": -exit_code} if exit_code < 0 else {"exit_code": exit_code}).encode()


def describe_note(note: bytes) -> str:
    """Say in words what a note says; empty where it says nothing that is understood."""
    try:
        found = json.loads(note)
        if "signal" in found:
            return describe_end(-int(found["signal"]))
        return describe_end(int(found["exit_code"]))
    except (ValueError, KeyError, TypeError):
        return ""


def describe_end(exit_code: int, who: str = "the runtime") -> str:
    """Say how a runtime ended, e.g. ``the runtime was ended by SIGKILL (out of memory?)``.

    Args:
        exit_code: As ``subprocess`` has it: below 0 it is the signal, negated.
        who: The process.
    """
    if exit_code >= 0:
        return f"{who} ended with exit code {exit_code}"
    try:
        number = signal.Signals(-exit_code)
    except ValueError:
        return f"{who} was ended by signal {-exit_code}"
    why = f" ({_WHY[number]})" if number in _WHY else ""
    return f"{who} was ended by {number.name}{why}"
