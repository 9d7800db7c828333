"""Nearest generated image after half a whitening by the pool: a method of our own."""
