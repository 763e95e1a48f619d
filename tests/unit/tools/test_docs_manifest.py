"""The reference page of the manifest: every field with its bounds and its meaning, and an example that holds."""

import re

import yaml

from asya_manifest.actor import ActorSpec, parse_actor
from tools.docs_manifest import HEADER, PAGE, sections


def test_every_section_and_field_of_the_model_is_there() -> None:
    text = "\n".join(sections("spec", ActorSpec))
    for name in (
        "## spec.scaling.advanced",
        "## spec.delivery.dedup",
        "| `volumeClaimTemplates` |",
        "| `pythonExecutable` |",
    ):
        assert name in text
    assert "| `maxDelay` | duration, at least 0s, at most 15m0s | `5m0s` |" in text
    assert "| `maxAttempts` | number, at least 1, at most 1000 | `3` |" in text


def test_links_lead_to_sections_of_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    headings = {heading.replace(".", "").lower() for heading in re.findall(r"^## (\S+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\[below\]\(#(\w+)\)", page)) <= headings


def test_the_example_is_a_manifest() -> None:
    actor = parse_actor(yaml.safe_load(HEADER.split("```yaml excerpt\n")[1].split("```")[0]))
    assert [entry.name for entry in actor.spec.workload.template.runtime.env] == ["MODEL", "ASYA_HANDLER"]
