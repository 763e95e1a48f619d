"""What parts those who share a mesh, sentence by sentence of SECURITY.md's trust domain."""

import json
from pathlib import Path
from typing import Any

from asya_kube import resources
from asya_operator.world import World
from asya_protocol.claim import check_in
from asya_sidecar.admission import Admission
from asya_sidecar.core.actions import Decision
from asya_sidecar.core.admit import Hop, Work
from asya_store.claims import ClaimCheck
from asya_store.folder import FolderStore
from tests.support.gateway_calls import call, report
from tests.support.gateway_in_process import own_gateway
from tests.unit.sidecar.samples import envelope_bytes

ONE, TWO = "a-token-of-namespace-one", "a-token-of-namespace-two"


def declared(namespace: str, created: str) -> dict[str, Any]:
    meta = {"name": "ocr", "namespace": namespace, "creationTimestamp": created, "uid": namespace}
    return {"metadata": meta, "spec": {"transport": "rabbitmq"}}


def test_cluster_6_who_waits_for_a_name_inherits_nothing() -> None:
    """Deleted and made anew in its namespace, an actor has its queue again, however long another has waited."""
    world = World()
    owner, waits = declared("owner", "2026-01-01T00:00:00Z"), declared("waits", "2026-01-02T00:00:00Z")
    for body in (owner, waits):
        world.note(resources.ACTOR, "ADDED", body)
    assert world.rival(("waits", "ocr")) == ("owner", "ocr")
    assert world.keep_queue(("owner", "ocr"), owner, kept=True)  # as the end of an actor does whose queue is not empty
    world.note(resources.ACTOR, "DELETED", owner)
    assert world.rival(("waits", "ocr")) == ("owner", "ocr")
    assert world.is_left_behind(("waits", "ocr"))
    world.note(resources.ACTOR, "ADDED", declared("owner", "2026-01-03T00:00:00Z"))
    assert world.rival(("owner", "ocr")) is None
    assert world.rival(("waits", "ocr")) == ("owner", "ocr")
    assert not world.is_left_behind(("waits", "ocr"))


async def test_gateway_l6_a_claim_opens_what_was_left_for_its_own_envelope_alone(tmp_path: Path) -> None:
    """Key and digest of another's payload are no secrets: they stand in dead letters."""
    store = FolderStore(tmp_path)
    desk = ClaimCheck(store, 500)
    admission = Admission(Hop(actor="ocr"), claims=desk)
    whole = envelope_bytes(id="theirs", payload="x" * 1000)
    light = json.loads(desk.leave(whole))
    let_in = await admission.let_in(json.dumps(light).encode())
    assert isinstance(let_in, Work)
    assert json.loads(let_in.body)["payload"] == "x" * 1000
    for other in ("mine", "theirs-1", "theirs/", "their"):
        refused = await admission.let_in(json.dumps({**light, "id": other}).encode())
        assert isinstance(refused, Decision)
        (sent,) = refused.sends
        assert sent.actor == "error-end"
        assert "names an object of another envelope" in json.loads(sent.body)["payload"]["error"]
    cut = check_in(whole, 500)
    assert cut is not None
    assert store.get(cut[0].key) == cut[1], "what was not opened was not redeemed either"


async def test_cluster_8_a_namespaces_report_token_is_taken_back_by_itself(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{ONE}|report\n{TWO}|report\na-token-of-a-caller|call:*\n")
    async with own_gateway(tmp_path, ASYA_GATEWAY_TOKENS_FILE=str(tokens)) as gateway:
        async with gateway.client("a-token-of-a-caller") as http:
            envelope_id = (await call(http, "brief"))["envelope_id"]
        file: Any = gateway.app.settings.door.file

        async def progress(token: str) -> int:
            async with gateway.client(token) as http:
                return (await report(http, envelope_id, "progress", status="received")).status_code

        assert [await progress(ONE), await progress(TWO)] == [200, 200]
        tokens.write_text(f"{TWO}|report\n")
        assert file.refresh()
        assert [await progress(ONE), await progress(TWO)] == [401, 200]
