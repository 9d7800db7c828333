"""Networks by timm: loading weights, and the preprocessing that the weights' own config states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save
from timm.data import resolve_data_config
from timm.models import VisionTransformer, load_state_dict
from torch import nn
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transform

from harness.errors import BenchError, did_you_mean
from harness.features.extractor import AS_MAP, POOL, TOKENS
from harness.features.hub import full_name
from harness.files import atomic
from harness.protocol import Network

PIXEL_BYTES = 256  # of activations for each pixel of a network's input: 13 MB for 224 x 224


class NetworkExtractor:
    """A frozen network without its classifier, behind the preprocessing of its weights."""

    def __init__(self, network: nn.Module, device: str, precision: str) -> None:
        config = resolve_data_config({}, model=network)
        self.side = int(config["input_size"][-1])
        self.scaled = math.floor(self.side / config["crop_pct"])
        self.interpolation = InterpolationMode(config["interpolation"])
        self.device = torch.device(device)
        self.precision = precision
        self.independent = False  # kernels differ with the size of a batch
        self.footprint = PIXEL_BYTES * self.side**2
        self.mean = torch.tensor(config["mean"], device=device).view(1, 3, 1, 1)
        self.deviation = torch.tensor(config["std"], device=device).view(1, 3, 1, 1)
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)
        self._places = _inner_layers(network)
        inner = (name for layer in self._places for name in (layer, layer + AS_MAP))
        self.layers = (POOL, TOKENS, *inner)
        self.preprocessing = (
            f"shorter side to {self.scaled} in 8 bits ({config['interpolation']}, antialiased), "
            f"centre {self.side}, grey to 3 channels, mean {config['mean']}, std {config['std']}"
        )

    @torch.inference_mode()
    def __call__(self, pixels: torch.Tensor, layers: Sequence[str] = (POOL,)) -> list[torch.Tensor]:
        """Turn (B, H, W) uint8 into float32 features of each layer, (B, D) or (B, T, D)."""
        images = self._prepared(pixels)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            found = self._forward(images, layers)
        return [found[layer].float() for layer in layers]

    def _prepared(self, pixels: torch.Tensor) -> torch.Tensor:
        """Resize, crop and normalise as the weights' configuration says, (B, 3, S, S) float32.

        In 8 bits, as the evaluation of the weights and most teams have it by Pillow.
        """
        grey = transform.resize(pixels.unsqueeze(1), [self.scaled], self.interpolation)
        grey = transform.center_crop(grey, [self.side, self.side]).float() / 255
        shape = (len(grey), 3, self.side, self.side)
        images = torch.empty(shape, device=self.device, memory_format=torch.channels_last)
        return torch.sub(grey, self.mean, out=images).div_(self.deviation)

    def _forward(self, images: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        if set(layers) == {POOL}:
            return {POOL: self.network(images)}
        network: Any = self.network
        names = [layer.removesuffix(AS_MAP) for layer in layers]
        places = sorted({self._places[name] for name in names if name in self._places})
        if places:
            last, inner = network.forward_intermediates(images, indices=places)
        else:
            last, inner = network.forward_features(images), []
        found: dict[str, torch.Tensor] = {}
        for layer, name in zip(layers, names, strict=True):
            if layer == POOL:
                found[layer] = network.forward_head(last)
            elif layer == TOKENS:
                found[layer] = self._positions(last)
            else:
                tokens = inner[places.index(self._places[name])].flatten(2).mT
                found[layer] = tokens if layer.endswith(AS_MAP) else tokens.float().mean(1)
        return found

    def _positions(self, last: torch.Tensor) -> torch.Tensor:
        """Return the last feature map as (B, T, D), without class and register tokens."""
        if last.ndim == 3:
            return last[:, getattr(self.network, "num_prefix_tokens", 0) :]
        by_channel = getattr(self.network, "output_fmt", "NCHW") == "NCHW"
        return last.flatten(2).mT if by_channel else last.flatten(1, 2)


def _inner_layers(network: Any) -> dict[str, int]:
    """Return the layers inside a network by name, and timm's index of each.

    Networks whose maps keep their size are made of blocks, others of stages; both count from 1.
    """
    if not hasattr(network, "forward_intermediates"):
        return {}
    reductions = [entry["reduction"] for entry in network.feature_info]
    kind = "block" if len(set(reductions)) == 1 else "stage"
    return {f"{kind}{index + 1}": index for index in range(len(reductions))}


def export(extractor: NetworkExtractor, path: Path) -> Network:
    """Write a network's weights to ``path``, unless they are there, and describe the rest."""
    network: Any = extractor.network
    if not path.exists():
        tensors = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
        with atomic(path) as stream:
            stream.write(save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    config = network.pretrained_cfg
    return Network(
        path=path,
        architecture=".".join(filter(None, (config["architecture"], config.get("tag")))),
        any_side=isinstance(network, VisionTransformer),
        side=extractor.side,
        mean=tuple(extractor.mean.flatten().tolist()),
        deviation=tuple(extractor.deviation.flatten().tolist()),
    )


def from_file(name: str, path: Path, *, renamed: bool = False) -> nn.Module:
    """Build a timm model and load all its weights from ``path``, refusing any that do not fit.

    Raises:
        BenchError: timm knows no such model, or the file does not hold its weights.
    """
    full = _known(name)
    network: Any
    try:
        if renamed:
            network = timm.create_model(full)
            tensors = load_state_dict(str(path), use_ema=False).values()
            network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=True)))
        else:
            overlay = {"file": str(path)}
            network = timm.create_model(full, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise BenchError(f"weights of {name}: {path} does not fit the model: {reason}") from None
    network.reset_classifier(0)
    headless: nn.Module = network
    return headless


def from_seed(name: str, seed: int) -> nn.Module:
    """Build a timm model with random weights drawn from ``seed``."""
    full = _known(name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network: nn.Module = timm.create_model(full, num_classes=0)
    return network


def repository(name: str) -> str:
    """Return the repository of the hub that timm names for a model's weights.

    Raises:
        BenchError: timm knows no such model or names no weights.
    """
    config: Any = timm.get_pretrained_cfg(_known(name))
    if config is None or not config.hf_hub_id:
        raise BenchError(f"backbone {name}: timm names no weights; give --weights {name}=FILE")
    found: str = config.hf_hub_id
    return found


def _known(name: str) -> str:
    """Return timm's full name of a model.

    Raises:
        BenchError: timm knows no such model.
    """
    if not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models())
        raise BenchError(f"backbone {name}: timm knows no such model{hint}")
    return full_name(name)
