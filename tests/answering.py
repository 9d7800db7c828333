"""Methods that answer questions about patients, drawn for tests of the statistics."""

import numpy as np
from scipy.special import ndtri


def equal_methods(seed, methods, per_class, images, *, auc=0.5, share=0.0, common=0.0):
    """Draw the answers of equally good methods about patients of very unequal size.

    Args:
        seed: of the draw.
        methods: how many there are, M.
        per_class: patients in each class.
        images: of both classes together, N.
        auc: how good every method is.
        share: of the variance of a score that a patient's images have in common.
        common: of the variance of a score that methods have in common.

    Returns:
        Truth (N,), labels (M, N), scores (M, N) and patients (N,).
    """
    rng = np.random.default_rng(seed)
    apart = np.sqrt(2) * ndtri(auc)
    sizes = []
    for _ in range(2):
        weight = rng.gamma(1.5, size=per_class)
        sizes.append(1 + rng.multinomial(images // 2 - per_class, weight / weight.sum()))
    groups = np.repeat(np.arange(2 * per_class), np.concatenate(sizes))
    truth = (groups < per_class).astype(int)

    def effects(count):
        own, shared = rng.normal(size=(methods, count)), rng.normal(size=count)
        return np.sqrt(1 - common) * own + np.sqrt(common) * shared

    noise = np.sqrt(share) * effects(2 * per_class)[:, groups]
    scores = apart * truth + noise + np.sqrt(1 - share) * effects(truth.size)
    return truth, (scores > apart / 2).astype(int), scores, groups
