"""Charts as specifications for Plotly: what is drawn where, in colours that the page's theme names.

A colour is the name of a custom property of the style sheet, as ``--used``; the page puts in what
it has in the light or in the dark. Text that others wrote is escaped, since Plotly reads markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from harness.board.board import Board, Row
from harness.board.wording import figure_text
from harness.running.records import Figure
from harness.site.finding import Finding, chance_level
from harness.site.outcome import Outcome

SERIES = 7  # colours that are told apart, --series-1 to --series-7
DASHES = ("solid", "dash", "dot", "dashdot")
BINS = 24
KINDS = (("not used", "--other", "/"), ("used", "--used", ""))  # by label: name, colour, hatching
ROW, ROWS_MARGIN = 19, 88  # pixels
GRID = 400  # steps of the false-positive rate at which curves of several folds are averaged

Spec = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart and what it says to those who do not see it."""

    spec: Spec
    alt: str
    height: int  # pixels
    caption: str = ""  # its figures in short, for everybody to see
    wide: bool = False  # scrolls in its own box where the page is narrow


def forest(board: Board, finding: Finding) -> Chart | None:
    """Draw the official metric of every row with its 95 % interval, in the board's order."""
    rows = [row for row in board.rows if value_of(row.metrics.get(board.official)) is not None]
    if not rows:
        return None
    found = {row.method for row in finding.who}
    kinds = {
        "detect": ([row for row in rows if row.method in found], "--series-1", "circle"),
        "other methods": (
            [row for row in rows if row.method not in found and not row.control],
            "--ink-soft",
            "circle-open",
        ),
        "controls": ([row for row in rows if row.control], "--series-2", "diamond-open"),
    }
    data = [
        _points(name, members, board.official, colour, symbol)
        for name, (members, colour, symbol) in kinds.items()
        if members
    ]
    height = ROWS_MARGIN + ROW * len(rows)
    names = [safe(row.method) for row in rows]
    layout = {
        "xaxis": {"title": {"text": f"{board.official}, 95 % interval"}, "zeroline": False,
                  "side": "top"},
        "yaxis": {"categoryorder": "array", "categoryarray": names[::-1], "automargin": True,
                  "tickmode": "array", "tickvals": names, "range": [-0.8, len(names) - 0.2]},
        "legend": {"orientation": "h", "y": 0, "yanchor": "top", "x": 0},
        "shapes": [line(x=chance_level(board))],
        "margin": {"t": 48, "b": 40, "l": 8, "r": 12},
    }  # fmt: skip
    alt = (
        f"Forest plot of {board.official} with 95 % intervals of {len(rows)} rows; the dashed line "
        f"is what a row has that detects nothing. The table has the same figures."
    )
    return Chart({"data": data, "layout": layout}, alt, height, wide=True)


def roc(outcomes: Mapping[str, Outcome], figures: Mapping[str, Figure]) -> Chart:
    """Draw ROC curves.

    Args:
        outcomes: of each row that is drawn.
        figures: the AUC of each.
    """
    several = len(outcomes) > 1
    data: list[Spec] = []
    for number, (name, outcome) in enumerate(outcomes.items()):
        false, true = roc_curve(outcome)
        data.append(
            {
                "type": "scatter", "mode": "lines", "name": safe(name), "x": false, "y": true,
                "line": stroke(number),
                "hovertemplate": "%{y:.2f} at %{x:.2f}<extra>%{fullData.name}</extra>",
            }
        )  # fmt: skip
    share = {"range": [-0.01, 1.01], "zeroline": False, "dtick": 0.25, "constrain": "domain"}
    layout = {
        "xaxis": {**share, "title": {"text": "not used, called used (false-positive rate)"}},
        "yaxis": {**share, "title": {"text": "used, called used (true-positive rate)"},
                  "scaleanchor": "x"},
        "shapes": [line(whole=True)],
        "showlegend": several,
        "legend": {"orientation": "h", "y": -0.14, "yanchor": "top", "x": 0},
        "margin": {"t": 12, "b": 44, "l": 48, "r": 12},
    }  # fmt: skip
    said = "; ".join(f"{name}: AUC {figure_text(figures.get(name))}" for name in outcomes)
    height = 430 + 12 * len(data) if several else 320
    caption = "" if several else f"AUC {figure_text(next(iter(figures.values())))}"
    return Chart({"data": data, "layout": layout}, f"ROC curves. {said}.", height, caption)


