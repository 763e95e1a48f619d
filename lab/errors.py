"""Errors of the lab; their text names cause and cure."""


class LabError(Exception):
    """Something could not be found, built or started."""


class ClusterError(LabError):
    """A part of the cluster could not be built, started or used.

    Attributes:
        part: The part's name, which is also the name of its log.
        reason: What happened.
    """

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason
