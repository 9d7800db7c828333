"""The cold pass: against the bare network, and against the loop that one would write."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.figure import Figure, Side, Size, alternate
from benchmarks.images import packed, write_pngs
from benchmarks.world import ask, forget, own_cache, service
from harness.features.store import map_rows
from harness.machine import cores, keep_freed_memory

BATCH = 32  # that of the service on a CPU
SEED = 0


def cold_vs_forward(size: Size) -> Figure:
    """PNG files to stored features (decode, pack, service, store), against the bare network.

    Images per second of the road from the files, over those of the same ResNet-50 with random
    weights on tensors that are ready, at the same precision (fp32), batch, threads and allocator
    settings.
    """
    model, count = size("resnet50", "resnet18"), size(500, 32)
    with own_cache() as cache, service() as client, Side(_forward_kept, model, count) as forward:
        paths = write_pngs(cache.parent / "png", count)

        def cold() -> None:
            forget(cache)
            images = packed(paths, "benchmark")
            ask(client, {"a": (images.path, images.digests)}, f"{model}@random:{SEED}")

        found = alternate(forward, cold, size.repeats)
    bare, road = (count / seconds for seconds in found.medians())
    note = f"{count} images, {model}: {road:.1f} images/s, the bare network {bare:.1f}"
    return Figure(found.ratio(), "x", ">= 0.95", size.repeats, note)


def cold_vs_script(size: Size) -> Figure:
    """PNG files to stored features, against the plain loop: PIL, torchvision, DataLoader.

    The loop opens a file, converts it to RGB, resizes, crops and normalises as the configuration
    of the weights says, and computes in fp32; the service runs with precision ``auto``. Their
    agreement: how often an image has the same nearest neighbour among the others. A first form of
    the loop prepared images as teams mostly do (256, 224, ImageNet's mean and deviation); in one
    small try 47 % agreed, for the service prepares them otherwise, and 94 % in the present form.
    """
    model, count = size("resnet50", "resnet18"), size(200, 32)
    with own_cache() as cache, service("auto") as client:
        paths = write_pngs(cache.parent / "png", count)
        kept: list[NDArray[np.float32]] = []

        def cold() -> None:
            forget(cache)
            images = packed(paths, "benchmark")
            sets = {"a": (images.path, images.digests)}
            rows = map_rows(ask(client, sets, f"{model}@random:{SEED}").paths[0])
            kept[:] = [rows[np.argsort(images.ids)]]  # as the files are ordered

        with Side(_script, model, paths) as script:
            found = alternate(script, cold, size.repeats)
            agreement = float(np.mean(_nearest(script.result) == _nearest(kept[0])))
    plain, road = (count / seconds for seconds in found.medians())
    note = (
        f"{count} images, {model}: {road:.1f} images/s, the loop {plain:.1f}; "
        f"{agreement:.1%} have the same nearest neighbour"
    )
    return Figure(found.ratio(), "x", ">= 3", size.repeats, note)


def kept_memory(size: Size) -> Figure:
    """The bare network as PyTorch runs it, against the same in a process that keeps its memory.

    Both compute EfficientNet-Lite0 with random weights in fp32; the second has called
    :func:`harness.machine.keep_freed_memory`, as every process of the harness that computes does.
    """
    count = size(256, 32)
    given = ("tf_efficientnet_lite0", count)
    with Side(_forward, *given) as plain, Side(_forward_kept, *given) as kept:
        found = alternate(plain, kept, size.repeats)
    usual, kept_rate = (count / seconds for seconds in found.medians())
    note = f"{count} images: {kept_rate:.1f} images/s, {usual:.1f} without"
    return Figure(found.ratio(), "x", ">= 1", size.repeats, note)


def _nearest(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    nearest: NDArray[np.intp] = alike.argmax(1)
    return nearest


def _forward(model: str, count: int) -> Callable[[], None]:
    import torch

    from harness.features.networks import from_seed

    torch.set_num_threads(cores())
    network = from_seed(model, SEED).eval().to(memory_format=torch.channels_last)
    batch = torch.rand(BATCH, 3, 224, 224).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run() -> None:
        for _ in range(-(-count // BATCH)):
            network(batch)

    return run


def _forward_kept(model: str, count: int) -> Callable[[], None]:
    keep_freed_memory()
    return _forward(model, count)


def _script(model: str, paths: list[Path]) -> Callable[[], NDArray[np.float32]]:
    import torch
    from PIL import Image
    from timm.data import resolve_data_config
    from torch.utils.data import DataLoader
    from torchvision import transforms

    from harness.features.networks import from_seed

    torch.set_num_threads(cores())
    network = from_seed(model, SEED).eval()
    config = resolve_data_config({}, model=network)
    side = config["input_size"][-1]
    how = transforms.InterpolationMode(config["interpolation"])
    prepare = transforms.Compose(
        [
            transforms.Resize(math.floor(side / config["crop_pct"]), how),
            transforms.CenterCrop(side),
            transforms.ToTensor(),
            transforms.Normalize(config["mean"], config["std"]),
        ]
    )

    class Files(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, number: int) -> torch.Tensor:
            tensor: torch.Tensor = prepare(Image.open(paths[number]).convert("RGB"))
            return tensor

    @torch.no_grad()
    def run() -> NDArray[np.float32]:
        loader = DataLoader(Files(), batch_size=BATCH)
        return np.concatenate([network(batch).numpy() for batch in loader])

    return run