def roc_curve(outcome: Outcome) -> tuple[list[float], list[float]]:
    """Return false- and true-positive rates; of several folds the mean true-positive rate."""
    from sklearn import metrics

    folds = [outcome.folds == fold for fold in np.unique(outcome.folds)]
    curves = [metrics.roc_curve(outcome.truth[f], outcome.scores[f])[:2] for f in folds]
    if len(curves) == 1:
        false, true = curves[0]
    else:
        false = np.linspace(0, 1, GRID + 1)
        true = np.mean([np.interp(false, *curve) for curve in curves], axis=0)
    return np.round(false, 4).tolist(), np.round(true, 4).tolist()


def histogram(name: str, outcome: Outcome) -> Chart:
    """Draw how scores are spread, of used images against not used ones."""
    edges = np.histogram_bin_edges(outcome.scores, BINS)
    middles = np.round((edges[:-1] + edges[1:]) / 2, 6).tolist()
    data = []
    for label, (what, colour, pattern) in enumerate(KINDS):
        counts = np.histogram(outcome.scores[outcome.truth == label], edges)[0]
        data.append(
            {
                "type": "bar", "name": what, "x": middles, "y": counts.tolist(),
                "width": float(edges[1] - edges[0]), "opacity": 0.62,
                "marker": {"color": colour, "pattern": {"shape": pattern, "solidity": 0.35}},
                "hovertemplate": "%{y} " + what + " near %{x:.3g}<extra></extra>",
            }
        )  # fmt: skip
    said = ", ".join(
        f"{int((outcome.truth == label).sum())} {what} (median "
        f"{float(np.median(outcome.scores[outcome.truth == label])):.3g})"
        for label, (what, _, _) in reversed([*enumerate(KINDS)])
    )
    layout = {
        "barmode": "overlay", "bargap": 0,
        "xaxis": {"title": {"text": "score"}, "zeroline": False},
        "yaxis": {"title": {"text": "images"}, "zeroline": False, "rangemode": "tozero"},
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        "margin": {"t": 24, "b": 36, "l": 44, "r": 8},
    }  # fmt: skip
    alt = f"Histogram of the scores of {name}: {said} images."
    return Chart({"data": data, "layout": layout}, alt, 190, said)


def _points(name: str, rows: Sequence[Row], metric: str, colour: str, symbol: str) -> Spec:
    figures = [row.metrics[metric] for row in rows]
    return {
        "type": "scatter", "mode": "markers", "name": name,
        "x": [rounded(figure.value) for figure in figures],
        "y": [safe(row.method) for row in rows],
        "text": [figure_text(figure) for figure in figures],
        "marker": {"color": colour, "symbol": symbol, "size": 8, "line": {"width": 1.5}},
        "error_x": bars(figures, colour),
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }  # fmt: skip


def bars(figures: Sequence[Figure], colour: str) -> Spec:
    """Return error bars from the low to the high end of each interval; none where there is none."""
    reach = [
        (0.0, 0.0) if f.value is None or f.low is None or f.high is None
        else (f.high - f.value, f.value - f.low)
        for f in figures
    ]  # fmt: skip
    return {
        "type": "data", "symmetric": False, "thickness": 1.4, "width": 0, "color": colour,
        "array": [rounded(up) for up, _ in reach],
        "arrayminus": [rounded(down) for _, down in reach],
    }  # fmt: skip


def stroke(number: int) -> Spec:
    """Return how a curve is drawn; neighbours differ in colour and in dashes."""
    dash = DASHES[number % len(DASHES)]
    return {"color": f"--series-{number % SERIES + 1}", "width": 2, "dash": dash}


def line(x: float | None = None, y: float | None = None, *, whole: bool = False) -> Spec:
    """Return a dashed line at a place on one axis, or the diagonal of the whole."""
    shape: Spec = {"type": "line", "line": {"color": "--ink-faint", "width": 1, "dash": "dash"}}
    if whole:
        return {**shape, "x0": 0, "y0": 0, "x1": 1, "y1": 1}
    if x is not None:
        return {**shape, "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}
    return {**shape, "y0": y, "y1": y, "x0": 0, "x1": 1, "xref": "paper"}


def rounded(value: float | None) -> float | None:
    """Return a figure as precisely as a chart shows it."""
    return None if value is None else round(value, 4)


def safe(text: str) -> str:
    """Escape what Plotly would take for markup."""
    return escape(text, quote=False)


def value_of(figure: Figure | None) -> float | None:
    """Return the value of a figure that may be absent."""
    return None if figure is None else figure.value
