"""The sidecar's decisions as values: envelopes and outcomes in, actions out; no loop, clock, socket or client here."""
