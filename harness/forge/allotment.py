"""Who trains which generator: whole patients are dealt at random, never single images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]  # (n,) positions in the groups that were dealt


def deal(
    groups: Sequence[str], hands: int, rng: np.random.Generator, enough: int | None = None
) -> list[Rows]:
    """Deal the images of ``groups`` to hands, so that no two hands share a group.

    The groups come in random order, and each goes whole to the hand that holds the fewest images.
    Which hand begins is random too, so hands are exchangeable.

    Args:
        groups: (N,) the group of each image.
        hands: how many there are.
        rng: source of the order.
        enough: stop when every hand has so many images; ``None`` deals all groups.

    Returns:
        The positions that each hand got, group by group in the order in which they came.
    """
    members = _members(groups)
    names = list(members)
    dealt: list[list[int]] = [[] for _ in range(hands)]
    for place in rng.permutation(len(names)).tolist():
        fewest = min(dealt, key=len)
        if enough is not None and len(fewest) >= enough:
            break
        fewest += members[names[place]]
    return [np.array(dealt[hand], np.intp) for hand in rng.permutation(hands).tolist()]


def deal_equally(
    groups: Sequence[str], hands: int, rng: np.random.Generator, members: int | None
) -> list[Rows]:
    """Deal equally many images to every hand; the last patients' surplus images are left out.

    Args:
        groups: (N,) the group of each image.
        hands: how many there are.
        rng: source of the order.
        members: images a hand; ``None`` for as many as there are for all hands alike.

    Raises:
        ValueError: There are not so many images; says how many can be had, and of how many groups.
    """
    hands_dealt = deal(groups, hands, rng, members)
    fewest = min(map(len, hands_dealt))
    if members is not None and fewest < members:
        have = f"{len(groups)} images of {len(set(groups))} patients"
        raise ValueError(f"{have} make {hands} sets of {fewest} images of different patients")
    return [rows[: members or fewest] for rows in hands_dealt]


def set_aside(groups: Sequence[str], each: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose ``each`` images of every group that has more than so many.

    Returns:
        (N,) true for those that were chosen.
    """
    chosen = np.zeros(len(groups), bool)
    for rows in _members(groups).values():
        if len(rows) > each:
            chosen[rng.choice(rows, each, replace=False)] = True
    return chosen


def halve(groups: Sequence[str], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Divide images into two halves by group.

    Returns:
        (N,) true for those of the first half. The halves differ by less than the largest group.
    """
    first, _ = deal(groups, 2, rng)
    chosen = np.zeros(len(groups), bool)
    chosen[first] = True
    return chosen


def _members(groups: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of each group, groups by name."""
    members: dict[str, list[int]] = {group: [] for group in sorted(set(groups))}
    for row, group in enumerate(groups):
        members[group].append(row)
    return members
