"""What goes by way of the object store is counted, in both directions."""

import json
from pathlib import Path

from asya_sidecar.admission import Admission
from asya_sidecar.core.admit import Hop, Work
from asya_sidecar.metrics import Metrics
from asya_store.claims import ClaimCheck
from asya_store.folder import FolderStore
from tests.unit.sidecar.samples import envelope_bytes


async def test_bytes_that_are_left_and_fetched_are_counted(tmp_path: Path) -> None:
    metrics = Metrics("asya_actor", "ocr", "memory")
    desk = ClaimCheck(FolderStore(tmp_path), over_bytes=1000)
    admission = Admission(Hop("ocr"), claims=desk, metrics=metrics)
    payload = "x" * 5000
    small, large = envelope_bytes(), envelope_bytes(payload=payload)
    assert await admission.lighten(small) == small
    light = await admission.lighten(large)
    work = await admission.let_in(light)
    assert isinstance(work, Work)
    assert json.loads(work.body)["payload"] == payload

    def counted(direction: str) -> float | None:
        labels = {"queue": "ocr", "direction": direction}
        return metrics.registry.get_sample_value("asya_actor_claim_bytes_total", labels)

    assert counted("left") == len(large) - len(light)
    assert counted("fetched") == len(json.dumps(payload))
