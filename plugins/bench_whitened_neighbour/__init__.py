"""Nearest generated image after whitening by the pool: a baseline of our own."""
