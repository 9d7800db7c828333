"""Siamese network with cross-attention (SCOPE VIT Visioneers, ImageCLEF 2025)."""
