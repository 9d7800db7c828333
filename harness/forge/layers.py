"""The layers of the trunk: closed curves round the middle of the thorax, from skin to cavity."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.forge.anatomy import Floats, Trunk, f32, upper_part

Curve = Floats  # a closed curve round the middle of the thorax: its radius at each of ANGLES

ANGLES = np.linspace(-np.pi, np.pi, 1024, endpoint=False, dtype=np.float32)
FRONT, BACK = -np.pi / 2, np.pi / 2
COS, SIN = np.cos(ANGLES), np.sin(ANGLES)
ORDERS = np.arange(1, 6, dtype=np.float32)[:, None]
COS_WAVES, SIN_WAVES = np.cos(ORDERS * ANGLES), np.sin(ORDERS * ANGLES)


@dataclass(frozen=True, eq=False)
class Layers:
    """The layers of the trunk at one height, from the outside in."""

    skin: Curve
    fat: Curve  # inner side of the skin
    muscle: Curve
    cage: Curve  # outer side of the ribs
    cavity: Curve


def layers_at(trunk: Trunk, height: float) -> Layers:
    """Shape the trunk at a height: upwards the cavity narrows and the shoulders widen."""
    rise, wall = float(upper_part(height)), 13 + trunk.muscle + trunk.fat
    shoulders = bump(0.40, 0.45) + bump(np.pi - 0.40, 0.45)
    breasts = bump(-0.95, 0.36) + bump(-2.19, 0.36)
    breasts = breasts * np.float32(np.exp(-(((height - 0.38) / 0.3) ** 2)))

    width, depth = trunk.width * float(trunk.taper(height)), trunk.depth * (1 - 0.24 * rise**2)
    cavity = _ring(width, depth, trunk.powers[0], trunk.cavity_waves)
    cavity += (4 + 6 * rise) * SIN + 0.5 * trunk.wedge * shoulders - 8 * bump(FRONT, 0.28)
    cavity -= max(radius_at(cavity, BACK) - trunk.spine + 12, 0.0) * bump(BACK, 0.30)
    cage = cavity + 11

    width, depth = trunk.width + wall, trunk.depth + wall - 8 - 10 * rise
    skin = _ring(width, depth, trunk.powers[1], trunk.skin_waves)
    skin += 6 * SIN - trunk.groove * bump(BACK, 0.2) - 5 * bump(FRONT, 0.3)
    skin += (trunk.wedge + trunk.shoulder * rise) * shoulders
    skin -= (0.8 * trunk.wedge + 8 * rise) * (bump(-0.55, 0.45) + bump(-2.59, 0.45))
    skin += (trunk.breast + trunk.chest) * breasts
    fat = trunk.fat * (0.8 + 0.35 * COS**2 - 0.35 * bump(BACK, 0.5)) + trunk.breast * breasts
    # The spine needs room behind the cavity, however thin the patient.
    skin = np.maximum(skin, cage + 5 + fat + 24 * bump(BACK, 0.35))
    return Layers(skin, skin - 2, skin - 2 - fat, cage, cavity)


@cache
def bump(centre: float, width: float) -> Curve:
    """Return a bell over the angles, 1 at ``centre``."""
    away = (ANGLES - centre + np.pi) % (2 * np.pi) - np.pi
    return f32(np.exp(-((away / width) ** 2)))


def _ring(a: float, b: float, power: float, waves: Floats) -> Curve:
    """Return a superellipse with low waves round it."""
    base = np.abs(COS / np.float32(a)) ** power + np.abs(SIN / np.float32(b)) ** power
    return f32(base ** (-1 / power) * (1 + waves[0] @ COS_WAVES + waves[1] @ SIN_WAVES))


def radius_at(curve: Curve, angle: float) -> float:
    """Return a curve's radius at one angle."""
    return float(curve[int((angle + np.pi) / (2 * np.pi) * len(ANGLES)) % len(ANGLES)])
