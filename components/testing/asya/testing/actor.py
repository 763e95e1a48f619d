"""An actor of a pipeline under test, and the dotted name by which its runtime imports its handler."""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from asya.testing.errors import ActorNotUsable
from asya_protocol import names
from asya_sidecar.core.retry import RetryPolicy

Handler = str | Callable[..., Any]

NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
MAX_NAME_CHARS: Final = 63
"""As Kubernetes has it."""
DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@dataclass(frozen=True, slots=True)
class Actor:
    """One actor, as its AsyncActor would declare it.

    Attributes:
        handler: ``module.function`` or ``module.Class.method``, as text or as the function itself.
        mode: Whether the handler takes payloads or whole envelopes (``ASYA_HANDLER_MODE``).
        timeout_s: One handler call.
        retry: Attempts as in a mesh, but without pauses, so that a test need not wait; a policy given here is kept as it is.
        max_deliveries: Deliveries spent on crashes and timeouts before an envelope becomes a dead letter.
        batch_size: Most payloads that the handler gets at once, as a list; ``None`` when it takes one payload.
        concurrency: Handler calls at the same time, in threads or on one event loop.
        env: Environment of the handler, added to that of the test.
    """

    handler: Handler
    mode: Literal["payload", "envelope"] = "payload"
    timeout_s: float = 300.0
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(initial_delay_s=0.0))
    max_deliveries: int = names.MAX_DELIVERIES
    batch_size: int | None = None
    concurrency: int = 1
    env: Mapping[str, str] = field(default_factory=dict)


def read_actor(name: str, given: Handler | Actor) -> Actor:
    """Check one actor of a pipeline and turn its handler into a dotted name.

    Raises:
        ActorNotUsable: It could not be an actor of a mesh; the text says why.
    """
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        rule = f"lowercase letters, digits and '-', at most {MAX_NAME_CHARS} of them"
        raise ActorNotUsable(f"actor {name!r}: a name has {rule}")
    if name in names.RESERVED_ACTORS:
        raise ActorNotUsable(f"actor {name!r} ends every route by itself and takes no handler")
    actor = given if isinstance(given, Actor) else Actor(given)
    try:
        handler = dotted_name(actor.handler)
    except ActorNotUsable as exc:
        raise ActorNotUsable(f"actor {name!r}: {exc}") from None
    return replace(actor, handler=handler)


def dotted_name(handler: Handler) -> str:
    """Name a handler as ``ASYA_HANDLER`` does.

    Raises:
        ActorNotUsable: No such name leads to it.
    """
    if isinstance(handler, str):
        if not DOTTED.fullmatch(handler):
            raise ActorNotUsable(f"handler {handler!r} must be module.function or module.Class.method")
        return handler
    module, path = getattr(handler, "__module__", None), getattr(handler, "__qualname__", None)
    shown = path or type(handler).__name__
    if not isinstance(module, str) or not isinstance(path, str):
        raise ActorNotUsable(f"an object of type {shown} has no name to import it by; give a function, or its name")
    if "<" in path:
        kind = "a lambda" if path.endswith("<lambda>") else f"{path}, which only exists inside a function,"
        raise ActorNotUsable(f"{kind} cannot be a handler: the runtime imports handlers by name; define it in a module")
    owner = getattr(handler, "__self__", None)
    if owner is not None and not isinstance(owner, type) and not isinstance(owner, type(sys)):
        raise ActorNotUsable(
            f"{path} is bound to an object; give {path} of the class, its runtime makes its own object"
        )
    if module == "__main__":
        raise ActorNotUsable(f"{path} is defined in the program itself; move it to a module of its own")
    if not _leads_to(module, path, handler):
        raise ActorNotUsable(
            f"{module}.{path} is not this function; was it replaced or decorated without functools.wraps?"
        )
    return f"{module}.{path}"


def _leads_to(module: str, path: str, handler: Callable[..., Any]) -> bool:
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return bool(found == handler)
