"""The contrastive loss (Hadsell, Chopra and LeCun, Dimensionality Reduction, CVPR 2006)."""

from torch import Tensor
from torch.linalg import vector_norm


def contrastive(one: Tensor, other: Tensor, same: Tensor, margin: float) -> Tensor:
    """Return the mean loss of pairs of embeddings.

    A pair of one source costs its squared distance; any other the square of what its distance lacks
    to the margin.

    Args:
        one: (B, D) embeddings.
        other: (B, D) embeddings of their partners.
        same: (B,) 1 for pairs of one source, 0 for the others.
        margin: Euclidean distance from which a pair of two sources costs nothing.
    """
    distances = vector_norm(one - other, dim=1)
    lacking = (margin - distances).clamp(min=0)
    loss: Tensor = (same * distances.square() + (1 - same) * lacking.square()).mean()
    return loss
