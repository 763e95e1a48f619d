"""What the crew's handlers ask of the runtime that runs them."""

from collections.abc import Mapping


def check_environment(environ: Mapping[str, str], who: str) -> None:
    """Refuse a runtime that would not hand whole, unaltered envelopes over.

    Raises:
        RuntimeError: The text says which variable to set.
    """
    mode = (environ.get("ASYA_HANDLER_MODE") or "payload").lower()
    if mode != "envelope":
        raise RuntimeError(f"{who} must run in envelope mode: set ASYA_HANDLER_MODE=envelope, not {mode!r}")
    validation = (environ.get("ASYA_ENABLE_VALIDATION") or "true").lower()
    if validation in {"true", "1", "yes", "on"}:
        raise RuntimeError(f"{who} must run with validation disabled: set ASYA_ENABLE_VALIDATION=false")
