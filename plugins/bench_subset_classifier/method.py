"""The methods of the package: SDVAHCS/UCSD's EfficientNets and Medhastra's ResNet-18."""

from bench_subset_classifier.efficientnet import (
    DROPPED,
    OPEN,
    PAPER,
    SubsetEfficientNet,
    SubsetEfficientNetPseudo,
)
from bench_subset_classifier.reals import NO_SIMILARITY, SubsetResNet18Reals
from bench_subset_classifier.reals import OPEN as OPEN_IN_REALS
from harness.method import Access, Method, Reference
from harness.plugins import hookimpl

B0_TO_B2 = ("efficientnet_b0", "efficientnet_b1", "efficientnet_b2")


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the single network, the votes, and the network that learns from reals alone."""
    return [
        SubsetEfficientNet,
        SubsetEfficientNet.variant(
            "subset-efficientnet-vote",
            "Vote of EfficientNet-B0, B1 and B2, those with a validation accuracy above 98 %.",
            reference=Reference(paper=PAPER, runs=("1426",)),
            deviations=(
                OPEN,
                DROPPED,
                "one network of each size is trained: the overview does not say how many there "
                "were; if none is above 98 %, the best one answers alone",
            ),
            demo={**SubsetEfficientNet.demo, "copies": 2, "epochs": 2},
            backbones=B0_TO_B2,
            above=0.98,
        ),
        SubsetEfficientNetPseudo,
        SubsetEfficientNetPseudo.variant(
            "subset-efficientnet-pseudo-all",
            "Vote of EfficientNet-B1s that learn from all images and pseudo-labelled questions.",
            reference=Reference(paper=PAPER, runs=("1871",)),
            deviations=(
                OPEN,
                DROPPED,
                "the overview does not say how many networks vote: here five, from other seeds",
                "confidence and number of the rounds of pseudo-labels, and that each round starts "
                "from the pretrained weights, are chosen here",
            ),
            demo=SubsetEfficientNetPseudo.demo,
            backbones=("efficientnet_b1",),
            rates=(1e-4,),
            batches=(32,),
            copies=5,
            most=None,
            validation=0.0,
            sequestered=0.0,
        ),
        SubsetResNet18Reals,
        SubsetResNet18Reals.variant(
            "subset-resnet18-reals-last",
            "The ResNet-18 after its last epoch: it sees no generated image before it is asked.",
            access={Access.LABELS},
            reference=Reference(paper=SubsetResNet18Reals.reference.paper),
            deviations=(
                OPEN_IN_REALS,
                NO_SIMILARITY,
                "the validation on generated images is left out, and with it any sight of them",
            ),
            keep="last",
        ),
    ]
