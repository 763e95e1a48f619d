"""``Pipeline``, which tests use. Its methods block, so that they fit every test; a loop in another thread does the work."""

import json
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec

from asya.loop_thread import LoopThread
from asya.testing.actor import Actor, Handler, read_actor
from asya.testing.embedded_mesh import Mesh, open_mesh
from asya.testing.errors import PipelineError
from asya.testing.outcome import Outcome


class Pipeline:
    """Handlers as actors of a small mesh of their own; runs as long as its ``with`` block.

    Each actor's runtime is a process that starts with its first envelope and keeps its handler loaded, so that a pipeline in
    a fixture of wider scope loads a model once. Runs may follow one another or, from several threads, overlap.

    Args:
        actors: Handler, or ``Actor``, by actor name; their order is the route where a run names none.
        timeout_s: How long one run may take.

    Raises:
        ActorNotUsable: A name or handler that cannot be one in a mesh.
    """

    def __init__(self, actors: Mapping[str, Handler | Actor], *, timeout_s: float = 60.0) -> None:
        if not actors:
            raise PipelineError("a pipeline needs at least one actor")
        self._actors = {name: read_actor(name, given) for name, given in actors.items()}
        self._timeout_s = timeout_s
        self._loop: LoopThread | None = None
        self._mesh: Mesh | None = None

    def __enter__(self) -> Self:
        """Make the queues.

        Raises:
            SettingsError: The environment's settings for the broker cannot be used.
            TransportError: The broker is away, or refuses.
        """
        if self._loop is not None:
            raise PipelineError("this pipeline is running already")
        self._loop = LoopThread("asya-testing")
        try:
            self._mesh = self._loop.call(open_mesh(self._actors))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything and delete the queues."""
        try:
            if self._loop is not None and self._mesh is not None:
                self._loop.call(self._mesh.close())
        finally:
            self._end()

    def run(
        self,
        payload: object,
        route: Sequence[str] | None = None,
        *,
        headers: Mapping[str, object] | None = None,
        timeout_s: float | None = None,
    ) -> Outcome:
        """Send one payload along a route and wait until nothing of it is under way any more.

        Args:
            payload: What JSON can carry.
            route: Actor names in order; by default all of the pipeline's, in their order.
            headers: Headers of the envelope.
            timeout_s: How long this run may take.

        Raises:
            UnknownActor: The route names an actor that the pipeline does not have.
            HandlerNotLoaded: A handler cannot be imported or its class not be built; says why.
            PipelineTimeout: The run did not end in time; says where its envelopes are.
            TransportError: The envelope cannot be sent, or a queue is gone.
        """
        __tracebackhide__ = True  # pytest then points at the test's own line
        if self._loop is None or self._mesh is None:
            raise PipelineError("use the pipeline in a with block: with Pipeline(...) as pipeline")
        names = tuple(self._actors) if route is None else tuple(route)
        if isinstance(route, str) or not names:
            raise PipelineError(f"route {route!r} must be a list of actor names, with one at least")
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            return self._loop.call(self._mesh.run(_as_json(payload), names, headers or {}, limit_s))
        except PipelineError as exc:
            # Where in another thread it was noticed tells a reader nothing.
            raise exc.with_traceback(None) from None
        finally:
            # Where print() goes: pytest shows it with the test that it belongs to.
            for actor, output in self._mesh.new_output():
                sys.stdout.writelines(f"[{actor}] {line}\n" for line in output.splitlines())

    def _end(self) -> None:
        if self._loop is not None:
            self._loop.close()
        self._loop = self._mesh = None


def _as_json(payload: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(json.dumps(payload, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError) as exc:
        raise PipelineError(f"the payload is not JSON: {exc}") from exc
