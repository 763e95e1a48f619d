"""Which images there are, what is in them, and how one is built."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.checkout import ROOT
from lab.images.builder import Builder
from lab.images.foundation import Base
from lab.images.packages import install


@dataclass(frozen=True, slots=True)
class Image:
    """What one image consists of."""

    room: str
    rooms: tuple[str, ...]
    extras: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Of its room, which no distribution holds."""
    limit_mb: int | None = None
    """How much it may add to its base, compressed."""

    @property
    def name(self) -> str:
        """The image's name, without a tag."""
        return f"asya-{self.room}"

    def build(
        self, builder: Builder, tag: str, scratch: Path, *, base: Base, own_base: Base, architecture: str
    ) -> None:
        """Build it for a processor.

        Args:
            builder: The program that builds.
            tag: What the result is called.
            scratch: An empty folder.
            base: What it stands on.
            own_base: The same for this machine's processor, where bytecode is made.
            architecture: The processor, ``amd64`` or ``arm64``.
        """
        context = scratch / "context"
        packages = context / "packages" / architecture
        packages.parent.mkdir(parents=True)
        install(
            packages,
            project=self.name,
            extras=self.extras,
            rooms=self.rooms,
            python=base.python,
            architecture=architecture,
        )
        shutil.copy(ROOT / "components/runtime/asya_runtime.py", context)
        for name in self.files:
            shutil.copytree(
                ROOT / "components" / self.room / name, context / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        arguments = {"BASE": base.image, "BUILD_BASE": own_base.image, "TARGETARCH": architecture}
        builder.build(tag, ROOT / "components" / self.room / "Dockerfile", context, arguments, architecture)


IMAGES: Final = (
    Image("sidecar", ("protocol", "process", "transport", "store", "sidecar"), extras=("traces",), limit_mb=80),
    Image("operator", ("protocol", "process", "manifest", "kube", "transport", "operator"), extras=("traces",)),
    Image("crew", ("protocol", "process", "store", "crew"), files=("handlers",)),
    Image(
        "gateway",
        ("protocol", "process", "manifest", "kube", "transport", "store", "gateway"),
        extras=("kubernetes", "traces"),
        limit_mb=80,
    ),
)
