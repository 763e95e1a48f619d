"""Another release of Debian in a folder, for servers of other versions than this machine's own packages.

``debootstrap`` makes the folder once per machine, from the mirror that this machine's apt uses. What runs in it sees
``/proc``, ``/tmp`` and this machine's network; its mounts are in a namespace of its own, so that they end with it.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from lab.built_once import built_once, cache_root
from lab.installs.apt import apt_install

SCRIPTS: Final = Path("/usr/share/debootstrap/scripts")
ENTER: Final = (
    'for each in proc tmp; do mount --rbind "/$each" "$0/$each"; done; exec chroot "--userspec=$1" "$0" "${@:2}"'
)
TIMEOUT_S: Final = 1800


def root_of(suite: str, package: str) -> Path:
    """Name the folder of a release with one package."""
    return cache_root() / f"debian-{suite}-{package}"


def why_not() -> str:
    """Say why this machine cannot have other releases; empty when it can."""
    if os.geteuid() != 0:
        return "another Debian needs root (debootstrap, chroot)"
    missing = [name for name in ("apt-get", "unshare", "chroot") if shutil.which(name) is None]
    if missing:
        return f"another Debian needs {', '.join(missing)}"
    may_mount = subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return "" if may_mount else "another Debian needs the right to mount, which this container does not have"


def install(suite: str, package: str) -> Path:
    """Make a release's folder with a package where it is missing.

    Args:
        suite: Debian's name of the release, such as ``trixie``.
        package: What it must have.

    Raises:
        RuntimeError: It cannot be made here; says why.
    """
    if not (root := root_of(suite, package)).is_dir() and (reason := why_not()):
        raise RuntimeError(reason)
    return built_once(root, lambda folder, _: _bootstrap(folder, suite, package))


def enter(root: Path, argv: list[str], user: str = "root") -> list[str]:
    """Make the command that runs another one in a release's folder, as the same process."""
    return ["unshare", "--mount", "--propagation", "private", "/bin/bash", "-ec", ENTER, str(root), user, *argv]


def _bootstrap(folder: Path, suite: str, package: str) -> None:
    if shutil.which("debootstrap") is None:
        apt_install("debootstrap")
    print(f"debian: installing {package} of {suite}, a few minutes", file=sys.stderr, flush=True)
    # Only names differ between the releases' scripts; one that is newer than debootstrap has none of its own.
    script = SCRIPTS / (suite if (SCRIPTS / suite).exists() else "sid")
    argv = ["unshare", "--mount", "--propagation", "private", "debootstrap", "--variant=minbase"]
    argv += [f"--include={package},ca-certificates", suite, str(folder), mirror(), str(script)]
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise RuntimeError(f"debootstrap of {suite}: {done.stdout[-2000:].decode(errors='replace')}")
    (folder / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")
    shutil.rmtree(folder / "var/cache/apt", ignore_errors=True)


def mirror() -> str:
    """Where this machine's own packages come from."""
    own = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    asked = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    answer = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = [uri for codename, uri in map(str.split, answer.splitlines()) if codename == own]
    if not found:
        raise RuntimeError("apt knows no mirror of Debian here")
    return found[0]
