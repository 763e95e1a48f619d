"""The command that starts a mesh names the file that is there."""

from pathlib import Path

import pytest

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
