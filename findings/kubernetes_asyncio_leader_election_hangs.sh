#!/usr/bin/env bash
# Does kubernetes_asyncio's leader election give leadership up when the API server takes a renewal and never answers it?
#
# Guess: yes, `renew_deadline` after the last renewal that was answered, as client-go's does (it bounds every attempt).
# Seen: no. The deadline is looked at between attempts, and an attempt has no limit of its own, so a leader whose request hangs
# leads on until its HTTP client gives up (five minutes by default), far beyond its lease, while others may take the lease.
set -euo pipefail
readonly VERSION=36.1.0
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "kubernetes_asyncio==$VERSION"
cat >"$folder/probe.py" <<'PY'
import asyncio
import time
from importlib.metadata import version

from aiohttp import web
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.leaderelection import electionconfig, leaderelection
from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock

LEASE_S, DEADLINE_S, RETRY_S, WATCHED_S = 4, 2, 1, 20


async def main() -> int:
    lease, answers = {}, [True]

    async def api(request: web.Request) -> web.Response:
        if not answers[0]:
            await asyncio.sleep(3600)  # accepted, and never answered
        if request.method == "GET":
            if not lease:
                return web.json_response({"kind": "Status", "code": 404, "reason": "NotFound"}, status=404)
            return web.json_response(lease)
        lease.clear()
        lease.update(await request.json())
        return web.json_response(lease)

    server = web.Application()
    server.router.add_route("*", "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", api)
    server.router.add_route("*", "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{name}", api)
    runner = web.AppRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    leads, lost_at = asyncio.Event(), []

    async def started() -> None:
        leads.set()
        await asyncio.Event().wait()

    async def stopped() -> None:
        lost_at.append(time.monotonic())

    configuration = Configuration(host=f"http://127.0.0.1:{port}")
    async with ApiClient(configuration) as client:
        config = electionconfig.Config(
            LeaseLock("probe", "default", "one", client),
            lease_duration=LEASE_S,
            renew_deadline=DEADLINE_S,
            retry_period=RETRY_S,
            onstarted_leading=started,
            onstopped_leading=stopped,
        )
        election = asyncio.create_task(leaderelection.LeaderElection(config).run())
        await asyncio.wait_for(leads.wait(), 30)
        await asyncio.sleep(2)  # a few renewals
        answers[0], silent_since = False, time.monotonic()
        await asyncio.wait({election}, timeout=WATCHED_S)
        leading = not election.done()
        election.cancel()
        await asyncio.gather(election, return_exceptions=True)
    await runner.cleanup()
    print(f"kubernetes_asyncio {version('kubernetes_asyncio')}: lease {LEASE_S} s, renew deadline {DEADLINE_S} s")
    print(f"expected: leadership is lost about {DEADLINE_S} s after the last answer")
    after = f"lost after {lost_at[0] - silent_since:.1f} s" if lost_at else f"still leading after {WATCHED_S} s"
    print(f"seen:     {after}")
    return 0 if leading and not lost_at else 1


raise SystemExit(asyncio.run(main()))
PY
"$folder/venv/bin/python" "$folder/probe.py"
