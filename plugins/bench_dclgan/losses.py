"""What the networks descend besides the verdict itself (Neural Nexus, section 3.4.1)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, relu

Histogram = Literal["soft", "hard"]
SMALL = {"soft": 1e-6, "hard": 1e-10}  # epsilon of equation 9; less would make steps explode


def patch_contrast(real: Tensor, made: Tensor, temperature: float) -> Tensor:
    """Return the PatchNCE loss: each patch has to find its own place in the other image.

    Args:
        real: (B, C, H, W) features of images that were translated.
        made: the same of their translations.
        temperature: divides the cosine similarities.
    """
    asked, offered = (normalize(maps.float().flatten(2), dim=1) for maps in (real, made))
    logits = asked.mT @ offered / temperature  # (B, patches, patches)
    places = torch.arange(logits.shape[1], device=logits.device)
    return cross_entropy(logits.flatten(0, 1), places.repeat(len(logits)))


def intensity_divergence(real: Tensor, made: Tensor, bins: int, histogram: Histogram) -> Tensor:
    """Return the HU loss: the mean Kullback-Leibler divergence of the greys (equation 9).

    Args:
        real: (B, 1, S, S) greys in [-1, 1].
        made: the same, compared with ``real`` image by image.
        bins: of the histograms.
        histogram: ``soft`` ones have a gradient, ``hard`` ones have none.
    """
    count = soft_histogram if histogram == "soft" else hard_histogram
    p, q = count(real, bins), count(made, bins)
    small = SMALL[histogram]
    return (p * ((p + small) / (q + small)).log()).sum(1).mean()


def soft_histogram(images: Tensor, bins: int) -> Tensor:
    """Return the share of each bin, (B, bins); a grey counts for the two nearest bin centres.

    Centres reach from -1 to 1, and weights fall linearly with the distance: that has a gradient.
    """
    places = (images.float().flatten(1) + 1) / 2 * (bins - 1)
    distances = places.unsqueeze(2) - torch.arange(bins, device=images.device)
    return relu(1 - distances.abs()).mean(1)


def hard_histogram(images: Tensor, bins: int) -> Tensor:
    """Return the share of pixels in each of ``bins`` equal parts of [-1, 1], (B, bins)."""
    counts = [torch.histc(image, bins, -1, 1) for image in images.detach().float()]
    return torch.stack(counts) / images[0].numel()


def gradient_penalty(critic: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """Return how far the critic's slope is from 1 between real and made images, squared.

    Gulrajani et al., Improved training of Wasserstein GANs, 2017; the slope is that of the sum of
    a critic's verdicts over the patches.

    Args:
        critic: returns features and verdicts.
        real: (B, 1, S, S).
        made: the same.
    """
    share = torch.rand(len(real), 1, 1, 1).to(real.device)
    between = (share * real + (1 - share) * made).requires_grad_()
    _, verdicts = critic(between)
    (slopes,) = torch.autograd.grad(verdicts.sum(), between, create_graph=True)
    lengths: Tensor = torch.linalg.vector_norm(slopes.float().flatten(1), dim=1)
    return (lengths - 1).square().mean()
