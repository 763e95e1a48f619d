"""Before an account is changed: state that others find, and somebody who looked. Pure but for the question."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tools.stack.errors import StackError

LOCAL_STATE: Final = "ASYA_LOCAL_STATE"
"""Set to 1, an account's state may lie in this checkout."""


def check_state(preset: str, name: str, environ: Mapping[str, str]) -> None:
    """Refuse state that only this checkout has for what is in an account: once it is lost, nobody can change or end it.

    Raises:
        StackError: There is no backend; names the ways to one.
    """
    if preset == "aws" and not environ.get("PULUMI_BACKEND_URL") and environ.get(LOCAL_STATE) != "1":
        raise StackError(
            f"ENV={name} is in an AWS account, and its state would lie in this checkout alone: set PULUMI_BACKEND_URL to a "
            f"bucket (s3://my-states), or {LOCAL_STATE}=1 for a trial"
        )


def must_ask(preset: str, arguments: Sequence[str]) -> bool:
    """Whether somebody has to agree first: in an account, unless that was said."""
    return preset == "aws" and not {"--yes", "-y"} & set(arguments)


def ask(name: str, verb: str, *, terminal: bool, read: Callable[[str], str] = input) -> None:
    """Let somebody agree to what a preview has just shown.

    Raises:
        StackError: Nobody is there, or they do not.
    """
    if not terminal:
        raise StackError(f"ENV={name} is in an AWS account: look at what it says above, then add ARGS=--yes")
    if read(f"stack: {verb} {name} as shown above? Type its name to go on: ").strip() != name:
        raise StackError("nothing was changed")
