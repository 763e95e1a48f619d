"""Fires of a schedule while gateways are killed: each is one envelope, and none is missing."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from asya_gateway.schedules.cron import due, fires_after
from asya_gateway.schedules.runner import key_of
from asya_gateway.store.postgres import PostgresStore
from asya_manifest.schedules import LONGEST_CATCH_UP_S, Schedule
from asya_transport.port import Transport
from lab.servers.postgres import PostgresServer, postgres
from tests.support.gateway_calls import taken
from tests.support.gateway_process import LIMIT_S, TOOLS, Gateway

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")

KILLS = 3
OFTEN = Schedule("often", "echo", "*/4 * * * *", {"text": "tick"}, overlap="allow", catch_up_s=LONGEST_CATCH_UP_S)
SECTION = """
schedules:
  - {name: often, tool: echo, arguments: {text: tick}, cron: "*/4 * * * *", overlap: allow, catchUp: 23h}
"""


async def test_every_fire_is_one_envelope_though_gateways_are_killed(
    environ: dict[str, str],
    postgres: PostgresServer,
    broker: Transport,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """They find almost a day of fires that were missed, and make them up."""
    (tmp_path / "tools.yaml").write_text(TOOLS + SECTION)
    url = postgres.new_database()
    shared = {**environ, "ASYA_DATABASE_URL": url}
    begun = datetime.now(UTC)
    least = len(due(OFTEN, begun))

    async def made() -> int:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            (count,) = await (await connection.execute("SELECT count(*) FROM envelopes")).fetchone() or (0,)
        return int(count)

    running = [Gateway(shared), Gateway(shared)]
    try:
        async with asyncio.timeout(3 * LIMIT_S):
            for number in range(KILLS):
                while await made() < (number + 1) * least // (KILLS + 1):
                    await asyncio.sleep(0.01)
                running[number % 2].kill()
                running[number % 2] = await asyncio.to_thread(Gateway, shared)
            while await made() < least - 1:  # the oldest may have become too old meanwhile
                await asyncio.sleep(0.1)
        sent = Counter(one["id"] for one in await taken(broker, least=least - 1))
    finally:
        for process in running:
            process.kill()
    store = PostgresStore(url, 1, 1)
    await store.open(lambda _: None)
    known: list[str] = []
    for fire in fires_after(OFTEN, begun - timedelta(seconds=LONGEST_CATCH_UP_S)):
        if fire > datetime.now(UTC):
            break
        if (claim := await store.claim(key_of(OFTEN, fire))) is not None:
            known.append(claim.envelope_id)
    await store.close()
    assert least - 1 <= len(known) == len(set(known)) == await made()
    assert set(sent) == set(known)
    record_property(
        "table",
        f"{len(known)} fires of a schedule, {KILLS} gateways killed: {len(sent)} envelopes, "
        f"{sent.total() - len(sent)} of them on their queue twice",
    )
