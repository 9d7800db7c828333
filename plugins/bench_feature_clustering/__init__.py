"""Clusters of deep features, and distances to the centres of the generated ones (Challengers)."""
