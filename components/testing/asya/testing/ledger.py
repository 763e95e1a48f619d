"""Counts what each run has sent and not settled: the run is over at zero, whatever the broker's figures say.

Every send gets a token, which travels as a transport attribute; so a redelivery is the same entry, and a body that a broker
took although it did not say so is none. Used by one event loop.
"""

import asyncio
import itertools
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from asya.testing.outcome import Failure, Outcome, Result, make_outcome
from asya_protocol.envelope import parse_id, parse_object
from asya_protocol.errors import EnvelopeError

ATTRIBUTE: Final = "asya-testing"
"""Transport attribute that holds the token."""


@dataclass(slots=True, eq=False)
class Entry:
    """One body that was sent.

    Attributes:
        actor: Whose queue it was sent to.
        taken: The sidecar has it.
    """

    actor: str
    taken: bool = False


@dataclass(slots=True, eq=False)
class Run:
    """One payload's way through the mesh.

    Attributes:
        id: Id of its first envelope; ours and without a hyphen, so that those made from it are known by it.
        done: Set when everything that was sent is settled, or to the error that makes that impossible.
        open: What is not, by token.
        trouble: Why its first envelope could not be sent yet.
    """

    id: str
    done: "asyncio.Future[None]"
    open: dict[str, Entry] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    trouble: str = ""

    def outcome(self) -> Outcome:
        """What came of it so far."""
        return make_outcome(self.results.values(), self.failures.values())

    def where(self) -> str:
        """Say in words where its envelopes are."""
        places = Counter((entry.actor, entry.taken) for entry in self.open.values())
        texts = [
            f"{count} {'in hand at' if taken else 'waiting for'} {actor!r}" for (actor, taken), count in places.items()
        ]
        if not texts:
            return f"nothing is under way ({self.trouble})" if self.trouble else "nothing is under way"
        return ", ".join(sorted(texts))


class Ledger:
    """The runs that are under way; bodies of other runs are ignored."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._numbers = itertools.count(1)
        self._failure: BaseException | None = None

    def begin(self) -> Run:
        """Start a run."""
        run = Run(uuid.uuid4().hex, asyncio.get_running_loop().create_future())
        self._runs[run.id] = run
        if self._failure is not None:
            run.done.set_exception(self._failure)
        return run

    def end(self, run: Run) -> None:
        """Forget a run; what it left behind is ignored from here on."""
        del self._runs[run.id]
        if not run.done.cancel() and not run.done.cancelled():
            run.done.exception()  # An error that nobody awaited any more would be complained about.

    def sending(self, actor: str, body: bytes) -> str:
        """Note a body before it is sent; returns its token."""
        try:
            run_id = parse_id(parse_object(body)).partition("-")[0]
        except EnvelopeError:
            run_id = ""
        token = f"{run_id}.{next(self._numbers)}"
        if (run := self._run_of(token)) is not None:
            run.open[token] = Entry(actor)
        return token

    def not_sent(self, token: str) -> None:
        """Take a note back: as far as we know, the body did not arrive."""
        if (run := self._run_of(token)) is not None:
            run.open.pop(token, None)

    def mark(self, token: str, *, taken: bool) -> None:
        """Note that a body was received, or released."""
        if (run := self._run_of(token)) is not None and token in run.open:
            run.open[token].taken = taken

    def arrived(self, token: str, what: Result | Failure) -> None:
        """Note a result or a failure; the same body twice counts once."""
        run = self._run_of(token)
        if run is None:
            return
        if isinstance(what, Result):
            run.results[token] = what
        else:
            run.failures[token] = what

    def settled(self, token: str) -> None:
        """Note that a body is done with, its outputs having been noted before."""
        run = self._run_of(token)
        if run is not None and run.open.pop(token, None) is not None and not run.open and not run.done.done():
            run.done.set_result(None)

    def abort(self, error: BaseException, *, for_good: bool = False) -> None:
        """End every run, and where there is no help every later one, with an error that leaves it no way to its end."""
        if for_good:
            self._failure = error
        for run in self._runs.values():
            if not run.done.done():
                run.done.set_exception(error)

    def _run_of(self, token: str) -> Run | None:
        return self._runs.get(token.partition(".")[0])
