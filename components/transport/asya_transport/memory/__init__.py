"""The broker of the local mesh and of tests: queues in memory, in this process or behind a socket."""
