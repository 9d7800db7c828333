"""What a network of Keras sees when it is given images that were prepared for another one.

The published script prepares all images for DenseNet (mode "torch" of Keras): scaled to [0, 1],
then by mean and deviation of ImageNet. The other networks were trained on images in another scale.
The networks here are timm's, each behind the normalisation that it was trained with; so the mistake
is not the values themselves but the image that the network of Keras takes them for.
"""

from typing import Literal

import torch
from torch import Tensor

Mode = Literal["torch", "caffe", "tf", "raw"]

MEAN = (0.485, 0.456, 0.406)  # red, green, blue
DEVIATION = (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red; on the scale of 0 to 255


def taken_for(grey: Tensor, mode: Mode) -> Tensor:
    """Return the images that a network takes images prepared for DenseNet for.

    Args:
        grey: (B, 1, H, W) in [0, 1].
        mode: how the network was trained. ``torch``: as DenseNet. ``caffe``: blue, green, red in
            0 to 255 minus their means (ResNet). ``tf``: in [-1, 1] (MobileNetV2). ``raw``: in 0 to
            255 (EfficientNet, which scales them itself).

    Returns:
        (B, 3, H, W), red, green and blue on the scale of [0, 1]; they may lie outside.
    """
    given = (grey - _channels(MEAN, grey)) / _channels(DEVIATION, grey)
    if mode == "caffe":
        return ((given + _channels(CAFFE_MEAN, grey)) / 255).flip(1)
    if mode == "tf":
        return (given + 1) / 2
    return given / 255 if mode == "raw" else grey.expand_as(given)


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)
