"""The manifests that users write, actors and tools, as checked values; and what an actor's sidecar is told."""
