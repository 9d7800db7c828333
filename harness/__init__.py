"""fingerprint-bench: which real images trained the generator, and can it be told from its outputs?"""

__version__ = "0.1.0"
