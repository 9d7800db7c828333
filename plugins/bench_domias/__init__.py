"""Density of the generated images over that of the population (DOMIAS)."""
