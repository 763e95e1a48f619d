"""`make up|preview|down ENV=...`: runs the Pulumi engine on one of this checkout's environments.

State lies under ``.pulumi-state`` unless PULUMI_BACKEND_URL names another place. What is decided is in pure functions
(``environments``, ``clusters``, ``settings_file``, ``explain``); ``run`` does it.
"""
