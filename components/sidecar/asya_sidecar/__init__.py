"""Asya's sidecar: the router beside every actor; ``core`` decides, the modules around it do the I/O."""
