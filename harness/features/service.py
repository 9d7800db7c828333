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
from harness.features.backbones import Backbone, find_backbone
from harness.features.batches import Batches
from harness.features.extractor import check_layers
from harness.features.precision import Choice, load
from harness.features.store import DIGEST, Extraction, FeatureStore, Key
from harness.features.weights import Weights
from harness.files import cache_dir, json_digest
from harness.machine import keep_freed_memory
from harness.plugins import load_trusted


@dataclass(frozen=True)
class StoredSet:
    """The pixels of one set of a case."""

    path: Path  # .npy, (N, H, W) uint8
    digests: NDArray[np.bytes_]  # (N,) hex, in the order of the pixels

    def pixels(self) -> NDArray[np.uint8]:
        """Return the pixels, memory-mapped."""
        found: NDArray[np.uint8] = np.load(self.path, mmap_mode="r")
        return found


@dataclass(frozen=True)
class Loaded:
    """A backbone that is ready."""

    weights: Weights
    batches: Batches
    choice: Choice

    def key(self, layer: str) -> Key:
        """Return the key of the store under which a layer lies."""
        extractor = self.batches.extractor
        return Key(self.weights, layer, extractor.preprocessing, extractor.precision)


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
        self.loaded: dict[str, Loaded] = {}
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

    def _open(self, case: str, sets: dict[str, dict[str, str]]) -> dict[str, Any]:
        self.cases.clear()
        stored = {
            name: StoredSet(Path(s["path"]), np.frombuffer(s["digests"].encode(), DIGEST))
            for name, s in sets.items()
        }
        self.cases[case] = OpenCase(stored)
        return {}

    def _features(
        self, case: str, set_name: str, backbone: str, layers: list[str]
    ) -> dict[str, Any]:
        opened = self.cases[case]
        if set_name not in opened.sets:
            raise BenchError(f"the case has no set {set_name}")
        loaded = self._load(backbone, opened)
        check_layers(backbone, loaded.batches.extractor, layers)
        lacking = sorted({name for name in layers if opened.lacks(backbone, name, set_name)})
        keys = [loaded.key(name) for name in lacking]
        new = []
        for name, images in opened.sets.items() if keys else ():
            for layer, found in zip(lacking, self._extract(keys, images, loaded), strict=True):
                opened.extracted.setdefault((backbone, layer), {})[name] = found
                new.append(found)
        return {
            "paths": [str(opened.extracted[backbone, name][set_name].path) for name in layers],
            "weights": asdict(loaded.weights),
            "choice": asdict(loaded.choice),
            "hits": sum(found.hits for found in new),
            "misses": sum(found.misses for found in new),
        }

    def _network(self, backbone: str) -> dict[str, Any]:
        from harness.features.networks import NetworkExtractor, export  # seconds of imports

        if backbone in self.loaded:
            weights = self.loaded[backbone].weights
            extractor = self.loaded[backbone].batches.extractor
        else:
            weights = self._backbone(backbone).fetch()
            extractor = self._backbone(backbone).load(self.device, "fp32")
        if not isinstance(extractor, NetworkExtractor):
            raise BenchError(f"backbone {backbone} is no network that could be trained")
        path = cache_dir() / "networks" / f"{json_digest(asdict(weights))[:32]}.safetensors"
        return {"network": export(extractor, path), "weights": asdict(weights)}

    def _backbone(self, name: str) -> Backbone:
        return find_backbone(name, self.packaged, self.files)

    def _load(self, name: str, opened: OpenCase) -> Loaded:
        if name not in self.loaded:
            backbone = self._backbone(name)
            weights = backbone.fetch()
            sample = max((images.pixels() for images in opened.sets.values()), key=len)
            found = load(
                backbone, weights, self.device, self.precision, images=sample, say=self._say
            )
            self.loaded[name] = Loaded(weights, *found)
        return self.loaded[name]

    def _extract(self, keys: Sequence[Key], images: StoredSet, loaded: Loaded) -> list[Extraction]:
        def compute(
            missing: NDArray[np.intp], lacking: Sequence[Key]
        ) -> Iterator[list[NDArray[np.float32]]]:
            layers = [key.layer for key in lacking]
            found = loaded.batches.rows(images.pixels(), missing, layers, self._say)
            told = time.monotonic()
            done = 0
            for batch in found:
                yield batch
                done += len(batch[0])
                if time.monotonic() - told > 0.2:
                    told = time.monotonic()
                    reached = int(missing[done - 1]) + 1  # what the store held counts as done
                    self._tell(loaded.weights.backbone, reached, len(images.digests))

        return self.store.rows(keys, images.digests, compute, self._say)

    def _tell(self, backbone: str, done: int, of: int) -> None:
        self.channel.send({"progress": f"features {backbone}", "done": done, "of": of})

    def _say(self, text: str) -> None:
        self.channel.send({"log": text})


def main() -> None:
    """Serve until the parent closes the channel."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        settings = channel.receive()
        assert settings is not None
        torch.set_num_threads(settings["threads"])
        keep_freed_memory()
        service = FeatureService(channel, settings)
        while request := channel.receive():
            channel.send({**service.answer(request), "answered": True})
    except (ChannelClosedError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
