"""The manifests that users write, actors and tools, as checked values; and the environment of an actor's sidecar."""
