import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.forge.allotment import deal, deal_equally, halve

groups = st.lists(st.sampled_from("abcdefghijkl"), max_size=60)
seeds = st.integers(0, 2**32)


def named(names, rows):
    return {names[row] for row in rows}


@given(groups, st.integers(2, 4), seeds, st.none() | st.integers(0, 10))
def test_no_two_hands_share_a_group_or_an_image(names, hands, seed, enough):
    dealt = deal(names, hands, np.random.default_rng(seed), enough)
    assert len(dealt) == hands
    for one in range(hands):
        for other in range(one):
            assert not named(names, dealt[one]) & named(names, dealt[other])
    rows = np.concatenate(dealt)
    assert len(set(rows.tolist())) == len(rows)
    if enough is None:
        assert len(rows) == len(names)


@given(groups, st.integers(2, 4), seeds)
def test_hands_of_all_groups_differ_by_no_more_than_the_largest_group(names, hands, seed):
    sizes = [len(rows) for rows in deal(names, hands, np.random.default_rng(seed))]
    largest = max((names.count(name) for name in names), default=0)
    assert max(sizes) - min(sizes) <= largest


@given(groups, st.integers(2, 3), seeds)
def test_equal_hands_are_as_large_as_asked_for_or_refused(names, hands, seed):
    dealt = deal_equally(names, hands, np.random.default_rng(seed), None)
    [most] = {len(rows) for rows in dealt}
    if most:
        fewer = deal_equally(names, hands, np.random.default_rng(seed), most)
        assert [len(rows) for rows in fewer] == [most] * hands
    with pytest.raises(ValueError, match=f"{len(names)} images"):
        deal_equally(names, hands, np.random.default_rng(seed), len(names) + 1)


@given(groups, seeds)
def test_halves_share_no_group(names, seed):
    first = halve(names, np.random.default_rng(seed))
    assert not named(names, np.flatnonzero(first)) & named(names, np.flatnonzero(~first))


def test_every_patient_may_come_to_any_hand():
    names = [f"p{number}" for number in range(6) for _ in range(2)]
    draws = [deal(names, 2, np.random.default_rng(seed))[0] for seed in range(200)]
    often = np.bincount(np.concatenate(draws), minlength=len(names))
    assert often.min() > 60
    assert often.max() < 140


def test_the_same_seed_deals_alike_and_another_does_not():
    names = [f"p{number}" for number in range(20)]
    once, again, other = (deal(names, 2, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(once, again)
    assert set(once.tolist()) != set(other.tolist())


def test_too_few_images_say_how_many_there_are():
    with pytest.raises(ValueError, match="4 images of 2 patients make 2 sets of 2"):
        deal_equally(["a", "a", "b", "b"], 2, np.random.default_rng(0), 3)
