"""What a worker is given beside pixels: patients as numbers, networks to train, external images."""

import json
import time

import pytest

from support import method_source

TRAINED = """
import torch
from harness.features.networks import from_seed
from harness.learning import train

used, not_used = self._training.used, self._training.not_used
assert {len(set(s.groups.tolist())) for s in (used, not_used)} == {PATIENTS}
assert not set(used.groups.tolist()) & set(not_used.groups.tolist())
assert used[[1, 0]].groups.tolist() == used.groups[[1, 0]].tolist()
assert self._training.reference.groups.tolist() == not_used.groups.tolist()
assert questions.unknown.groups is None
network = tools.network("test_resnet@random:3").eval()
assert network(used.tensor(32)).shape == (len(used), network.width)
weights = from_seed("test_resnet", 3).state_dict()
assert all(torch.equal(network.body.state_dict()[name], weights[name]) for name in weights)
head = torch.nn.Linear(network.width, 1)
optimiser = torch.optim.SGD([*network.parameters(), *head.parameters()], 0.01)
images = used.tensor(32)
losses = train(
    lambda rows: head(network(images[rows])).square().mean(),
    images=len(images), batch=4, epochs=2, optimiser=optimiser,
    networks={"network": network, "head": head}, tools=tools, what="trial",
)
assert losses[1] < losses[0]
assert (tools.checkpoints / "trial.pt").is_file()
with torch.no_grad():
    scores = head(network(questions.unknown.tensor(32)))[:, 0].numpy()
return Prediction(scores, (scores > 0).astype(int))
"""


def test_a_method_trains_a_backbone_and_knows_the_patients_of_the_training_part(bench):
    access = "Access.POOL, Access.LABELS, Access.REFERENCE"
    body = TRAINED.replace("PATIENTS", "12")
    bench.plugin("trained", method_source("trained", body, access=access))
    yaml = bench.phantom()
    bench("run", "-m", "trained", "--datasets", yaml, "-d", "small")
    [record] = bench.records().values()
    assert record["weights"][0]["backbone"] == "test_resnet@random:3"
    fits = bench.folder / "cache" / "fits"
    assert not list(fits.iterdir())


AUXILIARY = """
sets = self._training.auxiliary and self._training.auxiliary.sets
tools.log(f"auxiliary {None if sets is None else [len(s) for s in sets]}")
assert sets is not None, "no external set"
return Prediction(np.arange(n) * 1.0, np.arange(n) % 2)
"""


def test_an_external_labelled_set_is_given_to_who_may_have_it(bench):
    bench.plugin("external", method_source("external", AUXILIARY, access="Access.AUXILIARY"))
    yaml = bench.phantom()
    run = ("run", "-m", "external", "--datasets", yaml, "-d", "small")
    bench(*run, code=1)
    assert "no external set" in json.dumps(bench.records())
    bench(*run, "--auxiliary", "phantom-attribution-content")
    [record] = bench.records().values()
    assert record["status"] == "ok"
    assert record["auxiliary"]["name"] == "phantom-attribution-content"
    line = bench.refused(*run, "--auxiliary", "phantom-null")
    assert "--auxiliary phantom-null" in line
    assert "attribution" in line


TWINS = """
from harness.method import Access, Field, Method, Prediction, Task
from harness.plugins import hookimpl


class First(Method):
    "One."

    name = "first"
    task = Task.MEMBERSHIP
    access = frozenset()
    demo = {"width": 1}
    headline = False

    width: int = Field(5)

    def fit(self, training, tools):
        pass

    def score(self, questions, tools):
        n = len(questions.unknown)
        return Prediction([float(self.width)] * n, [0] * n)


class Other(First):
    "Another class."

    name = "other"


@hookimpl
def bench_methods():
    second = First.variant("second", "Two.", width=7)
    second.demo = {"width": 1}
    second.headline = True
    return [First, second, First.variant("third", "Three.", width=3), Other]
"""


@pytest.mark.parametrize("budget", ["demo", "paper"])
def test_variants_that_a_budget_makes_equal_run_once(bench, budget):
    bench.plugin("twins", TWINS)
    methods = [part for name in ("first", "second", "third", "other") for part in ("-m", name)]
    said = bench(
        "run", *methods, "--datasets", bench.phantom(), "-d", "small", "--budget", budget
    ).stdout
    names = {record["method"]["name"] for record in bench.records().values()}
    if budget == "paper":
        assert names == {"first", "second", "third", "other"}
    else:
        assert names == {"second", "third", "other"}
        assert "second is at this budget also first." in " ".join(said.split())


SLOW_FIT = """
(tools.checkpoints / "begun").touch()
time.sleep(30)
return Prediction([0.0] * n, [0] * n)
"""


def test_a_fit_is_not_taken_up_again_with_other_weights_than_it_began_with(bench):
    source = method_source("slow", SLOW_FIT, top="import time\nfrom harness.method import Field")
    field = "    backbone: str = Field('tf_efficientnet_lite0')\n\n    def fit"
    bench.plugin("slow", source.replace("    def fit", field))
    yaml, fits = bench.phantom(), bench.folder / "cache" / "fits"
    weights = bench.folder / "lite.pth"
    for begun, content in ((1, "first"), (2, "second"), (2, "first")):
        weights.write_text(content)
        process = bench.start(
            "run", "-m", "slow", "--datasets", yaml, "-d", "small",
            "--weights", f"tf_efficientnet_lite0={weights}",
        )  # fmt: skip
        since = time.time()
        while process.poll() is None:
            if any(mark.stat().st_mtime >= since for mark in fits.glob("*/begun")):
                process.kill()
            time.sleep(0.05)
        process.communicate()
        assert len(list(fits.iterdir())) == begun
