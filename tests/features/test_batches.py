"""Batches: how large they are, and what happens where memory is short."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.features.batches import Batches, batch_size

GB = 2**30
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory")
LINUX = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


class Tight:
    """An extractor that holds at most so many images, and says so as a device would."""

    preprocessing = "as it is"
    precision = "fp32"
    layers = ("pool", "tokens")
    independent = False
    footprint = 2**20

    def __init__(self, most, error):
        self.most, self.error, self.sizes = most, error, []

    def __call__(self, pixels, layers):
        self.sizes.append(len(pixels))
        if len(pixels) > self.most:
            raise self.error
        rows = pixels.flatten(1).float()
        return [rows if layer == "pool" else rows[:, :, None] for layer in layers]


def images(n):
    return np.random.default_rng(0).integers(0, 256, (n, 2, 3), np.uint8)


def gathered(batches, n, say=print, layer="pool"):
    chosen = np.arange(n)[::-1]
    found = list(batches.rows(images(n), chosen, [layer], say))
    return np.concatenate([rows for [rows] in found])


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA"), CPU, LINUX, MemoryError()])
def test_a_batch_that_does_not_fit_is_halved_said_and_goes_on(error):
    extractor, said = Tight(10, error), []
    batches = Batches("net", extractor, "cpu")
    rows = gathered(batches, 45, said.append)
    assert np.array_equal(rows, images(45)[::-1].reshape(45, -1))
    assert extractor.sizes == [32, 16, *[8] * 6]
    assert said == [
        f"backbone net: out of memory with {before} images at a time on cpu; goes on with {after}"
        for before, after in ((32, 16), (16, 8))
    ]
    gathered(batches, 9)
    assert extractor.sizes[-2:] == [8, 8], "it has learnt what fits"


def test_only_what_does_not_depend_on_its_neighbours_comes_in_a_shorter_batch():
    for independent, last in ((False, 32), (True, 8)):
        extractor = Tight(32, CPU)
        extractor.independent = independent
        rows = gathered(Batches("net", extractor, "cpu"), 40)
        assert np.array_equal(rows, images(40)[::-1].reshape(40, -1))
        assert extractor.sizes == [32, last]


def test_memory_that_runs_short_in_the_middle_loses_and_repeats_nothing():
    extractor = Tight(32, CPU)
    batches = Batches("net", extractor, "cpu")
    found = []
    for [rows] in batches.rows(images(80), np.arange(80), ["tokens"], print):
        found.append(rows)
        extractor.most = 16
    assert np.array_equal(np.concatenate(found)[..., 0], images(80).reshape(80, -1))
    assert [len(rows) for rows in found] == [32, 16, 16, 16]


def test_what_does_not_fit_at_all_or_fails_otherwise_is_not_hidden():
    with pytest.raises(RuntimeError, match="not enough memory"):
        gathered(Batches("net", Tight(0, CPU), "cpu"), 3)
    extractor = Tight(0, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        gathered(Batches("net", extractor, "cpu"), 3)
    assert extractor.sizes == [32]


@given(st.integers(2**18, 2**30), st.integers(2**30, 2**37), st.sampled_from(["cpu", "cuda"]))
@settings(max_examples=50)
def test_a_batch_is_a_power_of_two_that_a_quarter_of_the_memory_holds(footprint, memory, device):
    size = batch_size(device, footprint, memory)
    assert 1 <= size <= (32 if device == "cpu" else 256)
    assert size & (size - 1) == 0
    assert size == 1 or size * footprint <= memory / 4


def test_usual_machines_take_usual_batches():
    resnet, dinov2 = 256 * 224**2, 256 * 518**2
    assert batch_size("cpu", resnet, 8 * GB) == 32
    assert batch_size("cuda", resnet, 80 * GB) == 256
    assert batch_size("cuda", dinov2, 8 * GB) == 16
