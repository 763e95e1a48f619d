"""Signatures of a release, by cosign where it is on PATH: of what was pushed, what is said of it, and the sums of all files.

COSIGN_ARGS holds further arguments, such as ``--key awskms:///alias/asya``; without a key it asks who one is.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.errors import LabError


def sign(pushed: Iterable[str], said: Mapping[str, Mapping[str, Path]], sums: Path) -> None:
    """Sign everything.

    Args:
        pushed: Images and charts, by digest.
        said: Files by cosign's type (``cyclonedx``, ``slsaprovenance1``), by image or chart, to be kept beside it.
        sums: File of the sums; its signature comes to lie beside it, as ``NAME.sigstore.json``.

    Raises:
        LabError: Cosign refuses; holds its own last words.
    """
    program = shutil.which("cosign")
    if program is None:
        print("release: nothing is signed: cosign is not on PATH")
        return
    more = ["--yes", *shlex.split(os.environ.get("COSIGN_ARGS", ""))]
    for name in pushed:
        # All that an index leads to is signed too: a node that pulls one architecture by its digest checks that one's.
        _run(program, "sign", *more, "--recursive", name)
        for kind, file in said.get(name, {}).items():
            _run(program, "attest", *more, "--type", kind, "--predicate", str(file), name)
    _run(program, "sign-blob", *more, "--bundle", f"{sums}.sigstore.json", str(sums))


def _run(program: str, command: str, *arguments: str) -> None:
    done = subprocess.run([program, command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"cosign {command} {arguments[-1]}: {done.stderr.strip()[-1500:]}")
