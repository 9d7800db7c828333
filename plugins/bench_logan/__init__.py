"""What tells generated images from others: a classifier, or a discriminator (LOGAN)."""
