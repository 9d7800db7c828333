"""An order for the forge that teaches a generator nothing and is carried out at once."""

from harness.forge.order import Order


def small_order(**changes):
    order = {
        "kind": "gan",
        "name": "made",
        "source": "phantom",
        "size": 32,
        "iterations": 1,
        "stages": (),
        "members": 8,
        "batch": 4,
        "generated": 6,
        "slices": 2,
        "held_out": 0,
        "groups": None,
        "licence": None,
        "image": None,
        "seed": 0,
        "twins": False,
        "null_pool": False,
    }
    return Order(**{**order, **changes})
