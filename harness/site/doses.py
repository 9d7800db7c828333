"""Chart of a calibration: how clearly a method detects, against the share that was planted."""

from __future__ import annotations

from statistics import mean

from harness.board.wording import limit_text, share_text
from harness.running.calibration import FIDELITIES, Calibration
from harness.scoring.detection import POINT, Trial
from harness.site.charts import Chart, Spec, line, rounded, stroke


def dose_response(calibration: Calibration) -> Chart:
    """Draw z of every trial and its mean against the share of members whose copies were planted."""
    blank = calibration.trials(None)
    data: list[Spec] = []
    for number, name in enumerate(FIDELITIES):
        trials = [*blank, *calibration.trials(name)]
        data += [_dots(trials, number), _means(trials, f"{name} copies", number)]
    said = "; ".join(
        f"{name} copies: limit of detection {limit_text(calibration.limits[name])}"
        for name in FIDELITIES
    )
    alarms = share_text(calibration.false_alarms)
    caption = f"{said}; false alarms {alarms} of {len(blank)} data sets without a copy"
    layout = {
        "xaxis": {"title": {"text": "share of members whose copies are in the pool"},
                  "zeroline": False, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "AUC above chance, in standard deviations"},
                  "zeroline": False},
        "shapes": [line(y=rounded(POINT))],
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        "margin": {"t": 28, "b": 44, "l": 48, "r": 12},
    }  # fmt: skip
    alt = (
        f"Dose-response of {calibration.method}. {caption}. The dashed line is what a method that "
        "knows nothing exceeds once in 20 data sets."
    )
    return Chart({"data": data, "layout": layout}, alt, 340, caption)


def _dots(trials: list[Trial], number: int) -> Spec:
    return {
        "type": "scatter", "mode": "markers", "showlegend": False, "hoverinfo": "skip",
        "x": [trial.share for trial in trials], "y": [rounded(trial.z) for trial in trials],
        "marker": {"size": 5, "color": stroke(number)["color"]}, "opacity": 0.45,
    }  # fmt: skip


def _means(trials: list[Trial], name: str, number: int) -> Spec:
    shares = sorted({trial.share for trial in trials})
    means = [mean(trial.z for trial in trials if trial.share == share) for share in shares]
    return {
        "type": "scatter", "mode": "lines+markers", "name": name, "x": shares,
        "y": [rounded(value) for value in means], "line": stroke(number),
        "hovertemplate": "%{y:.1f} at %{x:.2f}<extra>%{fullData.name}</extra>",
    }  # fmt: skip
