"""What AWS's resource types have in common: reading a missing one says so, and deleting it again succeeds."""

from typing import Any, Final

from botocore.exceptions import ClientError

from lab.pulumi_standins.aws.clients import Clients, is_absent
from lab.pulumi_standins.kind import Kind, Live
from lab.pulumi_standins.wire import Properties


class Resource(Kind[Clients]):
    """One resource type of AWS; subclasses make calls and let ClientError pass."""

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """Describe it; ``None``, or an error that says so, when it is gone."""
        raise NotImplementedError

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """Delete it."""
        raise NotImplementedError

    def read(self, clients: Clients, identifier: str, state: Properties) -> Live | None:
        """See ``look``."""
        try:
            return self.look(clients, identifier, state)
        except ClientError as error:
            if is_absent(error):
                return None
            raise

    def delete(self, clients: Clients, identifier: str, state: Properties) -> None:
        """See ``remove``."""
        try:
            self.remove(clients, identifier, state)
        except ClientError as error:
            if not is_absent(error):
                raise

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """A type without updates has a program that never makes one, or a gap to fill here."""
        raise NotImplementedError(f"the stand-in cannot update {type(self).__name__} in place yet")


SAME: Final[dict[str, str]] = {}


def given(inputs: Properties, *names: str, **renamed: str) -> dict[str, Any]:
    """Inputs as parameters of a call, those that are set: ``vpcId`` becomes ``VpcId``; others by ``wire=Parameter``."""
    wanted = {name: name[:1].upper() + name[1:] for name in names} | renamed
    return {parameter: inputs[name] for name, parameter in wanted.items() if inputs.get(name) not in (None, "", [])}


def capitalised(value: Any) -> Any:
    """Nested inputs in the spelling of AWS's parameters: every key with a capital."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: capitalised(inner) for key, inner in value.items()}
    return [capitalised(inner) for inner in value] if isinstance(value, list) else value


def as_tags(listed: Any) -> dict[str, str]:
    """AWS's list of tags as a map."""
    return {tag["Key"]: tag["Value"] for tag in listed or []}
