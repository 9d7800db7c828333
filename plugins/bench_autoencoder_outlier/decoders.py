"""VCMI's autoencoder with two decoders: one for generated images and one for real ones."""

from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from bench_autoencoder_outlier.autoencoder import AutoencoderMethod
from bench_autoencoder_outlier.batches import at_least_two, drawn, in_own_order
from bench_autoencoder_outlier.networks import Decoder, Encoder
from bench_autoencoder_outlier.outliers import from_mean
from bench_autoencoder_outlier.source import FROM_CODE, REFERENCE
from harness.learning import train
from harness.method import Access, Field, ImageSet, Prediction, Questions, Tools, Training


class TwoDecoders(nn.Module):
    """An encoder that two decoders share.

    Attributes:
        generated: the decoder of generated images.
        real: that of real ones.
    """

    def __init__(self, encoder: Encoder, generated: Decoder, real: Decoder) -> None:
        super().__init__()
        self.encoder, self.generated, self.real = encoder, generated, real

    def loss(self, generated: Tensor, real: Tensor) -> Tensor:
        """Return the sum of both mean squared errors, each kind given back by its own decoder."""
        return mse_loss(self.generated(self.encoder(generated)), generated) + mse_loss(
            self.real(self.encoder(real)), real
        )

    def as_generated(self, images: Tensor) -> Tensor:
        """Give images back as the decoder of generated ones sees them."""
        reconstructions: Tensor = self.generated(self.encoder(images))
        return reconstructions


class AutoencoderTwoDecoders(AutoencoderMethod):
    """Error of the decoder of generated images, beside one that learns from the questions."""

    name = "autoencoder-two-decoders"
    access = frozenset({Access.POOL, Access.TRANSDUCTIVE})
    headline = False
    reference = REFERENCE
    deviations = (
        FROM_CODE,
        "the code never computes the error that it compares with its threshold; here it is that of "
        "the real images given back by the decoder of generated ones",
        "the real images of a step come from a fresh order every epoch and not from draws of their "
        "own, and a short last batch is left out",
    )

    demo = {**AutoencoderMethod.demo, "epochs": 4}

    alpha: float = Field(1.0, description="deviations above the mean error that are no outlier")

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing yet: the questions and their generated images teach."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the negative error; label by the errors of the generated images."""
        return in_own_order(
            questions.unknown, lambda asked: self._answer(asked, questions.generated, tools)
        )

    def _answer(self, asked: ImageSet, pool: ImageSet, tools: Tools) -> Prediction:
        network = self._learn_both(asked, pool, tools)
        usual = self._errors(network.as_generated, pool, tools)
        found = self._errors(network.as_generated, asked, tools)
        threshold = from_mean(usual, self.alpha)
        return Prediction(-found, (found <= threshold).astype(int))

    def _learn_both(self, reals: ImageSet, pool: ImageSet, tools: Tools) -> TwoDecoders:
        """Return a network that was trained on as many real as generated images a step."""
        network = TwoDecoders(self._encoder(), self._decoder(), self._decoder()).to(tools.device)
        prepare = self._plain(tools)

        def loss_of(rows: Tensor) -> Tensor:
            made = drawn(len(pool), self.batch)
            batches = ((pool, made), (reals, rows))
            generated, real = (
                prepare(images[at_least_two(rows).numpy()]) for images, rows in batches
            )
            return network.loss(generated, real)

        train(
            loss_of,
            images=len(reals),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=Adam(network.parameters(), lr=self.learning_rate),
            networks={"two decoders": network},
            tools=tools,
            what="two decoders",
        )
        return network
