"""The Kubernetes API, by the one client that the operator, the gateway and infra share."""
