"""An event loop in a thread of its own, so that code with and without a loop can wait for coroutines."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Starts with the object, ends with ``close``; a daemon, so that one that hangs does not keep the program alive."""

    def __init__(self, name: str) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()
        self._started.wait()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for it; an interrupted wait cancels it.

        Raises:
            RuntimeError: It has been closed.
        """
        if self.closed:
            work.close()
            raise RuntimeError("this has been closed; open another one")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @property
    def closed(self) -> bool:
        """Whether the loop has ended."""
        return self._loop.is_closed()

    def close(self) -> None:
        """End the loop, cancelling what is left in it, and the thread; once it has ended, nothing."""
        if self.closed:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._stop = asyncio.Event()
            self._started.set()
            runner.run(self._wait())

    async def _wait(self) -> None:
        await self._stop.wait()
