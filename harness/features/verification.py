"""Whether stored features are what their backbone gives today."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.pack import stored_images
from harness.errors import BenchError
from harness.features.backbones import find_backbone
from harness.features.extractor import Extractor
from harness.features.inventory import Holding, holdings, shards
from harness.features.store import CorruptShardError, map_digests, map_rows
from harness.plugins import load_trusted

# Of one minus the cosine with the stored row: what another batch size or machine does to a float32
# network stays below it, another network or another image does not.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Verification:
    """What comparing a sample gave."""

    holding: Holding
    compared: int  # rows
    worst: float | None  # largest of one minus the cosine; None: nothing could be compared
    note: str = ""

    def __str__(self) -> str:
        """Return it in one line."""
        held = f"{self.holding.backbone} ({self.holding.layer}, {self.holding.precision})"
        if self.worst is None:
            return f"{held}: not compared: {self.note}"
        verdict = "as stored" if self.worst <= TOLERANCE else "DIFFERS"
        return f"{held}: {verdict}, {self.compared} rows, worst 1 - cosine {self.worst:.1e}"


def verify_store(cache: Path, sample: int, device: str) -> Iterator[Verification]:
    """Compute up to ``sample`` rows of every extractor again and compare them with the store.

    The images come from the packs of the same cache; rows whose image is no longer there are
    passed over.

    Args:
        cache: holds packs and features.
        sample: rows per extractor.
        device: where the networks compute.
    """
    images = stored_images(cache / "packs")
    for holding in holdings(cache / "features"):
        rows = _stored_rows(cache / "features", holding)
        known = [digest for digest in rows if digest in images][:sample]
        if not known:
            yield Verification(holding, 0, None, "its images are in no pack of this cache")
            continue
        try:
            extractor = _extractor(holding, device)
        except BenchError as error:
            yield Verification(holding, 0, None, str(error))
            continue
        worst = max(
            _distance(_compute(extractor, images[digest](), holding.layer, device), rows[digest])
            for digest in known
        )
        yield Verification(holding, len(known), worst)


def _stored_rows(root: Path, holding: Holding) -> dict[str, NDArray[np.float32]]:
    rows: dict[str, NDArray[np.float32]] = {}
    for shard in shards(root):
        if shard.path.parent == holding.folder:
            try:
                names, values = map_digests(shard.path), map_rows(shard.path)
            except CorruptShardError:
                continue  # said and mended by the next run that needs it
            rows |= {name.decode(): row for name, row in zip(names, values, strict=True)}
    return rows


def _extractor(holding: Holding, device: str) -> Extractor:
    if holding.source.startswith("file:"):
        raise BenchError("its weights were given by --weights")
    backbone = find_backbone(holding.backbone, load_trusted().backbones(), {})
    if backbone.at_hand() is None:
        raise BenchError("its weights are not on this machine")
    return backbone.load(device, holding.precision)


def _compute(
    extractor: Extractor, image: NDArray[np.uint8], layer: str, device: str
) -> NDArray[np.float32]:
    import torch

    [rows] = extractor(torch.from_numpy(np.array(image)[None]).to(device), [layer])
    row: NDArray[np.float32] = rows[0].cpu().numpy()
    return row


def _distance(computed: NDArray[np.float32], stored: NDArray[np.float32]) -> float:
    """Return one minus the cosine of the row that is computed now and the stored one."""
    now, then = (row.ravel().astype(np.float64) for row in (computed, stored))
    norm = np.linalg.norm(now) * np.linalg.norm(then)
    if norm == 0:
        return float(np.linalg.norm(now - then) > 0)
    return float(1 - now @ then / norm)
