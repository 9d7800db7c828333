"""Rules on similarities of real and generated images (VCMI, ImageCLEF 2023)."""
