"""Callbacks: the ends of envelopes, posted signed to who wants to know, from the store until they have arrived."""
