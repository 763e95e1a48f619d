"""Dead letters: what one tells, choosing them, holding them, sending them again."""
