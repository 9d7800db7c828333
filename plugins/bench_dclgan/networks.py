"""The two networks of a direction: a residual generator and a patch discriminator.

Neural Nexus, section 3.4. Images are (B, 1, S, S) float in [-1, 1]; shapes in docstrings are those
of the paper, S = 256 and 64 channels.
"""

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 with instance norm, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (B, C, H, W) into the same shape."""
        added: Tensor = maps + self.body(maps)
        return added


class Generator(nn.Module):
    """7 x 7 convolution, twice down, residual blocks, twice up, 7 x 7 convolution, tanh."""

    def __init__(self, *, channels: int, blocks: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 7, padding=3, padding_mode="reflect"),
            *_normed(channels),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            *_normed(2 * channels),
            nn.Conv2d(2 * channels, wide, 3, stride=2, padding=1),
            *_normed(wide),
            *(ResidualBlock(wide) for _ in range(blocks)),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(wide, 2 * channels, 3, padding=1),
            *_normed(2 * channels),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(2 * channels, channels, 3, padding=1),
            *_normed(channels),
            nn.Conv2d(channels, 1, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Turn (B, 1, 256, 256) images of one domain into images of the other."""
        made: Tensor = self.layers(images)
        return made


class Discriminator(nn.Module):
    """PatchGAN of five convolutions of 4 x 4, all with spectral norm.

    What the paper reads by hooks, the activations behind each stage, is returned.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels, 8 * channels]
        self.stages = nn.ModuleList()
        for inputs, outputs in zip([1, *widths], widths, strict=False):
            first, last = inputs == 1, outputs == widths[-1]
            self.stages.append(
                nn.Sequential(
                    spectral_norm(nn.Conv2d(inputs, outputs, 4, 1 if last else 2, 1)),
                    nn.Identity() if first else nn.InstanceNorm2d(outputs),
                    nn.LeakyReLU(0.2),
                )
            )
        self.verdict = spectral_norm(nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def activations(self, images: Tensor) -> list[Tensor]:
        """Return the maps behind each stage, the deepest (B, 512, 31, 31) last."""
        found = []
        for stage in self.stages:
            images = stage(images)
            found.append(images)
        return found

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the deepest activations and a logit for each patch, (B, 1, 30, 30)."""
        deepest = self.activations(images)[-1]
        return deepest, self.verdict(deepest)


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels), nn.ReLU()
