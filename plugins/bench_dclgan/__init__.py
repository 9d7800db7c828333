"""Discriminator attention of a dual contrastive GAN (Neural Nexus, ImageCLEF 2025)."""
