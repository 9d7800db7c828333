"""Training networks inside a method, so that it can be interrupted and still ends the same.

For authors of methods, beside :mod:`harness.method`. It needs torch. :func:`train` descends any
loss, :func:`train_classifier` that of a classifier; :func:`apply` asks what was learnt.
"""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.files import atomic
from harness.method import ImageSet, Tools

SAVED_EVERY = 60.0  # seconds between two checkpoints

Prepare = Callable[[ImageSet], Tensor]  # N images -> (N, C, S, S) float32 on the device


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
    for step in tools.progress(range(steps * epochs), what):
        if step < course.steps:
            continue
        start = step % steps * batch
        if start == 0:
            course.order = torch.randperm(images)
        course.descend(loss_of, course.order[start : start + batch])
        if after is not None:
            after()
        course.end_step(steps)
    course.save()  # a later part of the same fit may be interrupted, too
    for network in networks.values():
        network.eval()
    losses = [float(mean) for mean in torch.tensor(course.losses).view(epochs, steps).mean(1)]
    if losses:
        tools.log(f"{what}: loss {losses[0]:.4f} in the first epoch, {losses[-1]:.4f} in the last")
    return losses


def train_classifier(
    network: nn.Module,
    images: ImageSet,
    labels: NDArray[np.int64],
    *,
    prepare: Prepare,
    batch: int,
    epochs: int,
    optimiser: torch.optim.Optimizer,
    tools: Tools,
    what: str,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> list[float]:
    """Train a network to tell classes apart, by cross-entropy.

    Args:
        network: turns prepared images into (B, C) logits.
        images: what is learnt from.
        labels: (N,) in 0..C-1.
        prepare: turns images into what the network takes, augmented as the method wants.
        batch: as in :func:`train`, and so are those that follow.
        epochs: see there.
        optimiser: see there.
        tools: see there.
        what: see there.
        schedule: see there.

    Returns:
        The mean loss of each epoch.

    Raises:
        FloatingPointError, ValueError: as :func:`train` does.
    """
    classes = torch.from_numpy(labels).to(tools.device)

    def loss_of(rows: Tensor) -> Tensor:
        logits = network(prepare(images[rows.numpy()]))
        return cross_entropy(logits, classes[rows.to(tools.device)])

    return train(
        loss_of,
        images=len(images),
        batch=batch,
        epochs=epochs,
        optimiser=optimiser,
        networks={"classifier": network},
        tools=tools,
        what=what,
        schedule=schedule,
    )


@torch.no_grad()
def apply(
    see: Callable[[Tensor], Tensor],
    images: ImageSet,
    *,
    prepare: Prepare,
    tools: Tools,
    what: str,
    at_once: int = 64,
) -> NDArray[np.float32]:
    """Return what a network sees in images, batch by batch, at the precision of the run.

    Args:
        see: turns prepared images into (B, ...) numbers; a network in evaluation mode.
        images: N of them.
        prepare: turns images into what ``see`` takes.
        tools: of the cell.
        what: names the progress.
        at_once: images in a batch.

    Returns:
        (N, ...) float32.
    """
    device, bf16 = torch.device(tools.device), tools.precision == "bf16"
    parts = []
    for start in tools.progress(range(0, len(images), at_once), what):
        batch = prepare(images[start : start + at_once])
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            parts.append(see(batch).float().cpu())
    return torch.cat(parts).numpy()


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
        self.optimiser, self.schedule = optimiser, schedule
        self.parts: dict[str, Any] = {"optimiser": optimiser, **networks}
        if schedule is not None:
            self.parts["schedule"] = schedule
        self.order = torch.empty(0, dtype=torch.int64)
        self.losses: list[float] = []
        self.saved = time.monotonic()

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

    def end_step(self, of: int) -> None:
        """Move the schedule on after the last of an epoch's steps; save what was long unsaved."""
        if self.schedule is not None and self.steps % of == 0:
            self.schedule.step()
        if time.monotonic() - self.saved > SAVED_EVERY:
            self.save()

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
        self.saved = time.monotonic()

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
