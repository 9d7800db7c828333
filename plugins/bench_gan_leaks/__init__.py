"""Distance to the nearest generated image, calibrated by reference reals (GAN-Leaks)."""
