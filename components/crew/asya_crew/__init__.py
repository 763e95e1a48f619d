"""Asya's crew: the end actors, which persist what happened to every envelope, and the reader of what they wrote.

``end_handlers`` runs inside the runtime and checks its environment when imported; everyone else uses ``results``, on a
store of ``asya_store``.
"""
