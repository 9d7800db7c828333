"""Autoencoders and patches of the generated images (VCMI, ImageCLEF 2023)."""
