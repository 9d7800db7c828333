import numpy as np
import pytest
import torch

from harness.errors import BenchError
from harness.forge.networks import LATENT, Discriminator, Generator
from harness.forge.training import Regime, Trainer


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trainer(seed=0, iterations=4, images=None):
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32)) if images is None else images
    regime = Regime(size=32, iterations=iterations, batch=4)
    return Trainer(images.astype(np.uint8), regime, np.random.SeedSequence(seed), "cpu")


def quiet(done, of):
    pass


def sample(made, count=5):
    return made.sample(count, np.random.SeedSequence(9))


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_networks_make_and_judge_images_of_every_size(size):
    images = Generator(size)(torch.randn(2, LATENT))
    assert images.shape == (2, 1, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(size)(images).shape == (2,)


def test_training_is_the_same_twice_and_another_one_with_another_seed(tmp_path):
    made = [trainer(seed) for seed in (1, 1, 2)]
    for number, one in enumerate(made):
        one.run(tmp_path / f"{number}.pt", 100, quiet)
    first, again, other = map(sample, made)
    assert first.shape == (5, 32, 32)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_resumed_from_any_checkpoint_it_ends_in_the_same_weights(tmp_path):
    whole, broken = trainer(), trainer()
    whole.run(tmp_path / "whole.pt", 100, quiet)

    def stop(done, of):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.run(tmp_path / "broken.pt", 2, stop)
    resumed, steps = trainer(seed=7), []
    resumed.run(tmp_path / "broken.pt", 2, lambda done, of: steps.append(done))
    assert steps == [2, 3, 4]
    assert resumed.losses == whole.losses
    for one, other in zip(resumed.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.equal(one, other)
    assert np.array_equal(sample(resumed), sample(whole))


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "members.pt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(BenchError, match=r"members\.pt: is no checkpoint .*; remove it"):
        trainer().load(path)


def test_more_samples_begin_with_the_fewer_ones():
    made = trainer()
    assert np.array_equal(sample(made, 70)[:5], sample(made, 5))


def test_training_leaves_the_global_random_numbers_alone(tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    trainer(iterations=1).run(tmp_path / "x.pt", 100, quiet)
    assert torch.equal(torch.rand(1), expected)


def test_it_learns_what_it_is_shown(tmp_path):
    bright = trainer(iterations=60, images=np.full((6, 32, 32), 230))
    before = np.abs(sample(bright).astype(int) - 230).mean()
    bright.run(tmp_path / "x.pt", 1000, quiet)
    assert np.abs(sample(bright).astype(int) - 230).mean() < 0.6 * before


def test_the_loss_curve_covers_the_whole_training():
    made = trainer(iterations=50)
    assert made.loss_curve() == []
    made.losses = [(float(n), 0.0) for n in range(50)]
    curve = made.loss_curve(points=5)
    assert [point["iteration"] for point in curve] == [10, 20, 30, 40, 50]
    assert curve[0]["discriminator"] == 4.5
