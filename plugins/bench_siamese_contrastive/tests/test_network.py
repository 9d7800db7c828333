import pytest
import torch

from bench_siamese_contrastive.method import bench_methods
from bench_siamese_contrastive.network import Branch, smallest_side
from harness.method import Budget

METHODS = {method.name: method for method in bench_methods()}


def branch(side=20, filters=(4, 8), width=6, seed=0):
    torch.manual_seed(seed)
    return Branch(side, filters, width)


@pytest.mark.parametrize("name", METHODS)
def test_the_papers_branch_has_the_shapes_of_the_published_code(name):
    paper = METHODS[name].within(Budget.PAPER)
    with torch.device("meta"):
        twin = Branch(paper.side, paper.filters, paper.width)
        maps, sizes = torch.empty(2, 1, 256, 256), []
        for step in twin.steps:
            maps = step(maps)
            if isinstance(step, torch.nn.MaxPool2d):
                sizes.append(tuple(maps.shape[1:]))
    assert sizes == [(16, 127, 127), (32, 62, 62), (64, 30, 30), (128, 14, 14)]
    assert tuple(maps.shape) == (2, 256)
    convolutions = sum(filters * (9 * before + 1) for before, filters in
                       ((1, 16), (16, 32), (32, 64), (64, 128)))  # fmt: skip
    dense = 256 * (14 * 14 * 128 + 1)
    assert sum(weight.numel() for weight in twin.parameters()) == convolutions + dense
    assert (paper.margin, paper.batch, paper.epochs, paper.learning_rate) == (1.0, 32, 50, 1e-4)


def test_embeddings_have_length_one_and_no_negative_part():
    embedded = branch()(torch.rand(5, 1, 20, 20))
    assert embedded.shape == (5, 6)
    assert embedded.norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-5)
    assert (embedded >= 0).all()


def test_before_training_the_scale_of_an_image_does_not_matter():
    images, twin = torch.rand(5, 1, 20, 20), branch()
    assert torch.allclose(twin(255 * images), twin(images), atol=1e-5)


def test_a_black_image_is_embedded_as_zeros_and_can_be_learnt_from():
    twin = branch()
    embedded = twin(torch.zeros(2, 1, 20, 20))
    assert embedded.abs().max() == 0
    (embedded + twin(torch.rand(2, 1, 20, 20))).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in twin.parameters())


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_smallest_side_leaves_one_position(depth):
    side = smallest_side(depth)
    twin = Branch(side, (2,) * depth, 3)
    assert twin(torch.rand(1, 1, side, side)).shape == (1, 3)
    maps = torch.rand(1, 1, side - 1, side - 1)
    with pytest.raises(RuntimeError):
        twin(maps)
