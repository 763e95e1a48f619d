"""Limits by key: how often, how much and how many at once, shared by every actor that names them."""
