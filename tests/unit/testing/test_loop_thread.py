"""A loop in a thread of its own."""

import asyncio
import inspect

import pytest

from asya.loop_thread import LoopThread


def test_one_that_has_been_closed_says_so_and_may_be_closed_again() -> None:
    """And nothing is left that was never awaited."""
    loop = LoopThread("test")
    assert loop.call(asyncio.sleep(0, "done")) == "done"
    loop.close()
    work = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="has been closed"):
        loop.call(work)
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED
    loop.close()
