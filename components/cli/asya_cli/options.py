"""Options that several commands share, and types of their values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from asya_protocol.durations import parse_duration

Command = Callable[..., Any]


class Duration(click.ParamType[float]):
    """A duration such as ``30s`` or ``5m``, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the text; a float is already read."""
        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


def home_option(command: Command) -> Command:
    """Add ``--home``."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="ASYA_HOME",
        default=".asya",
        show_default=True,
        help="Folder that holds the mesh's state.",
    )(command)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)


def gateway_options(command: Command) -> Command:
    """Add ``--gateway`` and ``--token-file``."""
    command = click.option(
        "--token-file", envvar="ASYA_GATEWAY_TOKEN_FILE", metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File that holds the gateway's token; otherwise ASYA_GATEWAY_TOKEN, or the local mesh's.",
    )(command)  # fmt: skip
    return click.option(
        "--gateway", "url", metavar="URL",
        help="The gateway; otherwise ASYA_TOOL_MCP_URL, ASYA_GATEWAY_URL, or the local mesh's.",
    )(command)  # fmt: skip
