import pytest
import torch

from bench_siamese_contrastive.loss import contrastive

ONE = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
OTHER = torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 1.0], [0.6, 0.8]])
NEAR = 0.8**0.5  # the distance of the first two pairs; the third has sqrt(2), the last 0


@pytest.mark.parametrize(
    ("row", "same", "margin", "expected"),
    [
        (0, 1, 1.0, 0.8),
        (1, 0, 1.0, (1 - NEAR) ** 2),
        (1, 0, 2.0, (2 - NEAR) ** 2),
        (2, 0, 1.0, 0.0),
        (2, 1, 1.0, 2.0),
        (3, 1, 1.0, 0.0),
        (3, 0, 1.0, 1.0),
    ],
)
def test_a_pair_costs_its_distance_or_what_lacks_to_the_margin(row, same, margin, expected):
    pair = slice(row, row + 1)
    loss = contrastive(ONE[pair], OTHER[pair], torch.tensor([float(same)]), margin)
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_the_loss_of_a_batch_is_the_mean_of_its_pairs():
    same = torch.tensor([1.0, 0.0, 1.0, 0.0])
    expected = (0.8 + (1 - NEAR) ** 2 + 2 + 1) / 4
    assert float(contrastive(ONE, OTHER, same, 1.0)) == pytest.approx(expected, abs=1e-6)


def test_equal_embeddings_leave_the_gradient_finite():
    one = ONE.clone().requires_grad_()
    contrastive(one, ONE, torch.tensor([1.0, 0.0, 1.0, 0.0]), 1.0).backward()
    assert one.grad.isfinite().all()
