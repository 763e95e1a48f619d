"""Errors of the program itself, before anything is created."""

import pulumi

from asya_protocol.errors import AsyaError


class ConfigError(AsyaError, pulumi.RunError):
    """A setting of the stack cannot be used; Pulumi prints the text alone, without a traceback.

    Args:
        key: The setting, as ``pulumi config set`` takes it.
        problem: What is wrong, and what to do about it.
    """

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        super().__init__(f"{key}: {problem}")
