"""The container images of this repository: ``python -m lab.images``, which is ``make images``."""
