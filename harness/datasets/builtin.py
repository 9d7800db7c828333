"""The data sets and packs that come with the harness, by the same door as any other plugin's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.files import shipped
from harness.plugins import hookimpl

if TYPE_CHECKING:
    from harness.datasets.recipe import Recipe


@hookimpl
def bench_datasets() -> list[Path]:
    """Return the built-in datasets.yaml."""
    return [shipped("datasets.yaml")]


@hookimpl
def bench_recipes() -> dict[str, Callable[[dict[str, Any]], Recipe]]:
    """Return the maker of data sets that come packed with the harness."""
    return {"embedded": _embedded}


def _embedded(options: dict[str, Any]) -> Recipe:
    from harness.datasets.embedded import embedded  # here, for a quick start of the command line

    return embedded(options)
