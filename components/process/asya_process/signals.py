"""SIGTERM and SIGINT as one event. Imports little: a process holds them back before it imports the rest of itself."""

import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

_STOPPING: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def hold() -> None:
    """Let the signals wait until there is a ``stop_event``.

    The kernel drops a SIGTERM for process 1 of a container that has no handler for it yet, and the pod would then live on
    for its whole grace. Importing takes longest.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)


def stop_event() -> "asyncio.Event":
    """Make the event that a signal sets, also one that was held back."""
    import asyncio

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    return stop
