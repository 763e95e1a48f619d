"""The crew: the end actors, which persist the outcome of every envelope, fan-in, and reading back what was persisted.

``end_handlers`` runs inside the runtime and checks its environment when imported; everyone else uses ``results``, on a
store of ``asya_store``.
"""
