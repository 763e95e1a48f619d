"""How containers of a pod are told to end: not before they can hear it. Pure.

Kubernetes sends SIGTERM once, to process 1 of each container, and the kernel drops it when that process neither handles
nor blocks it yet (pid_namespaces(7)). A pod that is deleted in the second in which it starts, as autoscalers and rollouts
do, would then live on, and hold its GPU, for the whole of its grace. The hook below holds SIGTERM back until
``/proc/1/status`` shows bit 14 of the caught or blocked signals, and no longer than five seconds.
"""

from typing import Any, Final

_LISTENS: Final = (
    "n=0; while [ $n -lt 50 ]; do "
    "while read -r name mask; do "
    "case $name$mask in SigCgt:*[4-7c-f]???|SigBlk:*[4-7c-f]???) exit 0;; esac; "
    "done </proc/1/status; "
    "n=$((n+1)); sleep 0.1; done"
)
LIFECYCLE: Final[dict[str, Any]] = {"preStop": {"exec": {"command": ["sh", "-c", _LISTENS]}}}
"""``lifecycle`` of a container that handles SIGTERM; needs ``sh`` in its image, as the probes do."""
