"""Which forge makes what was ordered."""

from __future__ import annotations

from pathlib import Path

from harness.forge.attribution import AttributionForge
from harness.forge.forging import Forge
from harness.forge.membership import MembershipForge
from harness.forge.order import Order


def open_forge(order: Order, out: Path, device: str, threads: int) -> Forge:
    """Return the forge for an order.

    Args:
        order: what is asked for.
        out: the folder to be made.
        device: where the networks compute.
        threads: on the CPU.

    Raises:
        BenchError: The source is not in order or too small, or ``out`` is taken.
    """
    kind = AttributionForge if order.subsets else MembershipForge
    return kind(order, out, device, threads)
