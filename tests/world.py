"""Records of a few small data sets, with answers and images: what tests of the site share."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from harness.audit.record import write_audit
from harness.cards import Card
from harness.datasets.cases import Protocol, make_cases
from harness.datasets.catalogue import Catalogue
from harness.datasets.dataset import open_dataset
from harness.files import write_text
from harness.method import Access, Budget, Task
from harness.running.records import (
    DatasetFacts,
    Figure,
    MethodFacts,
    PredictionFacts,
    Record,
    RecordStore,
    Status,
)
from harness.site.sources import Sources

EVIL = "<img src=x onerror=alert(1)>"  # a name, which holds no slash
SCRIPT = "<script>alert(1)</script>"
FOLDERS = {"train/generated": 24, "train/used": 12, "train/not_used": 12, "test/generated": 24,
           "test/unknown": 24}  # fmt: skip
ENTRY = """
{name}:
  task: membership
  layout: folders
  root: images
  publish_images: {publish}
  licence: CC BY 4.0
  source: https://example.org/data
  truth: truth.csv
  splits:
    train: {{generated: train/generated, used: train/used, not_used: train/not_used}}
    test: {{generated: test/generated, unknown: test/unknown}}
"""


def figure(value: float, low: float | None, high: float | None, n: int = 24) -> Figure:
    return Figure(value=value, low=low, high=high, n=n, groups=n)


def record(dataset: str, method: str, kappa: float, fingerprint: str = "f" * 64, **more) -> Record:
    control = more.pop("control", False)
    metrics = {
        "kappa": figure(kappa, kappa - 0.1, kappa + 0.1),
        "auc": figure(0.5 + kappa / 2, 0.4 + kappa / 2, min(1.0, 0.6 + kappa / 2)),
        "auc_null_pool": figure(0.5, 0.4, 0.6),
    }
    facts = MethodFacts(
        name=method, family="made", version="1", source_digest="0" * 64, parameters={"k": 1},
        changed={}, budget=Budget.DEMO, access=(Access.POOL,), control=control,
    )  # fmt: skip
    given = {"metrics": metrics, "status": Status.OK, "protocol": "official", "seed": 0}
    given |= {"task": Task.MEMBERSHIP} | more
    return Record(
        schema=1, key="0", method=facts,
        dataset=DatasetFacts(name=dataset, fingerprint=fingerprint), **given,
    )  # fmt: skip


def card(name: str, **more) -> Card:
    facts = {
        "name": name, "family": "made", "distribution": "made", "version": "1",
        "source_digest": "0" * 64, "task": Task.MEMBERSHIP, "summary": "Made by a test.",
        "access": (Access.POOL,), "control": False, "trains": False, "headline": True,
        "implementation": "made", "paper": "Doe 2026", "url": "https://example.org/paper",
        "runs": (), "deviations": ("departs <b>boldly</b>",),
        "fields": {"k": {"description": "how many"}},
        "parameters": {Budget.PAPER: {"k": 5}, Budget.DEMO: {"k": 1}},
    }  # fmt: skip
    return Card.model_validate(facts | more)


class World:
    """Two data sets of the same images, of which one may show them, and a ladder without images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.published = RecordStore(folder / "leaderboards" / "records")
        self.working = RecordStore(folder / "results")
        self.names = _write_images(folder / "images")
        self.entries = {}
        for name, publish in (("shown", "true"), ("secret", "false")):
            path = folder / f"{name}.yaml"
            path.write_text(ENTRY.format(name=name, publish=publish))
            self.entries[name] = Catalogue([path]).get(name)
        for name, entry in self.entries.items():
            self._add(name, open_dataset(entry, {}))
        for stage in (1, 2, 3):
            for method, base in (("finds", 0.2), ("guesses", 0.0)):
                self.write(record(f"stage-{stage}", method, base * stage))

    def write(self, made: Record, name: str | None = None) -> None:
        """Publish a record; a name of its own where the method's is no file name."""
        stem = f"{name or made.method.name}@{made.protocol}-{made.method.budget}-{made.seed}"
        self.published.write(self.published.root / made.dataset.name / stem, made)

    def sources(self, **changes) -> Sources:
        given = {
            "published": self.published, "working": self.working, "entries": self.entries,
            "cards": {"finds": card("finds"), "idle": card("idle", url="javascript:alert(1)")},
            "open": lambda entry: open_dataset(entry, {}), "runs": (), "say": lambda text: None,
        }  # fmt: skip
        return Sources(**{**given, **changes})

    def _add(self, name: str, dataset) -> None:
        [case] = make_cases(dataset, Protocol.OFFICIAL, 0)
        scores = case.truth + np.linspace(0, 0.9, len(case.truth))
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["image", "label", "score", "case"])
        rows.writerows(
            [i, int(s > 0.9), repr(float(s)), "official"]
            for i, s in zip(case.asked.ids, scores, strict=True)
        )
        path = "finds@official-demo-0.csv"
        write_text(self.working.root / name / path, text.getvalue())
        digest = hashlib.sha256(text.getvalue().encode()).hexdigest()
        facts = {"fingerprint": dataset.fingerprint}
        answers = PredictionFacts(path=path, sha256=digest)
        self.write(record(name, "finds", 0.6, predictions=answers, **facts))
        self.write(record(name, "guesses", 0.0, **facts))
        self.write(record(name, "blind", 0.1, control=True, **facts))
        self.write(record(name, EVIL, 0.05, **facts), "evil")
        reason = f"ValueError: {SCRIPT}"
        self.write(
            record(name, "fails", 0.0, metrics={}, status=Status.FAILED, reason=reason, **facts)
        )
        line = {"check": "files", "level": "fine", "result": SCRIPT, "meaning": "m"}
        line["examples"] = self.names  # which no page may show
        verdict = {"verdict": "sound", "sentence": f"sound: {SCRIPT}", "findings": [line]}
        if name == "shown":  # the other one was written before pools were compared
            whole = {"statistic": SCRIPT, "pool": "null", "meaning": "m", "value": -1.5}
            verdict["copying"] = [whole | {"low": -2, "high": -1, "n": 9, "groups": 5}]
        write_audit(self.published.root / name, dataset.fingerprint, verdict)


def _write_images(root: Path) -> list[str]:
    """Write random images and their truth, and return the names of the reals."""
    draws = np.random.default_rng(0)
    names, truth = [], ["image,label"]
    for place, count in FOLDERS.items():
        (root / place).mkdir(parents=True)
        for number in range(count):
            name = f"subject_{place.replace('/', '_')}_{number:03}.png"
            pixels = draws.integers(0, 256, (16, 16)).astype(np.uint8)
            Image.fromarray(pixels).save(root / place / name)
            names.append(name)
            if place == "test/unknown":
                truth.append(f"{name},{number % 2}")
    (root / "truth.csv").write_text("\n".join(truth) + "\n")
    return [Path(name).stem for name in names]
