"""Starts a program that dies with its parent: ``python die_with_parent.py PARENT_PID SIGNAL PROGRAM ARGUMENTS...``.

Linux sends the chosen signal when the parent thread is gone, even when it was killed outright; the request survives
``exec``. A program of its own, because setting it between fork and exec inside a threaded process is not safe.
Standard library only, imports as little as it can: it runs once per started process.

Source: prctl(2), PR_SET_PDEATHSIG.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, then become the program."""
    parent, number, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        sys.stderr.write(f"prctl failed, {program} may outlive the mesh: {os.strerror(ctypes.get_errno())}\n")
    if os.getppid() != parent:
        sys.exit(1)  # the parent died before the request was in place
    try:
        os.execvp(program, sys.argv[3:])  # noqa: S606 - fixed argv, never a shell
    except OSError as exc:
        sys.stderr.write(f"cannot start {program}: {exc.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
