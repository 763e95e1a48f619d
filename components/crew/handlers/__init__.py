"""The names under which the original's manifests know the crew's handlers."""
