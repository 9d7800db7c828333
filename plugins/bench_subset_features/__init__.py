"""ImageNet features of the training subsets' real images (AI Multimedia Lab, ImageCLEF 2025)."""
