"""How many generated images lie near a real one (Monte Carlo attacks)."""
