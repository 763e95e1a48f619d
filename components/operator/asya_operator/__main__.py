"""``python -m asya_operator`` and the console script ``asya-operator``."""

from asya_operator.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
