from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from harness.method import (
    Access,
    AccessError,
    Budget,
    Field,
    ImageSet,
    Method,
    Prediction,
    Questions,
    Task,
    Training,
)
from harness.parts import granted


class Example(Method):
    """Adds up."""

    name = "example"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL})
    demo: ClassVar = {"steps": 3}

    steps: int = Field(100, ge=1)
    kind: str = "plain"

    def fit(self, training, tools):
        self._mean = 0.5

    def score(self, questions, tools):
        return Prediction(np.zeros(1), np.zeros(1, int))


def images(n=6, name="training.used"):
    pixels = np.arange(n * 4 * 4, dtype=np.uint8).reshape(n, 4, 4)
    return ImageSet(pixels, name)


def test_the_paper_budget_is_the_defaults_and_demo_changes_what_it_names():
    assert Example.within(Budget.PAPER).steps == 100
    assert Example.within(Budget.DEMO).steps == 3
    assert Example.within(Budget.DEMO, {"steps": 7}).steps == 7


@pytest.mark.parametrize("changes", [{"steps": 0}, {"steps": "many"}, {"step": 3}])
def test_a_parameter_that_is_unknown_wrong_or_out_of_range_is_refused(changes):
    with pytest.raises(ValidationError):
        Example.within(Budget.PAPER, changes)


def test_a_variant_differs_in_defaults_and_is_no_headline():
    variant = Example.variant("example-fancy", "Adds up, fancily.", kind="fancy", steps=9)
    assert variant.name == "example-fancy"
    assert not variant.headline
    assert variant.within(Budget.DEMO).model_dump() == {"steps": 9, "kind": "fancy"}
    assert Example.within(Budget.PAPER).kind == "plain"
    with pytest.raises(ValidationError):
        variant.within(Budget.PAPER, {"steps": 0})


def test_what_is_not_handed_over_is_said_with_the_access_to_declare():
    training = Training({"used": images()})
    assert len(training.used) == 6
    with pytest.raises(AccessError, match=r"training\.generated .* declare Access\.POOL"):
        _ = training.generated
    with pytest.raises(AccessError, match=r"questions\.unknown"):
        _ = Questions({}).unknown


def test_access_decides_which_sets_a_membership_method_gets():
    assert set(granted(Task.MEMBERSHIP, [])) == {"questions.unknown"}
    assert "training.used" not in granted(Task.MEMBERSHIP, [Access.POOL])
    reference = granted(Task.MEMBERSHIP, [Access.REFERENCE])
    assert reference["training.reference"] == "training.not_used"
    assert "training.used" not in reference


def test_attribution_hands_over_one_set_per_class_in_order():
    sets = {f"real/{c}": images(c + 1, f"training.real/{c}") for c in range(3)}
    assert [len(s) for s in Training(sets).real_by_class.sets] == [1, 2, 3]


def test_a_part_of_a_set_remembers_its_rows_in_the_whole():
    part = images()[np.array([5, 1, 3])][1:]
    assert part.rows is not None
    assert part.rows.tolist() == [1, 3]
    assert np.array_equal(part.pixels, images().pixels[[1, 3]])


def test_a_tensor_has_the_asked_size_scale_and_mean():
    white = ImageSet(np.full((3, 8, 8), 255, np.uint8), "training.used")
    tensor = white.tensor(size=4, normalise=(0.5, 0.25))
    assert tuple(tensor.shape) == (3, 1, 4, 4)
    assert tensor.unique().tolist() == pytest.approx([2.0])
    assert tuple(white.tensor().shape) == (3, 1, 8, 8)
