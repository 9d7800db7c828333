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
from harness.site.finding import chance_level
from harness.site.outcome import Outcome

SERIES = 7  # colours that are told apart, --series-1 to --series-7
DASHES = ("solid", "dash", "dot", "dashdot")
BINS = 24
ROW, ROWS_MARGIN = 19, 88  # pixels
GRID = 400  # steps of the false-positive rate at which curves of several folds are averaged

Spec = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart and what it says to those who do not see it."""

    spec: Spec
    alt: str
    height: int  # pixels
    wide: bool = False  # scrolls in its own box where the page is narrow


def forest(board: Board) -> Chart | None:
    """Draw the official metric of every row with its 95 % interval, in the board's order."""
    rows = [row for row in board.rows if _value(row.metrics.get(board.official)) is not None]
    if not rows:
        return None
    above = {row.method for row in board.above_chance} if board.official == "kappa" else set()
    kinds = {
        "above chance": ([row for row in rows if row.method in above], "--series-1", "circle"),
        "other methods": (
            [row for row in rows if row.method not in above and not row.control],
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
    names = [_text(row.method) for row in rows]
    layout = {
        "xaxis": {"title": {"text": f"{board.official}, 95 % interval"}, "zeroline": False,
                  "side": "top"},
        "yaxis": {"categoryorder": "array", "categoryarray": names[::-1], "automargin": True,
                  "tickmode": "array", "tickvals": names, "range": [-0.8, len(names) - 0.2]},
        "legend": {"orientation": "h", "y": 0, "yanchor": "top", "x": 0},
        "shapes": [_line(x=chance_level(board))],
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
    data: list[Spec] = []
    for number, (name, outcome) in enumerate(outcomes.items()):
        false, true = roc_curve(outcome)
        data.append(
            {
                "type": "scatter", "mode": "lines", "name": _text(name), "x": false, "y": true,
                "line": _stroke(number),
                "hovertemplate": "%{y:.2f} of used at %{x:.2f} of not used<extra>%{fullData.name}</extra>",
            }
        )  # fmt: skip
    share = {"range": [-0.01, 1.01], "zeroline": False, "dtick": 0.25, "constrain": "domain"}
    layout = {
        "xaxis": {**share, "title": {"text": "not used, called used (false-positive rate)"}},
        "yaxis": {**share, "title": {"text": "used, called used (true-positive rate)"},
                  "scaleanchor": "x"},
        "shapes": [_line(whole=True)],
        "legend": {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
        "margin": {"t": 12, "b": 24, "l": 48, "r": 12},
    }  # fmt: skip
    said = "; ".join(f"{name}: AUC {figure_text(figures.get(name))}" for name in outcomes)
    return Chart({"data": data, "layout": layout}, f"ROC curves. {said}.", 420 + 20 * len(data))


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
    for label, what, colour, pattern in ((0, "not used", "--other", "/"), (1, "used", "--used", "")):
        counts = np.histogram(outcome.scores[outcome.truth == label], edges)[0]
        data.append(
            {
                "type": "bar", "name": what, "x": middles, "y": counts.tolist(),
                "width": float(edges[1] - edges[0]), "opacity": 0.62,
                "marker": {"color": colour, "pattern": {"shape": pattern, "solidity": 0.35}},
                "hovertemplate": "%{y} " + what + " near %{x:.3g}<extra></extra>",
            }
        )  # fmt: skip
    medians = [float(np.median(outcome.scores[outcome.truth == label])) for label in (1, 0)]
    layout = {
        "barmode": "overlay", "bargap": 0,
        "xaxis": {"title": {"text": "score"}, "zeroline": False},
        "yaxis": {"title": {"text": "images"}, "zeroline": False, "rangemode": "tozero"},
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        "margin": {"t": 28, "b": 40, "l": 44, "r": 8},
    }  # fmt: skip
    alt = (
        f"Histogram of the scores of {name}: {int((outcome.truth == 1).sum())} used images with "
        f"median {medians[0]:.3g}, {int((outcome.truth == 0).sum())} not used with {medians[1]:.3g}."
    )
    return Chart({"data": data, "layout": layout}, alt, 230)


def ladder(boards: Sequence[Board], here: str | None = None) -> Chart:
    """Draw the AUC of every method against the stage; those that end highest are named.

    Args:
        boards: the stages of one generator, the least trained first.
        here: the data set of the page, which is marked.
    """
    last = [row for row in boards[-1].rows if not row.control and _value(row.metrics.get("auc"))]
    last.sort(key=lambda row: -(_value(row.metrics["auc"]) or 0.0))
    named, others = last[:SERIES - 1], last[SERIES - 1 :]
    data: list[Spec] = [_curve(boards, row.method, "auc", None) for row in others]
    data += [_curve(boards, row.method, "auc", n) for n, row in enumerate(named)]
    said = "; ".join(
        f"{row.method}: {', '.join(_short(_figure(b, row.method, 'auc')) for b in boards)}"
        for row in named
    )
    alt = (
        f"AUC against stage, {boards[0].dataset} to {boards[-1].dataset}. Highest at the end: "
        f"{said}. {len(others)} other methods are drawn in grey."
    )
    return Chart({"data": data, "layout": _stages(boards, here)}, alt, 440 + 20 * len(named))


def method_ladder(boards: Sequence[Board], method: str) -> Chart:
    """Draw one method's AUC against the stage, beside its AUC with the null pool."""
    data = [
        _curve(boards, method, "auc", 0, "the generator's own images"),
        _curve(boards, method, "auc_null_pool", 1, "images of a generator that saw none of these"),
    ]
    own, null = (
        ", ".join(_short(_figure(board, method, metric)) for board in boards)
        for metric in ("auc", "auc_null_pool")
    )
    alt = (
        f"AUC of {method} from {boards[0].dataset} to {boards[-1].dataset}: {own}; "
        f"with the null pool: {null}."
    )
    return Chart({"data": data, "layout": _stages(boards, None)}, alt, 360)


def _stages(boards: Sequence[Board], here: str | None) -> Spec:
    names = [_text(board.dataset) for board in boards]
    shapes = [_line(y=0.5)]
    if here is not None:
        shapes.append({**_line(x=_text(here)), "line": {"color": "--rule", "width": 10}})
        shapes[-1]["layer"] = "below"
    return {
        "xaxis": {"type": "category", "categoryorder": "array", "categoryarray": names},
        "yaxis": {"title": {"text": "AUC"}, "zeroline": False, "dtick": 0.1},
        "legend": {"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0},
        "shapes": shapes,
        "hovermode": "closest",
        "margin": {"t": 12, "b": 32, "l": 48, "r": 12},
    }


def _curve(
    boards: Sequence[Board], method: str, metric: str, number: int | None, name: str = ""
) -> Spec:
    """Return a line over the stages; one without a number is drawn behind the others."""
    known = [(board, _figure(board, method, metric)) for board in boards]
    known = [(board, figure) for board, figure in known if _value(figure) is not None]
    figures = [figure for _, figure in known if figure is not None]
    trace: Spec = {
        "type": "scatter", "mode": "lines+markers", "name": _text(name or method),
        "x": [_text(board.dataset) for board, _ in known],
        "y": [_rounded(figure.value) for figure in figures],
        "hovertemplate": "%{y:.3f}<extra>%{fullData.name}</extra>",
    }  # fmt: skip
    if number is None:
        quiet = {"mode": "lines", "line": {"color": "--ink-faint", "width": 1}}
        return {**trace, **quiet, "showlegend": False, "opacity": 0.55}
    bars = _bars(figures, f"--series-{number + 1}")
    return {**trace, "line": _stroke(number), "marker": {"size": 6}, "error_y": bars}


def _points(name: str, rows: Sequence[Row], metric: str, colour: str, symbol: str) -> Spec:
    figures = [row.metrics[metric] for row in rows]
    return {
        "type": "scatter", "mode": "markers", "name": name,
        "x": [_rounded(figure.value) for figure in figures],
        "y": [_text(row.method) for row in rows],
        "text": [figure_text(figure) for figure in figures],
        "marker": {"color": colour, "symbol": symbol, "size": 8, "line": {"width": 1.5}},
        "error_x": _bars(figures, colour),
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }  # fmt: skip


def _bars(figures: Sequence[Figure], colour: str) -> Spec:
    """Return error bars from the low to the high end of each interval; none where there is none."""
    reach = [
        (0.0, 0.0) if f.value is None or f.low is None or f.high is None
        else (f.high - f.value, f.value - f.low)
        for f in figures
    ]  # fmt: skip
    return {
        "type": "data", "symmetric": False, "thickness": 1.4, "width": 0, "color": colour,
        "array": [_rounded(up) for up, _ in reach],
        "arrayminus": [_rounded(down) for _, down in reach],
    }  # fmt: skip


def _stroke(number: int) -> Spec:
    dash = DASHES[number % len(DASHES)]
    return {"color": f"--series-{number % SERIES + 1}", "width": 2, "dash": dash}


def _line(x: float | str | None = None, y: float | None = None, *, whole: bool = False) -> Spec:
    """Return a dashed line at a place on one axis, or the diagonal of the whole."""
    shape: Spec = {"type": "line", "line": {"color": "--ink-faint", "width": 1, "dash": "dash"}}
    if whole:
        return {**shape, "x0": 0, "y0": 0, "x1": 1, "y1": 1}
    if x is not None:
        return {**shape, "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}
    return {**shape, "y0": y, "y1": y, "x0": 0, "x1": 1, "xref": "paper"}


def _figure(board: Board, method: str, metric: str) -> Figure | None:
    rows = (row for row in board.rows if row.method == method)
    return next((row.metrics.get(metric) for row in rows), None)


def _value(figure: Figure | None) -> float | None:
    return None if figure is None else figure.value


def _short(figure: Figure | None) -> str:
    value = _value(figure)
    return "n/a" if value is None else f"{value:.2f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _text(text: str) -> str:
    """Escape what Plotly would take for markup."""
    return escape(text, quote=False)
