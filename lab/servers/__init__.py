"""Real servers on this machine, each on free ports and gone with the process that started it."""
