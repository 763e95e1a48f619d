"""The tools of this gateway: the files that are read and re-read, and the arguments of a call."""
