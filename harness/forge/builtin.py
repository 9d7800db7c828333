"""The recipes that come with the harness, by the same door as any other plugin's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.plugins import hookimpl

if TYPE_CHECKING:
    from harness.datasets.recipe import Recipe


@hookimpl
def bench_recipes() -> dict[str, Callable[[dict[str, Any]], Recipe]]:
    """Return the makers of phantom data sets."""
    return {"phantom": _phantom}


def _phantom(options: dict[str, Any]) -> Recipe:
    from harness.forge.recipe import phantom  # here, because the command line must start quickly

    return phantom(options)
