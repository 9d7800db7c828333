import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.correction import holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_steps_reject(ps):
    adjusted = holm(ps)
    order = np.argsort(ps, kind="stable")
    rejected = set()
    for rank, place in enumerate(order):
        if ps[place] * (len(ps) - rank) >= 0.05:
            break
        rejected.add(int(place))
    assert {n for n, p in enumerate(adjusted) if p < 0.05} == rejected
