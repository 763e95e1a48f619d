"""Servers and shared pieces that tests of several tiers use."""
