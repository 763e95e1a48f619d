"""Handlers that log: with the runtime's configuration, with their own, from a coroutine, of a batch."""

import asyncio
import logging
import sys
import threading

log = logging.getLogger("mine")


def plain(payload):
    log.info("at work", extra={"actor": "no field of ours", "n": 1})
    return payload


def fails(payload):
    try:
        int("broken")
    except ValueError:
        log.exception("it went wrong")
    return payload


def own(payload):
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(logging.Formatter("OWN %(message)s of %(asya_envelope_id)s at %(asya_actor)s"))
    log.handlers[:] = [out]
    log.propagate = False
    log.info("at work")
    return payload


async def later(payload):
    await asyncio.sleep(0.01)
    log.info("at work")
    return payload


def batch(payloads):
    log.info("at work")
    return payloads


def beside(payload):
    thread = threading.Thread(target=log.info, args=("in a thread of its own",))
    thread.start()
    thread.join()
    return payload
