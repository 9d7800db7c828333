"""Copies by the correlation of contrastive embeddings (Dar et al.)."""
