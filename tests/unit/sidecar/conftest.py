"""Hops, moments and admitted envelopes for the decision core's tests."""

import pytest

from asya_sidecar.core.admit import Hop, Work, admit
from asya_sidecar.core.decide import Moment
from tests.unit.sidecar.samples import NOW, SPAN, TRACE, MakeWork, envelope_bytes


@pytest.fixture
def hop() -> Hop:
    return Hop(actor="ocr", timeout_s=60.0)


@pytest.fixture
def moment() -> Moment:
    return Moment(now=NOW, chance=0.5, trace_id=TRACE, span_id=SPAN, elapsed_s=0.25)


@pytest.fixture
def make_work(hop: Hop) -> MakeWork:
    def make(here: Hop = hop, **fields: object) -> Work:
        work = admit(envelope_bytes(**fields), here, NOW)
        assert isinstance(work, Work)
        return work

    return make
