"""fingerprint-bench: tell from a generator's outputs alone which real images trained it."""

__version__ = "0.1.0"
