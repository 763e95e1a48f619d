"""The command that starts a mesh names the file that is there, and that which lists actors the place where they run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from asya_cli.gateway_client import Gateway
from asya_cli.gateway_http import GatewayHttp
from asya_cli.up_words import choose, up_words

OURS = "kind: AsyncActor"


@pytest.mark.parametrize(
    ("texts", "chosen"),
    [
        ({"actors.yaml": OURS, "actor.yaml": OURS}, "actors.yaml"),
        ({"actor.yaml": OURS, "tools.yaml": "tools: []"}, "actor.yaml"),
        ({"tools.yaml": "tools: []", "shop.yml": OURS, "z.yaml": OURS}, "shop.yml"),
        ({"tools.yaml": "tools: []"}, None),
        ({}, None),
    ],
)
def test_the_manifest_of_a_folder(texts: dict[str, str], chosen: str | None) -> None:
    assert choose(texts) == chosen


def test_the_command_is_of_the_folder_or_says_how_to_begin(tmp_path: Path) -> None:
    assert "asya init" in up_words(tmp_path)
    (tmp_path / "actor.yaml").write_text(OURS)
    assert up_words(tmp_path) == "asya local up -f actor.yaml"
    assert "asya init" in up_words(tmp_path / "not-there")


@pytest.mark.parametrize(
    ("place", "command"),
    [
        (("mesh", {}), "asya local status"),
        (("kubernetes", {}), "kubectl get asya -A"),
        (("queues", {}), "asya local status, or kubectl get asya -A"),
        (None, "asya local status, or kubectl get asya -A"),
    ],
)
def test_the_command_that_lists_actors_is_of_the_place_where_they_run(place: Any, command: str) -> None:
    class Told(Gateway):
        """Says what runs its actors, without a gateway."""

        def actors(self) -> tuple[str, dict[str, Mapping[str, Any]]] | None:
            found: tuple[str, dict[str, Mapping[str, Any]]] | None = place
            return found

    assert Told(GatewayHttp("http://127.0.0.1:9")).list_command() == command
