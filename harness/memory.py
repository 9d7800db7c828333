"""What a process frees of its memory stays with it, so that big tensors cost no page faults.

glibc hands a large block back to the system as soon as it is freed, and a network on a CPU frees
and asks for the same blocks in every layer: half of its time goes into clearing fresh pages.
``make benchmark`` has the ratio (``kept_memory``).
"""

import ctypes

KEPT = 1 << 30  # bytes; larger blocks are still returned
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # as <malloc.h> numbers them


def keep_freed_memory() -> None:
    """Tell glibc's allocator to keep what is freed; other allocators stay as they are."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, KEPT)
