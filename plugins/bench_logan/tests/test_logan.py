import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from bench_logan.method import bench_methods
from bench_logan.networks import GAN, perceptron
from harness.method import Budget, ImageSet, Questions, Training
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}


class TrainingTools(InProcessTools):
    precision = "fp32"

    def __init__(self, folder):
        super().__init__()
        self.checkpoints = folder
        torch.manual_seed(0)


def bright_members(name, folder, **changes):
    """Members and generated images are bright on the left, others on the right."""
    draws = np.random.default_rng(4)

    def images(count, left, what):
        pixels = draws.integers(0, 120, (count, 16, 16))
        pixels[:, :, slice(0, 8) if left else slice(8, 16)] += 120
        return pixels.astype(np.uint8), what

    def made(*parts):
        return ImageSet(np.concatenate([pixels for pixels, _ in parts]), parts[0][1])

    training = Training(
        {
            "used": made(images(20, True, "training.used")),
            "not_used": made(images(20, False, "training.not_used")),
            "generated": made(images(40, True, "training.generated")),
        }
    )
    unknown = (images(15, True, "questions.unknown"), images(15, False, ""))
    generated = images(40, True, "questions.generated")
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(training, TrainingTools(folder))
    questions = Questions({"unknown": made(*unknown), "generated": made(generated)})
    return method.score(questions, TrainingTools(folder)), np.repeat([1, 0], 15)


def test_the_classifier_calls_what_looks_generated_used(tmp_path):
    prediction, truth = bright_members("logan", tmp_path, epochs=10, batch=20, folds=2)
    assert roc_auc_score(truth, prediction.scores) > 0.95
    assert (prediction.labels == truth).mean() > 0.9
    assert len(list(tmp_path.glob("classifier *.pt"))) == 3  # two folds, and all


def test_a_gan_learns_and_its_discriminator_answers(tmp_path):
    changes = {"side": 16, "channels": 4, "epochs": 3, "batch": 20}
    prediction, _ = bright_members("logan-gan", tmp_path, **changes)
    saved = torch.load(tmp_path / "GAN.pt", weights_only=True)
    assert len(saved["losses"]) == 3 * (80 // 20)
    gan = GAN(16, 4)
    gan.load_state_dict(saved["parts"]["gan"])
    _, asked, _ = leaky_case()
    assert gan.eval().discriminator(asked.unknown.tensor(16)).shape == (24,)
    assert np.isfinite(prediction.scores).all()
    assert prediction.scores.std() > 0


def test_each_network_gets_the_gradient_of_its_own_loss():
    """Against the same by hand, with one loss for each network."""
    torch.manual_seed(0)
    gan = GAN(16, 2)
    images = torch.rand(6, 1, 16, 16)
    torch.manual_seed(1)
    gan.loss(images).backward()
    both = {n: p.grad.clone() for n, p in gan.named_parameters()}
    torch.manual_seed(1)
    made = gan.generator(torch.randn(6, 100, 1, 1))
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    own = entropy(gan.discriminator(images), torch.ones(6))
    own = own + entropy(gan.discriminator(made.detach()), torch.zeros(6))
    for name, gradient in zip(
        dict(gan.discriminator.named_parameters()),
        torch.autograd.grad(own, list(gan.discriminator.parameters())),
        strict=True,
    ):
        assert torch.allclose(both[f"discriminator.{name}"], gradient, atol=1e-6)
    fooled = entropy(gan.discriminator(made), torch.ones(6))
    for name, gradient in zip(
        dict(gan.generator.named_parameters()),
        torch.autograd.grad(fooled, list(gan.generator.parameters())),
        strict=True,
    ):
        assert torch.allclose(both[f"generator.{name}"], gradient, atol=1e-6)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_the_networks_have_the_shapes_of_images(side):
    gan = GAN(side, 2).eval()
    made = gan.generator(torch.randn(3, 100, 1, 1))
    assert made.shape == (3, 1, side, side)
    assert gan.discriminator(made).shape == (3,)
    assert perceptron(7, 5)(torch.rand(3, 7)).shape == (3,)


def test_the_paper_budget_is_that_of_the_published_code():
    gan, classifier = (
        METHODS["logan-gan"].within(Budget.PAPER),
        METHODS["logan"].within(Budget.PAPER),
    )
    assert (gan.side, gan.channels, gan.batch, gan.rate) == (64, 64, 64, 2e-4)
    assert (classifier.hidden, classifier.epochs, classifier.batch) == (256, 300, 256)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_behaves(name):
    check_method(name)
