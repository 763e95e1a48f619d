"""The parts of a pod template that we read; everything else in it stays as its author wrote it.

The template is a Kubernetes ``PodTemplateSpec`` and stays free-form: Kubernetes judges it. Here are the names that the mesh
injects, and the few fields that our rules (``pod_rules``) and the local mesh act on.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from asya_manifest.errors import quoted
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
    """A piece of a pod template: fields that we read are checked, others are kept, with the nulls that unset a default."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:  # noqa: ANN401 - raw YAML before validation
        if not isinstance(data, Mapping):
            return data
        known = {info.alias for info in cls.model_fields.values()}
        return {name: value for name, value in data.items() if value is not None or name not in known}


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
        raise ValueError(f"must be a string, not {quoted(value)}: write it in quotes")
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


class ContainerPort(PodPart):
    """A port that a container listens on."""

    container_port: int = Field(ge=1, le=65535, strict=True)
    name: str = ""
    protocol: str = "TCP"


class Container(PodPart):
    """A container."""

    name: str
    image: str | None = None
    command: list[str] | None = None
    env: list[EnvVar] = Field(default_factory=list)
    env_from: list[EnvFrom] = Field(default_factory=list)
    volume_mounts: list[VolumeMount] = Field(default_factory=list)
    ports: list[ContainerPort] = Field(default_factory=list)
    restart_policy: str | None = None


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
    termination_grace_period_seconds: int | None = Field(default=None, ge=1, strict=True)


class PodTemplate(PodPart):
    """A pod template: free metadata and a pod's spec."""

    model_config = ConfigDict(extra="forbid")

    metadata: Mapping[str, object] = Field(default_factory=dict)
    spec: PodSpec = Field(default_factory=PodSpec)

    @property
    def runtime(self) -> Container:
        """The container that runs the handler; a checked template has exactly one."""
        return next(container for container in self.spec.containers if container.name == RUNTIME_CONTAINER)


WorkloadKind = Literal["Deployment", "StatefulSet"]
