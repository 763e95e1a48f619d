"""Limits in work: calls let in and ended, pauses, and how they stand; the table decides, the store keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from asya_store.limits import table
from asya_store.limits.port import LimitStates
from asya_store.limits.rule import EVERYBODY, Ask, Place, key_of, place_of
from asya_store.limits.table import State, Wait

LEASE_S: Final = 30.0
"""How long the call of a killed sidecar still takes a place; extended at a third of it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one key of a limit stands.

    Attributes:
        name: The limit.
        key: Whose; ``None`` for everybody.
        calls: Let in within the last minute.
        cost: What they cost.
        running: Under way.
        waits_s: How long the line is; 0 where nobody waits.
        paused_s: How long nobody is let in; ``None`` until somebody resumes.
        reason: Why not.
    """

    name: str
    key: str | None
    calls: int
    cost: float
    running: int
    waits_s: float
    paused_s: float | None
    reason: str


class Limiter:
    """Asks one store. Every method but ``close`` raises ``StoreUnavailable`` when the store could not be asked."""

    def __init__(self, states: LimitStates) -> None:
        self._states = states

    async def take(self, asks: Sequence[Ask], lease: str, *, waited: bool = False) -> Wait | None:
        """Let a call in at all of its limits, or at none.

        Args:
            asks: What it asks.
            lease: Name of the call; to be extended while it runs, and settled.
            waited: It comes when it was told to.

        Returns:
            How long to wait; ``None`` when it was let in.
        """

        def change(known: Mapping[Place, State], now_s: float) -> tuple[Mapping[Place, State], Wait | None]:
            pauses = {name: state for (name, key), state in known.items() if key == EVERYBODY}
            return table.take(asks, known, pauses, lease, now_s=now_s, lease_s=LEASE_S, waited=waited)

        watched = [place_of(ask.rule.name, None) for ask in asks]
        return await self._states.change([ask.place for ask in asks], change, watched=watched)

    async def settle(
        self, asks: Sequence[Ask], lease: str, *, spent: Mapping[str, float] | None = None, ran: bool = True
    ) -> None:
        """End a call.

        Args:
            asks: As it was let in.
            lease: Its name.
            spent: By limit, what it did cost; those that are not named cost what was expected.
            ran: Whether it was made at all.
        """
        told = spent or {}

        def change(known: Mapping[Place, State], now_s: float) -> tuple[Mapping[Place, State], None]:
            ended = {
                ask.place: table.settle(
                    ask, known.get(ask.place, State()), lease, now_s=now_s, spent=told.get(ask.rule.name), ran=ran
                )
                for ask in asks
            }
            return ended, None

        await self._states.change([ask.place for ask in asks], change)

    async def extend(self, calls: Mapping[str, Sequence[Ask]]) -> None:
        """Keep the places of calls under way, by lease."""
        leases = frozenset(calls)

        def change(known: Mapping[Place, State], now_s: float) -> tuple[Mapping[Place, State], None]:
            return {
                place: table.extend(state, leases, now_s=now_s, lease_s=LEASE_S) for place, state in known.items()
            }, None

        await self._states.change([ask.place for asks in calls.values() for ask in asks], change)

    async def pause(self, name: str, key: str | None, for_s: float | None, reason: str) -> None:
        """Let nobody in for a time, or with ``None`` until somebody resumes; for one key, or with ``None`` for all."""
        place = place_of(name, key)

        def change(known: Mapping[Place, State], now_s: float) -> tuple[Mapping[Place, State], None]:
            until_s = -1.0 if for_s is None else now_s + for_s
            return {place: table.pause(known.get(place, State()), until_s=until_s, reason=reason)}, None

        await self._states.change([place], change)

    async def resume(self, name: str, key: str | None) -> bool:
        """End a pause of one key, or with ``None`` of everybody and of every key; whether there was one."""
        known, _ = await self._states.read()
        places = [place for place in known if place[0] == name and (key is None or place == place_of(name, key))]

        def change(known: Mapping[Place, State], now_s: float) -> tuple[Mapping[Place, State], bool]:
            paused = {
                place: state for place, state in known.items() if table.as_of(state, now_s).paused_s and place in places
            }
            return {place: table.resume(state) for place, state in paused.items()}, bool(paused)

        return await self._states.change(places, change) if places else False

    async def standings(self) -> list[Standing]:
        """How every key stands that was used within the last hour, or is paused."""
        known, now_s = await self._states.read()
        return [
            Standing(
                name=place[0],
                key=key_of(place),
                calls=sum(state.calls.values()),
                cost=sum(state.costs.values()),
                running=len(state.held),
                waits_s=max(state.line_s - now_s, 0.0),
                paused_s=None if state.paused_s < 0 else max(state.paused_s - now_s, 0.0),
                reason=state.reason if state.paused_s else "",
            )
            for place, state in ((place, table.as_of(state, now_s)) for place, state in sorted(known.items()))
            if not state.is_blank
        ]

    async def close(self) -> None:
        """Close the store. Never raises."""
        await self._states.close()
