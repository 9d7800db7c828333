"""Scoring run files against the truth of a case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.datasets.cases import Case
from harness.scoring.metrics import Metric, attribution_metrics, membership_metrics
from harness.scoring.runfile import RunFile


def score_run(
    case: Case, answers: RunFile, classes: Sequence[str] | None = None
) -> dict[str, Metric]:
    """Return the metrics of a run file.

    Args:
        case: the questions and their truth.
        answers: a label for every question, and maybe a score.
        classes: the training subsets, for attribution.

    Returns:
        Metrics by name; of a membership run without scores only those that need labels alone.
    """
    labels = np.array([answers.labels[name] for name in case.asked.ids])
    if classes is not None:
        return attribution_metrics(case.truth, labels, case.question_groups, len(classes))
    given = answers.scores
    scores = labels if given is None else np.array([given[name] for name in case.asked.ids])
    metrics = membership_metrics(
        case.truth, labels, scores.astype(float), case.question_groups, apart=case.apart
    )
    if given is None:
        metrics = {name: m for name, m in metrics.items() if not name.startswith(("auc", "tpr_"))}
    return metrics
