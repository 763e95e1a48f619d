"""Which names are registries, and what publishing writes into a stack's settings."""

import pytest

from lab.errors import LabError
from lab.images.publish import publish, with_settings


@pytest.mark.parametrize("name", ["https://ghcr.io/acme", "ghcr.io/acme/", "acme", "ghcr.io/Acme", "", "ghcr.io acme"])
def test_a_name_that_is_no_registry_is_refused_before_anything_is_built(name: str) -> None:
    with pytest.raises(LabError, match=r"names no registry; write host\[:port\]\[/path\]"):
        publish(name, "1", ["crew"], ["amd64"])


def test_an_image_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(LabError, match="there is no image ocr; there are sidecar, operator, crew, gateway"):
        publish("localhost:5000", "1", ["ocr"], ["amd64"])


def test_digests_replace_what_the_settings_said_and_leave_the_rest_as_it_was() -> None:
    text = "# ours\nconfig:\n  asya:crewImage: old:1\n  asya:region: eu-central-1  # near\n"
    assert with_settings(text, {"asya:crewImage": "r/c@sha256:1", "asya:sidecarImage": "r/s@sha256:2"}) == (
        "# ours\nconfig:\n  asya:sidecarImage: r/s@sha256:2\n  asya:crewImage: r/c@sha256:1\n"
        "  asya:region: eu-central-1  # near\n"
    )


def test_a_file_without_settings_gets_them() -> None:
    assert with_settings("", {"asya:crewImage": "r/c"}) == "config:\n  asya:crewImage: r/c\n"
