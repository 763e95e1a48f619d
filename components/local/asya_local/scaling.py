"""How many replicas an actor needs, and when fewer are safe. Pure: the clock is an argument.

The usual rule ``ceil(total / queueLength)`` alone takes replicas away from under their work: with queueLength 5 and one
envelope per replica, 100 busy replicas and an empty queue would become 20. So what is in flight counts in full.
"""

from dataclasses import dataclass


def desired_replicas(
    *, in_flight: int, total: int, concurrency: int, queue_length: int, minimum: int, maximum: int
) -> int:
    """Say how many replicas a queue needs now.

    Args:
        in_flight: Received and not settled.
        total: Everything that needs work now: waiting, in flight.
        concurrency: Handler calls that one replica makes at a time.
        queue_length: Envelopes per replica that the actor's author wants at most.
        minimum: Never fewer.
        maximum: Never more; wins over ``minimum``.
    """
    # -(-a // b) is ceil(a / b) on whole numbers.
    needed = max(-(-in_flight // concurrency), -(-total // queue_length))
    return min(max(needed, minimum), maximum)


@dataclass(frozen=True, slots=True)
class NeedHistory:
    """The need over the last cooldown period, as steps.

    Attributes:
        steps: ``(since_s, replicas)``, oldest first; each holds until the next one's time.
    """

    steps: tuple[tuple[float, int], ...] = ()

    def add(self, now_s: float, replicas: int, cooldown_s: float) -> "NeedHistory":
        """Note the need as of now and forget the steps that ended a cooldown period ago or earlier."""
        steps = [*self.steps, (now_s, replicas)]
        ends = [since_s for since_s, _ in steps[1:]]
        kept = [step for step, end_s in zip(steps, ends, strict=False) if end_s > now_s - cooldown_s]
        return NeedHistory((*kept, steps[-1]))

    @property
    def target(self) -> int:
        """Replicas to have: the highest need of the period, so a lower one counts once it has lasted."""
        return max((replicas for _, replicas in self.steps), default=0)
