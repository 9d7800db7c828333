"""Boards as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from harness.board.board import Board


def board_csv(boards: Sequence[Board]) -> str:
    """Return boards as CSV with one line per row and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["dataset", "task", "protocol", "budget", "rank", "method", "control", "status", "access",
         "backbones", "metric", "value", "low", "high", "n", "groups", "note"]
    )  # fmt: skip
    for board in boards:
        for row in board.rows:
            facts = [
                board.dataset, board.task.value, board.protocol, board.budget, row.rank,
                row.method, row.control, row.status.value, " ".join(row.access),
                " ".join(row.backbones),
            ]  # fmt: skip
            figures = row.metrics.items() or [("", None)]
            for name, figure in figures:
                values = list(figure.model_dump().values()) if figure else []
                writer.writerow([*facts, name, *values])
    return text.getvalue()
