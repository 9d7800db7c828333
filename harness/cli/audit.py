"""``bench audit``: which patients can be told from a pool of generated images?"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from harness.cli.options import Changes, Device, Precision, Threads, WeightFiles
from harness.errors import BenchError

if TYPE_CHECKING:
    from harness.cards import Card
    from harness.privacy.audit import Audit, Judgement
    from harness.privacy.folders import Reading, Role
    from harness.privacy.provenance import Provenance
    from harness.running.engine import Settings

SHOWN = 12  # patients on a terminal; the report and --json have all


Images = Annotated[
    Path | None,
    typer.Argument(help="Folder of real images: which of them trained the generator?"),
]
Generated = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The pool of generated images; required.")
]
Reference = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Real images that certainly trained nothing, of other patients of the same kind. "
        "Without them there are scores and no error rates.",
    ),
]
Members = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Real images that did train it; with --holdout."),
]
Holdout = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Real images that could have trained it, and did not: the release."
    ),
]
Patients = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="Table image,patient for all folders [default: index.csv in each folder; "
        "otherwise every image counts as a patient].",
    ),
]
PatientName = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX", help="The part of a file's name that is the patient, as '^[^_]+'."
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--method",
        help="The method, at the paper's parameters [default: whitened-neighbour; without "
        "--members its variant without labels].",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE.html", help="Write one page to read, print and file."),
]
ShowImages = Annotated[
    bool,
    typer.Option("--images", help="Show the images that stand out in the report."),
]
Image = Annotated[
    str | None,
    typer.Option(
        metavar="YAML",
        help="How files are decoded, with the keys of an entry's image; DICOM and NIfTI need "
        "it [default: reals are resized to the generated images' size].",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


def audit(
    images: Images = None,
    generated: Generated = None,
    reference: Reference = None,
    members: Members = None,
    holdout: Holdout = None,
    patients: Patients = None,
    patient_name: PatientName = None,
    method: Method = None,
    report: Report = None,
    show_images: ShowImages = False,
    image: Image = None,
    seed: Seed = 0,
    changes: Changes = None,
    weights: WeightFiles = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Say which patients can be told, from generated images alone, to have trained the generator.

    The verdict is detected, not detected (with what would have been) or cannot tell.

    \b
    Examples:
      bench audit scans --generated synthetic --reference others --report audit.html
      bench audit scans --generated synthetic --reference others --patients patients.csv
      bench audit --generated synthetic --members train --holdout kept --report release.html
    """
    from harness.cards import read_cards, resolve
    from harness.cli.run import read_changes, read_settings, read_weights
    from harness.datasets.image_options import parse_image_options
    from harness.privacy.division import choose_method
    from harness.privacy.export import as_json as audit_json
    from harness.privacy.folders import Reading
    from harness.vocabulary import Budget

    paths = _paths(images, generated, reference, members, holdout)
    reading = Reading(parse_image_options(image), patients, _pattern(patient_name))
    if report is not None and (report.is_dir() or not os.access(report.absolute().parent, os.W_OK)):
        raise BenchError(f"--report {report}: cannot be written there; name another file")
    cards = read_cards()
    card = cards.get(method) if method else choose_method(cards, paths)
    changed = read_changes(changes or [], cards).get(card.name, {})
    parameters = resolve(card, Budget.PAPER, changed)
    settings = read_settings(device, precision, threads, read_weights(weights or []))
    with _Teller() as teller:
        work = _Work(card, parameters, settings, seed)
        made, run = work.do(paths, reading, teller, report, show_images)
    if report is not None:
        typer.echo(f"{report}: written; it names patients, so keep it where they are", err=True)
    if as_json:
        typer.echo(json.dumps(audit_json(made, run), indent=1))
    else:
        _print(made)


