"""``bench cache``: the shared features, what they take on disk and whether they are right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Look at the shared features, check or clear them.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
DAY = 86_400


@app.command("info")
def info(as_json: AsJson = False) -> None:
    """Show what the store holds of each backbone and data set, and when it was last used.

    BENCH_CACHE_LIMIT=20GB keeps it below a size: what was not used for longest goes first.

    \b
    Examples:
      bench cache info
    """
    from harness.features.inventory import holdings, limit
    from harness.features.origin import origins
    from harness.files import cache_dir

    root = cache_dir() / "features"
    found = list(holdings(root, origins(cache_dir() / "packs")))
    if as_json:
        rows = [
            {
                "backbone": held.backbone,
                "weights": held.source,
                "layer": held.layer,
                "precision": held.precision,
                "datasets": list(held.datasets),
                "sets": held.sets,
                "bytes": held.size,
                "last_used": datetime.fromtimestamp(held.used, UTC).isoformat(timespec="seconds"),
            }
            for held in found
        ]
        typer.echo(json.dumps(rows, indent=1))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in (
        "backbone", "data sets", "weights", "layer", "precision", "sets", "MB", "last used",
    ):  # fmt: skip
        table.add_column(title, justify="right" if title in ("sets", "MB") else "left")
    for held in found:
        used = datetime.fromtimestamp(held.used).astimezone().strftime("%Y-%m-%d %H:%M")
        size = f"{held.size / 1e6:,.1f}"
        table.add_row(
            held.backbone, _shortened(held.datasets), held.source.partition(":")[0], held.layer,
            held.precision, str(held.sets), size, used,
        )  # fmt: skip
    console = Console(highlight=False)
    if found:
        console.print(table)
    largest = limit()
    bound = f", at most {largest / 1e6:,.0f} MB" if largest is not None else ""
    total = sum(held.size for held in found) / 1e6
    console.print(f"{root}: {total:,.1f} MB{bound}", markup=False, soft_wrap=True)


def _shortened(datasets: Sequence[str]) -> str:
    first, *others = datasets or ("not known",)
    return f"{first} +{len(others)}" if others else first


@app.command("verify")
def verify(
    sample: Annotated[int, typer.Option(help="Images of each extractor that are recomputed.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Compute a sample of the stored features again and compare.

    Exits 1 if any differs by more than the stated tolerance.

    \b
    Examples:
      bench cache verify --sample 32
    """
    from harness.features.verification import TOLERANCE, verify_store
    from harness.files import cache_dir
    from harness.machine import choose_device

    wrong = 0
    for result in verify_store(cache_dir(), sample, choose_device(device)):
        typer.echo(str(result))
        wrong += result.worst is not None and result.worst > TOLERANCE
    if wrong:
        typer.echo("clear what differs: bench cache clear --backbone NAME", err=True)
        raise typer.Exit(1)


@app.command("clear")
def clear(
    backbone: Annotated[str | None, typer.Option(help="Only of this backbone.")] = None,
    days: Annotated[
        float | None, typer.Option(help="Only what was not used for so many days.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Only until the store has this size: 20GB.")
    ] = None,
) -> None:
    """Remove stored features, those that were not used for longest first.

    What was used within the last minute stays; what a run needs later is computed again.

    \b
    Examples:
      bench cache clear --days 30
      bench cache clear --to 5GB
      bench cache clear --backbone resnet50
    """
    from harness.errors import BenchError
    from harness.features.inventory import clear as clear_store
    from harness.features.inventory import holdings, parse_size
    from harness.files import cache_dir

    root = cache_dir() / "features"
    known = sorted({held.backbone for held in holdings(root)})
    if backbone is not None and backbone not in known:
        have = ", ".join(known) or "nothing"
        raise BenchError(f"--backbone {backbone}: the store has {have}")
    if days is not None and days < 0:
        raise BenchError(f"--days {days}: must be at least 0")
    keep = None if to is None else parse_size(to, "--to")
    age = None if days is None else days * DAY
    removed = clear_store(root, backbone, age, keep)
    size = sum(shard.size for shard in removed) / 1e6
    typer.echo(f"{root}: removed {len(removed)} sets of features, {size:,.1f} MB", err=True)
