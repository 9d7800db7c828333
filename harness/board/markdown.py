"""Boards as Markdown, and their publication to a folder that is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.audit.record import bring_audit
from harness.board.board import Board, read_boards
from harness.board.comparison import bring_comparisons
from harness.board.verdicts import Judged, beside_published
from harness.board.wording import (
    CUTS,
    CUTS_RULE,
    CUTS_TITLE,
    audit_line,
    columns,
    cuts,
    figure_text,
    finding,
    further_columns,
    headline,
    names,
    rank_text,
    ranking_rule,
    verdict_lines,
)
from harness.files import write_text
from harness.running.calibration import bring_calibrations
from harness.running.looks import bring_looks
from harness.running.records import Record, RecordStore, Status, unreadable


def board_markdown(board: Board, judged: Sequence[Judged] = ()) -> str:
    """Return a board as a Markdown section: stable in order and rounding, without times.

    Args:
        board: with the published runs that were measured on its images.
        judged: those of them that its methods re-implement.
    """
    shown = columns(board, wide=True)
    further = further_columns(board)
    titles = ["rank", "method", *(c.title for c in shown), *further, "access", "backbone"]
    lines = [f"## {_text(headline(board))}", ""]
    for said in (audit_line(board), finding(board)):
        lines += [f"**{_text(said)}**", ""] if said else []
    for flag in board.flags:
        lines += [f"> **Note:** {_text(flag)}", ""]
    lines += ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for number, row in enumerate(board.rows):
        figures = [figure_text(row.metrics.get(c.metric)) for c in shown]
        if row.status is not Status.OK:
            figures = [row.status.value, *[""] * (len(shown) - 1)]
        access = ", ".join(row.access) or "nothing"
        told = [column[number] for column in further.values()]
        cells = [rank_text(row), row.method, *figures, *told, access, ", ".join(row.backbones)]
        lines.append(_line(cells))
    failed = [row for row in board.rows if row.status is not Status.OK]
    lines += ["", *(f"- {_text(row.method)}: {_text(row.reason or '')}" for row in failed)]
    lines += [
        _text(ranking_rule(board)),
        "",
        *_cuts(board),
        *_judged(judged),
        f"Data fingerprint `{board.fingerprint[:16]}`.",
        "",
    ]
    return "\n".join(lines)


def _cuts(board: Board) -> list[str]:
    told = cuts(board)
    if not told:
        return []
    titles = ["method", *(column.title for column in CUTS)]
    lines = [f"### {CUTS_TITLE}", "", _line(titles), "|" + " --- |" * len(titles)]
    return [*lines, *(_line([cut.method, *cut.cells]) for cut in told), "", CUTS_RULE, ""]


def _judged(judged: Sequence[Judged]) -> list[str]:
    if not judged:
        return []
    titles = ["published run", "re-implemented by", "verdict"]
    lines = ["### Published runs and their re-implementations", "", _line(titles)]
    lines.append("|" + " --- |" * len(titles))
    return [*lines, *map(_line, verdict_lines(judged)), ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_text, cells)) + " |"


def publish(
    store: RecordStore, target: Path, comparable: Mapping[str, Sequence[str]] | None = None
) -> list[Path]:
    """Bring working records to ``target/records`` and write the boards made of them.

    A published record is replaced only when the new one differs in more than environment, timing
    and cache, so publishing again without a change gives no difference.

    Args:
        store: the working records.
        target: the folder of the leaderboards.
        comparable: the tables of published runs that were measured on the images of a data set, by
            its name; none by default.

    Returns:
        The pages written.

    Raises:
        BenchError: A working record cannot be read; then nothing is written.
    """
    published = RecordStore(target / "records")
    damaged = [path for dataset in store.datasets() for path in store.unreadable(dataset)]
    if damaged:
        raise unreadable(damaged[0])
    for dataset in store.datasets():
        for record in store.of(dataset):
            _bring(record, published)
        bring_audit(store.root / dataset, published.root / dataset)
        bring_comparisons(store.root / dataset, published.root / dataset)
        bring_calibrations(store.root / dataset, published.root / dataset)
        bring_looks(store.root / dataset, published.root / dataset)
    pages = []
    for dataset in published.datasets():
        tables = (comparable or {}).get(dataset, ())
        boards = [beside_published(board, tables) for board in read_boards(published, dataset)]
        text = f"# {_text(dataset)}\n\n" + "\n".join(board_markdown(*both) for both in boards)
        pages.append(target / f"{dataset}.md")
        write_text(pages[-1], text)
    write_text(target / "README.md", _index(published))
    return [*pages, target / "README.md"]


def _bring(record: Record, published: RecordStore) -> None:
    method = record.method
    stem = published.stem(
        dataset=record.dataset.name,
        method=method.name,
        changed=method.changed,
        protocol=record.protocol,
        budget=method.budget,
        seed=record.seed,
    )
    old = published.read(stem)
    if old is None or old.comparable() != record.comparable():
        published.write(stem, record)


def index_line(board: Board) -> str:
    """Return a board's row of the index: who is first and detects, with the figure of the best.

    Where none detects, the figure is that of the first row.
    """
    first = [row for row in board.rows if row.rank == 1]
    best = [row for row in first if row in board.detecting]
    none = "none detects anything" if first else "none ranked"
    named = names([row.method for row in best]) or none
    value = figure_text((best or first)[0].metrics[board.official]) if first else ""
    name = _text(board.dataset)
    cells = [f"[{name}]({name}.md)", board.protocol, str(board.budget), _text(named)]
    return "| " + " | ".join([*cells, f"{board.official} {value}"]) + " |"


def _index(published: RecordStore) -> str:
    lines = [
        "# Leaderboards",
        "",
        "Written by `bench publish`; the records behind every figure are in `records/`, and the",
        "figures of published ImageCLEF runs, measured on other data, in `published/`.",
        "Best are all of rank 1 that are above chance, corrected for how many are ranked, and",
        "above what they reach with a null pool, if there is one; of attribution, above controls.",
        "",
        "| data set | protocol | budget | best method | official metric |",
        "| --- | --- | --- | --- | --- |",
    ]
    for dataset in published.datasets():
        lines += [index_line(board) for board in read_boards(published, dataset)]
    return "\n".join([*lines, ""])


def _text(text: str) -> str:
    """Escape what Markdown or HTML would take for markup in a table cell."""
    for character, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        text = text.replace(character, safe)
    return text.replace("\n", " ")
