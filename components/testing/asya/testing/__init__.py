"""Runs a pipeline of handlers inside a test, which passes unchanged on memory, SQS and RabbitMQ.

    from asya.testing import Pipeline

    with Pipeline({"greet": "greeter.greet", "shout": "greeter.shout"}) as pipeline:
        assert pipeline.run({"name": "Ada"}).payload == {"greeting": "HELLO ADA"}

The parts are those of the mesh: the sidecar's pipeline in this process, the runtime as a child process per actor, the broker
that ``ASYA_TRANSPORT`` names (default: memory, inside this process). Needs no cluster, no plugin and no configuration.
"""

from asya.testing.actor import Actor
from asya.testing.errors import (
    ActorNotUsable,
    EnvelopesFailed,
    HandlerNotLoaded,
    NotOneResult,
    PipelineError,
    PipelineTimeout,
    UnknownActor,
)
from asya.testing.outcome import Failure, Outcome, Result
from asya.testing.pipeline import Pipeline
from asya_sidecar.core.retry import RetryPolicy

__all__ = [
    "Actor",
    "ActorNotUsable",
    "EnvelopesFailed",
    "Failure",
    "HandlerNotLoaded",
    "NotOneResult",
    "Outcome",
    "Pipeline",
    "PipelineError",
    "PipelineTimeout",
    "Result",
    "RetryPolicy",
    "UnknownActor",
]
