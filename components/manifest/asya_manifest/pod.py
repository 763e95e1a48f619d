"""The parts of a pod template that we read; everything else in it stays as its author wrote it.

The template is a Kubernetes ``PodTemplateSpec`` and stays free-form: Kubernetes judges it. Here are the rules that are
ours (which names the mesh injects, which container is the runtime) and the few fields that the local mesh acts on.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from asya_manifest.errors import Problem
from asya_manifest.labels import RUNTIME_CONFIG_MAP, SOCKET_VOLUME, TMP_VOLUME

RUNTIME_CONTAINER: Final = "asya-runtime"
"""Container that runs the handler; the user names it, the mesh gives it its command."""
SIDECAR_CONTAINER: Final = "asya-sidecar"
"""Container that the mesh injects."""
RESERVED_VOLUMES: Final = frozenset({SOCKET_VOLUME, TMP_VOLUME, RUNTIME_CONFIG_MAP})
"""Volumes that the mesh injects; a second one of the same name is refused by Kubernetes."""
RESERVED_MOUNTS: Final = frozenset({"/var/run/asya", "/tmp", "/opt/asya/asya_runtime.py"})  # noqa: S108 - paths inside a pod
"""Where the mesh mounts its own volumes in the runtime container."""


class PodPart(BaseModel):
    """A piece of a pod template: fields that we read are checked, others are kept."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


class KeyRef(PodPart):
    """One key of a ConfigMap or of a Secret."""

    name: str
    key: str
    optional: bool = False


class FieldRef(PodPart):
    """A field of the pod itself."""

    field_path: str


class ValueFrom(PodPart):
    """Where an environment variable's value comes from; kinds that we do not read are kept as extra fields."""

    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None
    field_ref: FieldRef | None = None


def _refuse_non_string(value: object) -> object:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"must be a string, not {value!r}: write it in quotes")
    return value


class EnvVar(PodPart):
    """An environment variable: a literal value, or a place to take it from."""

    name: str = Field(min_length=1)
    value: Annotated[str | None, BeforeValidator(_refuse_non_string)] = None
    value_from: ValueFrom | None = None


class SourceRef(PodPart):
    """A whole ConfigMap or Secret by name."""

    name: str
    optional: bool = False


class EnvFrom(PodPart):
    """All keys of a ConfigMap or Secret as environment variables."""

    prefix: str = ""
    config_map_ref: SourceRef | None = None
    secret_ref: SourceRef | None = None


class VolumeMount(PodPart):
    """Where a volume appears in the container."""

    name: str
    mount_path: str = Field(pattern="^/")
    sub_path: str = ""


class Container(PodPart):
    """A container."""

    name: str
    image: str | None = None
    command: list[str] | None = None
    env: list[EnvVar] = Field(default_factory=list)
    env_from: list[EnvFrom] = Field(default_factory=list)
    volume_mounts: list[VolumeMount] = Field(default_factory=list)


class KeyToPath(PodPart):
    """Under which file name a key of a ConfigMap or Secret appears."""

    key: str
    path: str


class ConfigMapVolume(PodPart):
    """A ConfigMap as files."""

    name: str
    items: list[KeyToPath] | None = None
    default_mode: int | None = None
    optional: bool = False


class SecretVolume(PodPart):
    """A Secret as files."""

    secret_name: str
    items: list[KeyToPath] | None = None
    default_mode: int | None = None
    optional: bool = False


class Volume(PodPart):
    """A volume; kinds that we do not read are kept as extra fields."""

    name: str
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    empty_dir: Mapping[str, object] | None = None

    @property
    def kind(self) -> str:
        """The volume's kind as it is spelled in the manifest, e.g. ``persistentVolumeClaim``."""
        if self.config_map is not None:
            return "configMap"
        if self.secret is not None:
            return "secret"
        return next(iter(self.model_extra or {}), "emptyDir")


class PodSpec(PodPart):
    """A pod's spec."""

    containers: list[Container] = Field(default_factory=list)
    init_containers: list[Container] = Field(default_factory=list)
    volumes: list[Volume] = Field(default_factory=list)


class PodTemplate(BaseModel):
    """A pod template: free metadata and a pod's spec."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metadata: Mapping[str, object] = Field(default_factory=dict)
    spec: PodSpec = Field(default_factory=PodSpec)

    @property
    def runtime(self) -> Container:
        """The container that runs the handler; a checked template has exactly one."""
        return next(container for container in self.spec.containers if container.name == RUNTIME_CONTAINER)


def check_template(template: PodTemplate, claims: Collection[str] = ()) -> Iterator[Problem]:
    """Find what breaks the mesh's own rules; the texts are those of Asya 0.1.1.

    Args:
        template: The pod template.
        claims: Names of a StatefulSet's volume claims, which are volumes of the pod too.

    Yields:
        A problem per broken rule, with its path below the template.
    """
    runtimes = [container for container in template.spec.containers if container.name == RUNTIME_CONTAINER]
    for index, container in enumerate(template.spec.containers):
        where = f"spec.containers[{index}]"
        if container.name == SIDECAR_CONTAINER:
            yield Problem(
                f"{where}.name",
                f"container name '{SIDECAR_CONTAINER}' is reserved for the injected sidecar and cannot be defined "
                "in the AsyncActor spec",
            )
        if container.name == RUNTIME_CONTAINER:
            yield from _check_runtime(container, where)
    for index, container in enumerate(template.spec.init_containers):
        if container.name == SIDECAR_CONTAINER:
            yield Problem(
                f"spec.initContainers[{index}].name",
                f"init container name '{SIDECAR_CONTAINER}' is reserved for operator use and cannot be defined "
                "in the AsyncActor spec",
            )
    if len(runtimes) != 1:
        yield Problem(
            "spec.containers",
            f"workload must contain exactly one container named '{RUNTIME_CONTAINER}', but found {len(runtimes)}",
        )
    yield from _check_volumes(template, runtimes, claims)


def _check_runtime(container: Container, where: str) -> Iterator[Problem]:
    if container.command:
        yield Problem(
            f"{where}.command",
            f"container '{RUNTIME_CONTAINER}' cannot override command (command is managed by operator)",
        )
    for index, mount in enumerate(container.volume_mounts):
        if mount.mount_path.rstrip("/") in RESERVED_MOUNTS:
            yield Problem(
                f"{where}.volumeMounts[{index}].mountPath", f"{mount.mount_path!r} is reserved for the injected volumes"
            )


def _check_volumes(template: PodTemplate, runtimes: Sequence[Container], claims: Collection[str]) -> Iterator[Problem]:
    for index, volume in enumerate(template.spec.volumes):
        if volume.name in RESERVED_VOLUMES:
            yield Problem(
                f"spec.volumes[{index}].name", f"volume name {volume.name!r} is reserved for the injected volumes"
            )
    known = {volume.name for volume in template.spec.volumes} | set(claims)
    for container in runtimes:
        for index, mount in enumerate(container.volume_mounts):
            if mount.name not in known | RESERVED_VOLUMES:
                at = template.spec.containers.index(container)
                yield Problem(
                    f"spec.containers[{at}].volumeMounts[{index}].name", f"there is no volume named {mount.name!r}"
                )


WorkloadKind = Literal["Deployment", "StatefulSet"]
