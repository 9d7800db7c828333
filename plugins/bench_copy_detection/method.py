"""Copy detection: the generated image nearest by a descriptor, or by structural similarity."""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.method import (
    Access,
    Field,
    ImageSet,
    Method,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl
from harness.thresholds import best_kappa_threshold

Closeness = Callable[[ImageSet], NDArray[np.float32]]  # N images -> (N,) similarities

TURNED = (
    "the papers ask which training image is nearest to each generated one; here every real image "
    "asks for its nearest generated one"
)
THRESHOLD = "the threshold is that of best kappa on the training reals"


class _Nearest(Method):
    """Score each image by its most similar generated image in either pool."""

    name = "copy-detection"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the nearest image of either pool."""
        reals = self._training.reals
        closeness = self._closeness((self._training.generated, questions.generated), tools)
        threshold = best_kappa_threshold(reals.gather(closeness), reals.labels)
        scores = closeness(questions.unknown)
        return Prediction(scores, (scores > threshold).astype(int))

    @abstractmethod
    def _closeness(self, pools: tuple[ImageSet, ...], tools: Tools) -> Closeness:
        """Return what tells the largest similarity of images with any of the pools."""


class CopyDetection(_Nearest):
    """Largest cosine of copy detection descriptors (SSCD) with any generated image."""

    reference = Reference(
        paper=(
            "Pizzi et al., A Self-Supervised Descriptor for Image Copy Detection, CVPR 2022; "
            "Somepalli et al., Diffusion Art or Digital Forgery?, CVPR 2023"
        ),
        url="https://arxiv.org/abs/2202.10261",
    )
    deviations = (
        TURNED,
        THRESHOLD,
        "SSCD's weights come from a file alone (--weights sscd=FILE): without it the paper budget "
        "cannot run, and at the demo budget features of an ImageNet network stand in for it",
    )
    demo = {"backbone": "tf_efficientnet_lite0"}

    backbone: str = Field("sscd", description="descriptor whose cosine compares images")

    def _closeness(self, pools: tuple[ImageSet, ...], tools: Tools) -> Closeness:
        pool = np.concatenate([tools.features(images, self.backbone) for images in pools])

        def closeness(images: ImageSet) -> NDArray[np.float32]:
            return tools.neighbours(tools.features(images, self.backbone), pool, "cosine")[0][:, 0]

        return closeness


class StructuralCopies(_Nearest):
    """Largest structural similarity (SSIM) with any generated image."""

    name = "copy-detection-ssim"
    headline = False
    reference = Reference(
        paper="Wang et al., Image quality assessment, IEEE TIP 2004, as a copy detector",
        url="https://doi.org/10.1109/TIP.2003.819861",
    )
    deviations = (TURNED, THRESHOLD)
    demo = {"side": 32}

    side: int | None = Field(
        None, ge=1, description="pixels of the images' sides at most; none: as they are"
    )

    def _closeness(self, pools: tuple[ImageSet, ...], tools: Tools) -> Closeness:
        import torch

        from bench_copy_detection.similarity import Compared, best_similarities

        own = pools[0].pixels.shape[1]
        side = min(self.side or own, own)
        pool = Compared(torch.cat([images.tensor(side, device=tools.device) for images in pools]))

        def closeness(images: ImageSet) -> NDArray[np.float32]:
            found = [
                best_similarities(images[[row]].tensor(side, device=tools.device), pool)
                for row in tools.progress(range(len(images)), "structural similarity")
            ]
            return torch.cat(found).cpu().numpy()

        return closeness


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the detector by descriptors, and that by structural similarity."""
    return [CopyDetection, StructuralCopies]
