"""``asya`` and its siblings in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_S = 240
OURS = ("ASYA_", "AWS_")


@dataclass(frozen=True, slots=True)
class Said:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Runs commands in a folder of their own, which as of an installed command is not on Python's path.

    ``environ`` is all of ours that they see.
    """

    folder: Path
    environ: Mapping[str, str]
    entry: str = "asya_cli.main"

    def __call__(self, *words: str, stdin: str = "", **environ: str) -> Said:
        with self.start(*words, **environ) as process:
            try:
                out, err = process.communicate(stdin, timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Said(process.returncode, out, err)

    def start(self, *words: str, **environ: str) -> "subprocess.Popen[str]":
        """Start one without waiting for it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {self.entry} import main; main()", *words],
            cwd=self.folder,
            env={**inherited, **self.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - one call that takes no lock
        )

    def interrupted(self, process: "subprocess.Popen[str]") -> Said:
        """Send Ctrl-C and read what it says."""
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
        return Said(process.returncode, out, err)


@contextmanager
def mesh_of(folder: Path) -> Iterator[CommandLine]:
    """The command line in a folder whose actors and tools are up on the memory transport, and come down at the end."""
    command_line = CommandLine(folder, {"ASYA_HOME": str(folder / "home")})
    try:
        up = command_line("local", "up", "-f", str(folder), "--transport", "memory", "--no-reload")
        assert up.code == 0, up.err
        yield command_line
    finally:
        assert command_line("local", "down").code == 0


def _hear_ctrl_c() -> None:
    """A test run in the background of a shell inherits that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
