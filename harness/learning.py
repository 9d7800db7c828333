"""Training networks inside a method, so that it can be interrupted and still ends the same.

For authors of methods, beside :mod:`harness.method`. It needs torch.
"""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.files import atomic
from harness.method import Tools

SAVED_EVERY = 60.0  # seconds between two checkpoints


class Backbone(nn.Module):
    """A backbone's network with its weights, to be trained; :meth:`Tools.network` gives it.

    Attributes:
        body: the timm model without its classifier, on normalised images of three channels.
        side: side length in pixels of the images that its weights were trained on.
        width: length D of a feature.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        *,
        path: str,
        architecture: str,
        any_side: bool,
        side: int,
        mean: Sequence[float],
        deviation: Sequence[float],
    ) -> None:
        """Build the network that the feature service has written to ``path``."""
        import timm
        from safetensors.torch import load_file

        super().__init__()
        sizes: dict[str, Any] = {"dynamic_img_size": True} if any_side else {}
        self.body: Any = timm.create_model(architecture, num_classes=0, **sizes)
        self.body.load_state_dict(load_file(path))
        self.side = side
        # A head behind the pooling, as in MobileNetV3, may have a width of its own.
        self.width: Any = getattr(self.body, "head_hidden_size", self.body.num_features)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1), False)

    def normalised(self, grey: Tensor) -> Tensor:
        """Turn (B, 1, H, W) greys in [0, 1] into what ``body`` takes, (B, 3, H, W)."""
        return (grey - self.mean) / self.deviation

    def forward(self, grey: Tensor) -> Tensor:
        """Turn (B, 1, H, W) greys in [0, 1] into (B, D) pooled features."""
        features: Tensor = self.body(self.normalised(grey))
        return features


def train(
    loss_of: Callable[[Tensor], Tensor],
    *,
    images: int,
    batch: int,
    epochs: int,
    optimiser: torch.optim.Optimizer,
    networks: Mapping[str, nn.Module],
    tools: Tools,
    what: str,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    after: Callable[[], None] | None = None,
) -> list[float]:
    """Train for some epochs, going on where an interrupted run of the same cell stopped.

    All randomness of a step has to come from torch's global generators; their state is part of
    the checkpoint. Networks are in training mode meanwhile and in evaluation mode afterwards.

    Args:
        loss_of: turns the rows of a batch, (B,) int64 on the CPU, into a loss to descend.
        images: rows are drawn from 0 to ``images - 1``, in a fresh order every epoch.
        batch: rows a step; a shorter rest of an epoch is left out, unless it is all there is.
        epochs: how often every image is seen.
        optimiser: holds the parameters that are changed.
        networks: all modules whose weights or buffers change, by name.
        tools: of the cell.
        what: names progress and checkpoint; differs between two trainings of a cell.
        schedule: of the learning rate; moves on after every epoch.
        after: called after every step, for momentum encoders and queues.

    Returns:
        The mean loss of each epoch.

    Raises:
        FloatingPointError: a loss is not finite.
        ValueError: there is nothing to learn from.
    """
    if images < 1 or batch < 1:
        raise ValueError(f"{what}: {images} images in batches of {batch} are nothing to learn from")
    course = _Course(tools, what, optimiser, networks, schedule)
    course.resume()
    for network in networks.values():
        network.train()
    steps = max(1, images // batch)
    saved = time.monotonic()
    for step in tools.progress(range(steps * epochs), what):
        if step < course.steps:
            continue
        if step % steps == 0:
            course.order = torch.randperm(images)
        start = step % steps * batch
        course.descend(loss_of, course.order[start : start + batch])
        if after is not None:
            after()
        if (step + 1) % steps == 0 and schedule is not None:
            schedule.step()
        if time.monotonic() - saved > SAVED_EVERY:
            course.save()
            saved = time.monotonic()
    course.save()  # a later part of the same fit may be interrupted, too
    for network in networks.values():
        network.eval()
    losses = torch.tensor(course.losses).view(epochs, steps)
    return [float(mean) for mean in losses.mean(1)]


class _Course:
    """A training under way, and all that it depends on from here on."""

    def __init__(
        self,
        tools: Tools,
        what: str,
        optimiser: torch.optim.Optimizer,
        networks: Mapping[str, nn.Module],
        schedule: torch.optim.lr_scheduler.LRScheduler | None,
    ) -> None:
        self.device = torch.device(tools.device)
        self.bf16 = tools.precision == "bf16"
        self.what, self.log = what, tools.log
        self.path: Path = tools.checkpoints / f"{what.replace('/', '-')}.pt"
        self.optimiser = optimiser
        self.parts: dict[str, Any] = {"optimiser": optimiser, **networks}
        if schedule is not None:
            self.parts["schedule"] = schedule
        self.order = torch.empty(0, dtype=torch.int64)
        self.losses: list[float] = []

    @property
    def steps(self) -> int:
        """How many are done."""
        return len(self.losses)

    def descend(self, loss_of: Callable[[Tensor], Tensor], rows: Tensor) -> None:
        """Do one step."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = loss_of(rows)
        value = loss.item()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"{self.what}: the loss is {value} at step {self.steps + 1}")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.losses.append(value)

    def save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "random": torch.get_rng_state(),
            "device_random": self._device_random(),
            "order": self.order,
            "losses": self.losses,
        }
        buffer = io.BytesIO()  # a signal while torch writes to a file would abort the process
        torch.save(state, buffer)
        with atomic(self.path) as stream:
            stream.write(buffer.getbuffer())

    def resume(self) -> None:
        """Go to where the last checkpoint was written, if there is one."""
        if not self.path.is_file():
            return
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            self.log(f"{self.what}: the checkpoint cannot be read ({error}); begins again")
            return
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["device_random"], self.device)
        elif self.device.type == "mps":
            torch.mps.set_rng_state(state["device_random"])
        self.order, self.losses = state["order"], state["losses"]
        self.log(f"{self.what}: goes on after {self.steps} steps of an interrupted run")

    def _device_random(self) -> Tensor | None:
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.mps.get_rng_state() if self.device.type == "mps" else None
