"""The handler of ``fan-in`` as the runtime calls it: opens the store that the environment names, once per process."""

import os
from typing import Final

from asya_crew.fan_in import Envelope, FanIn, Output
from asya_crew.group_store import GroupStore
from asya_crew.settings import FanInSettings, check_environment
from asya_process.settings import read
from asya_store.factory import open_store


def _open() -> FanIn:
    check_environment(os.environ, "Fan-in")
    store = open_store(os.environ)
    if store is None:
        raise RuntimeError("fan-in keeps what it collects in the object store: set ASYA_S3_BUCKET or ASYA_STORE_URL")
    return FanIn(GroupStore(store), read(FanInSettings, os.environ))


_FAN_IN: Final = _open()


def fan_in_handler(envelopes: list[Envelope]) -> list[Output]:
    """Collect a batch of envelopes; see ``FanIn.handle``."""
    return _FAN_IN.handle(envelopes)
