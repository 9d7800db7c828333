"""Cosine similarity of ImageNet features against a threshold (Medhastra, ImageCLEF 2025)."""
