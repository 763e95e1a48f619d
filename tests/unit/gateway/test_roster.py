"""Which routes are refused before their first hop, by what source and broker say."""

import pytest

from asya_gateway.actors.port import ActorsUnknown
from asya_gateway.actors.roster import Roster
from asya_gateway.actors.view import ActorView
from asya_protocol.errors import TransportUnavailable
from asya_protocol.names import QueueNames
from asya_transport.port import Depth
from tests.support.queue_admin import Admin

DEPTH = Depth(0, 0, 0)


class Source:
    """Lists what it is told, or says that it cannot."""

    name = "kubernetes"

    def __init__(self, *listed: str, problem: str = "") -> None:
        self.listed = listed
        self.problem = problem
        self.asked = 0

    async def actors(self) -> list[ActorView] | None:
        self.asked += 1
        if self.problem:
            raise ActorsUnknown(self.problem)
        return [ActorView(name) for name in self.listed] or None

    async def close(self) -> None:
        """Nothing to close."""


def roster(source: Source, admin: Admin) -> Roster:
    return Roster(source, admin, QueueNames())


@pytest.mark.parametrize(
    ("listed", "queues", "route", "wrong"),
    [
        (("ocr", "translate"), (), ["ocr", "translate"], None),
        ((), ("ocr", "translate"), ["ocr", "translate"], None),
        (("ocr",), ("translate",), ["ocr", "translate", "ocr"], None),
        (
            ("ocr", "translate"),
            (),
            ["ocr", "transalte"],
            "'transalte', which does not exist; did you mean 'translate'?",
        ),
        ((), ("ocr", "translate"), ["orc"], "'orc', which does not exist; did you mean 'ocr'?"),
        (("ocr",), (), ["zzz"], "'zzz', which does not exist"),
    ],
)
async def test_an_actor_exists_that_is_listed_or_has_a_queue(
    listed: tuple[str, ...], queues: tuple[str, ...], route: list[str], wrong: str | None
) -> None:
    found = await roster(Source(*listed), Admin(**dict.fromkeys(queues, DEPTH))).problem(route)
    assert found == (None if wrong is None else f"its route names the actor {wrong}")


async def test_nothing_is_refused_while_one_of_them_cannot_say() -> None:
    assert await roster(Source(problem="forbidden"), Admin()).problem(["ocr"]) is None
    away = Admin()
    away.problem = TransportUnavailable("away")
    assert await roster(Source(), away).problem(["ocr"]) is None


async def test_what_was_there_a_moment_ago_is_not_looked_for_and_a_new_actor_is_found_at_once() -> None:
    source, admin = Source("other"), Admin(ocr=DEPTH)
    found = roster(source, admin)
    for _ in range(3):
        assert await found.problem(["ocr"]) is None
    assert (admin.measured, source.asked) == (["asya-ocr"], 0)
    for _ in range(3):
        assert await found.problem(["new"]) is not None
    assert source.asked == 1
    admin.depths["asya-new"] = DEPTH
    assert await found.problem(["new"]) is None
