"""Asya's way to start a runtime: for the local mesh and the test kit, which know nothing of one another."""
