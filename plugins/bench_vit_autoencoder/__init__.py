"""Autoencoders of the generated images: how well do they give a real one back? (Neural Nexus)."""
