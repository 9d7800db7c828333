"""AI Multimedia Lab's twins: a Siamese network with contrastive loss, in both subtasks.

Two branches with shared weights embed a real and a generated image; the contrastive loss draws
pairs of one source together and holds others apart by a margin. Distances between embeddings
answer.
"""

from bench_siamese_contrastive.attribution import SubsetSiamese
from bench_siamese_contrastive.membership import MEAN, NETWORK, THRESHOLD, SiameseContrastive
from bench_siamese_contrastive.twins import CODE, PAPER
from harness.method import Method, Reference
from harness.plugins import hookimpl

WITHOUT_RUNS = Reference(paper=PAPER, url=CODE)


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the systems of both subtasks, and a variant of each."""
    return [
        SiameseContrastive,
        SiameseContrastive.variant(
            "siamese-contrastive-mean",
            "Mean distance to the generated images, by twins that learnt which reals were used.",
            reference=WITHOUT_RUNS,
            deviations=(NETWORK, THRESHOLD, MEAN),
            distance="mean",
        ),
        SubsetSiamese,
        SubsetSiamese.variant(
            "subset-siamese-as-coded",
            "Nearest centroid of a subset's real images, by twins trained on greys of 0 to 255.",
            reference=WITHOUT_RUNS,
            deviations=(),
            compared="centroid",
            white=255.0,
        ),
    ]
