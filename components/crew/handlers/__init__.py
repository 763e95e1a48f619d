"""The names under which Asya 0.1.1's manifests know the crew's handlers."""
