"""Several seeds of one method as one row: their mean, never the best of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

from harness.running.records import Figure, Record, Status, method_name, run_name

POSITIVE_RATE = "positive_rate"


def by_method(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return the records of each row by its name, in the order of their seeds.

    A row is a method with its parameters. One with a single seed that is not 0 says so.
    """
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.seed):
        found.setdefault(method_name(record), []).append(record)
    return {run_name(runs[0]) if len(runs) == 1 else name: runs for name, runs in found.items()}


def failure(runs: Sequence[Record]) -> tuple[Status, str | None]:
    """Return how a method ended: as the first seed that did not end well, if any did not."""
    bad = next((run for run in runs if run.status is not Status.OK), None)
    if bad is None:
        return Status.OK, None
    where = f"seed {bad.seed}: " if len(runs) > 1 else ""
    return bad.status, f"{where}{bad.reason or ''}"


def mean_figures(runs: Sequence[Record]) -> dict[str, Figure]:
    """Return the mean of each figure over the seeds; none if a seed did not end well.

    The interval is the mean of theirs. It speaks of other patients, as theirs do, and is no
    narrower than that of the mean: runs on the same patients do not vary more together than each
    does alone.
    """
    if failure(runs)[0] is not Status.OK:
        return {}
    every = [_with_rate(run.metrics) for run in runs]
    names = [name for name in every[0] if all(name in figures for figures in every)]
    return {name: mean_figure([figures[name] for figures in every]) for name in names}


def mean_figure(figures: Sequence[Figure]) -> Figure:
    """Return the mean of a figure over seeds, with the mean of its intervals."""
    if len(figures) == 1:
        return figures[0]
    untold = next((f for f in figures if f.value is None or f.low is None), None)
    values, lows, highs = ([getattr(f, key) for f in figures] for key in ("value", "low", "high"))
    known = [None not in ends for ends in (values, lows, highs)]
    return Figure(
        value=fmean(values) if known[0] else None,
        low=fmean(lows) if all(known) else None,
        high=fmean(highs) if all(known) else None,
        n=min(figure.n for figure in figures),
        groups=min(figure.groups for figure in figures),
        note=untold.note if untold else f"mean of {len(figures)} seeds, and of their intervals",
    )


def spread(runs: Sequence[Record], metric: str) -> float | None:
    """Return the standard deviation of a metric between seeds; ``None`` of a single one."""
    figures = [run.metrics.get(metric) for run in runs]
    values = [figure.value for figure in figures if figure is not None and figure.value is not None]
    return stdev(values) if len(values) == len(runs) > 1 else None


def _with_rate(metrics: dict[str, Figure]) -> dict[str, Figure]:
    """Add the share of images that were called used: those that precision is a share of."""
    kappa, precision = metrics.get("kappa"), metrics.get("precision")
    if kappa is None or precision is None or kappa.value is None or not kappa.n:
        return metrics
    rate = Figure(value=precision.n / kappa.n, low=None, high=None, n=kappa.n, groups=kappa.groups)
    return metrics | {POSITIVE_RATE: rate}
