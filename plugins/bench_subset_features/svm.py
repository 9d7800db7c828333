"""AI Multimedia Lab's first method: an SVM on ImageNet features of the subsets' real images."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam

from bench_subset_features.keras import Mode, taken_for
from harness.learning import apply, train_classifier
from harness.method import (
    Access,
    Field,
    ImageSet,
    Labelled,
    Method,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)

CODE = "https://github.com/AlexandraAndrei/ImageCLEFmedical2025_GANs_AIM"
PAPER = (
    "Andrei et al. 2025, CEUR-WS Vol-4038 paper 178; as the overview describes it, CEUR-WS "
    "Vol-4038 paper 169"
)
WEIGHTS = "timm's weights stand for those of Keras"
FROZEN = (
    "the backbone is frozen, as in the code and in the overview's discussion of the results; its "
    "section on methods says that it was fine-tuned"
)
OWN_PREPROCESSING = (
    "each backbone has the preprocessing of its own weights (resize and centre crop); the code "
    "applies DenseNet's to all, without a crop"
)
OPEN = (
    "rate, epochs and optimiser are chosen here, and that the real images alone are learnt from; "
    "the held-out tenth evaluates and decides nothing"
)


class SubsetSVM(Method):
    """Linear SVM on frozen ResNet-50 features, learnt from the real images of the subsets."""

    name = "subset-svm-resnet50"
    task = Task.ATTRIBUTION
    access = frozenset({Access.LABELS})
    reference = Reference(paper=PAPER, url=CODE, runs=("1268",))
    deviations: ClassVar[tuple[str, ...]] = (FROZEN, OWN_PREPROCESSING, WEIGHTS)
    demo = {"backbone": "tf_efficientnet_lite0"}

    backbone: str = Field("resnet50.tv_in1k", description="feature extractor")
    inverse_penalty: float = Field(1.0, gt=0, description="C of the SVM; scikit-learn's default")

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn the subsets from their real images."""
        self._learn(training.real_by_class, tools)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by won duels and their margins; label by won duels (one subset against one)."""
        features = self._describe(questions.generated, tools)
        scores = self._svm.decision_function(features)
        if scores.ndim == 1:  # of two subsets scikit-learn gives one number
            scores = np.column_stack([-scores, scores])
        return Prediction(scores, self._svm.predict(features).astype(int))

    def _learn(self, reals: Labelled, tools: Tools) -> None:
        from sklearn.svm import SVC

        features = reals.gather(lambda images: self._describe(images, tools))
        self._svm = SVC(kernel="linear", C=self.inverse_penalty).fit(features, reals.labels)

    def _describe(self, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        """Return the features of images, (N, D)."""
        return tools.features(images, self.backbone)


class SubsetSVMAsCoded(SubsetSVM):
    """The SVM on frozen ResNet-50, its images prepared for DenseNet, as in the published script."""

    name = "subset-svm-resnet50-as-coded"
    headline = False
    reference = Reference(paper=PAPER, url=CODE)
    deviations = (
        f"{WEIGHTS}, and are shown what Keras' network would have taken the wrongly scaled images "
        "for",
        "images are resized with antialiasing",
    )
    demo = {**SubsetSVM.demo, "side": 32}

    mode: Mode = Field(
        "caffe", description="how Keras' network wants its images (keras.py in the package)"
    )
    side: int = Field(224, ge=32, description="of the images, in pixels")

    def fit(self, training: Training, tools: Tools) -> None:
        """Take the backbone, then learn the subsets from their real images."""
        self._network = tools.network(self.backbone).eval()
        super().fit(training, tools)

    def _describe(self, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        def see(grey: Tensor) -> Tensor:
            features: Tensor = self._network.body(
                self._network.normalised(taken_for(grey, self.mode))
            )
            return features

        return apply(
            see,
            images,
            prepare=lambda images: images.tensor(self.side, device=tools.device),
            tools=tools,
            what="features",
        )


class SubsetSVMFineTuned(SubsetSVM):
    """Linear SVM on features of a ResNet-50 that was fine-tuned on the real images first."""

    name = "subset-svm-resnet50-fine-tuned"
    trains = True
    headline = False
    reference = Reference(paper=PAPER)
    deviations = (OPEN, WEIGHTS)
    demo = {**SubsetSVM.demo, "side": 32, "epochs": 4, "batch": 16, "rate": 1e-3}

    held_out: float = Field(0.1, ge=0, lt=1, description="share of the patients that evaluates")
    side: int = Field(224, ge=32, description="of the images, in pixels")
    epochs: int = Field(10, ge=1, description="passes over the real images")
    batch: int = Field(32, ge=1, description="images a step")
    rate: float = Field(1e-4, gt=0, description="learning rate of Adam")

    def fit(self, training: Training, tools: Tools) -> None:
        """Fine-tune on nine tenths of the reals, learn the SVM from them; tell of the tenth."""
        reals = training.real_by_class
        held = _held_out(reals, self.held_out, tools)
        learnt = reals.at(np.flatnonzero(~held))
        self._network = tools.network(self.backbone)
        classifier = nn.Sequential(self._network, nn.Linear(self._network.width, tools.classes)).to(
            tools.device
        )
        train_classifier(
            classifier,
            learnt.together(),
            learnt.labels,
            prepare=lambda images: images.tensor(self.side, device=tools.device),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=Adam(classifier.parameters(), lr=self.rate),
            tools=tools,
            what="fine-tuning",
        )
        self._learn(learnt, tools)
        if held.any():
            aside = reals.at(np.flatnonzero(held))
            found = self._svm.predict(aside.gather(lambda images: self._describe(images, tools)))
            tools.log(f"held-out reals: accuracy {(found == aside.labels).mean():.3f}")

    def _describe(self, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        return apply(
            self._network,
            images,
            prepare=lambda images: images.tensor(self.side, device=tools.device),
            tools=tools,
            what="features",
        )


def _held_out(reals: Labelled, share: float, tools: Tools) -> NDArray[np.bool_]:
    """Return which reals are held out: of each class a share of its patients, rounded down."""
    patients = np.arange(len(reals)) if reals.groups is None else reals.groups
    draw = np.random.default_rng(tools.seed)
    taken: list[NDArray[np.int64]] = []
    for label in np.unique(reals.labels):
        own = draw.permutation(np.unique(patients[reals.labels == label]))
        taken.append(own[: int(share * len(own))])
    held: NDArray[np.bool_] = np.isin(patients, np.concatenate(taken))
    return held
