"""The methods of the package: SVMs on frozen, wrongly scaled and fine-tuned features, clusters."""

from bench_subset_features.clusters import SubsetClusters
from bench_subset_features.keras import Mode
from bench_subset_features.svm import (
    CODE,
    PAPER,
    SubsetSVM,
    SubsetSVMAsCoded,
    SubsetSVMFineTuned,
)
from harness.method import Method, Reference
from harness.plugins import hookimpl

# In words, timm's weights nearest to those of Keras, how Keras' network wants images, the run.
OTHERS: dict[str, tuple[str, str, Mode, str]] = {
    "efficientnet-b0": ("EfficientNet-B0", "tf_efficientnet_b0.aa_in1k", "raw", "1269"),
    "densenet121": ("DenseNet-121", "densenet121.tv_in1k", "torch", "1271"),
    "mobilenetv2": ("MobileNetV2", "mobilenetv2_100.ra_in1k", "tf", "1267"),
}


def _others() -> list[type[Method]]:
    """Return the SVMs on the backbones other than ResNet-50."""
    made: list[type[Method]] = []
    for name, (words, backbone, mode, run) in OTHERS.items():
        made += [
            SubsetSVM.variant(
                f"subset-svm-{name}",
                f"Linear SVM on frozen {words} features, learnt from the real images.",
                reference=Reference(paper=PAPER, url=CODE, runs=(run,)),
                demo=SubsetSVM.demo,  # the demo budget has one backbone for all
                backbone=backbone,
            ),
            SubsetSVMAsCoded.variant(
                f"subset-svm-{name}-as-coded",
                f"The SVM on frozen {words}, its images prepared for DenseNet.",
                demo=SubsetSVMAsCoded.demo,
                backbone=backbone,
                mode=mode,
            ),
            SubsetSVMFineTuned.variant(
                f"subset-svm-{name}-fine-tuned",
                f"Linear SVM on features of a {words} that was fine-tuned on the real images.",
                demo=SubsetSVMFineTuned.demo,
                backbone=backbone,
            ),
        ]
    return made


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the SVMs, frozen, as coded and fine-tuned, and the two clusterings."""
    return [
        SubsetSVM,
        SubsetSVMAsCoded,
        SubsetSVMFineTuned,
        *_others(),
        SubsetClusters,
        SubsetClusters.variant(
            "subset-agglomerative-resnet50",
            "Ward's hierarchical clustering in the place of k-means.",
            clustering="agglomerative",
        ),
    ]
