"""Handlers that do what their payload says: `{"do": action, "with": value}`. Python 3.7 and later.

`act` and `act_async` take payloads, `reroute` takes whole envelopes (envelope mode).
"""

import asyncio
import sys


class ModelError(LookupError):
    """An error of the user's own."""


class UnreadableError(Exception):
    """An error that cannot even be printed."""

    def __str__(self):
        raise ValueError("no text")


def act(payload):
    return ACTIONS[payload["do"]](payload.get("with"))


async def act_async(payload):
    await asyncio.sleep(0)
    return act(payload)


def _generator(count):
    yield from range(count)


async def _async_generator(count):
    for number in range(count):
        await asyncio.sleep(0)
        yield number


def _generator_of_one_object(count):
    document = {}
    for number in range(count):
        document["n"] = number
        yield document


def _generator_that_fails(count):
    yield from range(count)
    raise ModelError(f"after {count} items")


def _script(steps):
    """Yields what a vector says: lists are verbs, the answer of a GET goes into the last payload."""
    heard = []
    for step in steps:
        answer = yield tuple(step) if isinstance(step, list) else step
        if isinstance(step, list) and step[0] == "GET":
            heard.append(answer)
    yield {"heard": heard}


async def _script_async(steps):
    heard = []
    for step in steps:
        answer = yield tuple(step) if isinstance(step, list) else step
        if isinstance(step, list) and step[0] == "GET":
            heard.append(answer)
    yield {"heard": heard}


def _tokens(count):
    for number in range(count):
        yield {"text": f"t{number} "}
    return {"text": "".join(f"t{number} " for number in range(count))}


async def _async_tokens(count):
    for number in range(count):
        await asyncio.sleep(0)
        yield "FLY", {"text": f"t{number} "}
    yield {"tokens": count}


def _tuple_of_text(text):
    yield text, {"text": "token"}


async def _coroutine():
    return 1


def _ring(_):
    ring = []
    ring.append(ring)
    return {"ring": ring}


def _deep(depth):
    document = []
    for _ in range(depth):
        document = [document]
    return {"deep": document}


def _raise(text):
    raise ModelError(text)


def _assert(_):
    raise AssertionError


def _unreadable_exception(_):
    raise UnreadableError


class _Array:
    def tolist(self):
        return []


def _group(_):
    error = ValueError("bad item")
    raise ExceptionGroup("two", [ExceptionGroup("inner", [error]), ModelError("x")])


def _interrupt(_):
    raise KeyboardInterrupt


def _recurse(value):
    return _recurse(value)


ACTIONS = {
    "echo": lambda value: value,
    "none": lambda _: None,
    "tuple": tuple,
    "array": lambda _: {"pages": [0, {"vector": _Array()}]},
    "group": _group,
    "generator": _generator,
    "async_generator": _async_generator,
    "generator_of_one_object": _generator_of_one_object,
    "generator_that_fails": _generator_that_fails,
    "script": _script,
    "script_async": _script_async,
    "tokens": _tokens,
    "async_tokens": _async_tokens,
    "tuple_of_text": _tuple_of_text,
    "set": lambda _: {1},
    "bytes": lambda _: b"x",
    "coroutine": lambda _: _coroutine(),
    "nested_set": lambda _: {"tags": {1}},
    "list_with_set": lambda _: [1, {1}],
    "tuple_key": lambda _: {(1, 2): 3},
    "nan": lambda _: {"score": float("nan")},
    "infinity": lambda _: [float("inf")],
    "surrogate": lambda _: {"text": "\ud800"},
    "ring": _ring,
    "deep": _deep,
    "raise": _raise,
    "assert": _assert,
    "unreadable_exception": _unreadable_exception,
    "exit": sys.exit,
    "interrupt": _interrupt,
    "recurse": _recurse,
    "memory": lambda _: bytearray(1 << 62),
}


def reroute(envelope):
    return ENVELOPE_ACTIONS[envelope["payload"]["do"]](envelope)


def _advance(envelope):
    envelope["route"]["current"] += 1
    return envelope


def _extend(envelope):
    envelope["route"]["actors"] += envelope["payload"]["with"]
    return _advance(envelope)


def _erase(envelope):
    del envelope["route"]["actors"][0]
    return envelope


def _drop_payload(envelope):
    del envelope["payload"]
    return envelope


def _far(envelope):
    envelope["route"]["current"] = 9
    return envelope


ENVELOPE_ACTIONS = {
    "yields": lambda envelope: _script(envelope["payload"]["with"]),
    "same": lambda envelope: envelope,
    "advance": _advance,
    "extend": _extend,
    "none": lambda envelope: None,
    "twice": lambda envelope: [envelope, envelope],
    "generator": lambda envelope: (envelope for _ in range(envelope["payload"]["with"])),
    "erase": _erase,
    "drop_payload": _drop_payload,
    "second_is_number": lambda envelope: [envelope, 5],
    "far": _far,
    "empty": lambda envelope: {},
    "value": lambda envelope: envelope["payload"]["with"],
}
