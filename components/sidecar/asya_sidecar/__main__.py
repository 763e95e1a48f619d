"""``python -m asya_sidecar``: what the container image runs."""

import signal


def _start() -> None:
    # The kernel drops a SIGTERM for process 1 of a container that has no handler for it yet, and the pod would then
    # live on for its whole grace. A blocked signal waits instead, until `run` has its handlers; importing takes longest.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    from asya_sidecar.main import main

    main()


_start()
