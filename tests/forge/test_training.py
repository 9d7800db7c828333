import numpy as np
import pytest
import torch

from harness.errors import BenchError
from harness.forge import diffusion
from harness.forge.gan import GAN
from harness.forge.networks import LATENT, Discriminator, Generator


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=[GAN, diffusion.Diffusion], ids=["gan", "diffusion"])
def trainer(request):
    def make(seed=0, images=None):
        if images is None:
            images = np.random.default_rng(0).integers(0, 256, (6, 32, 32))
        return request.param(images.astype(np.uint8), 4, np.random.SeedSequence(seed), "cpu")

    return make


@pytest.fixture(autouse=True)
def few_sampling_steps(monkeypatch):
    monkeypatch.setattr(diffusion, "SAMPLING_STEPS", 2)


def quiet(done):
    pass


def sample(made, count=5):
    return made.sample(count, np.random.SeedSequence(9))


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_networks_make_and_judge_images_of_every_size(size):
    images = Generator(size)(torch.randn(2, LATENT))
    assert images.shape == (2, 1, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(size)(images).shape == (2,)


def test_training_is_the_same_twice_and_another_one_with_another_seed(trainer, tmp_path):
    made = [trainer(seed) for seed in (1, 1, 2)]
    for number, one in enumerate(made):
        one.run(4, tmp_path / f"{number}.pt", 100, quiet)
    first, again, other = map(sample, made)
    assert first.shape == (5, 32, 32)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_resumed_from_any_checkpoint_it_ends_in_the_same_weights(trainer, tmp_path):
    whole, broken = trainer(), trainer()
    whole.run(4, tmp_path / "whole.pt", 100, quiet)

    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.run(4, tmp_path / "broken.pt", 2, stop)
    resumed, steps = trainer(seed=7), []
    resumed.run(4, tmp_path / "broken.pt", 2, steps.append)
    assert steps == [2, 3, 4]
    assert resumed.losses == whole.losses
    for one, other in zip(resumed.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.equal(one, other)
    assert np.array_equal(sample(resumed), sample(whole))


def test_a_damaged_checkpoint_is_named(trainer, tmp_path):
    path = tmp_path / "members.pt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(BenchError, match=r"members\.pt: is no checkpoint .*; remove it"):
        trainer().load(path)


def test_more_samples_begin_with_the_fewer_ones(trainer):
    made = trainer()
    assert np.array_equal(sample(made, 70)[:5], sample(made, 5))


def test_training_leaves_the_global_random_numbers_alone(trainer, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    trainer().run(1, tmp_path / "x.pt", 100, quiet)
    assert torch.equal(torch.rand(1), expected)


def test_a_gan_learns_what_it_is_shown(tmp_path):
    images = np.full((6, 32, 32), 230, np.uint8)
    bright = GAN(images, 4, np.random.SeedSequence(0), "cpu")
    before = np.abs(sample(bright).astype(int) - 230).mean()
    bright.run(60, tmp_path / "x.pt", 1000, quiet)
    assert np.abs(sample(bright).astype(int) - 230).mean() < 0.6 * before


def test_a_diffusion_model_learns_to_tell_noise(tmp_path):
    images = np.full((6, 32, 32), 230, np.uint8)
    model = diffusion.Diffusion(images, 4, np.random.SeedSequence(0), "cpu")
    model.run(30, tmp_path / "x.pt", 1000, quiet)
    losses = np.array(model.losses)[:, 0]
    assert losses[-10:].mean() < 0.5 * losses[:3].mean()


def test_the_loss_curve_covers_the_whole_training(trainer):
    made = trainer()
    assert made.loss_curve() == []
    made.losses = [(float(n), 0.0)[: len(made.loss_names)] for n in range(50)]
    curve = made.loss_curve(points=5)
    assert [point["iteration"] for point in curve] == [10, 20, 30, 40, 50]
    assert curve[0][made.loss_names[0]] == 4.5


def test_stopped_at_a_stage_and_gone_on_it_ends_in_the_same_weights(trainer, tmp_path):
    whole, staged = trainer(), trainer()
    whole.run(4, tmp_path / "whole.pt", 100, quiet)
    staged.run(1, tmp_path / "staged.pt", 100, quiet)
    early = sample(staged)
    staged.run(4, tmp_path / "staged.pt", 100, quiet)
    assert np.array_equal(sample(staged), sample(whole))
    assert not np.array_equal(early, sample(staged))
