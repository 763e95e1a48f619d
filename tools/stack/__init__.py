"""`make up|preview|down ENV=...`: the engine on one of this checkout's environments, with all that it wants to be told.

State lies under ``.pulumi-state`` unless PULUMI_BACKEND_URL names another place. What is decided is in pure functions
(``environments``, ``clusters``, ``settings_file``, ``explain``); ``run`` does it.
"""
