"""What the two systems share: pre-training on an external labelled set, then reconstruction."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR
from torchvision.transforms import v2 as transforms

from bench_vit_autoencoder.networks import Autoencoder, errors
from harness.learning import train
from harness.method import Field, ImageSet, Method, Task, Tools, Training

NORMALISE = (0.5, 0.5)  # [0, 1] to [-1, 1]
AT_ONCE = 64  # images in a pass without learning

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

    side: int = Field(256, ge=32, multiple_of=32, description="pixels of the images' sides")
    pretraining_epochs: int = Field(
        100, ge=0, description="of the encoder as a classifier of the auxiliary set"
    )
    epochs: int = Field(10, ge=0, description="of the autoencoder")
    batch: int = Field(64, ge=1, description="images a step, in both trainings")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam, in both trainings")
    weight_decay: float = Field(1e-5, ge=0, description="of Adam, in both trainings")

    def _pretrain(self, encoder: nn.Module, training: Training, tools: Tools) -> None:
        """Train the encoder as a classifier of the auxiliary set's classes, where there is one."""
        if training.auxiliary is None:
            tools.log("no auxiliary set (bench run --auxiliary NAME): the encoder is untrained")
            return
        images, labels = merged(training.auxiliary)
        classes = torch.from_numpy(labels).to(tools.device)
        head = nn.Linear(encoder.width, len(training.auxiliary)).to(tools.device)

        def loss_of(rows: Tensor) -> Tensor:
            logits = head(encoder.features(self._augmented(images, rows, tools)))
            return functional.cross_entropy(logits, classes[rows.to(tools.device)])

        optimiser = self._adam(encoder, head)
        losses = train(
            loss_of,
            images=len(images),
            batch=self.batch,
            epochs=self.pretraining_epochs,
            optimiser=optimiser,
            networks={"encoder": encoder, "head": head},
            tools=tools,
            what="pretraining",
            schedule=StepLR(optimiser, step_size=10, gamma=0.9),
        )
        _tell(tools, "pretraining: cross-entropy", losses)

    def _train(
        self,
        autoencoder: Autoencoder,
        images: ImageSet,
        tools: Tools,
        *,
        loss: Literal["mse", "l1"] = "mse",
        augmented: bool = False,
    ) -> None:
        """Train the autoencoder to give the images back."""
        distance = functional.mse_loss if loss == "mse" else functional.l1_loss
        prepare = self._augmented if augmented else self._plain

        def loss_of(rows: Tensor) -> Tensor:
            batch = prepare(images, rows, tools)
            return distance(autoencoder(batch), batch)

        losses = train(
            loss_of,
            images=len(images),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=self._adam(autoencoder),
            networks={"autoencoder": autoencoder},
            tools=tools,
            what="autoencoder",
        )
        _tell(tools, f"autoencoder: {loss}", losses)

    def _latents(self, autoencoder: Autoencoder, images: ImageSet, tools: Tools) -> np.ndarray:
        """Return the latent vectors of the images, (N, D) float32."""
        return self._passed(autoencoder.encoder.features, images, tools)

    def _errors(self, autoencoder: Autoencoder, images: ImageSet, tools: Tools) -> np.ndarray:
        """Return the mean squared error of each image's reconstruction, (N,) float32."""
        return self._passed(lambda batch: errors(batch, autoencoder(batch)), images, tools)

    @torch.inference_mode()
    def _passed(self, function, images: ImageSet, tools: Tools) -> np.ndarray:
        batches = np.array_split(np.arange(len(images)), -(-len(images) // AT_ONCE))
        parts = [function(self._plain(images, torch.from_numpy(b), tools)) for b in batches]
        return torch.cat(parts).float().cpu().numpy()

    def _plain(self, images: ImageSet, rows: Tensor, tools: Tools) -> Tensor:
        return images[rows.numpy()].tensor(self.side, NORMALISE, tools.device)

    def _augmented(self, images: ImageSet, rows: Tensor, tools: Tools) -> Tensor:
        plain = images[rows.numpy()].tensor(self.side, device=tools.device)
        return torch.stack([augment(image) for image in plain])

    def _adam(self, *networks: nn.Module) -> Adam:
        weights = [weight for network in networks for weight in network.parameters()]
        return Adam(weights, lr=self.learning_rate, weight_decay=self.weight_decay)


def merged(classes: tuple[ImageSet, ...]) -> tuple[ImageSet, np.ndarray]:
    """Return the images of all classes as one set, and the class of each, (N,) int64."""
    images = ImageSet(np.concatenate([images.pixels for images in classes]), "training.auxiliary")
    return images, np.repeat(np.arange(len(classes)), [len(images) for images in classes])


def _tell(tools: Tools, what: str, losses: list[float]) -> None:
    if losses:
        tools.log(f"{what} {losses[0]:.4f} in the first epoch, {losses[-1]:.4f} in the last")
