"""The list of queues that outlived their actors: read by the next leader, and no reason to stop where it may not be kept."""

from typing import Any

import pytest

from asya_kube.api import ApiError, ApiSilent
from asya_operator.kept_queues import KeptQueues
from asya_operator.world import kept_key


class Api:
    """A stand-in for an API server with one ConfigMap."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.error: ApiError | None = None

    async def get(self, _kind: object, namespace: str, name: str) -> dict[str, Any] | None:
        if self.error:
            raise self.error
        return self.kept.get(f"{namespace}/{name}")

    async def apply(self, manifest: dict[str, Any]) -> None:
        if self.error:
            raise self.error
        self.kept[f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"] = manifest


async def test_the_next_leader_reads_what_was_written_and_classes_have_lists_of_their_own() -> None:
    api: Any = Api()
    listed = KeptQueues(api, "asya-system")
    assert await listed.load() == {}
    await listed.save({"ocr.0a": "team"})
    assert await KeptQueues(api, "asya-system").load() == {"ocr.0a": "team"}
    assert await KeptQueues(api, "asya-system", "blue").load() == {}


async def test_without_rights_it_lasts_as_long_as_the_process(caplog: pytest.LogCaptureFixture) -> None:
    api: Any = Api()
    api.error = ApiError("forbidden")
    await KeptQueues(api, "asya-system").save({})
    assert await KeptQueues(api, "asya-system").load() == {}
    assert "give the operator get, create and patch on ConfigMaps" in caplog.text
    api.error = ApiSilent("away")
    with pytest.raises(ApiSilent):
        await KeptQueues(api, "asya-system").save({})


def test_one_name_at_two_brokers_is_two_queues() -> None:
    assert kept_key("mq:5672 /", "ocr") != kept_key("mq:5672 b", "ocr")
