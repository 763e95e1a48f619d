"""Errors of a test, or of what it tests, before there is an outcome."""

from collections.abc import Iterable
from typing import ClassVar

from asya_protocol.errors import AsyaError, EnvelopeRefused, Fault


class PipelineError(AsyaError):
    """Root of the test kit's errors; the text says what to change."""

    fault: ClassVar[Fault] = "user"


class ActorNotUsable(PipelineError):
    """An actor's name or handler cannot be one in a mesh."""


class UnknownActor(PipelineError):
    """The route names an actor that the pipeline does not have."""

    def __init__(self, actor: str, known: Iterable[str]) -> None:
        super().__init__(unknown(actor, known))


class HandlerNotLoaded(PipelineError):
    """A runtime ended before it was ready; the text holds the end of its log."""


class PipelineTimeout(PipelineError, TimeoutError):
    """A run did not come to its end in time; the text says where its envelopes are."""


class EnvelopesFailed(PipelineError, AssertionError):
    """At least one envelope of a run failed; the text holds the handlers' tracebacks."""


class NotOneResult(PipelineError, AssertionError):
    """``outcome.payload`` was asked for, and there are none or several."""


class NotInPipeline(EnvelopeRefused):
    """A handler sent an envelope to an actor that the pipeline does not have.

    In a mesh this is a missing queue, which sidecars wait for, because its actor may have been applied a moment ago. Nobody
    adds actors to a pipeline, so it is an error at once.
    """

    def __init__(self, actor: str, known: Iterable[str]) -> None:
        super().__init__(unknown(actor, known))


def unknown(actor: str, known: Iterable[str]) -> str:
    """Say that an actor is not there, and which are."""
    return f"actor {actor!r} is not in this pipeline; it has: {', '.join(known)}"
