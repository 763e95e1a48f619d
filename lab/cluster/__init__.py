"""A real one-node Kubernetes for tests, with cluster DNS and KEDA; ``python -m lab.cluster build|up|down|load``.

Where Docker runs and ``kind`` is installed, kind provides it. Anywhere else on Debian or Ubuntu, as root, its parts are
built from their Go modules and run as plain processes. They live in a network namespace and a control group of their
own: ports collide with nobody's, several clusters share a machine, and taking one down needs no list of what it made.
"""
