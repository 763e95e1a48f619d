"""Settings of callbacks, read with the gateway's."""

from dataclasses import dataclass
from ipaddress import ip_address

from asya_gateway.callbacks.rule import Allowed, read_allowed
from asya_gateway.callbacks.signing import Secrets, read_secrets
from asya_manifest.callback import Callback, split_url
from asya_process import settings as process
from asya_process.settings import setting, whole


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """Callbacks: posts that tell the ends of envelopes. They are off without a secret."""

    secrets: Secrets = setting("ASYA_GATEWAY_CALLBACK_SECRETS", read_secrets, "", secret=True)
    """Secrets that sign them, `NAME=whsec_BASE64` (24 to 64 bytes), separated by spaces or lines; a name given twice signs
    with both. Tools and calls say the name as `secretRef`, `default` unless they do. Unset turns callbacks off."""
    allowed: Allowed = setting("ASYA_GATEWAY_CALLBACK_ALLOW", read_allowed, "")
    """Networks (`10.1.0.0/16`) and names of hosts, separated by commas, that callbacks may go to though they are not of the
    public internet; all others that are not are refused."""
    timeout_s: float = setting("ASYA_GATEWAY_CALLBACK_TIMEOUT", process.longer_than_zero, "10s")
    """How long one post may take, up to the head of its answer."""
    patience_s: float = setting("ASYA_GATEWAY_CALLBACK_PATIENCE", process.longer_than_zero, "24h")
    """How long a callback is tried, with growing pauses; then it is a dead letter (`asya callbacks`)."""
    at_once: int = setting("ASYA_GATEWAY_CALLBACKS_AT_ONCE", whole(1, 1000), "16")
    """Posts under way at a time, of each gateway."""

    def problem(self, callback: Callback) -> str | None:
        """Say why nothing can be posted there, as far as that is known before a name is resolved; ``None`` where it can."""
        if not self.secrets:
            return "callbacks are off: the gateway has no ASYA_GATEWAY_CALLBACK_SECRETS"
        if callback.secret_ref not in self.secrets.known:
            return f"the gateway has no callback secret {callback.secret_ref!r}"
        host = split_url(callback.url).hostname or ""
        try:
            ip_address(host)
        except ValueError:
            return None
        return None if self.allowed.let_in(host, host) else "its callback's address is not public, and not allowed"
