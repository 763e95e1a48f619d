"""What all pieces of a manifest have in common. Pure."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class SpecPart(BaseModel):
    """A piece of the spec: camelCase names, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )
