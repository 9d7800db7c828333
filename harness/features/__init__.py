"""Features: what backbones see in the images, computed once and shared by all methods."""
