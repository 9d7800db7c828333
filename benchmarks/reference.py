"""How good the reference method is: ``python -m benchmarks.reference``.

``table DATASET...`` compares it with every other row that was run on a data set, paired and
corrected. ``limits DATASET...`` puts the limits of detection of all rows that were calibrated there
side by side. ``ablation DATASET...`` takes parts of its version without labels away.
``false-alarms`` counts, over redrawn data without a leak, how many patients its version without
labels calls used.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import betabinom, binom

from harness.board.answers import read_answers
from harness.board.wording import alarms_text, limit_text
from harness.datasets.catalogue import Catalogue
from harness.datasets.dataset import open_dataset
from harness.files import results_dir
from harness.plugins import load_trusted
from harness.running.calibration import CLOSE, FIDELITIES, Calibration, read_calibrations
from harness.running.records import RecordStore
from harness.scoring.correction import holm

REFERENCE = "whitened-neighbour"
LABEL_FREE = "whitened-neighbour-label-free"
LEVEL = 0.05  # of the corrected p values
WITHOUT_NETWORK = frozenset({"pixels", "lbp"})  # backbones that are the same at every budget
PARTS = (  # what the ablation takes away or changes
    "relative=false",
    "span=0",
    "span=3",
    "span=30",
    "nearest=1",
    "nearest=10",
    "side=16",
    "side=64",
    "power=0",
    "power=0.25",
    "power=0.75",
    "power=1",
)
FIRST_SEED = 50_000  # of the redrawn data
UNUSED = 100  # patients known not to be used: as few as can promise 1 %
ASKED = 40  # patients of each class, none of whom was used
NULL = """
no-leak-{seed}:
  task: membership
  layout: pack
  fetch:
    phantom:
      seed: {seed}
      size: 32
      slices: 2
      patients: {{train: {unused}, test: {asked}}}
      generated: {{train: 100, test: 100, null: 0}}
      copies: {{share: 0}}
