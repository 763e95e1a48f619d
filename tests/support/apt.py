"""Servers from the distribution's packages, installed where they are missing, without letting their services start."""

import os
import shutil
import subprocess
from pathlib import Path


def apt_install(package: str) -> None:
    """Install a package with apt-get.

    Raises:
        RuntimeError: It cannot be installed here; says why.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        raise RuntimeError(f"no apt-get here; install {package} by hand, for example with brew")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    policy = Path("/usr/sbin/policy-rc.d")
    refuses = not policy.exists()
    if refuses:  # Debian asks this file before it starts a service; 101 means no.
        subprocess.run(
            [*sudo, "tee", str(policy)], input=b"#!/bin/sh\nexit 101\n", stdout=subprocess.DEVNULL, check=True
        )
        subprocess.run([*sudo, "chmod", "755", str(policy)], check=True)
    try:
        command = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", apt, "-q", "-y"]
        if subprocess.run([*command, "install", "--no-install-recommends", package], check=False).returncode != 0:
            subprocess.run([*command, "update"], check=True)
            subprocess.run([*command, "install", "--no-install-recommends", package], check=True)
    except subprocess.CalledProcessError as exc:
        raise RuntimeError(f"{package} could not be installed: {exc}") from exc
    finally:
        if refuses:
            subprocess.run([*sudo, "rm", "-f", str(policy)], check=True)
