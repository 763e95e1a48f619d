"""Handlers that misbehave in ways no reply can describe, or that take the process with them. Python 3.7 and later."""

import ctypes
import logging
import os
import pathlib
import re
import sys
import threading
import time


def act(payload):
    return ACTIONS[payload["do"]](payload.get("with"))


def _block(_):
    """Wait for ever, letting other threads run."""
    threading.Event().wait()


def _hog(_):
    """Compute for ever in C, letting no other thread run: the regular expression never gives up."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def _print(size_bytes):
    chunk = "x" * (1 << 20) + "\n"
    for _ in range(size_bytes // len(chunk) + 1):
        sys.stdout.write(chunk)
    return "printed"


def _sleep(seconds):
    time.sleep(seconds)
    return "slept"


def _two_and_one(path):
    """Make the third item only when a test allows it."""
    yield 0
    yield 1
    _wait_for_file(path)
    yield 2


def _piece_and_wait(path):
    yield "FLY", {"text": "first"}
    _wait_for_file(path)
    yield "end"


def _many_pieces(count):
    for number in range(count):
        yield "FLY", {"n": number, "fill": "x" * 100}
    logging.getLogger("trouble").info("all pieces yielded")
    yield "end"


def _wait_for_file(path):
    """Say that we run, then wait until a test allows us to end."""
    pathlib.Path(path + ".started").touch()
    while not pathlib.Path(path).exists():
        time.sleep(0.005)
    return "released"


def _fork(path):
    """Leave a child behind that outlives us, as multiprocessing does."""
    child = os.fork()
    if child == 0:
        while not pathlib.Path(path).exists():
            time.sleep(0.01)
        os._exit(0)
    return child


def _fork_and_return(_):
    """Forget, as users do, that the child comes back here too."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return "parent" if child else "child"


ACTIONS = {
    "echo": lambda value: value,
    "exit_process": os._exit,
    "segfault": lambda _: ctypes.string_at(0),
    "block": _block,
    "hog": _hog,
    "print": _print,
    "sleep": _sleep,
    "two_and_one": _two_and_one,
    "piece_and_wait": _piece_and_wait,
    "many_pieces": _many_pieces,
    "wait_for_file": _wait_for_file,
    "fork": _fork,
    "fork_and_return": _fork_and_return,
}
