"""Servers from the distribution's packages, installed where they are missing, without letting their services start."""

import os
import shutil
import subprocess
import time
from pathlib import Path

PAUSES_S = (0.0, 10.0, 30.0)
"""Before each fetch of the lists and the install that follows: mirrors change under a download, and others may hold a lock."""
LOCK_TIMEOUT_S = 600  # A fresh machine may still be upgrading itself.


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
        options = ["-q", "-y", "-o", "Acquire::Retries=5", "-o", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}"]
        command = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", apt, *options]
        install = [*command, "install", "--no-install-recommends", package]
        code = subprocess.run(install, check=False).returncode
        for pause_s in PAUSES_S:
            if code == 0:
                return
            time.sleep(pause_s)
            subprocess.run([*command, "update"], check=False)  # One list that is away may not be the one that counts.
            code = subprocess.run(install, check=False).returncode
        if code != 0:
            raise RuntimeError(f"{package} could not be installed: apt-get ended with exit code {code}")
    finally:
        if refuses:
            subprocess.run([*sudo, "rm", "-f", str(policy)], check=True)
