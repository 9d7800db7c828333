"""Nearest generated image in pixels: the plain baseline."""
