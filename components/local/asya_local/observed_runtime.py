"""Runs the runtime and writes down which files it loads: ``python observed_runtime.py LOG RUNTIME``, in the user's Python.

The mesh reloads a runtime when a file that it has loaded is no longer what it was, so what counts is known exactly: code
whenever it is imported, configuration that is read while the handler loads, and nothing that the process has written itself.
Code of the interpreter and of installed packages is left out. A line of the log is a JSON list: ``r`` or ``w``, the file,
and for ``r`` its modification time, size and inode at that moment.

Standard library of Python 3.7 only; below 3.8, which has no audit hooks, nothing is written down.
"""

import json
import os
import runpy
import sys

CODE = ".py"
CONFIGURATION = (".json", ".yaml", ".yml", ".toml")


class Log:
    """The log, written from inside of the interpreter's audit hook."""

    def __init__(self, path: str, ready_path: str) -> None:
        self._path = path
        self._ready_path = ready_path
        self._library = os.path.dirname(os.__file__) + os.sep
        self._seen = set()  # type: set[tuple[str, str]]

    def hear(self, event: str, arguments: tuple) -> None:  # type: ignore[type-arg]
        """Take an audit event; what is raised here would be raised in the user's code."""
        try:
            if event == "open":
                name, mode, flags = arguments
                writes = set(mode) & set("wax+") if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_RDWR)
                self._note("w" if writes else "r", name)
            elif event == "os.rename":
                self._note("w", arguments[1])
        except (OSError, ValueError, TypeError):
            return

    def _note(self, kind: str, name: object) -> None:
        if not isinstance(name, str) or not name.endswith((CODE, ".pyc", *CONFIGURATION)):
            return
        name = os.path.abspath(name)
        if name.endswith(".pyc"):
            if kind == "w":
                return  # that Python keeps a module's compiled form is no edit of the module
            # <folder>/__pycache__/<module>.<tag>.pyc
            name = os.path.join(os.path.dirname(os.path.dirname(name)), os.path.basename(name).split(".")[0] + CODE)
        if (kind, name) in self._seen or name.startswith(self._library):
            return
        if "site-packages" in name or "dist-packages" in name:
            return
        if kind == "r" and not name.endswith(CODE) and os.path.exists(self._ready_path):
            return
        self._seen.add((kind, name))
        entry = [kind, name]  # type: list[object]
        if kind == "r":
            found = os.stat(name)
            entry += [found.st_mtime_ns, found.st_size, found.st_ino]
        # Opened anew for each line: a process that the handler forks may close what it did not open itself.
        log = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(log, (json.dumps(entry) + "\n").encode())
        os.close(log)


def main() -> None:
    """Become the runtime."""
    del sys.path[0]  # our folder, whose modules are nobody's business
    log_path, runtime = sys.argv[1:]
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(Log(log_path, os.path.join(os.environ["ASYA_SOCKET_DIR"], "runtime-ready")).hear)
    sys.argv = [runtime]
    runpy.run_path(runtime, run_name="__main__")


if __name__ == "__main__":
    main()
