"""The Kubernetes objects of an actor, one file per kind. Pure: an actor and a context in, plain objects out."""
