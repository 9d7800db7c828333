"""Similarity of deep features of enhanced images (ZOQ, ImageCLEF 2025)."""
