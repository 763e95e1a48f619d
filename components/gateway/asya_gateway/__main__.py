"""``python -m asya_gateway``: what the container image runs."""

import signal
import sys


def _start() -> None:
    # The kernel drops a SIGTERM for process 1 of a container that has no handler for it, and the pod would then live on
    # for its whole grace. Before it serves, a gateway has nothing to finish; the server takes the signal over from here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from asya_gateway.main import main

    main()


_start()
