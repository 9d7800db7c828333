"""The feature service: the only process that runs backbones and writes the store.

It is trusted and never sees a method's code. It answers, in this order of use: ``fetch`` (weights
of a backbone), ``open`` (the image sets of a case), ``features`` (shards with a set's rows, one for
each layer that is asked for; they come from one pass). A case is extracted whole before any of its
rows is handed out, so that the time an answer takes tells nothing about which images were known
before.

Run as ``python -m harness.features.service DESCRIPTOR`` with the descriptor of a socket.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.channel import Channel, ChannelClosedError
from harness.errors import BenchError, describe
from harness.features.backbones import Backbone, Extractor, check_layers, find_backbone
from harness.features.networks import NetworkExtractor, export
from harness.features.store import Extraction, FeatureStore, Key
from harness.features.weights import Weights
from harness.files import cache_dir, json_digest
from harness.plugins import load_trusted

BATCH = 32  # fixed and padded, so that an image's features do not depend on its neighbours


@dataclass(frozen=True)
class StoredSet:
    """The pixels of one set of a case."""

    path: Path  # .npy, (N, H, W) uint8
    digests: tuple[str, ...]  # hex, in the order of the pixels


@dataclass
class OpenCase:
    """A case, and what was extracted of it so far."""

    sets: dict[str, StoredSet]
    extracted: dict[tuple[str, str], dict[str, Extraction]] = field(default_factory=dict)

    def lacks(self, backbone: str, layer: str, set_name: str) -> bool:
        """Tell whether a layer is still to be extracted; its shard may have been cleared away."""
        known = self.extracted.get((backbone, layer))
        return known is None or not known[set_name].path.exists()


class FeatureService:
    """Backbones, store and open cases behind one channel."""

    def __init__(self, channel: Channel, settings: dict[str, Any]) -> None:
        self.channel = channel
        self.device: str = settings["device"]
        self.precision: str = settings["precision"]
        self.files = {name: Path(path) for name, path in settings["weights"].items()}
        self.store = FeatureStore(Path(settings["store"]))
        self.packaged = load_trusted().backbones()
        self.loaded: dict[str, tuple[Weights, Extractor]] = {}
        self.cases: dict[str, OpenCase] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; what went wrong is an answer too."""
        try:
            match request.pop("do"):
                case "fetch":
                    return {"weights": asdict(self._backbone(request["backbone"]).fetch())}
                case "open":
                    return self._open(**request)
                case "features":
                    return self._features(**request)
                case "network":
                    return self._network(**request)
                case other:
                    raise ValueError(f"unknown request {other!r}")
        except BenchError as error:
            return {"error": str(error), "input": True}
        except Exception as error:
            return {"error": describe(error), "input": False}

    def _open(self, case: str, sets: dict[str, dict[str, Any]]) -> dict[str, Any]:
        self.cases.clear()
        self.cases[case] = OpenCase(
            {name: StoredSet(Path(s["path"]), tuple(s["digests"])) for name, s in sets.items()}
        )
        return {}

    def _features(
        self, case: str, set_name: str, backbone: str, layers: list[str]
    ) -> dict[str, Any]:
        opened = self.cases[case]
        if set_name not in opened.sets:
            raise BenchError(f"the case has no set {set_name}")
        weights, extractor = self._load(backbone)
        check_layers(backbone, extractor, layers)
        lacking = sorted({name for name in layers if opened.lacks(backbone, name, set_name)})
        keys = [
            Key(weights, name, extractor.preprocessing, extractor.precision) for name in lacking
        ]
        new = []
        for name, images in opened.sets.items() if keys else ():
            for layer, found in zip(lacking, self._extract(keys, images, extractor), strict=True):
                opened.extracted.setdefault((backbone, layer), {})[name] = found
                new.append(found)
        return {
            "paths": [str(opened.extracted[backbone, name][set_name].path) for name in layers],
            "weights": asdict(weights),
            "hits": sum(found.hits for found in new),
            "misses": sum(found.misses for found in new),
        }

    def _network(self, backbone: str) -> dict[str, Any]:
        weights, extractor = self._load(backbone)
        if not isinstance(extractor, NetworkExtractor):
            raise BenchError(f"backbone {backbone} is no network that could be trained")
        path = cache_dir() / "networks" / f"{json_digest(asdict(weights))[:32]}.safetensors"
        return {"network": export(extractor, path), "weights": asdict(weights)}

    def _backbone(self, name: str) -> Backbone:
        return find_backbone(name, self.packaged, self.files)

    def _load(self, name: str) -> tuple[Weights, Extractor]:
        if name not in self.loaded:
            backbone = self._backbone(name)
            self.loaded[name] = backbone.fetch(), backbone.load(self.device, self.precision)
        return self.loaded[name]

    def _extract(
        self, keys: Sequence[Key], images: StoredSet, extractor: Extractor
    ) -> list[Extraction]:
        pixels = np.load(images.path, mmap_mode="r")

        def compute(
            missing: NDArray[np.intp], lacking: Sequence[Key]
        ) -> Iterator[list[NDArray[np.float32]]]:
            what = f"features {lacking[0].weights.backbone}"
            layers = [key.layer for key in lacking]
            return self._batches(pixels, missing, extractor, layers, what)

        return self.store.rows(keys, images.digests, compute, self._say)

    def _batches(
        self,
        pixels: NDArray[np.uint8],
        rows: NDArray[np.intp],
        extractor: Extractor,
        layers: Sequence[str],
        what: str,
    ) -> Iterator[list[NDArray[np.float32]]]:
        told = time.monotonic()
        for start in range(0, len(rows), BATCH):
            chosen = rows[start : start + BATCH]
            batch = np.zeros((BATCH, *pixels.shape[1:]), np.uint8)
            batch[: len(chosen)] = pixels[chosen]
            found = extractor(torch.from_numpy(batch).to(self.device), layers)
            yield [features[: len(chosen)].cpu().numpy() for features in found]
            if time.monotonic() - told > 0.2:
                told = time.monotonic()
                done = int(chosen[-1]) + 1  # of the set: what the store held counts as done
                self.channel.send({"progress": what, "done": done, "of": len(pixels)})

    def _say(self, text: str) -> None:
        self.channel.send({"log": text})


def main() -> None:
    """Serve until the parent closes the channel."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        settings = channel.receive()
        assert settings is not None
        torch.set_num_threads(settings["threads"])
        service = FeatureService(channel, settings)
        while request := channel.receive():
            channel.send({**service.answer(request), "answered": True})
    except (ChannelClosedError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
