"""Controls: what can be had without detecting anything."""
