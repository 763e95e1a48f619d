"""The stand-in for pulumi-resource-kubernetes: all kinds alike, on a real API server or recorded in a folder."""
