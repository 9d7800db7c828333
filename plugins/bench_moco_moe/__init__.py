"""Momentum contrast between generated and real images, and a mixture of experts (taozi, 2025)."""
