"""Asya's operator: the AsyncActor as checked values, the objects it becomes, and the controller that keeps them so."""
