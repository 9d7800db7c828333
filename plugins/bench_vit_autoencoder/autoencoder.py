"""What the two systems share: pre-training on an external labelled set, then reconstruction."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR
from torchvision.transforms import v2 as transforms

from bench_vit_autoencoder.networks import Autoencoder, Classifier, Encoder, errors
from harness.learning import Prepare, apply, train, train_classifier
from harness.method import Field, ImageSet, Method, Task, Tools, Training

NORMALISE = (0.5, 0.5)  # [0, 1] to [-1, 1]

PAPER = (
    "Barve et al., Reverse Engineering Generative Fingerprints in Medical Images, "
    "CEUR-WS Vol-4038 paper 182"
)
SHARED_DEVIATIONS = (
    "the external set is the run's auxiliary one and not Kaggle's chest CT of four classes; "
    "without one the encoder is not pre-trained",
    "all of the auxiliary set trains; the paper's validation part only watched",
    "the autoencoder learns from the generated images of the training part; the paper does not say "
    "whether from those of the test part, too",
    "a short last batch of an epoch is left out",
)

# As the published code has them, which leaves the seed open.
augment = transforms.Compose(
    [
        transforms.RandomAffine(10, translate=(0.05, 0.05), scale=(0.95, 1.05), shear=5),
        transforms.RandomApply([transforms.ColorJitter(brightness=0.2, contrast=0.2)], p=0.8),
        transforms.GaussianBlur(3, sigma=(0.1, 2.0)),
        transforms.RandomErasing(p=0.5, scale=(0.02, 0.1), ratio=(0.3, 3.3)),
        transforms.Normalize([NORMALISE[0]], [NORMALISE[1]]),
    ]
)


class AutoencoderMethod(Method):
    """A method that rests on an autoencoder; see the subclasses."""

    task = Task.MEMBERSHIP
    trains = True

    side: int = Field(256, ge=32, multiple_of=32, description="pixels of the images' sides")
    pretraining_epochs: int = Field(
        100, ge=0, description="of the encoder as a classifier of the auxiliary set"
    )
    epochs: int = Field(10, ge=0, description="of the autoencoder")
    batch: int = Field(64, ge=1, description="images a step, in both trainings")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam, in both trainings")
    weight_decay: float = Field(1e-5, ge=0, description="of Adam, in both trainings")

    def _pretrain(self, encoder: Encoder, training: Training, tools: Tools) -> None:
        """Train the encoder as a classifier of the auxiliary set's classes, where there is one."""
        external = training.auxiliary
        if external is None:
            tools.log("no auxiliary set (bench run --auxiliary NAME): the encoder is untrained")
            return
        classifier = Classifier(encoder, len(external.sets)).to(tools.device)
        optimiser = self._adam(classifier)
        train_classifier(
            classifier,
            external.together(),
            external.labels,
            prepare=self._augmented(tools),
            batch=self.batch,
            epochs=self.pretraining_epochs,
            optimiser=optimiser,
            tools=tools,
            what="pretraining",
            schedule=StepLR(optimiser, step_size=10, gamma=0.9),
        )

    def _train(
        self,
        autoencoder: Autoencoder,
        images: ImageSet,
        tools: Tools,
        *,
        prepare: Prepare,
        loss: Literal["mse", "l1"] = "mse",
    ) -> None:
        """Train the autoencoder to give the images back."""
        distance = functional.mse_loss if loss == "mse" else functional.l1_loss

        def loss_of(rows: Tensor) -> Tensor:
            batch = prepare(images[rows.numpy()])
            return distance(autoencoder(batch), batch)

        train(
            loss_of,
            images=len(images),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=self._adam(autoencoder),
            networks={"autoencoder": autoencoder},
            tools=tools,
            what="autoencoder",
        )

    def _latents(
        self, autoencoder: Autoencoder, images: ImageSet, tools: Tools
    ) -> NDArray[np.float32]:
        """Return the latent vectors of the images, (N, D)."""
        see, prepare = autoencoder.encoder.features, self._plain(tools)
        return apply(see, images, prepare=prepare, tools=tools, what="latent vectors")

    def _errors(
        self, autoencoder: Autoencoder, images: ImageSet, tools: Tools
    ) -> NDArray[np.float32]:
        """Return the mean squared error of each image's reconstruction, (N,)."""

        def see(batch: Tensor) -> Tensor:
            return errors(batch, autoencoder(batch))

        return apply(see, images, prepare=self._plain(tools), tools=tools, what="errors")

    def _plain(self, tools: Tools) -> Prepare:
        return lambda images: images.tensor(self.side, NORMALISE, tools.device)

    def _augmented(self, tools: Tools) -> Prepare:
        def prepare(images: ImageSet) -> Tensor:
            plain = images.tensor(self.side, device=tools.device)
            return torch.stack([augment(image) for image in plain])

        return prepare

    def _adam(self, network: nn.Module) -> Adam:
        return Adam(network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
