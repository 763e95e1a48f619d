"""``python -m tools.stack.trigger``: what `make trigger-tests` runs: envelopes through the actor of an evaluation.

They are sent to the broker as any producer sends them, and their results are read from the store.
"""

import argparse
import asyncio
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Final

from asya_store.factory import open_store
from asya_store.settings import StoreSettings
from asya_transport.factory import open_transport
from asya_transport.settings import TransportSettings
from lab.checkout import ROOT
from tools.stack import quick_start, servers
from tools.stack.errors import StackError
from tools.stack.quick_start import Servers

_COUNT: Final = 3
_PATIENCE_S: Final = 180.0
"""The actor naps, and so may the crew: pods have to start."""


def main() -> None:
    """Send, wait, and say what came back; exit code 1 when a result is missing or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack.trigger", description=__doc__)
    parser.add_argument("--state", type=Path, default=ROOT / ".pulumi-state")
    try:
        sys.exit(0 if trigger(parser.parse_args().state) else 1)
    except StackError as exc:
        print(f"trigger: {exc}", file=sys.stderr)
        sys.exit(1)


def trigger(state: Path) -> bool:
    """Send envelopes to the evaluation that is up and wait for their results.

    Raises:
        StackError: None is up.
    """
    found = next(
        ((name, there) for name in quick_start.NEEDS if (there := servers.running(state / "servers" / name))), None
    )
    if found is None:
        raise StackError("no evaluation is up: make up PROFILE=sqs-s3, or PROFILE=rabbitmq-minio")
    environment, there = found
    sent = {f"trigger-{uuid.uuid4().hex[:8]}": f"caller {number}" for number in range(1, _COUNT + 1)}
    asyncio.run(_send(environment, there, sent))
    print(f"trigger: sent {_COUNT} envelopes to {quick_start.ACTOR} on {environment}", flush=True)
    return _all_came_back(there, sent)


async def _send(environment: str, there: Servers, sent: dict[str, str]) -> None:
    if environment == "localstack":
        settings = TransportSettings(
            "sqs", sqs_endpoint=there.endpoint, aws_credentials=(quick_start.KEY, quick_start.KEY)
        )
    else:
        settings = TransportSettings("rabbitmq", rabbitmq_url=there.amqp_url(quick_start.GUEST))
    transport = open_transport(settings)
    await transport.connect()
    try:
        for envelope_id, who in sent.items():
            route = {"actors": [quick_start.ACTOR], "current": 0}
            body = json.dumps({"id": envelope_id, "route": route, "payload": {"who": who}})
            await transport.send(f"asya-{quick_start.ACTOR}", body.encode())
    finally:
        await transport.close()


def _all_came_back(there: Servers, sent: dict[str, str]) -> bool:
    store = open_store(
        StoreSettings(
            bucket=quick_start.BUCKET, endpoint=there.endpoint, access_key=quick_start.KEY, secret_key=quick_start.KEY
        )
    )
    if store is None:
        raise StackError("the store of results cannot be opened")
    ends, missing = time.monotonic() + _PATIENCE_S, dict(sent)
    while missing and time.monotonic() < ends:
        for envelope_id, who in list(missing.items()):
            kept = store.get(f"happy-asya/{envelope_id}.json")
            if kept is not None:
                said = json.loads(kept)["payload"].get("greeting")
                print(f"trigger: {envelope_id}: {said}", flush=True)
                if said != f"Hello {who}!":
                    return False
                del missing[envelope_id]
        time.sleep(0.5)
    for envelope_id in missing:
        print(f"trigger: {envelope_id}: no result in {_PATIENCE_S:.0f} s; asya why {envelope_id}", file=sys.stderr)
    return not missing


if __name__ == "__main__":
    main()
