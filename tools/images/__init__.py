"""The container images of this repository: ``python -m tools.images``, which is ``make images``."""