"""


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reference", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    on_data = {"table": table, "limits": limits, "ablation": ablation}
    for verb in on_data:
        verbs.add_parser(verb).add_argument("datasets", nargs="+", metavar="DATASET")
    alarms = verbs.add_parser("false-alarms")
    alarms.add_argument("--sets", type=int, default=40)
    alarms.add_argument("--folder", type=Path, default=Path("build"), help="of the description")
    given = parser.parse_args()
    if given.verb == "false-alarms":
        lines = false_alarms(range(FIRST_SEED, FIRST_SEED + given.sets), given.folder)
        print("\n".join(lines))
        return
    for dataset in given.datasets:
        print(f"{dataset}\n")
        print("\n".join(on_data[given.verb](dataset)), "\n")


def table(dataset: str) -> Iterator[str]:
    """Yield the lines of a table: the reference against every other row that is no control."""
    board = _bench("board", Path(dataset).name, "--format", "json")
    rivals = [
        row
        for row in board["rows"]
        if not row["control"] and row["metrics"] and not row["method"].startswith(REFERENCE)
    ]
    pairs = [
        _bench("compare", REFERENCE, row["method"], "-d", dataset, "--json")["differences"]
        for row in rivals
    ]
    ps = {key: holm([pair[key]["p"] for pair in pairs]) for key in ("auc", "kappa")}
    yield "| method | backbone | AUC | by how much AUC is lower | p | kappa | p | verdict |"
    yield "|---|---|---|---|---|---|---|---|"
    for place, (row, pair) in enumerate(zip(rivals, pairs, strict=True)):
        known = {key: ps[key][place] for key in ps}
        cells = [f"`{row['method']}`", ", ".join(row["backbones"])]
        cells += [f"{row['metrics']['auc']['value']:.3f}"]
        for key, p in known.items():
            found = pair[key]
            interval = f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"
            cells += [interval, f"{p:.3f}"]
        yield f"| {' | '.join([*cells, _verdict(row, pair, known)])} |"


def _verdict(row: Any, pair: Any, ps: dict[str, float]) -> str:
    """Say who is better, by AUC and kappa, and whether the rival is the one that was published."""
    said = []
    for key, p in ps.items():
        better = "beaten" if pair[key]["value"] > 0 else "better"
        said.append(f"{key}: {better if p < LEVEL else 'cannot be told'}")
    if not WITHOUT_NETWORK.issuperset(row["backbones"]):
        said.append("its backbone stands in for the paper's: nothing is claimed")
    return "; ".join(said)


def limits(dataset: str) -> Iterator[str]:
    """Yield the lines of a table: every row that was calibrated, the lowest limit first."""
    name = Path(dataset).name
    board = _bench("board", name, "--format", "json")
    held = read_calibrations(results_dir() / name, board["budget"])
    current = [row["method"] for row in board["rows"] if row["limit_of_detection"]]
    yield f"| method | trials | false alarms | {' | '.join(f'limit, {f}' for f in FIDELITIES)} |"
    yield f"|---|---|---|{'---|' * len(FIDELITIES)}"
    for found in sorted((held[method] for method in current), key=_by_limit):
        cells = [f"`{found.method}`", f"{len(found.tried)}", alarms_text(found)]
        cells += [limit_text(found.limits[fidelity]) for fidelity in FIDELITIES]
        yield f"| {' | '.join(cells)} |"


def _by_limit(found: Calibration) -> tuple[float, float, str]:
    limit = found.limits[CLOSE]
    value, low = (2.0 if end is None else end for end in (limit.value, limit.low))
    return value, low, found.method


def ablation(dataset: str) -> Iterator[str]:
    """Yield the lines of a table: the version without labels, one part changed at a time."""
    yield "| change | AUC | AUC against the null pool |"
    yield "|---|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        for change in (None, *PARTS):
            to = ["--results", f"{folder}/{change}"]
            setting = [] if change is None else ["--set", f"{LABEL_FREE}.{change}"]
            _run("run", "-m", LABEL_FREE, "-d", dataset, *setting, *to, capture=True)
            name = Path(dataset).name
            [row] = _bench("board", name, "--format", "json", *to)["rows"]
            figures = (row["metrics"].get(key) for key in ("auc", "auc_null_pool"))
            shown = [f"{f['value']:.3f} [{f['low']:.2f}, {f['high']:.2f}]" for f in figures if f]
            yield f"| {' | '.join([change or 'none', *shown])} |"


def false_alarms(seeds: Iterable[int], folder: Path) -> Iterator[str]:
    """Yield how many patients are called used at two rates, and how many may be."""
    seeds = list(seeds)
    names = [f"no-leak-{seed}" for seed in seeds]
    file = folder / "no-leak.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(NULL.format(seed=seed, unused=UNUSED, asked=ASKED) for seed in seeds))
    for rate in (0.01, 0.05):
        change = f"{LABEL_FREE}.false_alarms={rate}"
        where = ["--datasets", str(file), "-d", "no-leak-*", "--set", change]
        _run("run", "-m", LABEL_FREE, *where)
        flagged = sum(_flagged(file, name, rate) for name in names)
        patients = 2 * ASKED * len(names)
        low, high = binom.interval(0.95, patients, rate)
        yield (
            f"nominal {rate:.0%}: {flagged} of {patients} patients, {flagged / patients:.2%}; "
            f"95 % binomial interval {low / patients:.2%} to {high / patients:.2%}, and "
            f"{_spread(rate, len(names))} with thresholds that are drawn, too"
        )


def _flagged(file: Path, name: str, rate: float) -> int:
    """Return how many patients have an image that is called used."""
    trusted = load_trusted()
    catalogue = Catalogue([*trusted.dataset_files(), file])
    dataset = open_dataset(catalogue.get(name), trusted.recipes())
    store = RecordStore(results_dir())
    records = [
        record for record in store.of(name) if record.method.changed == {"false_alarms": rate}
    ]
    answers = read_answers(store.root / name, records, dataset)
    if answers is None:
        raise RuntimeError(f"{name}: no answers at {rate}; see: bench board {name}")
    return len(np.unique(answers.groups[answers.labels[-1] == 1]))


def _spread(rate: float, sets: int) -> str:
    """Return the 95 % interval of the share where every set has its own order statistic."""
    above = UNUSED + 1 - np.ceil((UNUSED + 1) * (1 - rate))
    law = betabinom(2 * ASKED, above, UNUSED + 1 - above)
    share, error = law.mean() / (2 * ASKED), law.std() / (2 * ASKED) / np.sqrt(sets)
    return f"{max(0, share - 1.96 * error):.2%} to {share + 1.96 * error:.2%}"


def _bench(*arguments: str) -> Any:
    return json.loads(_run(*arguments, capture=True))


def _run(*arguments: str, capture: bool = False) -> str:
    command = [str(Path(sys.executable).with_name("bench")), *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE if capture else None, text=True, check=True
    )
    return done.stdout or ""


if __name__ == "__main__":
    main()
