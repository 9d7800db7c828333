"""``bench check``: audit a data set before anybody believes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DatasetFiles, ResultsFolder, open_catalogue, open_results

if TYPE_CHECKING:
    from rich.table import Table

    from harness.audit.audit import Audit, Say
    from harness.audit.verdict import Finding
    from harness.datasets.entry import Entry
    from harness.plugins import Trusted


def check(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="The data set.")],
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when it is flawed.")] = False,
    datasets: DatasetFiles = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Write a contact sheet of the images that look alike. It shows patients: unless "
            "the data set has publish_images, keep it on this machine.",
        ),
    ] = None,
    results: ResultsFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Audit a data set: duplicates, shared patients, and whatever gives its labels away.

    The verdict is flawed, sound or cannot tell, and the board of the data set shows it.

    \b
    Examples:
      bench check phantom-planted
      bench check my-ct --datasets my.yaml --strict --sheet alike.png
    """
    from harness.audit.copying import as_json as copying_json
    from harness.audit.record import write_audit
    from harness.audit.verdict import Kind
    from harness.audit.verdict import as_json as verdict_json

    catalogue, trusted = open_catalogue(context, datasets)
    entry = catalogue.get(dataset)
    audit = _audit(entry, trusted, sheet)
    copying = copying_json(audit.copying)
    kept = verdict_json(audit.verdict, examples=False) | copying
    write_audit(open_results(results).root / entry.name, audit.fingerprint, kept)
    if as_json:
        content = {"dataset": entry.name, "fingerprint": audit.fingerprint}
        shown = verdict_json(audit.verdict, examples=True) | copying
        typer.echo(json.dumps(content | shown, indent=1))
    else:
        _print(entry.name, audit)
    if strict and audit.verdict.kind is Kind.FLAWED:
        raise typer.Exit(1)


def _audit(entry: Entry, trusted: Trusted, sheet: Path | None) -> Audit:

    from rich.console import Console

    from harness.audit.audit import audit_dataset, unreadable
    from harness.audit.files import read_files
    from harness.datasets.dataset import open_dataset
    from harness.features.client import FeatureClient
    from harness.machine import choose_device, cores

    with Console(stderr=True).status(f"reading {entry.name}") as status:
        files = read_files(entry)
        if files is not None and files.unreadable:
            return unreadable(files)
        opened = open_dataset(entry, trusted.recipes())
        say: Say = status.update
        with FeatureClient(choose_device("auto"), "fp32", cores(), {}) as service:
            audit = audit_dataset(opened, files, service, say)
    if sheet is not None:
        from harness.audit.sheet import write_sheet

        shown = write_sheet(sheet, opened, audit.pairs)
        typer.echo(f"{sheet}: {shown} pairs" if shown else "no pairs for a sheet", err=True)
    return audit


def _print(name: str, audit: Audit) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("", "check", "result", "what it means"):
        table.add_column(title, overflow="fold")
    for finding in audit.verdict.findings:
        cells = (finding.check, finding.result, _meaning(finding))
        table.add_row(_LEVELS[finding.level.value], *map(escape, cells))
    console = Console(highlight=False)
    console.print(
        f"Verdict on {escape(name)}: [bold]{escape(audit.verdict.sentence)}[/]", soft_wrap=True
    )
    console.print(table)
    if audit.copying:
        console.print(_copying_table(audit))


def _copying_table(audit: Audit) -> Table:
    """Return what each pool repeats of the used reals, as a whole."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from harness.audit.copying import figure_text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("the pool as a whole", "pool", "figure", "what it means"):
        table.add_column(title, overflow="fold")
    for statistic in audit.copying:
        cells = (statistic.name, statistic.pool, figure_text(statistic.figure), statistic.meaning)
        table.add_row(*map(escape, cells))
    return table


_LEVELS = {"flaw": "[red]flaw[/]", "warning": "[yellow]note[/]", "fine": "ok", "skipped": "–"}


def _meaning(finding: Finding) -> str:
    shown = [*finding.examples[:3], *(["…"] if len(finding.examples) > 3 else [])]
    return "\n".join([finding.meaning, *shown])
