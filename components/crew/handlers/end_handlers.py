"""``handlers.end_handlers.happy_end_handler`` and ``.error_end_handler``, as in Asya 0.1.1's manifests."""

from asya_crew.end_handlers import error_end_handler, happy_end_handler

__all__ = ["error_end_handler", "happy_end_handler"]
