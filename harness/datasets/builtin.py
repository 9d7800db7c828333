"""The data sets that come with the harness, by the same door as any other plugin's."""

from pathlib import Path

from harness.files import shipped
from harness.plugins import hookimpl


@hookimpl
def bench_datasets() -> list[Path]:
    """Return the built-in datasets.yaml."""
    return [shipped("datasets.yaml")]
