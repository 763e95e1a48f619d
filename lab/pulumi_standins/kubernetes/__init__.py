"""The stand-in for pulumi-resource-kubernetes: every kind by one door, a real API server or a folder that records."""
