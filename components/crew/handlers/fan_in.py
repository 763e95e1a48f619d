"""``handlers.fan_in.fan_in_handler``, beside the end handlers for manifests."""

from asya_crew.fan_in_handler import fan_in_handler

__all__ = ["fan_in_handler"]
