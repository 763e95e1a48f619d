"""``python -m asya_operator`` and the console script ``asya-operator``."""

import signal


def main() -> None:
    """Run an operator; see :func:`asya_operator.main.main`."""
    # The kernel drops a SIGTERM for process 1 of a container that has no handler for it yet, and the pod would then
    # live on for its whole grace. A blocked signal waits instead, until `run` has its handlers; importing takes longest.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    from asya_operator.main import main as run

    run()


if __name__ == "__main__":
    main()
