"""Handlers of a test's pipeline, in payload mode unless they say otherwise."""

import os
import threading
import time

MEETING = threading.Barrier(2)


def add_one(payload):
    return {**payload, "n": payload["n"] + 1}


def count_to(payload):
    for n in range(payload["n"]):
        yield {"n": n}


def split(payload):
    return [{"n": n} for n in payload["ns"]]


def odd_fails(payload):
    if payload["n"] % 2:
        raise ValueError(f"{payload['n']} is odd")
    return payload


def fails_once(payload):
    """The first attempt in each process fails."""
    if not os.environ.get("FAILED"):
        os.environ["FAILED"] = "1"
        raise ValueError("not yet")
    return payload


def crash(payload):
    if payload.get("crash"):
        os._exit(3)
    return payload


def sleep(payload):
    time.sleep(payload["s"])
    return payload


def grow(payload):
    return {**payload, "text": "x" * payload["chars"]}


def nothing(payload):
    return None


def tell(payload):
    print("told", payload["text"])
    return {"pid": os.getpid(), "language": os.environ.get("LANGUAGE")}


def add_one_to_each(payloads):
    """Batch mode: odd ones fail."""
    return [ValueError(f"{each['n']} is odd") if each["n"] % 2 else {"n": each["n"] + 1} for each in payloads]


def meet(payload):
    """Returns only when another call runs at the same time."""
    MEETING.wait(timeout=30)
    return payload


def go_on_to(envelope):
    """Envelope mode: to the actor that the payload names."""
    route = envelope["route"]
    actors = [*route["actors"], envelope["payload"]["to"]]
    return {**envelope, "route": {**route, "actors": actors, "current": route["current"] + 1}}
