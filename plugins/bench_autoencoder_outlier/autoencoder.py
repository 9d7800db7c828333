"""What the three systems with an autoencoder share: its sizes, its training, its errors."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim import Adam

from bench_autoencoder_outlier.batches import at_least_two
from bench_autoencoder_outlier.networks import Autoencoder, Decoder, Encoder, errors
from harness.learning import Prepare, apply, train
from harness.method import Field, ImageSet, Method, Task, Tools

NORMALISE = (0.5, 0.5)  # [0, 1] to [-1, 1]


class AutoencoderMethod(Method):
    """A method that rests on an autoencoder; see the subclasses."""

    task = Task.MEMBERSHIP
    trains = True
    demo = {
        "side": 32,
        "latent": 64,
        "units": 64,
        "batch": 16,
        "epochs": 6,
        "learning_rate": 1e-3,
    }

    side: int = Field(256, ge=32, multiple_of=16, description="pixels of the images' sides")
    latent: int = Field(128, ge=8, multiple_of=8, description="length of the latent vector")
    units: int = Field(256, ge=16, multiple_of=16, description="channels the decoder starts with")
    blocks: Literal["plain", "residual"] = Field(
        "plain", description="of the autoencoder; the published scripts offer both"
    )
    batch: int = Field(32, ge=2, description="images a step")
    epochs: int = Field(200, ge=0, description="of the training")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam")

    def _encoder(self) -> Encoder:
        return Encoder(self.latent, residual=self.blocks == "residual")

    def _decoder(self) -> Decoder:
        return Decoder(self.side, self.latent, self.units, residual=self.blocks == "residual")

    def _learn(self, images: ImageSet, tools: Tools) -> Autoencoder:
        """Return an autoencoder that was trained to give the images back."""
        autoencoder = Autoencoder(self._encoder(), self._decoder()).to(tools.device)
        prepare = self._plain(tools)

        def loss_of(rows: Tensor) -> Tensor:
            batch = prepare(images[at_least_two(rows).numpy()])
            return mse_loss(autoencoder(batch), batch)

        train(
            loss_of,
            images=len(images),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=Adam(autoencoder.parameters(), lr=self.learning_rate),
            networks={"autoencoder": autoencoder},
            tools=tools,
            what="autoencoder",
        )
        return autoencoder

    def _errors(
        self, reconstruct: Callable[[Tensor], Tensor], images: ImageSet, tools: Tools
    ) -> NDArray[np.float32]:
        """Return the mean squared error of each image's reconstruction, (N,)."""

        def see(batch: Tensor) -> Tensor:
            return errors(batch, reconstruct(batch))

        return apply(see, images, prepare=self._plain(tools), tools=tools, what="errors")

    def _plain(self, tools: Tools) -> Prepare:
        return lambda images: images.tensor(self.side, NORMALISE, tools.device)
