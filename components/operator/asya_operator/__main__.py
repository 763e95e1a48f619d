"""``python -m asya_operator`` and the console script ``asya-operator``."""

from asya_process.signals import hold


def main() -> None:
    """Run an operator; see :func:`asya_operator.main.main`."""
    hold()
    from asya_operator.main import main as run

    run()


if __name__ == "__main__":
    main()
