"""What the client makes of what an end actor kept."""

import pytest

from asya.client.mesh_link import read_end
from asya.client.sent import Sent
from asya_protocol import names
from asya_protocol.status import Status

SENT = Sent("e1", "")


def test_a_result_that_lacks_children_is_warned_of_with_their_places(caplog: pytest.LogCaptureFixture):
    route = {"actors": ["split", "fan-in"], "current": 2}
    whole = {"route": route, "payload": [1, 2]}
    assert read_end(SENT, Status.SUCCEEDED, whole) == [1, 2]
    assert caplog.messages == []
    assert read_end(SENT, Status.SUCCEEDED, {**whole, "headers": {names.HEADER_MISSING: [1]}}) == [1, 2]
    assert caplog.messages == ["e1 succeeded without child 1 of its fan-out"]
