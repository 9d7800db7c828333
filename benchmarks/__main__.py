"""Runs the benchmarks and writes what they found: ``python -m benchmarks [NAME...] [--quick]``.

Without names and ``--quick`` docs/benchmarks.md and docs/benchmarks.json are written anew; with
names only those rows change. Tiny sizes are for a try: they are shown and written nowhere, unless
to ``--output``.
"""

from __future__ import annotations

import argparse
import inspect
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import extraction, growth, methods, nodes, sealing, search, storage
from benchmarks.figure import Figure, Size, machine
from harness.files import PROJECT, read_json, write_json, write_text
from harness.machine import cores

BENCHMARKS: dict[str, Callable[[Size], Figure]] = {
    function.__name__: function
    for function in (
        extraction.cold_vs_forward,
        extraction.cold_vs_script,
        extraction.kept_memory,
        storage.warm_vs_read,
        methods.five_methods_vs_one,
        search.neighbours_vs_faiss,
        search.neighbours_memory,
        storage.incremental,
        storage.sharing,
        storage.cold_memory,
        sealing.sealing_cost,
        nodes.ray_vs_local,
        growth.decode_growth,
        growth.pass_growth,
        growth.search_growth,
        growth.fit_growth,
        growth.intervals_growth,
        growth.comparison_growth,
        growth.board_growth,
        growth.board_seconds,
        growth.board_memory,
    )
}
HEAD = """# Benchmarks

Written by `make benchmark`. Each figure is a ratio of two things that are timed in turn in one run:
the median of the ratios of the alternations, after one that does not count. `python -m benchmarks
NAME` does one of them again.

"""


def main() -> None:
    """Do the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time the harness.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all works")
    parser.add_argument("--output", type=Path, help="folder of the two files; docs by default")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; choose {', '.join(BENCHMARKS)}")
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(cores())
    output = given.output or (None if given.quick else PROJECT / "docs")
    found = (read_json(output / "benchmarks.json") if output and given.names else None) or {}
    console = Console()
    for name in given.names or BENCHMARKS:
        start = time.monotonic()
        figure = BENCHMARKS[name](Size(given.quick))
        found[name] = entry(figure)
        console.print(f"{name}: {told(found[name])}, {time.monotonic() - start:.0f} s")
        if output:  # after each, so that an interrupted run keeps what it has
            write_json(output / "benchmarks.json", found)
            write_text(output / "benchmarks.md", HEAD + markdown(found))
    console.print(table(found))


def entry(figure: Figure) -> dict[str, Any]:
    """Return a figure as it stands in benchmarks.json."""
    return {
        "ratio": float(f"{figure.ratio:.3g}"),
        "unit": figure.unit,
        "target": figure.target,
        "reached": figure.reached,
        "repeats": figure.repeats,
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "note": figure.note,
    }


def told(found: dict[str, Any]) -> str:
    """Return a figure beside its target."""
    verdict = "" if found["reached"] else ", not reached"
    return f"{found['ratio']:g} {found['unit']} (target {found['target']}{verdict})"


def table(found: dict[str, Any]) -> Table:
    """Return the table for the terminal."""
    shown = Table("benchmark", "figure", "target", "reached", "what was timed")
    for name in [name for name in BENCHMARKS if name in found]:
        row = found[name]
        figure, reached = f"{row['ratio']:g} {row['unit']}", "yes" if row["reached"] else "no"
        shown.add_row(name, figure, row["target"], reached, row["note"])
    return shown


def markdown(found: dict[str, Any]) -> str:
    """Return the table for the docs, and how each figure comes about."""
    lines = [
        "| benchmark | figure | target | reached | alternations | date |",
        "|---|---|---|---|---|---|",
    ]
    told_by: list[str] = []
    for name in [name for name in BENCHMARKS if name in found]:
        row = found[name]
        reached = "yes" if row["reached"] else "no"
        cells = [
            f"`{name}`", f"{row['ratio']:g} {row['unit']}", row["target"], reached,
            str(row["repeats"]), row["date"],
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
        how = inspect.getdoc(BENCHMARKS[name]) or ""
        told_by += ["", f"## {name}", "", how, "", f"{row['note']}. On {row['machine']}."]
    return "\n".join([*lines, *told_by]) + "\n"


if __name__ == "__main__":
    main()
