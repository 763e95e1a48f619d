"""Asya's operator. First piece: the AsyncActor model that the local mesh shares."""