class _Teller:
    """Says on standard error what is being done: one line that changes, or a line each in a log."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._status = self._console.status("")
        self._doing = ""

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def say(self, text: str) -> None:
        """Say what is being done now."""
        from rich.markup import escape

        self._doing = escape(text)
        self._status.update(self._doing)
        if not self._console.is_terminal:
            self._console.print(self._doing)

    def progress(self, what: str, done: int, of: int | None) -> None:
        """Show how far the method is; a log does not."""
        from rich.markup import escape

        self._status.update(f"{self._doing}: {escape(what)} {done}" + (f" of {of}" if of else ""))


@dataclass(frozen=True)
class _Work:
    """An audit by one method."""

    card: Card
    parameters: dict[str, Any]
    settings: Settings
    seed: int

    def do(
        self,
        paths: Mapping[Role, Path],
        reading: Reading,
        teller: _Teller,
        report: Path | None,
        show_images: bool,
    ) -> tuple[Audit, Provenance]:
        """Read the folders, ask, and write the report where one is wanted."""
        from harness.files import cache_dir
        from harness.privacy.asking import Questioner
        from harness.privacy.audit import run_audit
        from harness.privacy.folders import read_folders
        from harness.privacy.provenance import describe_run
        from harness.privacy.report import write_report
        from harness.running.claims import OwnFolder
        from harness.running.local import LocalEngine

        own = OwnFolder(cache_dir() / "runs", f"{os.getpid()}-audit-")
        try:
            with LocalEngine(self.settings) as engine:
                folders = read_folders(paths, reading, own.path, teller.say)
                asked = Questioner(
                    engine,
                    card=self.card,
                    parameters=self.parameters,
                    seed=self.seed,
                    folder=own.path,
                    progress=teller.progress,
                )
                asked.fetch_weights()
                made = run_audit(folders, asked, self.seed, own.path, teller.say)
                run = describe_run(shlex.join(["bench", *sys.argv[1:]]), asked, self.settings)
                if report is not None:
                    write_report(report, made, run, show_images=show_images)
        finally:
            own.remove()
        return made, run


def _paths(
    images: Path | None,
    generated: Path | None,
    reference: Path | None,
    members: Path | None,
    holdout: Path | None,
) -> dict[Role, Path]:
    """Return the folders that were given.

    Raises:
        BenchError: they make no question.
    """
    from harness.privacy.folders import Role

    if generated is None:
        raise BenchError("--generated is missing: the folder of generated images")
    if images is None and members is None:
        raise BenchError("name a folder of images, or give --members and --holdout")
    if (members is None) != (holdout is None):
        raise BenchError(
            "--members and --holdout go together; images of patients who were not used, without "
            "the members, are --reference"
        )
    given = {
        Role.GENERATED: generated,
        Role.ASKED: images,
        Role.REFERENCE: reference,
        Role.MEMBERS: members,
        Role.HOLDOUT: holdout,
    }
    return {role: path for role, path in given.items() if path is not None}


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise BenchError(f"--patient-name {text}: is no regular expression ({error})") from None


def _print(audit: Audit) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from harness.privacy.wording import notes, release_text

    console = Console(highlight=False)
    for judgement in audit.judgements:
        verdict = judgement.verdict
        kind = verdict.kind.value.capitalize()
        console.print(
            f"{judgement.role.value}: [bold]{kind}.[/] {escape(verdict.sentence)}", soft_wrap=True
        )
        console.print(escape(verdict.limit), soft_wrap=True)
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for title in ("patient", "closest image", "score", "p", "adjusted"):
            table.add_column(title, overflow="fold")
        for row in _rows(judgement):
            table.add_row(*map(escape, row))
        console.print(table)
    if audit.release is not None:
        console.print(escape(release_text(audit.release)), soft_wrap=True)
    for note in notes(audit):
        console.print(f"note: {escape(note)}", soft_wrap=True)


def _rows(judgement: Judgement) -> Iterator[tuple[str, ...]]:
    """Yield what the terminal shows of each patient, as far as anything is known of chance."""
    from harness.privacy.verdict import p_text

    if judgement.finding is None:
        for patient in judgement.scored[:SHOWN]:
            yield patient.name, patient.closest, f"{patient.best:.4g}", "", ""
        return
    for one in judgement.finding.patients[:SHOWN]:
        row = (one.patient.name, one.patient.closest, f"{one.patient.best:.4g}")
        yield (*row, p_text(one.p), p_text(one.adjusted))
