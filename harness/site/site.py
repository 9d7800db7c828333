"""A site from published records: what is shown of them, and the files that show it."""

from __future__ import annotations

from pathlib import Path

from harness.site.exhibit import read_exhibits
from harness.site.folder import check_folder, write_folder
from harness.site.pages import Pages
from harness.site.resources import assets
from harness.site.sources import Sources


def make_site(sources: Sources) -> dict[str, bytes]:
    """Return the files of a site, by where they lie in it.

    The same sources give the same bytes: no page says when it was made.

    Raises:
        BenchError: Jinja2 or Plotly is not installed.
    """
    shared = assets()
    return shared | dict(Pages(sources, read_exhibits(sources)).all())


def write_site(sources: Sources, folder: Path) -> int:
    """Write a site whole or not at all.

    Returns:
        How many files were written.

    Raises:
        BenchError: a library is not installed, or the folder is not one that a site may take.
    """
    check_folder(folder)  # before the work, so that a wrong folder is said at once
    files = make_site(sources)
    write_folder(folder, files)
    return len(files)
