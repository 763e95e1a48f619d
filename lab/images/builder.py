"""The program that builds images: docker, podman or buildah, whichever this machine has."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.installs.apt import apt_install


@dataclass(frozen=True, slots=True)
class Builder:
    """A build program and its dialect."""

    program: str

    def build(self, tag: str, dockerfile: Path, context: Path, arguments: Mapping[str, str], architecture: str) -> None:
        """Build ``dockerfile`` for a processor and tag the result."""
        # As root without a service, and often inside a container itself, buildah cannot set up a full container for RUN.
        isolation = ["--isolation", "chroot"] if self.program == "buildah" else []
        options = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        # The others take the processor from the base image, and would ask a registry for one of every FROM's name.
        processor = ["--platform", f"linux/{architecture}"] if self.program == "docker" else []
        target = (*processor, "--tag", tag)
        self.run("build", *isolation, *options, *target, "--file", str(dockerfile), str(context))

    def layers(self, image: str) -> list[str]:
        """The digests of an image's layers, the lowest first."""
        if self.program == "buildah":
            found = json.loads(self.run("inspect", "--type", "image", image))
            return list(found["OCIv1"]["rootfs"]["diff_ids"])
        return list(json.loads(self.run("image", "inspect", image))[0]["RootFS"]["Layers"])

    def has(self, image: str) -> bool:
        """Whether the image is here already."""
        verb = ("inspect", "--type", "image") if self.program == "buildah" else ("image", "inspect")
        return self._call([*verb, image]).returncode == 0

    def pull(self, image: str, architecture: str = "", name: str = "") -> bool:
        """Fetch an image from its registry, that of another processor under a name of its own; whether that worked."""
        processor = ["--platform", f"linux/{architecture}"] if architecture else []
        if self._call(["pull", *processor, image]).returncode != 0:
            return False
        return not name or self._call(["tag", image, name]).returncode == 0

    def save(self, image: str, archive: Path, name: str) -> None:
        """Write an image into an OCI archive, under ``name``."""
        archive.unlink(missing_ok=True)
        if self.program == "buildah":
            self.run("push", image, f"oci-archive:{archive}:{name}")
        else:
            self.run("tag", image, name)
            form = ["--format", "oci-archive"] if self.program == "podman" else []
            self.run("save", *form, "--output", str(archive), name)

    def push_index(self, images: Sequence[str], name: str) -> str:
        """Push images of several processors under one name, and return the digest of what leads to them.

        A registry on this machine is spoken to without TLS, as all of these programs do by themselves or can be told to.
        """
        if self.program == "docker":
            for place, image in enumerate(images):
                self.run("tag", image, f"{name}-{place}")
                self.run("push", "--quiet", f"{name}-{place}")
            parts = [f"{name}-{place}" for place, _ in enumerate(images)]
            self.run("buildx", "imagetools", "create", "--tag", name, *parts)
            return str(
                json.loads(self.run("buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", name))[
                    "digest"
                ]
            )
        index = f"localhost/asya-index-{os.getpid()}"
        self.run("manifest", "create", index, *images)
        try:
            with tempfile.TemporaryDirectory() as folder:
                digest = Path(folder) / "digest"
                plain = ["--tls-verify=false"] if name.startswith(("localhost:", "127.0.0.1:")) else []
                self.run("manifest", "push", "--all", *plain, "--digestfile", str(digest), index, f"docker://{name}")
                return digest.read_text(encoding="utf-8").strip()
        finally:
            self.run("manifest", "rm", index)

    def import_tree(self, tree: Path, image: str, architecture: str) -> None:
        """Make an image of one layer from a file system tree."""
        if self.program == "buildah":
            container = self.run("from", "scratch").strip()
            try:
                self.run("copy", "--quiet", container, str(tree), "/")
                self.run("config", "--arch", architecture, "--cmd", '["python3"]', container)
                self.run("commit", "--quiet", container, image)
            finally:
                self.run("rm", container)
            return
        with tempfile.TemporaryDirectory() as folder:
            archive = str(Path(folder) / "tree.tar")
            subprocess.run(["tar", "-C", str(tree), "-cf", archive, "."], check=True)
            processor = (
                ["--platform", f"linux/{architecture}"] if self.program == "docker" else ["--arch", architecture]
            )
            self.run("import", *processor, archive, image)

    def run(self, *arguments: str) -> str:
        """Run the program; what it printed.

        Raises:
            LabError: It failed; holds its own last words.
        """
        done = self._call(list(arguments))
        if done.returncode != 0:
            raise LabError(f"{self.program} {' '.join(arguments)}: {(done.stderr or done.stdout).strip()[-1500:]}")
        return done.stdout

    def _call(self, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        environment = {"STORAGE_DRIVER": "overlay", **os.environ} if self.program == "buildah" else dict(os.environ)
        return subprocess.run(
            [self.program, *arguments], env=environment, capture_output=True, text=True, errors="replace", check=False
        )


def find_builder() -> Builder:
    """The first build program that works here; buildah, installed from the distribution, where there is none.

    Raises:
        LabError: There is none, and none can be installed; says what to do.
    """
    found = _working()
    if found is not None:
        return found
    print("images: installing buildah", flush=True)
    try:
        apt_install("buildah")
    except RuntimeError as exc:
        raise LabError(f"no docker, podman or buildah works here, and buildah cannot be installed: {exc}") from exc
    found = _working()
    if found is None:
        raise LabError("buildah was installed and does not work; `buildah version` says why")
    return found


def _working() -> Builder | None:
    for program, probe in (("docker", "info"), ("podman", "info"), ("buildah", "version")):
        if shutil.which(program) and subprocess.run([program, probe], capture_output=True, check=False).returncode == 0:
            return Builder(program)
    return None
