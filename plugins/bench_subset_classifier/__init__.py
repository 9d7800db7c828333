"""Classifiers of the training subsets (SDVAHCS/UCSD and Medhastra, ImageCLEF 2025)."""
