"""What handlers report of calls of language models: tokens and cost, by envelope, until its span is made. Pure.

They are metrics of the handler's own with these names; a handler that makes several calls reports each, and they are added up.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from asya_process import spans
from asya_sidecar.core.custom_metric import Reported

ATTRIBUTES: Final[Mapping[str, str]] = {
    "llm_input_tokens_total": spans.INPUT_TOKENS,
    "llm_output_tokens_total": spans.OUTPUT_TOKENS,
    "llm_cost_usd_total": spans.COST_USD,
}
"""By the metric's name, the span's attribute."""
MODEL_LABEL: Final = "model"
MOST: Final = 1000
"""Envelopes at a time; of more, the oldest is forgotten."""


class ModelUsage:
    """Sums by envelope."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, dict[str, spans.Value]] = OrderedDict()

    def note(self, said: Reported) -> None:
        """Take a value in, if it is one of those."""
        attribute = ATTRIBUTES.get(said.name)
        if attribute is None or not said.envelope_id:
            return
        if said.envelope_id not in self._of and len(self._of) >= MOST:
            self._of.popitem(last=False)
        sums = self._of.setdefault(said.envelope_id, {})
        total = float(sums.get(attribute, 0)) + said.value
        sums[attribute] = round(total, 9) if attribute == spans.COST_USD else int(total)
        if MODEL_LABEL in said.labels:
            sums[spans.MODEL] = said.labels[MODEL_LABEL]

    def take(self, envelope_id: str) -> Mapping[str, spans.Value]:
        """The sums of an envelope as attributes of a span, and forget them."""
        return self._of.pop(envelope_id, {})
