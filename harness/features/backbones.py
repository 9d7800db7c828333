"""Backbones: frozen feature extractors with named weights, found by name."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BenchError
from harness.features import hub
from harness.features.extractor import Extractor
from harness.files import cache_dir, json_digest, read_json, write_json
from harness.weights import Weights, weights_of_file

LBP_VERSION = 1  # of the rule in harness.features.texture
PIXELS_SIDE = 64  # as GAN-Leaks compares images (Chen et al., CCS 2020; its published code)


class Backbone(ABC):
    """A feature extractor that may have to be fetched and loaded first."""

    name: str

    @abstractmethod
    def at_hand(self) -> Weights | None:
        """Return the weights if they are on this machine; needs neither network nor torch."""

    @property
    def origin(self) -> str:
        """Where its weights come from, also while they are not at hand."""
        weights = self.at_hand()
        return weights.source if weights else "?"

    @abstractmethod
    def fetch(self) -> Weights:
        """Return the weights, downloading them when they are not at hand.

        Raises:
            BenchError: they cannot be had; says how to give a local file.
        """

    @abstractmethod
    def load(self, device: str, precision: str) -> Extractor:
        """Load the fetched weights onto a device, computing in ``fp32`` or ``bf16``."""

    def given(self, path: Path) -> Backbone:
        """Return the backbone with the weights of a file that the user named."""
        return FileBackbone(self.name, path, f"file:{path.name}")


class Pixels(Backbone):
    """The image itself, reduced to at most 64 x 64 pixels."""

    name = "pixels"

    def at_hand(self) -> Weights:
        """Return the digest of the rule; there are no weights."""
        return Weights(self.name, "none", json_digest(["pixels", PIXELS_SIDE]))

    fetch = at_hand

    def load(self, device: str, precision: str) -> Extractor:
        """Return the extractor; ``precision`` has no meaning for it."""
        from harness.features.pixels import PixelExtractor

        return PixelExtractor(PIXELS_SIDE)


class Patterns(Backbone):
    """Histograms of local binary patterns."""

    name = "lbp"

    def at_hand(self) -> Weights:
        """Return the digest of the rule; there are no weights."""
        return Weights(self.name, "none", json_digest([self.name, LBP_VERSION]))

    fetch = at_hand

    def load(self, device: str, precision: str) -> Extractor:
        """Return the extractor; ``precision`` has no meaning for it."""
        from harness.features.texture import PatternExtractor

        return PatternExtractor()


@dataclass(frozen=True)
class FileBackbone(Backbone):
    """A timm architecture with weights from a file on this machine."""

    name: str
    path: Path
    source: str
    renamed: bool = False  # same tensors in timm's order, under the names of another code base

    def at_hand(self) -> Weights:
        """Return the weights.

        Raises:
            BenchError: the file cannot be read.
        """
        try:
            return weights_of_file(self.name, self.source, self.path)
        except OSError as error:
            reason = error.strerror or error
            raise BenchError(f"weights of {self.name}: {self.path}: {reason}") from None

    fetch = at_hand

    def load(self, device: str, precision: str) -> Extractor:
        """Load the file strictly: every tensor has its place and every place its tensor."""
        from harness.features import networks

        network = networks.from_file(self.name, self.path, renamed=self.renamed)
        return networks.NetworkExtractor(network, device, precision)


@dataclass(frozen=True)
class RandomBackbone(Backbone):
    """A timm architecture with random weights, asked for by name: ``resnet50@random:0``."""

    name: str
    architecture: str
    seed: int

    def at_hand(self) -> Weights:
        """Return the seed as the identity of the weights."""
        return Weights(
            self.name, f"random:{self.seed}", json_digest([self.architecture, self.seed])
        )

    fetch = at_hand

    def load(self, device: str, precision: str) -> Extractor:
        """Initialise the architecture from the seed."""
        from harness.features import networks

        network = networks.from_seed(self.architecture, self.seed)
        return networks.NetworkExtractor(network, device, precision)


@dataclass(frozen=True)
class HubBackbone(Backbone):
    """A timm model whose weights come from the model hub, or from its local cache."""

    name: str

    @property
    def origin(self) -> str:
        """The repository, as far as it is known without timm."""
        known = self._remembered()
        return known["source"] if known else f"hub:{hub.pinned_repository(self.name) or '?'}"

    def at_hand(self) -> Weights | None:
        """Return the weights if an earlier run or another program fetched them."""
        known = self._remembered()
        if known is None:
            repository = hub.pinned_repository(self.name)
            path = repository and hub.cached(repository)
            if not (repository and path):
                return None
            known = self._remember(repository, path)
        return weights_of_file(self.name, known["source"], Path(known["path"]))

    def fetch(self) -> Weights:
        """Download the weights that timm names for this model, unless they are at hand."""
        found = self.at_hand()
        if found is not None:
            return found
        from harness.features import networks

        repository = networks.repository(self.name)
        path = hub.cached(repository) or hub.download(self.name, repository)
        return weights_of_file(self.name, self._remember(repository, path)["source"], path)

    def load(self, device: str, precision: str) -> Extractor:
        """Load the fetched file."""
        from harness.features import networks

        known = self._remembered() or {}
        network = networks.from_file(self.name, Path(known["path"]))
        return networks.NetworkExtractor(network, device, precision)

    @property
    def _memory(self) -> Path:
        return cache_dir() / "weights" / f"hub-{self.name}.json"

    def _remembered(self) -> dict[str, str] | None:
        known = read_json(self._memory)
        if not isinstance(known, dict) or not known.keys() >= {"source", "path"}:
            return None
        return known if Path(known["path"]).is_file() else None

    def _remember(self, repository: str, path: Path) -> dict[str, str]:
        known = {"source": f"hub:{repository}", "path": str(path)}
        write_json(self._memory, known)
        return known


def find_backbone(
    name: str, packaged: Mapping[str, Backbone], files: Mapping[str, Path]
) -> Backbone:
    """Return a backbone by name.

    Args:
        name: a timm model, a packaged backbone, or ``ARCHITECTURE@random:SEED``.
        packaged: backbones that plugins bring.
        files: weights that the user gave by ``--weights NAME=FILE``; they come first.

    Raises:
        BenchError: ``random`` is asked for without a seed.
    """
    if name in files:
        return packaged.get(name, HubBackbone(name)).given(files[name])
    if name in packaged:
        return packaged[name]
    architecture, at, weights = name.partition("@")
    if at:
        kind, _, seed = weights.partition(":")
        if kind != "random" or not seed.isdecimal():
            raise BenchError(f"backbone {name}: after @ comes random:SEED, as in resnet50@random:0")
        return RandomBackbone(name, architecture, int(seed))
    return HubBackbone(name)


def known_backbones(packaged: Mapping[str, Backbone]) -> dict[str, Backbone]:
    """Return the backbones that have a name here: brought by plugins, of the table, or fetched."""
    fetched = (cache_dir() / "weights").glob("hub-*.json")
    names = {file.stem.removeprefix("hub-") for file in fetched} | hub.TAGS.keys()
    return {name: HubBackbone(name) for name in names} | dict(packaged)


def packaged_file(package: str, *parts: str) -> Path | None:
    """Return a file inside an installed package without importing it, or ``None``."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]).joinpath(*parts)
    return path if path.is_file() else None
