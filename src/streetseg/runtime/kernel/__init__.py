"""The compiled inner loops of the class map and the overlay."""
