"""A small denoising diffusion model, sampled by DDIM.

After Ho et al. 2020 (https://arxiv.org/abs/2006.11239) and Song et al. 2021
(https://arxiv.org/abs/2010.02502); network and noise schedules are those of diffusers.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from harness.errors import BenchError
from harness.forge.training import DECAY, SAMPLED_AT_ONCE, Trainer

try:
    from diffusers import DDIMScheduler, UNet2DModel
except ImportError as error:
    extra = 'pip install "fingerprint-bench[forge]"'
    raise BenchError(f"bench forge diffusion needs diffusers; get it by: {extra}") from error

RATE = 5e-4  # of Adam
NOISE_LEVELS = 1000  # linear, as Ho et al., section 4
SAMPLING_STEPS = 50  # of DDIM, without noise of its own (eta 0)
WIDTHS = {32: (32, 64, 64), 64: (32, 32, 64, 64), 128: (16, 32, 32, 64, 64)}
WIDTHS[256] = (16, 16, 32, 32, 64, 64)


class Diffusion(Trainer):
    """A network that learns to tell the noise in an image."""

    loss_names: ClassVar[tuple[str, ...]] = ("denoising",)

    def build(self, size: int) -> None:
        """Set the network and its average."""
        widths = WIDTHS[size]
        plain = len(widths) - 1
        self.denoiser = UNet2DModel(
            sample_size=size,
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            block_out_channels=widths,
            norm_num_groups=8,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
        )
        self.average = copy.deepcopy(self.denoiser).requires_grad_(requires_grad=False)
        self.networks = {"denoiser": self.denoiser, "average": self.average}
        self.optimisers = {"denoiser": torch.optim.Adam(self.denoiser.parameters(), RATE)}
        self.schedule = DDIMScheduler(num_train_timesteps=NOISE_LEVELS)
        self.side = size

    def learn(self) -> tuple[float, ...]:
        """Add noise to real images and learn to tell it."""
        images = self.reals()
        noise = torch.randn(images.shape, generator=self.draws).to(self.device)
        levels = torch.randint(NOISE_LEVELS, (len(images),), generator=self.draws).to(self.device)
        told = self.denoiser(self.schedule.add_noise(images, noise, levels), levels).sample
        loss = mse_loss(told, noise)
        self.descend("denoiser", loss)
        self.follow(self.average, self.denoiser)
        return (loss.item(),)

    def make(self, draws: torch.Generator) -> Tensor:
        """Return images by the averaged network, from pure noise."""
        images = torch.randn(SAMPLED_AT_ONCE, 1, self.side, self.side, generator=draws)
        images = images.to(self.device)
        self.schedule.set_timesteps(SAMPLING_STEPS)
        for level in self.schedule.timesteps:
            told = self.average(images, level).sample
            images = self.schedule.step(told, level, images).prev_sample
        return images

    def facts(self) -> dict[str, Any]:
        """Return the recipe in words and figures, for a card."""
        return {
            "network": f"UNet of diffusers, widths {WIDTHS[self.side]}, attention at the lowest",
            "noise": f"{NOISE_LEVELS} levels, linear",
            "loss": "mean squared error of the noise",
            "optimiser": f"Adam, rate {RATE}",
            "averaging": f"weights of the network, decay {DECAY}, faster at first",
            "sampling": f"DDIM, {SAMPLING_STEPS} steps",
            "augmentation": "none",
            "batch": self.batch,
        }
