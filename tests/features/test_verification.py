import numpy as np
import pytest
import torch

from harness.features import verification
from harness.features.backbones import RandomBackbone
from harness.features.store import FeatureStore, Key
from harness.features.verification import TOLERANCE, verify_store

NET = RandomBackbone("test_resnet@random:0", "test_resnet", 0)
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 40, 40), np.uint8)
DIGESTS = [f"{image:064d}" for image in range(4)]


@pytest.mark.parametrize("layer", ["pool", "tokens", "stage2"])
@pytest.mark.parametrize(("spoil", "wrong"), [(0, False), (1, True)])
def test_every_layer_is_compared_with_what_its_network_gives(
    tmp_path, monkeypatch, layer, spoil, wrong
):
    packed = {digest: lambda i=i: IMAGES[i] for i, digest in enumerate(DIGESTS)}
    monkeypatch.setattr(verification, "stored_images", lambda folder: packed)
    extractor = NET.load("cpu", "fp32")
    [rows] = extractor(torch.from_numpy(IMAGES), [layer])
    rows = np.roll(rows.numpy(), spoil, axis=-1)
    key = Key(NET.at_hand(), layer, extractor.preprocessing, extractor.precision)
    store = FeatureStore(tmp_path / "features")
    store.rows([key], DIGESTS, lambda missing, keys: iter([[rows[missing]]]), print)
    [result] = verify_store(tmp_path, 8, "cpu")
    assert (result.compared, result.holding.layer) == (4, layer)
    assert (result.worst > TOLERANCE) == wrong
