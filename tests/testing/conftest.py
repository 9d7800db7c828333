import sys

import pytest

from support import Bench

METHODS = """
import os
import tempfile

import numpy as np
from harness.method import Access, Method, Prediction, Task
from harness.plugins import hookimpl


class Good(Method):
    "Largest correlation with a generated image."

    name = "good"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})

    def fit(self, training, tools):
        (tools.scratch / "mine").mkdir()
        with tempfile.NamedTemporaryFile() as stream:
            stream.write(b"fine")

    def score(self, questions, tools):
        pool = tools.features(questions.generated, "pixels")
        asked = tools.features(questions.unknown, "pixels")
        return self.answer(tools.neighbours(asked, pool, "correlation")[0][:, 0])

    def answer(self, scores):
        return Prediction(scores, (scores > 0.97).astype(int))


class Crashes(Good):
    name = "crashes"

    def fit(self, training, tools):
        raise RuntimeError("no luck")


class Dies(Good):
    name = "dies"

    def fit(self, training, tools):
        os._exit(3)


class Greedy(Good):
    name = "greedy"
    access = frozenset({Access.POOL})

    def fit(self, training, tools):
        training.used


class Infinite(Good):
    name = "infinite"

    def answer(self, scores):
        return super().answer(np.where(scores > 0.9, np.inf, scores))


class Short(Good):
    name = "short"

    def answer(self, scores):
        return super().answer(scores[1:])


class Labels(Good):
    name = "labels"

    def answer(self, scores):
        return Prediction(scores, np.where(scores > 0.9, 2, 0))


class LowScores(Good):
    name = "low-scores"

    def answer(self, scores):
        return Prediction(-scores, (scores > 0.97).astype(int))


class WrongLabels(Good):
    name = "wrong-labels"

    def answer(self, scores):
        return Prediction(scores, (scores <= 0.97).astype(int))


class Salted(Good):
    "Depends on the hash of a word, which is another one in every process that is not forked."

    name = "salted"

    def answer(self, scores):
        return super().answer(scores + hash("salt") * 1e-20)


class InTurn(Good):
    name = "in-turn"

    def answer(self, scores):
        return super().answer(scores + np.linspace(0, 0.01, len(scores)))


class Ranks(Good):
    name = "ranks"

    def answer(self, scores):
        return super().answer(scores.argsort().argsort() / len(scores))


class DeclaredRanks(Ranks):
    name = "declared-ranks"
    access = frozenset({Access.POOL, Access.TRANSDUCTIVE})


class ManyUsed(Good):
    name = "many-used"

    def fit(self, training, tools):
        if len(training.used) < 2:
            raise ValueError("too few used images")


class ManyGenerated(Good):
    name = "many-generated"

    def score(self, questions, tools):
        pool = tools.features(questions.generated, "pixels")
        asked = tools.features(questions.unknown, "pixels")
        return self.answer(np.sort(asked @ pool.T, axis=1)[:, -5])


class Contrast(Good):
    name = "contrast"

    def score(self, questions, tools):
        with np.errstate(all="ignore"):
            pixels = questions.unknown.pixels.reshape(len(questions.unknown), -1) / 255
            return self.answer(pixels.mean(1) / pixels.std(1))


class OneThread(Good):
    name = "one-thread"

    def fit(self, training, tools):
        import torch

        if torch.get_num_threads() > 1:
            raise RuntimeError("one thread only")


class Overwrites(Good):
    name = "overwrites"

    def fit(self, training, tools):
        training.used.pixels[:] = 0


class OverwritesFile(Good):
    name = "overwrites-file"

    def fit(self, training, tools):
        np.load(training.used.pixels.filename, mmap_mode="r+")[0] = 0


class Litters(Good):
    name = "litters"

    def fit(self, training, tools):
        with open(LITTER, "w") as stream:
            stream.write("x")


class Trains(Good):
    "Touches all that a method may: an external set, networks, checkpoints, patients."

    name = "trains"
    access = Good.access | {Access.AUXILIARY}

    def fit(self, training, tools):
        import torch
        from harness.learning import train

        assert [len(images) for images in training.auxiliary.sets] == [12, 12, 12]
        assert len(training.used.groups) == len(training.used)
        layer = torch.nn.Linear(1, 1)
        optimiser = torch.optim.SGD(layer.parameters(), 0.01)
        train(
            lambda rows: layer(rows[:, None].float()).square().mean(),
            images=4, batch=2, epochs=1, optimiser=optimiser, networks={"layer": layer},
            tools=tools, what="trial",
        )


class Control(LowScores):
    name = "control"
    control = True


class Centroid(Method):
    "Nearest mean of the generated images of a subset."

    name = "centroid"
    task = Task.ATTRIBUTION
    access = frozenset({Access.POOL})

    def fit(self, training, tools):
        sets = training.generated_by_class.sets
        self._means = np.stack([tools.features(s, "pixels").mean(0) for s in sets])

    def score(self, questions, tools):
        asked = tools.features(questions.generated, "pixels")
        distances = np.linalg.norm(asked[:, None] - self._means, axis=2)
        return self.answer(distances)

    def answer(self, distances):
        return Prediction(-distances, distances.argmin(1))


class Farthest(Centroid):
    name = "farthest"

    def answer(self, distances):
        return Prediction(distances, distances.argmax(1))


@hookimpl
def bench_methods():
    def all_below(kind):
        return [kind] + [method for below in kind.__subclasses__() for method in all_below(below)]

    return all_below(Good) + all_below(Centroid)
"""


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory):
    """A world with a plugin whose methods each do one thing wrong."""
    bench = Bench(tmp_path_factory.mktemp("kit"))
    litter = bench.folder / "litter.txt"
    bench.plugin("misbehaving", f"LITTER = {str(litter)!r}\n" + METHODS)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BENCH_CACHE", "PYTHONPATH"):
            patch.setenv(name, bench.environment[name])
        patch.setattr(sys, "path", [str(bench.folder / "plugins"), *sys.path])
        yield bench
