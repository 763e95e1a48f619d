"""Who copies images into a registry of their own finds every one of them in the list."""

import json
import re
from typing import Any

import pytest
import yaml

from asya_infra.settings import THIRD_PARTY
from lab.checkout import ROOT
from tests.support.pulumi_program import run_environment
from tools.image_list import main


@pytest.fixture
def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    main()
    return capsys.readouterr().out.splitlines()


def last(image: str) -> str:
    """An image's name without registry, folder and tag."""
    return image.rpartition("/")[2].partition(":")[0]


def test_every_image_has_a_tag_and_stands_there_once(listed: list[str]) -> None:
    assert len(set(listed)) == len(listed)
    assert [image for image in listed if not re.fullmatch(r"[\w./-]+:v?[\w.-]+", image)] == []
    assert [image for image in listed if image.endswith(":latest")] == []


def test_whatever_a_stack_lets_one_replace_is_listed(listed: list[str]) -> None:
    named = {last(image) for image in listed}
    others = {"device-plugin": "k8s-device-plugin"}
    assert {others.get(name, name) for name in THIRD_PARTY} <= named


def test_every_image_of_a_whole_stack_is_listed(listed: list[str]) -> None:
    more: dict[str, Any] = {
        "gatewayImage": "asya-gateway:0",
        "gatewayTokens": "t",
        "monitoring": "true",
        "collector": "http://t.example",
    }
    seen = run_environment("oss", manifests=None, **more)
    pods = [each.inputs["spec"] for each in seen.resources if "template" in str(each.inputs.get("spec", ""))]
    used = set(re.findall(r'"image": "([^"]+)"', json.dumps(pods, default=str)))
    assert len(used) >= 10
    assert {image for image in used if image not in listed and not last(image).startswith("asya-")} == set()
    assert {last(image) for image in used} <= {last(image) for image in listed}


def test_the_images_of_the_charts_are_listed(listed: list[str]) -> None:
    for chart in ("asya-operator", "asya-crew", "asya-gateway"):
        values = yaml.safe_load((ROOT / "deploy/helm-charts" / chart / "values.yaml").read_text(encoding="utf-8"))
        assert values["image"]["repository"] in {image.partition(":")[0] for image in listed}
    assert values["postgresql"]["image"] in listed
