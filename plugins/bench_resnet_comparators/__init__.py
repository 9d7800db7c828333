"""Comparators on ResNet features: pairs and clusters (team 603110 of SSN, ImageCLEF 2023)."""
