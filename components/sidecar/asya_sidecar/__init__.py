"""The sidecar: routes envelopes for one replica. ``core`` decides, the modules around it do the I/O."""
