"""``asya init``: the folder of a new actor, with a test that passes and a manifest that runs."""

import keyword
import re
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest
from asya_cli.options import json_option

FILES: Final = ("handler.py", "actor.yaml", "test_handler.py", "README.md")
PULUMI_FILES: Final = ("Pulumi.yaml", "Pulumi.local.yaml", "__main__.py", "requirements.txt")
"""The same actor as a program for `pulumi up`."""
PIPELINE_FILES: Final = (
    "clean.py", "count.py", "report.py", "actors.yaml", "tools.yaml", "test_pipeline.py", "README.md",
)  # fmt: skip
"""Three actors, a tool and a test, from the folder ``pipeline`` of the templates."""
GITIGNORE: Final = ".gitignore"
"""Written where there is none: a folder that people keep in git has its own."""
LONGEST_PREFIX: Final = 56
"""An actor's name has at most 63 characters, and `-report` seven."""
NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class ActorName(click.ParamType[str]):
    """The name of a new actor, as Kubernetes and the brokers take it."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it."""
        text = str(value)
        if not NAME.fullmatch(text):
            self.fail(
                f"{text!r} must be lowercase letters, digits and '-', start with a letter, at most 63", param, ctx
            )
        if text in ("happy-end", "error-end"):
            self.fail(f"{text!r} is one of the two actors that end every route", param, ctx)
        return text


@click.command(short_help="Start a new actor.")
@click.argument("name", type=ActorName())
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Where its files go; otherwise a new folder of its name.",
)  # fmt: skip
@click.option("--pulumi", "with_program", is_flag=True, help="Write a Pulumi program for the actor, too.")
@click.option("--pipeline", "as_pipeline", is_flag=True, help="Three actors, a tool and a test, in place of one.")
@json_option
def init(name: str, folder: Path | None, with_program: bool, as_pipeline: bool, as_json: bool) -> None:
    """Make the folder of a new actor: handler, test, manifest and three commands to run it. Overwrites nothing."""
    console = Console(as_json=as_json)
    target = folder if folder is not None else Path(name)
    if as_pipeline and with_program:
        raise BadRequest("--pulumi writes the program of one actor; with --pipeline there are three")
    if as_pipeline and len(name) > LONGEST_PREFIX:
        raise BadRequest(f"{name!r} begins the names of three actors: at most {LONGEST_PREFIX} characters")
    wanted = PIPELINE_FILES if as_pipeline else (*FILES, *(PULUMI_FILES if with_program else ()))
    asked = [flag for flag, given in (("--pipeline", as_pipeline), ("--pulumi", with_program)) if given]
    written = write_actor(name, target, wanted, templates="pipeline" if as_pipeline else "", asked=asked)
    console.result(
        {"actor": name, "folder": str(target), "files": [str(path) for path in written]},
        [*(str(path) for path in written), f"next: cd {target} and follow README.md"],
    )


def write_actor(
    name: str, folder: Path, wanted: Sequence[str] = FILES, *, templates: str = "", asked: Sequence[str] = ()
) -> list[Path]:
    """Write the files of a new actor, all of them or none.

    Args:
        name: The actor's.
        folder: Where; made if need be.
        wanted: Some of the templates.
        templates: The folder below the templates' own that they are in.
        asked: Options of the command, for the one that is suggested where it cannot be done.

    Raises:
        BadRequest: One of them is there already, or the folder cannot be written to.
    """
    there = [file for file in wanted if (folder / file).exists()]
    if there:
        cause = f"{folder} already holds {', '.join(there)}, and nothing is overwritten"
        raise BadRequest(cause, " ".join(["asya init", name, *asked, "--folder another-folder"]))
    values = {"name": name, "class_name": class_name(name), "version": version("asya-cli")}
    texts = {file: Template(_template(file, templates)).substitute(values) for file in wanted}
    if "Pulumi.yaml" in texts:
        texts["README.md"] += Template(_template("README.pulumi.md", "")).substitute(values)
    if not (folder / GITIGNORE).exists():
        texts[GITIGNORE] = _template("gitignore", "")
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            with (folder / file).open(
                "x", encoding="utf-8"
            ) as output:  # x: also who comes between does not lose a file
                written.append(folder / file)
                output.write(text)
    except OSError as exc:
        for path in written:
            path.unlink(missing_ok=True)
        raise BadRequest(f"{folder} cannot be written to: {exc}") from exc
    return written


def class_name(name: str) -> str:
    """Turn an actor's name into that of its class."""
    words = "".join(part.capitalize() for part in name.split("-"))
    return f"{words}Actor" if keyword.iskeyword(words) else words


def _template(file: str, folder: str) -> str:
    return (files("asya_cli") / "templates" / folder / f"{file}.txt").read_text(encoding="utf-8")
