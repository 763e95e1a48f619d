"""Asya without Kubernetes: AsyncActors as supervised processes on one machine, scaled on queue depth."""
