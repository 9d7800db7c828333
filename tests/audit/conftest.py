"""A small clean data set as files, and one way to audit it."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from harness.audit.audit import Audit, audit_dataset, unreadable
from harness.audit.files import read_files
from harness.audit.verdict import Level
from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import open_dataset
from harness.features.client import FeatureClient
from harness.forge.recipe import phantom

FOLDERS = {
    "train/used": "train/real_used",
    "train/not_used": "train/real_not_used",
    "test/unknown": "test/real_unknown",
    "train/generated": "train/generated",
    "test/generated": "test/generated",
}
ENTRY = """
scans:
  task: membership
  layout: imageclef-2025-membership
  root: .
  truth: test/truth.csv
  groups: groups.csv
"""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureClient]:
    """One feature service with a cache of its own for all audits of the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        with FeatureClient("cpu", "fp32", os.cpu_count() or 1, {}) as client:
            yield client


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantom patients as PNG files: 12 patients a class to learn from, 10 to be asked about."""
    root = tmp_path_factory.mktemp("clean")
    sets = phantom(
        {
            "seed": 7,
            "size": 32,
            "slices": 2,
            "patients": {"train": 12, "test": 10},
            "generated": {"train": 20, "test": 20, "null": 0},
            "copies": {"share": 0},
        }
    ).make()
    groups = ["image,group\n"]
    for name, raw in sets.items():
        folder = root / FOLDERS[name]
        folder.mkdir(parents=True)
        for image, pixels in zip(raw.ids, raw.pixels, strict=True):
            Image.fromarray(pixels).save(folder / image)
        groups += [f"{i},{g}\n" for i, g in zip(raw.ids, raw.groups or (), strict=False)]
    asked = sets["test/unknown"]
    truth = [f"{i},{label}\n" for i, label in zip(asked.ids, asked.labels, strict=True)]
    (root / "test" / "truth.csv").write_text("".join(truth))
    (root / "groups.csv").write_text("".join(groups))
    (root / "datasets.yaml").write_text(ENTRY)
    return root


@dataclass
class Scans:
    """A copy of the clean data set, to be spoiled."""

    root: Path
    service: FeatureClient

    def files(self, folder: str) -> list[Path]:
        return sorted((self.root / folder).glob("*.png"))

    def truth(self) -> dict[str, int]:
        lines = (self.root / "test" / "truth.csv").read_text().split()
        return {line.partition(",")[0]: int(line.partition(",")[2]) for line in lines}

    def used(self) -> list[Path]:
        """Return every used real, of both parts."""
        asked = [self.root / "test/real_unknown" / i for i, used in self.truth().items() if used]
        return self.files("train/real_used") + asked

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        path = self.root / name
        path.write_text(change(path.read_text()))

    def audit(self) -> Audit:
        [entry] = read_entries(self.root / "datasets.yaml").values()
        files = read_files(entry)
        assert files is not None
        if files.unreadable:
            return unreadable(files)
        return audit_dataset(open_dataset(entry, {}), files, self.service, lambda _: None)

    def flaws(self) -> dict[str, str]:
        """Return what each flaw that an audit finds says of itself, by check."""
        found = self.audit().verdict.findings
        return {f.check: " ".join([f.result, *f.examples]) for f in found if f.level is Level.FLAW}


@pytest.fixture
def scans_at(tmp_path: Path, service: FeatureClient, monkeypatch) -> Callable[[Path], Scans]:
    """Return how to audit any data set in a folder."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return lambda root: Scans(root, service)


@pytest.fixture
def scans(clean: Path, tmp_path: Path, scans_at: Callable[[Path], Scans]) -> Scans:
    shutil.copytree(clean, tmp_path / "scans")
    return scans_at(tmp_path / "scans")
