"""A classifier of used and not-used reals that sees no generated image (Challengers)."""
