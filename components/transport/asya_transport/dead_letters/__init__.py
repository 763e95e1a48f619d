"""Dead letters: reading, filtering, holding and redriving them."""
