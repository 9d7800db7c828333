"""Siamese network with contrastive loss (AI Multimedia Lab, ImageCLEF 2025), for both subtasks."""
