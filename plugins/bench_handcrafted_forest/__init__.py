"""Handcrafted features, a ResNet autoencoder and a random forest (Neural Nexus, ImageCLEF 2025)."""
