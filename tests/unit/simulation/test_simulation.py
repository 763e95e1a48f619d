"""Seeded simulation of the decision core: every invariant, for every seed.

``ASYA_SEEDS=10000`` runs more, ``ASYA_SEED=1234`` replays one; a failure prints its seed.
"""

import os
import time

import pytest

from tests.unit.simulation.world import HOPS, Chances, World

SEEDS = int(os.environ.get("ASYA_SEEDS", "60"))
CHUNKS = 6
REPLAYED = os.environ.get("ASYA_SEED")

WEATHER = {
    "calm": Chances(raises=0.1, times_out=0.0, runtime_dies=0.0, replica_dies=0.0, duplicated=0.0, lease_expires=0.0),
    "usual": Chances(),
    "storm": Chances(0.2, 0.1, 0.2, 0.1, 0.2, 0.1),
}


def hold(world: World) -> None:
    """Check everything that must hold at the end of a history."""
    seed = f"seed {world.seed} (replay: ASYA_SEED={world.seed})"
    happy, failed, dead = world.ends["happy-end"], world.ends["error-end"], set(world.dead)
    ended = happy | failed | dead
    assert world.expected <= ended, f"{seed}: lost {sorted(world.expected - ended)}"
    assert ended <= world.expected, f"{seed}: unexpected {sorted(ended - world.expected)}"
    blamed = failed - {envelope_id for envelope_id, _ in world.raising}
    assert not blamed, f"{seed}: blamed {sorted(blamed)}"
    assert all(world.attempts[key] <= 3 for key in world.attempts), f"{seed}: attempts {world.attempts.most_common(3)}"
    assert not any(world.queues.values()), f"{seed}: left in queues"


@pytest.mark.parametrize("weather", WEATHER)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_history_loses_blames_or_loops(chunk: int, weather: str) -> None:
    """Whatever is duplicated, delayed, reordered or dropped."""
    seeds = range(chunk, SEEDS, CHUNKS) if REPLAYED is None else [int(REPLAYED)]
    started_s = time.perf_counter()
    for seed in seeds:
        hold(World(seed, WEATHER[weather]).run())
    elapsed_s = time.perf_counter() - started_s
    print(f"{weather}: {len(seeds)} seeds, {60 * len(seeds) / elapsed_s:.0f} a minute")


def test_a_seed_replays_the_same_history() -> None:
    """Else a failing seed could not be looked into."""
    first, second = World(7).run(), World(7).run()
    assert (first.handled, first.now_s, first.ends, first.dead) == (
        second.handled,
        second.now_s,
        second.ends,
        second.dead,
    )


def test_calm_weather_has_no_duplicates_and_no_dead_letters() -> None:
    """Without faults every envelope ends once: what raises in error-end, all else in happy-end."""
    world = World(1, WEATHER["calm"]).run()
    assert not world.dead
    assert not world.ends["happy-end"] & world.ends["error-end"]
    assert {hop for _, hop in world.attempts} == {*HOPS, "happy-end", "error-end"}
