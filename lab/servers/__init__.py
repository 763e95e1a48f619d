"""Real servers on this machine, on free ports; each ends with the process that started it."""
