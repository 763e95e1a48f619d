"""What neither LocalStack 4.14 nor moto has: kept in a file, by type and id, so that programs that use it can run.

EKS add-ons, access entries and their policies, pod identity associations. moto answers those calls with 404. Nothing here
says anything about AWS but that names and types of inputs are the SDK's.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.pulumi_standins.aws.clients import EMULATED_VARIABLE, Clients
from lab.pulumi_standins.aws.resource import Resource
from lab.pulumi_standins.kind import Live
from lab.pulumi_standins.wire import Properties


class Emulated(Resource):
    """A type whose resources are records in a file.

    Args:
        noun: The type's name in that file.
        identify: Makes the id from the inputs; the same id twice is refused, as AWS does.
        force_new: Inputs that AWS cannot change in place.
        outputs: Makes what AWS would decide, from the id and the inputs.
    """

    def __init__(
        self,
        noun: str,
        identify: Callable[[Properties], str],
        force_new: frozenset[str],
        outputs: Callable[[Clients, str, Properties], Properties],
    ) -> None:
        self._noun, self._identify, self._outputs = noun, identify, outputs
        self.force_new = force_new  # type: ignore[misc]

    def create(self, clients: Clients, inputs: Properties) -> str:
        """Note it."""
        identifier = self._identify(inputs)
        with _records() as records:
            mine = records.setdefault(self._noun, {})
            if identifier in mine:
                raise RuntimeError(f"ResourceInUseException: {self._noun} {identifier} already exists")
            mine[identifier] = {**inputs, **self._outputs(clients, identifier, inputs)}
        return identifier

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """What was noted."""
        with _records() as records:
            found = records.get(self._noun, {}).get(identifier)
        if found is None:
            return None
        return Live({name: value for name, value in found.items() if name in state}, dict(found))

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """Note the new inputs over the old ones."""
        with _records() as records:
            kept = {k: v for k, v in records[self._noun][identifier].items() if k not in old or k not in new}
            gone = old.keys() - new.keys() - self._outputs(clients, identifier, new).keys()
            records[self._noun][identifier] = {k: v for k, v in kept.items() if k not in gone} | new

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """Forget it."""
        forget(self._noun, identifier)


def note(noun: str, identifier: str, facts: Properties | None = None) -> None:
    """Keep what AWS made by itself, so that whoever makes it too is refused, or what moto does not keep."""
    with _records() as records:
        records.setdefault(noun, {})[identifier] = dict(facts or {})


def forget(noun: str, identifier: str) -> None:
    """It is gone."""
    with _records() as records:
        records.get(noun, {}).pop(identifier, None)


def noted(noun: str) -> dict[str, Properties]:
    """What was noted of one type, by id."""
    with _records() as records:
        return dict(records.get(noun, {}))


def recorded(path: Path, noun: str) -> dict[str, Any]:
    """What a file holds of one type, for tests."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return dict((json.loads(text) if text else {}).get(noun, {}))


@contextmanager
def _records() -> Iterator[dict[str, Any]]:
    path = Path(os.environ[EMULATED_VARIABLE])
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # Several plugin processes and threads share it.
        file.seek(0)
        text = file.read()
        records = json.loads(text) if text else {}
        yield records
        file.seek(0)
        file.truncate()
        json.dump(records, file)
