"""The sidecar's decisions: pure functions from envelopes and outcomes to actions. No loop, clock, socket or client."""
