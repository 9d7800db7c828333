"""Layers of real architectures, with random weights: what they are and that one pass gives them."""

import numpy as np
import pytest
import torch

from harness.errors import BenchError
from harness.features.backbones import RandomBackbone
from harness.features.extractor import check_layers
from harness.features.packaged import bench_backbones
from harness.features.store import FeatureStore, Key, map_rows
from harness.weights import Weights

CNN, VIT = "test_resnet", "test_vit"  # timm's own miniatures, of 160 pixels


def load(architecture, precision="fp32"):
    return RandomBackbone("made", architecture, 0).load("cpu", precision)


def images(n=3, side=40):
    draws = np.random.default_rng(1).integers(0, 256, (n, side, side), np.uint8)
    return torch.from_numpy(draws)


def seen(extractor, module):
    """Return what a module of the network gives while the network runs."""
    found = []
    handle = extractor.network.get_submodule(module).register_forward_hook(
        lambda *event: found.append(event[2].clone())
    )
    extractor(images(), ["pool"])
    handle.remove()
    return found[0]


@pytest.mark.parametrize(("number", "module"), [(1, "act1"), (2, "layer1"), (5, "layer4")])
def test_a_stage_of_a_cnn_is_the_map_that_its_module_gives(number, module):
    extractor = load(CNN)
    pooled, tokens = extractor(images(), [f"stage{number}", f"stage{number}:tokens"])
    expected = seen(extractor, module)
    assert torch.equal(tokens, expected.flatten(2).transpose(1, 2))
    assert torch.allclose(pooled, expected.mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize("number", [1, 6])
def test_a_block_of_a_vit_is_the_mean_over_its_patches(number):
    extractor = load(VIT)
    pooled, tokens = extractor(images(), [f"block{number}", f"block{number}:tokens"])
    expected = seen(extractor, f"blocks.{number - 1}")[:, extractor.network.num_prefix_tokens :]
    assert torch.allclose(tokens, expected, atol=1e-6)
    assert torch.allclose(pooled, expected.mean(1), atol=1e-6)


def test_the_tokens_of_a_cnn_are_the_map_that_is_pooled():
    pooled, tokens = load(CNN)(images(), ["pool", "tokens"])
    assert tokens.shape == (3, 25, pooled.shape[1])
    assert torch.allclose(tokens.mean(1), pooled, atol=1e-6)


def test_the_tokens_of_a_vit_are_its_normalised_patches_without_the_class():
    extractor = load(VIT)
    [tokens] = extractor(images(), ["tokens"])
    normalised = seen(extractor, "norm")
    assert torch.allclose(tokens, normalised[:, 1:], atol=1e-6)
    assert tokens.shape[1] == (160 // 16) ** 2


@pytest.mark.parametrize("architecture", [CNN, VIT, "test_efficientnet", "test_convnext"])
def test_a_layer_is_the_same_alone_and_among_others(architecture):
    extractor = load(architecture)
    together = extractor(images(), extractor.layers)
    for layer, expected in zip(extractor.layers, together, strict=True):
        [alone] = extractor(images(), [layer])
        assert alone.dtype == torch.float32
        assert alone.ndim == (3 if layer.endswith("tokens") else 2), layer
        assert torch.equal(alone, expected), layer


def test_maps_with_channels_last_are_told_from_others():
    pooled, tokens = load("swin_tiny_patch4_window7_224")(images(1), ["pool", "tokens"])
    assert tokens.shape == (1, 49, 768)
    assert torch.allclose(tokens.mean(1), pooled, atol=1e-5)


@pytest.mark.parametrize("layer", ["stage9", "block1", "deep", "tokens:tokens", "stage1:", ""])
def test_an_unknown_layer_is_refused_with_those_that_there_are(layer):
    has = r"pool, tokens, stage1, .*, stage5; position by position stage1:tokens to stage5:tokens"
    with pytest.raises(BenchError, match=has):
        check_layers("resnet18", load(CNN), ["pool", layer])


def test_pixels_have_no_layer_but_pool():
    with pytest.raises(BenchError, match=r"no layer 'tokens'; it has: pool$"):
        check_layers("pixels", bench_backbones()["pixels"].load("cpu", "fp32"), ["tokens"])


def key(layer):
    return Key(Weights("tiny", "none", "0" * 64), layer, "as it is", "fp32")


def test_a_pass_for_several_layers_computes_an_image_once_and_repeats_no_row(tmp_path):
    store, asked = FeatureStore(tmp_path), []
    rows = {
        "pool": np.arange(40, dtype=np.float32).reshape(20, 2),
        "tokens": np.arange(120, dtype=np.float32).reshape(20, 3, 2),
    }

    def ask(count, *layers):
        def compute(missing, lacking):
            asked.append((missing.tolist(), [k.layer for k in lacking]))
            yield [rows[k.layer][missing] for k in lacking]

        digests = [f"{image:064d}" for image in range(count)]
        found = store.rows([key(layer) for layer in layers], digests, compute, print)
        for extraction, layer in zip(found, layers, strict=True):
            assert np.array_equal(map_rows(extraction.path), rows[layer][:count])
        return [(extraction.hits, extraction.misses) for extraction in found]

    assert ask(10, "pool") == [(0, 10)]
    assert ask(10, "pool", "tokens") == [(10, 0), (0, 10)]
    assert ask(10, "tokens", "pool") == [(10, 0), (10, 0)]
    ask(15, "pool")
    assert ask(20, "tokens", "pool") == [(10, 10), (15, 5)]
    assert asked == [
        (list(range(10)), ["pool"]),
        (list(range(10)), ["tokens"]),
        (list(range(10, 15)), ["pool"]),
        (list(range(10, 20)), ["tokens", "pool"]),
    ]
