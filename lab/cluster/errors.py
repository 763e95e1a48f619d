"""What goes wrong with a cluster, said so that a reader knows which part it was and what to do next."""


class ClusterError(Exception):
    """A part of the cluster could not be built, started or used.

    Attributes:
        part: The part's name, which is also the name of its log.
        reason: What happened.
    """

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason
