"""The run file of ImageCLEF: one row ``name,label`` or ``name,label,score`` for each question.

Three forms are in use: names without extension and no header (2023), names with extension and no
header, and names with extension below a header (both 2025).
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from harness.errors import BenchError, short
from harness.files import write_text

SEPARATORS = ",\t;"
UNWRITABLE = re.compile(r"^\s|[\r\n\ufeff\ud800-\udfff]|\s$")
FAULTS = {  # said of one, said of several
    "shape": ("row has not two or three cells", "rows have not two or three cells"),
    "unknown": ("id is not in the data set", "ids are not in the data set"),
    "repeated": ("row repeats an id", "rows repeat an id"),
    "missing": ("id is missing", "ids are missing"),
    "label": ("label is not valid", "labels are not valid"),
    "score": ("score is not a finite number", "scores are not finite numbers"),
    "unscored": ("row has no score where others have one", "rows have no score where others do"),
}


@dataclass(frozen=True)
class RunFile:
    """The answers of a run, keyed by the ids of the questions in the order they were asked for."""

    labels: dict[str, int]  # membership: 1 means used; attribution: index of the class, from 0
    scores: dict[str, float] | None  # higher means more likely; None where the file has none


class _Row(NamedTuple):
    line: int
    cells: list[str]

    @property
    def score(self) -> str:
        return self.cells[2] if len(self.cells) > 2 else ""

    def show(self, cell: str) -> str:
        return f"{short(cell)}, line {self.line}"


def read_run(path: Path, ids: Sequence[str], classes: Sequence[str] | None = None) -> RunFile:
    """Read a run file and check that it answers every question once.

    A byte order mark, any line ends, tabs or semicolons as separators, blanks, blank lines, quotes
    and a header are accepted. A name may lack its extension where that leaves no doubt.

    Args:
        path: the run file, in UTF-8.
        ids: ids of the questions, as the data set knows them.
        classes: names of the classes of an attribution, in order; ``None`` for membership. A class
            may be given as ``t3``, as ``gen_t3`` or by its number, counted from 1.

    Raises:
        BenchError: the file cannot be read, or does not answer the questions; the message counts
            what is wrong and gives the first example of each fault.
    """
    labels, names = _label_words(classes), _names(ids)
    rows = _rows(path, labels)
    if _is_header(rows[0], labels, names):
        del rows[0]
    faults = _faults(rows, ids, labels, names)
    if any(faults.values()):
        raise BenchError(_complaint(path, faults, classes))
    answer = {names[row.cells[0]]: row for row in rows}
    scored = any(row.score for row in rows)
    return RunFile(
        labels={name: labels[answer[name].cells[1]] for name in ids},
        scores={name: float(answer[name].score) for name in ids} if scored else None,
    )


def write_run(
    path: Path,
    ids: Sequence[str],
    labels: Iterable[int],
    scores: Iterable[float] | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Write a run file without a header, sorted by name, whole or not at all.

    Args:
        path: the file to write.
        ids: ids of the questions.
        labels: one per id; membership 0 or 1, attribution an index into ``classes``.
        scores: one finite number per id, written so that reading gives the same float.
        classes: names of the classes of an attribution; ``None`` for membership.

    Raises:
        BenchError: a name would not survive as a cell of text.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    column = [None] * len(ids) if scores is None else scores
    for name, label, score in sorted(zip(ids, labels, column, strict=True), key=itemgetter(0)):
        if UNWRITABLE.search(name):
            raise BenchError(f"{path}: the name {short(name)} breaks its line; rename the image")
        word = str(int(label)) if classes is None else classes[int(label)]
        rows.writerow([name, word] if score is None else [name, word, repr(float(score))])
    write_text(path, text.getvalue())


def _rows(path: Path, labels: Collection[str]) -> list[_Row]:
    """Return the rows that are not blank, at least one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}: not UTF-8 text; save the run file as UTF-8") from error
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror}); name a run file") from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise BenchError(f"{path}: the file is empty; write one row name,label for each question")
    try:
        separator = _separator(lines[-1][1], labels)
        return [_Row(number, _cells(line, separator)) for number, line in lines]
    except csv.Error as error:
        raise BenchError(f"{path}: not a table ({error}); write rows name,label") from error


def _cells(line: str, separator: str) -> list[str]:
    """Split one line; a quote that is left open ends with the line."""
    reader = csv.reader([line], delimiter=separator, skipinitialspace=True)
    return [cell.strip() for cell in next(reader)]


def _separator(line: str, labels: Collection[str]) -> str:
    """Return the separator that leaves a label in the second cell, else one that leaves a cell."""
    split = {mark: cells[1] for mark in SEPARATORS if len(cells := _cells(line, mark)) > 1}
    return next((mark for mark, cell in split.items() if cell in labels), next(iter(split), ","))


def _is_header(row: _Row, labels: Collection[str], names: Collection[str]) -> bool:
    if len(row.cells) < 2 or row.cells[0] in names or row.cells[1] in labels:
        return False
    return math.isnan(_number(row.cells[1]))


def _faults(
    rows: list[_Row], ids: Sequence[str], labels: Collection[str], names: dict[str, str]
) -> dict[str, list[str]]:
    """Return the examples of each fault, in the order of ``FAULTS``."""
    shaped = [row for row in rows if 2 <= len(row.cells) <= 3]
    known = [row for row in shaped if row.cells[0] in names]
    first = {names[row.cells[0]]: row.line for row in reversed(known)}
    scored = [row for row in shaped if row.score]
    return {
        "shape": [f"line {row.line}" for row in rows if not 2 <= len(row.cells) <= 3],
        "unknown": [row.show(row.cells[0]) for row in shaped if row.cells[0] not in names],
        "repeated": [
            row.show(row.cells[0]) for row in known if first[names[row.cells[0]]] != row.line
        ],
        "missing": [short(name) for name in ids if name not in first],
        "label": [row.show(row.cells[1]) for row in shaped if row.cells[1] not in labels],
        "score": [row.show(row.score) for row in scored if not math.isfinite(_number(row.score))],
        "unscored": [f"line {row.line}" for row in shaped if scored and not row.score],
    }


def _number(text: str) -> float:
    try:
        return math.nan if "_" in text else float(text)  # to Python 1_0 is ten
    except ValueError:
        return math.nan


def _label_words(classes: Sequence[str] | None) -> dict[str, int]:
    """Return what may stand in the second cell, and the label that it means."""
    if classes is None:
        return {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
    words = {f"{index + 1}{end}": index for index in range(len(classes)) for end in ("", ".0")}
    words |= {f"gen_{name}": index for index, name in enumerate(classes)}
    return words | {name: index for index, name in enumerate(classes)}


def _names(ids: Sequence[str]) -> dict[str, str]:
    """Return what may stand in the first cell, and the id that it means."""
    bare = [name.rpartition(".")[0] for name in ids]
    counts = Counter(bare)
    short = {stem: name for stem, name in zip(bare, ids, strict=True) if counts[stem] == 1 and stem}
    return short | {name: name for name in ids}


def _complaint(path: Path, faults: dict[str, list[str]], classes: Sequence[str] | None) -> str:
    parts = [
        f"{len(examples)} {FAULTS[name][len(examples) > 1]} (first: {examples[0]})"
        for name, examples in faults.items()
        if examples
    ]
    valid = "0 or 1" if classes is None else f"one of {', '.join(classes)}"
    remedy = f"give each question one row name,label with a label that is {valid}"
    return f"{path}: {'; '.join(parts)}; {remedy}"
