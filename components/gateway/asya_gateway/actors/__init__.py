"""The actors that the console shows, from Kubernetes, a local mesh or the queues alone."""
