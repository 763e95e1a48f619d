"""The tools of this gateway: reloading their files, and checking the arguments of a call."""
