"""The network: the branch that both twins share. It turns an image into a point on a sphere."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import normalize

KERNEL = 3  # pixels; no padding, as in the published code
SMALLEST_NORM = 1e-6  # what an embedding of zeros is divided by


class Branch(nn.Module):
    """Convolutions, each rectified and halved by max pooling; a dense layer; length 1.

    Weights begin as Keras draws them, uniform after Glorot and with biases of zero: the published
    code leaves them at these defaults.
    """

    def __init__(self, side: int, filters: Sequence[int], width: int) -> None:
        """Build a branch with fresh weights.

        Args:
            side: of the square images, in pixels; at least :func:`smallest_side`.
            filters: of each convolution.
            width: length D of an embedding.
        """
        super().__init__()
        steps: list[nn.Module] = []
        channels = 1
        for count in filters:
            steps += [nn.Conv2d(channels, count, KERNEL), nn.ReLU(), nn.MaxPool2d(2)]
            channels, side = count, (side - KERNEL + 1) // 2
        dense = nn.Linear(channels * side**2, width)
        self.steps = nn.Sequential(*steps, nn.Flatten(), dense, nn.ReLU())
        for layer in self.steps:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Turn (B, 1, S, S) images into (B, D) embeddings of length 1, none of them negative.

        An image that no unit of the dense layer answers to is embedded as zeros.
        """
        outputs: Tensor = self.steps(images)
        return normalize(outputs.float(), eps=SMALLEST_NORM)


def smallest_side(depth: int) -> int:
    """Return the side in pixels that leaves one position after ``depth`` convolutions."""
    side = 1
    for _ in range(depth):
        side = 2 * side + KERNEL - 1
    return side
