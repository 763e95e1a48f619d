"""An envelope's record, the rules by which reports change it, and its journey through the actors. Pure."""
