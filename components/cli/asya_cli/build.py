"""``asya build``: the image of a folder of handlers, with whichever builder this machine has."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest, CommandError, NotFound
from asya_cli.options import json_option

BUILDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "docker": ("docker", "build"),
    "podman": ("podman", "build"),
    "buildah": ("buildah", "build"),
}
"""In the order in which they are looked for; all three take the same options."""
DAEMON_LIMIT_S: Final = 10.0
INSTALLS: Final[Mapping[str, str]] = {
    "requirements.txt": "COPY requirements.txt /app/\nRUN pip install --no-cache-dir -r requirements.txt",
    "pyproject.toml": "COPY pyproject.toml /app/\nRUN pip install --no-cache-dir .",
}
"""What a file of the folder says about the packages that its handlers need; the first that is there counts."""
_ARGUMENT: Final = re.compile(r"^ARG BASE=(\S+)", re.MULTILINE)
"""The image to build on, as the Dockerfile that is written has it, and ``--base`` replaces it."""


@click.command(short_help="Build the image of a folder of handlers.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path())
@click.option("-t", "--tag", metavar="NAME:TAG", help="The image's name; otherwise the folder's and `latest`.")
@click.option(
    "--base", metavar="IMAGE", help="Image to build on; otherwise the Dockerfile's, python:3.13-slim at first."
)
@click.option("--builder", type=click.Choice(list(BUILDERS)), help="Otherwise the first of these that is installed.")
@json_option
def build(folder: Path, tag: str | None, base: str | None, builder: str | None, as_json: bool) -> None:
    """Build the image of the handlers in FOLDER, with docker, podman or buildah.

    A Dockerfile is written where the folder has none, and is the user's from then on: packages of requirements.txt (or
    pyproject.toml), then the code in /app. The runtime comes from the operator, so that nothing of Asya is in the image.
    """
    console = Console(as_json=as_json)
    program = choose_builder(builder, is_usable)
    for path in write_files(folder):
        console.note(f"written: {path}")
    if forgotten := left_out(folder):
        console.warn(f"{folder / 'Dockerfile'} does not name {forgotten}: what it lists will not be in the image")
    image = tag or f"{folder.resolve().name.lower()}:latest"
    arguments = command(program, folder, image, base)
    done = subprocess.run(arguments, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        cause = f"{program} could not build {image} (exit code {done.returncode}), and said above why"
        raise CommandError(cause, build_cure((folder / "Dockerfile").read_text(encoding="utf-8"), base))
    console.result({"image": image, "builder": program}, image)


def build_cure(dockerfile: str, base: str | None) -> str:
    """What helps where a build failed: most often the registry of the image that it builds on cannot be reached. Pure."""
    argument = _ARGUMENT.search(dockerfile)
    chosen = base or (argument[1] if argument else "")
    if not argument:
        return "where it could not get the image of FROM: name one in the Dockerfile whose registry can be reached"
    return (
        f"where it could not get {chosen}: --base with an image of a registry that can be reached, or one that is here"
    )


def choose_builder(wanted: str | None, usable: Callable[[str], bool]) -> str:
    """Choose the program that builds.

    Raises:
        BadRequest: The one that is wanted cannot be used.
        NotFound: None is.
    """
    if wanted is not None and not usable(wanted):
        raise BadRequest(
            f"{wanted} is not installed, or its daemon does not run", "leave --builder out, or see: asya doctor"
        )
    found = wanted or next((name for name in BUILDERS if usable(name)), None)
    if found is None:
        raise NotFound(
            f"no builder of images is installed: {', '.join(BUILDERS)}", "apt install buildah, or install Docker"
        )
    return found


def is_usable(builder: str) -> bool:
    """Whether a builder is installed and, where it is only the client of a daemon, that daemon answers."""
    if shutil.which(builder) is None:
        return False
    return builder != "docker" or daemon_answers()


def daemon_answers() -> bool:
    """Whether Docker's daemon answers its client, which must be installed."""
    try:
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(asked, capture_output=True, timeout=DAEMON_LIMIT_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def write_files(folder: Path) -> list[Path]:
    """Write the Dockerfile, and what it leaves out, where they are not there yet; what was written."""
    installs = next((text for name, text in INSTALLS.items() if (folder / name).is_file()), "")
    texts = {
        "Dockerfile": Template(_template("Dockerfile")).substitute(install=installs),
        ".dockerignore": _template("dockerignore"),
    }
    written = []
    for name, text in texts.items():
        path = folder / name
        if not path.exists():
            path.write_text(text.replace("WORKDIR /app\n\n", "WORKDIR /app\n"), encoding="utf-8")
            written.append(path)
    return written


def left_out(folder: Path) -> str:
    """The file of packages that the folder's Dockerfile does not install, as it was written before; empty where all is well."""
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    found = next((name for name in INSTALLS if (folder / name).is_file()), "")
    return "" if any(name in text for name in INSTALLS) else found


def command(program: str, folder: Path, image: str, base: str | None) -> list[str]:
    """The command that builds."""
    options = [] if base is None else ["--build-arg", f"BASE={base}"]
    return [*BUILDERS[program], "-t", image, "-f", str(folder / "Dockerfile"), *options, str(folder)]


def _template(name: str) -> str:
    return (files("asya_cli") / "templates" / f"{name}.txt").read_text(encoding="utf-8")
