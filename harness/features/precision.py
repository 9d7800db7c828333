"""Precision ``auto``: bf16 where it is faster and keeps what features mean, else fp32.

Decided once for each backbone on each kind of device, on images at hand, and remembered.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from harness.features.backbones import Backbone
from harness.features.batches import Batches, Rows
from harness.features.extractor import POOL
from harness.features.neighbours import nearest
from harness.files import cache_dir, json_digest, read_json, write_json
from harness.weights import Weights

AUTO = "auto"
SAMPLE = 256  # images of the check
FEWEST = 100  # below which 99 % of neighbours would mean all
COSINE = 0.999  # of an image's features in both precisions, at least
NEIGHBOURS = 0.99  # share of images whose nearest other image stays the same, at least
SPEED = 1.1  # how many times as fast bf16 is, at least: less is noise
TIMED = 8  # images of a timing


@dataclass(frozen=True)
class Choice:
    """What a backbone computes in, and why."""

    precision: str  # "fp32" or "bf16"
    reason: str | None = None  # None where it was asked for by name


def load(
    backbone: Backbone,
    weights: Weights,
    device: str,
    precision: str,
    *,
    images: NDArray[np.uint8],
    say: Callable[[str], None],
) -> tuple[Batches, Choice]:
    """Load a backbone in the precision that is asked for, or in the one that serves best.

    Args:
        backbone: its weights are at hand.
        weights: their digest.
        device: "cpu", "cuda" or "mps".
        precision: ``fp32``, ``bf16`` or ``auto``.
        images: (N, H, W) uint8, on which ``auto`` compares both precisions.
        say: told when memory is short.
    """

    def loaded(wanted: str) -> Batches:
        return Batches(weights.backbone, backbone.load(device, wanted), device)

    if precision != AUTO:
        batches = loaded(precision)
        return batches, Choice(batches.extractor.precision)
    identity = [asdict(weights), machine(device), torch.__version__]
    memory = cache_dir() / "precision" / f"{json_digest(identity)[:32]}.json"
    known = read_json(memory)
    if isinstance(known, dict) and known.get("precision") in ("fp32", "bf16"):
        return loaded(known["precision"]), Choice(known["precision"], known.get("reason"))
    exact, short = loaded("fp32"), loaded("bf16")
    if short.extractor.precision != "bf16":
        return exact, Choice(exact.extractor.precision, "it has no other precision")
    if len(images) < FEWEST:
        return exact, Choice("fp32", f"{len(images)} images are too few to check bf16 on")
    choice = compare(exact, short, images, say)
    write_json(memory, asdict(choice))
    return (short if choice.precision == "bf16" else exact), choice


def compare(
    exact: Batches, short: Batches, images: NDArray[np.uint8], say: Callable[[str], None]
) -> Choice:
    """Compare a backbone in fp32 and in bf16 on images: first the speed, then what it changes."""
    speed = _speed(exact, short, images[: TIMED if exact.device == "cpu" else exact.batch])
    if speed < SPEED:
        return Choice("fp32", f"bf16 is not faster ({speed:.2g} times as fast)")
    sample = images[:: -(-len(images) // SAMPLE)]
    before, after = (_pooled(batches, sample, say) for batches in (exact, short))
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosines = (before * after).sum(1) / np.maximum(norms, np.finfo(np.float32).tiny)
    same = float((_nearest_other(before) == _nearest_other(after)).mean())
    kept = float(cosines.min()) >= COSINE and same >= NEIGHBOURS
    seen = (
        f"{speed:.2g} times as fast, cosine at least {cosines.min():.5f}, "
        f"{same:.1%} of {len(sample)} images keep their nearest neighbour"
    )
    if kept:
        return Choice("bf16", seen)
    return Choice("fp32", f"bf16 changes too much ({seen})")


def machine(device: str) -> str:
    """Return what kind of device computes."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{device} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def _pooled(batches: Batches, images: NDArray[np.uint8], say: Callable[[str], None]) -> Rows:
    found = batches.rows(images, np.arange(len(images)), [POOL], say)
    return np.concatenate([rows for [rows] in found])


def _nearest_other(rows: Rows) -> NDArray[np.intp]:
    """Return, (N,), which other row is nearest to each."""
    _, found = nearest(rows, rows, "cosine", 2)
    itself = found[:, 0] == np.arange(len(rows))
    return np.where(itself, found[:, 1], found[:, 0])


def _speed(exact: Batches, short: Batches, images: NDArray[np.uint8]) -> float:
    """Return how many times as fast bf16 is.

    Where one image in bf16 takes longer than all of them in fp32 nothing else is timed: some
    processors only imitate bf16, at a hundredth of the speed.
    """
    for batches in (exact, short):
        _seconds(batches, images[:1])  # the first pass prepares kernels
    usual = min(_seconds(exact, images), _seconds(exact, images))
    one = _seconds(short, images[:1])
    if one > usual:
        return usual / (one * len(images))
    return usual / min(_seconds(short, images), _seconds(short, images))


def _seconds(batches: Batches, images: NDArray[np.uint8]) -> float:
    pixels = torch.from_numpy(np.array(images)).to(batches.device)
    started = time.perf_counter()
    [rows] = batches.extractor(pixels, [POOL])
    rows.cpu()  # waits for the device
    return time.perf_counter() - started
