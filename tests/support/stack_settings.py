"""A stack's settings as programs read them, without an engine."""

from collections.abc import Mapping
from typing import Any

import pulumi

from asya_infra.config_reader import ConfigReader


class Given(ConfigReader):
    """A stack's configuration."""

    def __init__(self, settings: Mapping[str, str] | None = None, **more: str) -> None:
        super().__init__()
        given = {**(settings or {}), **more}
        pulumi.runtime.set_all_config({self.full_key(key): value for key, value in given.items()})

    def get_secret(self, key: str, default: str | None = None) -> Any:
        return object() if self.get(key) else default  # an output wants an event loop
