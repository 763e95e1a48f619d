"""What the gateway knows about an envelope: its record, the rules of its life, its journey. Pure."""
