"""One measure of a hop in whatever tree it is run in, as a line of JSON: ``python -P one_side.py MEASURE URL KIND COUNT``.

``bench.sides`` runs this same file with the interpreter and the modules of both trees, so that the trees differ and the measure
does not; it needs nothing but what every tree has in ``bench.one_hop``.
"""

import asyncio
import json
import os
import sys
import time

from bench.envelopes import envelope
from bench.one_hop import OneHop
from bench.run import cpu_s

PAYLOAD = {"text": "x" * 180, "number": 7}
PAUSE_S = 0.01
TICK_S = 0.005


async def throughput(hop: OneHop, count: int) -> dict[str, float]:
    """A full queue: envelopes per second, CPU and memory of both processes."""
    await hop.fill([envelope(0, PAYLOAD)] * count)
    result = await hop.throughput(count)
    return {
        "per_s": result.per_s,
        "sidecar_ms": result.cpu_s["sidecar"] * 1000,
        "runtime_ms": result.cpu_s["runtime"] * 1000,
        "resident_mib": result.resident_mib["sidecar"] + result.resident_mib["runtime"],
    }


async def latency(hop: OneHop, count: int) -> dict[str, float]:
    """One envelope at a time: milliseconds from its send to its output."""
    hop.start()
    await hop.wait_ready()
    took = sorted(await hop.latencies(count, envelope(0, PAYLOAD), PAUSE_S))
    return {"p50_ms": took[len(took) // 2] * 1000}


async def start(hop: OneHop, count: int) -> dict[str, float]:
    """From the start of both processes to the first output, ``count`` times; of it the sidecar's CPU."""
    wall, spent = [], []
    for done in range(1, count + 1):
        await hop.fill([envelope(0, PAYLOAD)])
        began_s = time.perf_counter()
        if done == 1:
            hop.start()
        else:
            hop._fleet.keep_up()
        await hop.wait_outputs(done, TICK_S)
        wall.append(time.perf_counter() - began_s)
        replica = hop._fleet.replicas[-1]  # as old trees have it
        spent.append(cpu_s(replica.processes["sidecar"].pid))
        replica.terminate()
        replica.processes.clear()
    return {"start_s": sorted(wall)[count // 2], "sidecar_cpu_s": min(spent)}


async def main() -> None:
    """Measure, and print."""
    measure, url, kind, count = sys.argv[1:]
    environ = {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": url}
    async with OneHop(environ, classic_on=url if kind == "classic" else "") as hop:
        found = await {"throughput": throughput, "latency": latency, "start": start}[measure](hop, int(count))
    print(json.dumps({**found, "load": os.getloadavg()[0]}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
