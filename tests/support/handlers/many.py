"""Handlers for several calls at once, for batches and for cancels. Python 3.7 and later."""

import asyncio
import pathlib
import threading
import time

BARRIERS = {}
CLEANED = []  # not files: a busy disk may take longer than a cancelled handler has
LOCK = threading.Lock()


def act(payload):
    return ACTIONS[payload["do"]](payload.get("with"))


def _meet(count):
    """Return once so many calls are inside at the same time."""
    with LOCK:
        barrier = BARRIERS.setdefault(count, threading.Barrier(count))
    barrier.wait(60)
    return threading.current_thread().name


def _sleep(seconds):
    time.sleep(seconds)
    return "slept"


def _spin(path):
    """Compute in Python, and note when an exception ends it."""
    try:
        pathlib.Path(path + ".started").touch()  # within: a cancel may come at once
        while True:
            sum(range(1000))
    finally:
        CLEANED.append(path)


def _wait(path):
    """Wait in a system call, and note when an exception ends it."""
    try:
        pathlib.Path(path + ".started").touch()
        time.sleep(60)
    except Exception:
        return "swallowed"
    finally:
        CLEANED.append(path)


def _stubborn(path):
    """Ignore every exception."""
    while True:
        try:
            pathlib.Path(path + ".started").touch()
            time.sleep(60)
        except BaseException:
            pass


def _stream(path):
    yield 1
    yield _wait(path)


ACTIONS = {
    "echo": lambda value: value,
    "cleaned": lambda path: path in CLEANED,
    "meet": _meet,
    "sleep": _sleep,
    "spin": _spin,
    "wait": _wait,
    "stubborn": _stubborn,
    "stream": _stream,
}


async def act_async(payload):
    do, argument = payload["do"], payload.get("with")
    if do == "wait":
        try:
            pathlib.Path(argument + ".started").touch()
            await asyncio.sleep(60)
        finally:
            CLEANED.append(argument)
    if do == "cleaned":
        return argument in CLEANED
    if do == "meet":
        BARRIERS["async"] = BARRIERS.get("async", 0) + 1
        while BARRIERS["async"] < argument:
            await asyncio.sleep(0.005)
    return argument


def batch(payloads):
    """One result per payload; `{"all": action}` in the first decides for the whole list."""
    first = payloads[0] if isinstance(payloads[0], dict) else {}
    if "all" in first:
        return WHOLE[first["all"]](payloads)
    return [_one(payload, len(payloads)) for payload in payloads]


async def batch_async(payloads):
    await asyncio.sleep(0)
    return batch(payloads)


def _one(payload, size):
    if payload == "fail":
        return ValueError("this one only")
    if payload == "none":
        return None
    if payload == "two":
        return ["one", "two"]
    if payload == "set":
        return {1, 2}
    return {"got": payload, "of": size}


def _raise(payloads):
    raise RuntimeError("all of them")


WHOLE = {
    "raise": _raise,
    "short": lambda payloads: payloads[1:],
    "dict": lambda payloads: {"no": "list"},
    "none": lambda payloads: None,
}


def batch_that_sleeps(payloads):
    time.sleep(60)
    return payloads
