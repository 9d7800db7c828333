import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.features.store import FeatureStore, Key, map_rows, set_digest
from harness.weights import Weights

KEY = Key(Weights("tiny", "none", "0" * 64), "pool", "as it is", "fp32")


def digest(image: int) -> str:
    return hashlib.sha256(str(image).encode()).hexdigest()


class Asker:
    """Asks a store for sets of numbered images and counts what it has to compute."""

    def __init__(self, root):
        self.store = FeatureStore(root)
        self.computed: list[int] = []
        self.said: list[str] = []

    def __call__(self, images, key=KEY):
        def compute(missing, keys):
            self.computed += [images[row] for row in missing]
            yield [np.array([[images[row], images[row] ** 2] for row in missing], np.float32)]

        [found] = self.store.rows([key], [digest(i) for i in images], compute, self.said.append)
        assert found.hits + found.misses == len(images)
        rows = map_rows(found.path)
        assert rows.tolist() == [[i, i**2] for i in images]
        return found


@pytest.fixture
def ask(tmp_path):
    return Asker(tmp_path)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), min_size=1, max_size=5))
@settings(max_examples=40)
def test_each_image_is_computed_once_whatever_sets_it_comes_in(tmp_path_factory, sets):
    ask = Asker(tmp_path_factory.mktemp("store"))
    for images in sets:
        ask(images)
    for image in set(ask.computed):
        first = next(images for images in sets if image in images)
        assert ask.computed.count(image) == first.count(image)


def test_ten_new_images_cost_ten(ask):
    ask(list(range(50)))
    grown = ask(list(range(60)))
    assert (grown.hits, grown.misses) == (50, 10)
    assert ask(list(range(60))).misses == 0


def test_another_backbone_layer_precision_or_weights_shares_nothing(ask):
    ask([1, 2])
    for other in (
        Key(Weights("tiny", "none", "1" * 64), "pool", "as it is", "fp32"),
        Key(KEY.weights, "last", "as it is", "fp32"),
        Key(KEY.weights, "pool", "cropped", "fp32"),
        Key(KEY.weights, "pool", "as it is", "bf16"),
    ):
        assert ask([1, 2], other).misses == 2


@pytest.mark.parametrize("damage", ["truncate", "empty", "garbage", "header"])
def test_a_damaged_shard_is_said_and_computed_again(ask, damage):
    path = ask([1, 2, 3]).path
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncate": content[:-5],
            "empty": b"",
            "garbage": b"\xff" * len(content),
            "header": content.replace(b'"rows"', b'"sour"'),
        }[damage]
    )
    assert ask([1, 2, 3]).misses == 3
    assert "damaged" in ask.said[0]


def test_a_damaged_shard_does_not_spoil_another_set(ask):
    path = ask([1, 2, 3]).path
    path.write_bytes(path.read_bytes()[:-5])
    assert ask([2, 3, 4]).misses == 3
    assert not path.exists()


def test_the_order_of_a_set_is_part_of_it():
    assert set_digest([digest(1), digest(2)]) != set_digest([digest(2), digest(1)])
