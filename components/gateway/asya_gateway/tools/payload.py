"""From a call's arguments, as they came, to the payload of its envelope: bounded in values and in time, beside the event loop.

Arguments stay bytes until the caller is known to have the tool's scope. Those that are more than a few are read, checked and
written in one thread of this process's, so that they are as objects in memory for one call at a time, and `/health`, streams
and reports are answered meanwhile.
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from asya_gateway.records.call_key import arguments_digest
from asya_gateway.tools.arguments import InvalidArguments, complete
from asya_manifest.tools import Tool

INLINE_BYTES: Final = 2048
"""So few bytes are checked at once: no thread is as fast, and they cannot hold more than about a thousand values."""
LIMIT_S: Final = 5.0
"""How long a processor may work on the check of one call's arguments."""


class Payloads:
    """Makes payloads.

    Args:
        most_values: Values that the arguments of one call may have.
    """

    def __init__(self, most_values: int) -> None:
        self._most = most_values
        self._thread = ThreadPoolExecutor(1, "arguments")

    async def make(
        self, tool: Tool, arguments: msgspec.Raw | Mapping[str, object] | None, *, digest: bool = False
    ) -> tuple[bytes, str]:
        """Check arguments and fill in defaults.

        Args:
            tool: The tool that is called.
            arguments: JSON of an object, or of null.
            digest: Whether their digest is wanted.

        Returns:
            What the first actor gets as its payload, JSON; and the digest of tool and arguments, else empty.

        Raises:
            InvalidArguments: They do not fit the tool, or are too many.
            msgspec.DecodeError: They are no JSON.
        """
        if not isinstance(arguments, msgspec.Raw):
            arguments = msgspec.Raw(msgspec.json.encode(arguments))
        if len(bytes(arguments)) <= INLINE_BYTES:
            return self._make(tool, arguments, digest)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._make, tool, arguments, digest)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _make(self, tool: Tool, arguments: msgspec.Raw, digest: bool) -> tuple[bytes, str]:
        given = msgspec.json.decode(arguments)
        if given is not None and not isinstance(given, dict):
            raise InvalidArguments("arguments must be an object")
        if has_more_than(self._most, given):
            raise InvalidArguments(
                f"arguments have more than {self._most} values; leave large inputs in the object store and name their place"
            )
        ends_s = time.thread_time() + LIMIT_S  # of work, not of waiting: a busy machine refuses nothing
        payload = msgspec.json.encode(complete(tool, given, late=lambda: time.thread_time() > ends_s))
        return payload, arguments_digest(tool.name, given) if digest else ""


def has_more_than(most: int, value: object) -> bool:
    """Return whether a JSON value holds more than so many values, itself not counted; looks no further than that."""
    seen, waiting = 0, [value]
    while waiting:
        held = waiting.pop()
        parts = list(held.values()) if isinstance(held, dict) else held if isinstance(held, list) else []
        seen += len(parts)
        if seen > most:
            return True
        waiting += [part for part in parts if isinstance(part, dict | list)]
    return False
