"""Phantom chest CT: patients drawn from one population, and axial slices through them.

A patient is a three-dimensional anatomy of few kinds of shape: closed curves round the middle of
the thorax (skin, fat, muscle, chest cavity), ellipsoids (heart, abdomen), and capsules, which are
segments with a radius (great vessels, airways, lung vessels, nodules). A slice cuts them at a
height, paints them in Hounsfield units from the outside in, and shows a lung window.

Lengths are millimetres: x to the right of the image, which is the patient's left, y to the back,
z upwards from the lowest slice; the origin of x and y lies in the middle of the thorax.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Points = NDArray[np.float64]  # (..., 3): x, y, z

SIZES = (32, 512)  # pixels
WINDOW = (-1100.0, 200.0)  # Hounsfield units shown as grey 0 and 255
OVERSAMPLING = 2

AIR, LUMEN, LUNG, FAT, SEPTUM, SKIN = -1000.0, -985.0, -865.0, -100.0, 0.0, 15.0
NODULE, BLOOD, MUSCLE, ABDOMEN, CARTILAGE, MARROW, BONE = (
    25.0,
    45.0,
    48.0,
    75.0,
    110.0,
    175.0,
    520.0,
)

WAVES = 12  # in the unevenness of tissue


@dataclass(frozen=True, eq=False)
class Capsules:
    """Segments with a radius: a vessel is a chain of them, a nodule a short thick one."""

    ends: Floats  # (N, 2, 3): x, y, z of both ends
    radii: Floats  # (N,)


@dataclass(frozen=True, eq=False)
class Trunk:
    """The form of the chest cavity and of the layers round it."""

    span: float  # length of the imaged part of the thorax
    width: float  # half-width of the cavity where it is widest
    depth: float  # half-depth of the cavity where it is deepest
    spine: float  # y of the middle of the vertebrae
    apex: float  # how much narrower the cavity is at the top, as a share
    powers: tuple[float, float]  # exponents of the superellipses of cavity and skin
    cavity_waves: Floats  # (2, 5) cosine and sine waves round the cavity, as shares of its radius
    skin_waves: Floats  # (2, 5) the same for the skin
    wedge: float  # how much wider the trunk is towards the back
    muscle: float  # thickness of the muscle layer
    shoulder: float  # how far the shoulders stand out at the top
    chest: float  # how far the chest muscles stand out in front
    fat: float  # thickness of the fat layer
    breast: float  # how far the breasts stand out
    groove: float  # depth of the furrow along the back


@dataclass(frozen=True, eq=False)
class Scan:
    """How the scanner saw the patient."""

    view: float  # side of the square field of view
    centre: tuple[float, float]  # x and y of the middle of the field of view
    roll: float  # rotation of the patient, radians
    table: tuple[float, float, float]  # gap to the back, radius of the arc, thickness
    shell: float | None  # attenuation of the table's shell; None: no table in view
    thickness: float  # of a slice
    kernel: float  # smoothing by the reconstruction, sd
    noise: float  # sd of the noise in Hounsfield units
    grain: float  # smoothing of the noise, sd in pixels


@dataclass(frozen=True, eq=False)
class Patient:
    """One anatomy, and the settings it was scanned with."""

    trunk: Trunk
    scan: Scan
    vertebra: tuple[float, float, float, float]  # half-width, half-depth, spacing, z of one disc
    ribs: tuple[float, float, float, float]  # spacing, z of one at the spine, fall, radius
    septum: Floats  # (2, 4) left and right: half-width low, high, in front; share of depth
    heart: Floats  # (2, 7) ellipsoids: x, y, z, three half-axes, tilt
    abdomen: Floats  # (2, 7) domes that rise under the lungs, the same
    great_vessels: Capsules
    oesophagus: Capsules
    trachea: Capsules
    lung_vessels: Capsules
    bronchi: Capsules
    nodules: Capsules
    blood: float  # attenuation of blood, raised by contrast medium
    lung: float  # attenuation of the lung at mid-depth
    gradient: float  # rise of the lung's attenuation from front to back
    uneven: Floats  # (6, WAVES) waves through all tissue: frequencies, then phases, in x, y and z


def draw_patient(seed: int | np.random.SeedSequence) -> Patient:
    """Draw one member of the population; the same seed gives the same patient."""
    rng = np.random.default_rng(seed)
    even, bell = rng.uniform, rng.normal
    stature = float(np.clip(bell(1.0, 0.06), 0.85, 1.15))
    trunk = _draw_trunk(rng, stature)
    scale = np.array([stature, stature, trunk.span])
    hila = np.array([[-40, 4, 0.50], [44, 6, 0.54]]) * scale + bell(0, [4, 4, 8], (2, 3))
    lung_vessels, bronchi = _draw_lungs(rng, hila, trunk)
    frequencies, phases = bell(0, 0.11, (3, WAVES)), even(0, 2 * np.pi, (3, WAVES))
    return Patient(
        trunk=trunk,
        scan=_draw_scan(rng, trunk),
        vertebra=(even(15, 20), even(12, 15.5), even(21, 26), even(0, 26)),
        ribs=(even(23, 29), even(0, 29), even(85, 120), even(3.2, 4.6)),
        septum=_f32(even([20, 25, 1.5, -0.05], [27, 34, 6, 0.2], (2, 4))),
        heart=_draw_heart(rng, trunk, stature),
        abdomen=_draw_abdomen(rng, trunk),
        great_vessels=_draw_great_vessels(rng, trunk, scale),
        oesophagus=_draw_oesophagus(rng, trunk),
        trachea=_draw_trachea(rng, trunk, hila),
        lung_vessels=lung_vessels,
        bronchi=bronchi,
        nodules=_draw_nodules(rng, trunk),
        blood=BLOOD if even() < 0.5 else even(60, 170),
        lung=bell(LUNG, 22),
        gradient=even(20, 90),
        uneven=_f32(np.vstack([frequencies, phases])),
    )


def render_slice(
    patient: Patient, height: float, size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Show one axial slice of a patient in a lung window.

    Args:
        patient: The anatomy, from :func:`draw_patient`.
        height: Where to cut, from 0 (below the heart) to 1 (above the arch of the aorta).
        size: Side of the image in pixels, 32 to 512.
        rng: Source of the scanner noise, and of nothing else.

    Returns:
        The slice as (size, size) uint8 greys, front of the patient up.

    Raises:
        ValueError: ``height`` or ``size`` is out of range.
    """
    if not 0.0 <= height <= 1.0:
        raise ValueError(f"height must lie in [0, 1], not {height}")
    if not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"size must lie in {SIZES[0]}..{SIZES[1]} pixels, not {size}")
    scan, painted = patient.scan, _Slice(patient, float(height), size * OVERSAMPLING)
    image = ndimage.gaussian_filter(_pool(painted.image), scan.kernel * size / scan.view)
    grain = ndimage.gaussian_filter(rng.standard_normal((size, size), np.float32), scan.grain)
    # Fewer X-rays come through the body than past it, so the noise is stronger inside.
    image += scan.noise * (0.6 + 0.4 * _pool(painted.body)) * grain / grain.std()
    low, high = WINDOW
    grey = np.rint(np.clip((image - low) * (255.0 / (high - low)), 0, 255))
    return np.asarray(grey, np.uint8)


# --- drawing a patient --------------------------------------------------------------------------


def _draw_trunk(rng: np.random.Generator, stature: float) -> Trunk:
    even, bell = rng.uniform, rng.normal
    female = even() < 0.5
    depth = stature * even(74, 97)
    return Trunk(
        span=stature * even(185, 235),
        width=stature * even(116, 140),
        depth=depth,
        spine=depth * even(0.60, 0.70),
        apex=even(0.22, 0.36),
        powers=(even(2.0, 2.35), even(2.15, 2.7)),
        cavity_waves=_f32(bell(0, [0.012, 0.022, 0.020, 0.012, 0.008], (2, 5))),
        skin_waves=_f32(bell(0, [0.010, 0.016, 0.014, 0.009, 0.006], (2, 5))),
        wedge=even(4, 20),
        muscle=even(5, 15),
        shoulder=even(14, 38),
        chest=even(2, 9) if female else even(5, 18),
        fat=3 + rng.gamma(2.0, 6.5),
        breast=min(rng.gamma(2.5, 9.0), 40.0) if female else 0.0,
        groove=even(1, 9),
    )


def _draw_scan(rng: np.random.Generator, trunk: Trunk) -> Scan:
    even, bell = rng.uniform, rng.normal
    side = trunk.width + 14 + trunk.muscle + trunk.fat
    return Scan(
        view=2 * side * even(1.04, 1.38),
        centre=(bell(0, 7), even(-4, 26)),
        roll=bell(0, 0.04),
        table=(even(1, 12), even(320, 700), even(16, 34)),
        shell=even(-200, 400) if even() < 0.75 else None,
        thickness=even(1.5, 5),
        kernel=even(0.4, 1.1),
        noise=float(np.exp(bell(np.log(27), 0.25))),
        grain=even(0.35, 0.7),
    )


def _draw_heart(rng: np.random.Generator, trunk: Trunk, stature: float) -> Floats:
    """Draw the ventricles and, to their right, the atria."""
    even = rng.uniform
    x, y, z = even(14, 26), -even(0.18, 0.32) * trunk.depth, even(0.0, 0.10) * trunk.span
    long, tall = even(58, 72) * stature, even(0.40, 0.47) * trunk.span
    ventricles = (x, y, z, long, long * even(0.66, 0.80), tall, even(-0.75, -0.35))
    x, y, z = x - 34 * stature, y + 12, z + 14
    atria = (x, y, z, even(26, 34), even(38, 48), 0.85 * tall, even(-0.4, 0))
    return _f32([ventricles, atria])


def _draw_abdomen(rng: np.random.Generator, trunk: Trunk) -> Floats:
    """Draw what rises under the lungs: the liver on the right, stomach and spleen on the left."""
    low, deep = -0.4 * trunk.span, 0.9 * trunk.depth
    right, left = rng.uniform([0.38, 0.32], [0.54, 0.48]) * trunk.span
    return _f32(
        [
            (-0.50 * trunk.width, 0, low, 0.66 * trunk.width, deep, right, 0),
            (0.55 * trunk.width, 5, low, 0.60 * trunk.width, deep, left, 0),
        ]
    )


def _draw_great_vessels(rng: np.random.Generator, trunk: Trunk, scale: Points) -> Capsules:
    """Draw aorta, pulmonary arteries, superior vena cava and the vessels of the neck."""
    bore, back, top = rng.uniform(0.85, 1.15) * scale[0], trunk.spine - 14, rng.uniform(0.74, 0.82)
    arch = (-8, -16, top)
    turn = (22, back, top - 0.08)
    fork = (-27, -20, top + 0.06)
    paths: list[tuple[float, list[tuple[float, float, float]]]] = [
        (16, [(-6, -22, 0.34), (-14, -26, 0.50), (-14, -24, top - 0.08), arch]),
        (13, [arch, (6, 2, top + 0.02), (17, back - 10, top), turn]),
        (12, [turn, (20, back + 4, 0.4), (13, back + 4, -0.1)]),
        (14, [(12, -34, 0.40), (18, -14, 0.52)]),
        (10, [(18, -14, 0.53), (-10, -2, 0.52), (-40, 4, 0.50)]),
        (10, [(18, -14, 0.54), (46, 8, 0.57)]),
        (9, [(-26, -14, 0.44), fork]),
        (6, [fork, (0, -32, top + 0.1), (26, -28, top + 0.2)]),
        (6, [fork, (-32, -18, 1.1)]),
        (6, [(-8, -14, top + 0.02), (-15, -12, 0.93), (-24, -6, 1.1)]),
        (4, [(4, -4, top + 0.02), (14, -6, 1.1)]),
        (5, [(12, 8, top + 0.02), (22, 6, 0.93), (27, 2, 1.1)]),
    ]
    shift = rng.normal(0, [3, 3, 0.012])
    bends = [rng.normal(0, [2, 2, 0.004], (len(path), 3)) for _, path in paths]
    return _join(
        *(
            _chain((np.array(path) + shift + bend) * scale, radius * bore)
            for (radius, path), bend in zip(paths, bends, strict=True)
        )
    )


def _draw_oesophagus(rng: np.random.Generator, trunk: Trunk) -> Capsules:
    y, span = trunk.spine - 28, trunk.span
    path = np.array([[3, y, -20], [1, y, span / 2], [3, y - 2, span + 20]])
    return _chain(path + rng.normal(0, 3, (3, 3)), rng.uniform(5, 7))


def _draw_trachea(rng: np.random.Generator, trunk: Trunk, hila: Points) -> Capsules:
    """Draw the trachea down to its fork, and a main bronchus towards each hilum."""
    radius = rng.uniform(7.2, 10.2)
    fork = np.array([rng.normal(-2, 3), trunk.spine - 44, rng.uniform(0.60, 0.68) * trunk.span])
    top = np.array([rng.normal(-1, 3), trunk.spine - 42, trunk.span + 30])
    goals = hila - [0, 0, 0.08 * trunk.span]
    bronchi = [_chain(np.stack([fork, 0.3 * fork + 0.7 * goal]), 0.7 * radius) for goal in goals]
    return _join(_chain(np.stack([top, fork]), radius), *bronchi)


def _draw_lungs(rng: np.random.Generator, hila: Points, trunk: Trunk) -> tuple[Capsules, Capsules]:
    """Grow arteries and veins of both lungs, and the bronchi beside the thickest arteries."""
    roots = np.vstack([hila, hila + rng.normal([0, 0, -10], 6, (2, 3))])
    ends, radii = _grow(rng, roots, _spread_leaves(rng, trunk, np.array([-1.0, 1.0, -1.0, 1.0])))
    # Three forks of the arteries: 2 + 4 + 8 branches of two pieces.
    thick, calibre = ends[:2, :28].reshape(-1, 2, 3), radii[:2, :28].ravel()
    beside = rng.normal([0, 1.8, 0.6], 0.5) * calibre[:, None, None]
    bronchi = Capsules(_f32(thick + beside), _f32(0.7 * calibre))
    return Capsules(_f32(ends.reshape(-1, 2, 3)), _f32(radii.ravel())), bronchi


def _spread_leaves(rng: np.random.Generator, trunk: Trunk, sides: NDArray[np.float64]) -> Points:
    """Spread 512 points evenly over a lung for each of (T,) trees, -1 right and 1 left.

    Returns:
        (T, 512, 3) points, ordered so that halving the row again and again halves the lung where
        it is longest.
    """
    trees = len(sides)
    cells = np.indices((8, 8, 8)) + rng.uniform(-0.5, 1.5, (trees, 3, 8, 8, 8))
    halves = cells.reshape(trees, 3, *[2] * 9)  # tree, axis, then three halvings in z, y and x
    rows = halves.transpose(0, 1, 2, 5, 3, 8, 6, 4, 9, 7, 10).reshape(trees, 3, 512)
    z, y, x = np.moveaxis(np.clip(rows / 8, 0, 1), 1, 0)
    # Halving along tilted planes: level ones would leave slices between them without vessels.
    tilt = rng.normal(0, 0.4, (2, trees, 1))
    height = 1.3 * z - 0.2 + tilt[0] * (y - 0.5) + tilt[1] * (x - 0.5)
    across = 2 * y - 1
    across *= 0.75 + 0.23 * across**2  # fewer where the lung is narrow
    outer = trunk.width * _taper(trunk, np.clip(height, 0, 1)) * np.sqrt(1 - across**2)
    inner = np.minimum(14.0, outer)
    out = sides[:, None] * (inner + (outer - inner) * x)
    return np.stack([out, trunk.depth * across, trunk.span * height], axis=2)


def _grow(
    rng: np.random.Generator, roots: Points, leaves: Points
) -> tuple[Points, NDArray[np.float64]]:
    """Grow trees from (T, 3) roots to (T, N, 3) leaves, where halves of a row belong together.

    A branch forks into two children, and each grows part of the way to the middle of the leaves of
    its half; so the branches fill the lung evenly (after Tawhai et al. 2000,
    doi:10.1114/1.1289457). Each branch bends once on its way.

    Returns:
        (T, M, 2, 3) ends and (T, M) radii of the branches, thick ones first.
    """
    middles = [leaves]
    while middles[-1].shape[1] > 2:
        middles.append((middles[-1][:, ::2] + middles[-1][:, 1::2]) / 2)
    tips, radii = roots[:, None], rng.uniform(5.0, 6.4, (len(roots), 1))
    ends, sizes = [], []
    for goals in reversed(middles):
        starts, count = tips.repeat(2, axis=1), goals.shape[:2]
        way = (goals - starts) * rng.uniform(0.5, 0.75, (*count, 1))
        sway = rng.normal(0, 0.09, way.shape) * np.linalg.norm(way, axis=2, keepdims=True)
        bend, tips = starts + 0.5 * way + sway, starts + way
        radii = np.maximum(radii.repeat(2, axis=1) * rng.uniform(0.70, 0.92, count), 1.0)
        ends += [np.stack([starts, bend], axis=2), np.stack([bend, tips], axis=2)]
        sizes += [radii, radii]
    return np.concatenate(ends, axis=1), np.concatenate(sizes, axis=1)


def _draw_nodules(rng: np.random.Generator, trunk: Trunk) -> Capsules:
    """Draw up to three nodules inside the lungs, most of them small."""
    count = int(rng.choice(4, p=[0.45, 0.30, 0.15, 0.10]))
    middles = rng.uniform([0.45, -0.5, 0.02], [0.82, 0.6, 0.9], (count, 3))
    middles *= [trunk.width, trunk.depth, trunk.span]
    middles[:, 0] *= rng.choice([-1.0, 1.0], count)
    radii = np.minimum(2.5 + rng.gamma(1.6, 2.2, count), 16.0)
    reach = 0.2 * radii[:, None] * rng.normal(size=(count, 3))
    return Capsules(_f32(np.stack([middles - reach, middles + reach], axis=1)), _f32(radii))


def _chain(points: Points, radius: float) -> Capsules:
    """Return the capsules of one radius along a path of (N, 3) points."""
    radii = np.full(len(points) - 1, radius, np.float32)
    return Capsules(_f32(np.stack([points[:-1], points[1:]], axis=1)), radii)


def _join(*parts: Capsules) -> Capsules:
    ends, radii = zip(*((part.ends, part.radii) for part in parts), strict=True)
    return Capsules(np.concatenate(ends), np.concatenate(radii))


def _f32(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float32)


# --- the curves of the trunk --------------------------------------------------------------------

Curve = Floats  # a closed curve round the middle of the thorax: its radius at each of ANGLES

ANGLES = np.linspace(-np.pi, np.pi, 1024, endpoint=False, dtype=np.float32)
FRONT, BACK = -np.pi / 2, np.pi / 2
COS, SIN = np.cos(ANGLES), np.sin(ANGLES)
ORDERS = np.arange(1, 6, dtype=np.float32)[:, None]
COS_WAVES, SIN_WAVES = np.cos(ORDERS * ANGLES), np.sin(ORDERS * ANGLES)


@dataclass(frozen=True, eq=False)
class _Layers:
    """The layers of the trunk at one height, from the outside in."""

    skin: Curve
    fat: Curve  # inner side of the skin
    muscle: Curve
    cage: Curve  # outer side of the ribs
    cavity: Curve


def _rise(height: ArrayLike) -> NDArray[np.float64]:
    """Return how far a height lies in the upper, narrowing part of the chest: 0 to 1."""
    return np.maximum(0.0, (np.asarray(height) - 0.3) / 0.7)


def _taper(trunk: Trunk, height: ArrayLike) -> NDArray[np.float64]:
    """Return the cavity's width at a height as a share of the widest."""
    low = np.maximum(0.0, 0.3 - np.asarray(height))
    return 1 - trunk.apex * _rise(height) ** 2 - 0.06 * low


def _layers(trunk: Trunk, height: float) -> _Layers:
    """Shape the trunk at a height: upwards the cavity narrows and the shoulders widen."""
    rise, wall = float(_rise(height)), 13 + trunk.muscle + trunk.fat
    shoulders = _bump(0.40, 0.45) + _bump(np.pi - 0.40, 0.45)
    breasts = _bump(-0.95, 0.36) + _bump(-2.19, 0.36)
    breasts = breasts * np.float32(np.exp(-(((height - 0.38) / 0.3) ** 2)))

    width, depth = trunk.width * float(_taper(trunk, height)), trunk.depth * (1 - 0.24 * rise**2)
    cavity = _ring(width, depth, trunk.powers[0], trunk.cavity_waves)
    cavity += (4 + 6 * rise) * SIN + 0.5 * trunk.wedge * shoulders - 8 * _bump(FRONT, 0.28)
    cavity -= max(_at(cavity, BACK) - trunk.spine + 12, 0.0) * _bump(BACK, 0.30)
    cage = cavity + 11

    width, depth = trunk.width + wall, trunk.depth + wall - 8 - 10 * rise
    skin = _ring(width, depth, trunk.powers[1], trunk.skin_waves)
    skin += 6 * SIN - trunk.groove * _bump(BACK, 0.2) - 5 * _bump(FRONT, 0.3)
    skin += (trunk.wedge + trunk.shoulder * rise) * shoulders
    skin -= (0.8 * trunk.wedge + 8 * rise) * (_bump(-0.55, 0.45) + _bump(-2.59, 0.45))
    skin += (trunk.breast + trunk.chest) * breasts
    fat = trunk.fat * (0.8 + 0.35 * COS**2 - 0.35 * _bump(BACK, 0.5)) + trunk.breast * breasts
    # The spine needs room behind the cavity, however thin the patient.
    skin = np.maximum(skin, cage + 5 + fat + 24 * _bump(BACK, 0.35))
    return _Layers(skin, skin - 2, skin - 2 - fat, cage, cavity)


@cache
def _bump(centre: float, width: float) -> Curve:
    """Return a bell over the angles, 1 at ``centre``."""
    away = (ANGLES - centre + np.pi) % (2 * np.pi) - np.pi
    return _f32(np.exp(-((away / width) ** 2)))


def _ring(a: float, b: float, power: float, waves: Floats) -> Curve:
    """Return a superellipse with low waves round it."""
    base = np.abs(COS / np.float32(a)) ** power + np.abs(SIN / np.float32(b)) ** power
    return _f32(base ** (-1 / power) * (1 + waves[0] @ COS_WAVES + waves[1] @ SIN_WAVES))


def _at(curve: Curve, angle: float) -> float:
    """Return a curve's radius at one angle."""
    return float(curve[int((angle + np.pi) / (2 * np.pi) * len(ANGLES)) % len(ANGLES)])


# --- cutting ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Strokes:
    """Segments with a radius in the plane of a slice."""

    ends: Floats  # (N, 2, 2): x and y of both ends
    radii: Floats  # (N,)
    fill: Floats  # (N,) how much of the slice's thickness each fills, 0 to 1


def _cut(capsules: Capsules, z: float, thickness: float) -> _Strokes:
    """Cut capsules by a slice: the part of each near its middle plane, with the radius there."""
    low, high = capsules.ends[:, 0, 2], capsules.ends[:, 1, 2]
    below, above = np.minimum(low, high) - capsules.radii, np.maximum(low, high) + capsules.radii
    met = (below < z) & (z < above)
    ends, radii, low, rise = capsules.ends[met], capsules.radii[met], low[met], (high - low)[met]
    rise = np.where(np.abs(rise) < 1e-3, np.float32(1e-3), rise)
    crossing = (np.float32(z) - low) / rise
    away = low + rise * np.clip(crossing, 0, 1) - np.float32(z)
    half = (radii + np.float32(thickness)) / 2 / np.abs(rise)
    part = np.clip(np.stack([crossing - half, crossing + half], axis=1), 0, 1)[:, :, None]
    plane = ends[:, :1, :2] + part * (ends[:, 1:, :2] - ends[:, :1, :2])
    radii = np.sqrt(np.maximum(radii**2 - away**2, 0))
    # A vessel that runs in the plane fills as much of the slice as it is thick; one that crosses
    # the plane goes all the way through.
    upright = np.abs(rise) / np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    return _Strokes(plane, radii, np.minimum(1, upright + 2 * radii / np.float32(thickness)))


class _Frame:
    """The sampling grid of one slice, in the patient's own coordinates."""

    def __init__(self, scan: Scan, grid: int) -> None:
        self.grid, self.pixel = grid, np.float32(scan.view / grid)
        ticks = (np.arange(grid, dtype=np.float32) + 0.5) * self.pixel - np.float32(scan.view / 2)
        self.u, self.v = ticks + np.float32(scan.centre[0]), ticks + np.float32(scan.centre[1])
        cos, sin = np.cos(scan.roll), np.sin(scan.roll)
        self.turn = _f32([[cos, -sin], [sin, cos]])
        self.x = self.turn[0, 0] * self.u + self.turn[1, 0] * self.v[:, None]
        self.y = self.turn[0, 1] * self.u + self.turn[1, 1] * self.v[:, None]
        self.radius = np.sqrt(self.x**2 + self.y**2)
        turns = np.arctan2(self.y, self.x) * np.float32(0.5 / np.pi) + np.float32(0.5)
        self.sector = (turns * len(ANGLES)).astype(np.intp) % len(ANGLES)

    def soft(self, distance: Floats) -> Floats:
        """Return how much of each pixel is inside, from a signed distance (negative inside)."""
        return _f32(np.clip(np.float32(0.5) - distance / self.pixel, 0, 1))

    def within(self, curve: Curve) -> Floats:
        """Return how much of each pixel is inside a closed curve."""
        return self.soft(self.radius - curve[self.sector])

    def ellipse(self, x: float, y: float, a: float, b: float, tilt: float = 0.0) -> Floats:
        """Return the signed distance to an ellipse, about right near its edge."""
        cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        p, q = (dx * cos + dy * sin) / np.float32(a), (dy * cos - dx * sin) / np.float32(b)
        return _f32((np.sqrt(p * p + q * q) - 1) * np.float32(min(a, b)))

    def strokes(self, strokes: _Strokes) -> Floats:
        """Return how much of each pixel is inside any stroke.

        What is thinner than a pixel is drawn as wide as one and fainter in proportion.
        """
        ends = (strokes.ends @ self.turn.T - _f32([self.u[0], self.v[0]])) / self.pixel
        radii = strokes.radii / self.pixel
        strength, radii = strokes.fill * np.minimum(2 * radii, 1), np.maximum(radii, 0.5)
        reach = np.abs(ends[:, 1] - ends[:, 0]).max(axis=1) / 2 + radii + 1
        # Boxes of few sizes, so that all strokes of a size are drawn in one sweep.
        box = 3 * np.exp2(np.ceil(np.log2(np.maximum(reach / 3, 1)))).astype(int)
        cover = np.zeros((self.grid + 2, self.grid + 2), np.float32)  # the rim is thrown away
        for half in set(box.tolist()):
            some = box == half
            index, inside = self._stamp(ends[some], radii[some], half)
            np.maximum.at(cover.reshape(-1), index, inside * strength[some, None, None])
        return cover[1:-1, 1:-1]

    def _stamp(self, ends: Floats, radii: Floats, half: int) -> tuple[NDArray[np.intp], Floats]:
        """Return for a box of ``half`` pixels round each stroke its place and what is inside."""
        middle = np.floor(ends.mean(axis=1))[:, :, None] + _f32(np.arange(-half, half + 1))
        column, row = (np.clip(middle, -1, self.grid).astype(np.intp) + 1).swapaxes(0, 1)
        (dx, dy), along = (middle - ends[:, 0, :, None]).swapaxes(0, 1), ends[:, 1] - ends[:, 0]
        dx, dy, (x, y) = dx[:, None, :], dy[:, :, None], along.T[:, :, None, None]
        part = np.clip((dx * x + dy * y) / np.maximum(x * x + y * y, np.float32(1e-6)), 0, 1)
        distance = np.sqrt((dx - part * x) ** 2 + (dy - part * y) ** 2)
        inside = np.clip(radii[:, None, None] + np.float32(0.5) - distance, 0, 1)
        return row[:, :, None] * (self.grid + 2) + column[:, None, :], inside


def _pool(samples: Floats) -> Floats:
    """Average blocks of samples into pixels."""
    size = len(samples) // OVERSAMPLING
    blocks = samples.reshape(size, OVERSAMPLING, size, OVERSAMPLING)
    pooled: Floats = blocks.mean(axis=(1, 3))
    return pooled


# --- painting -----------------------------------------------------------------------------------


class _Slice:
    """A slice in Hounsfield units, painted from the outside in."""

    def __init__(self, patient: Patient, height: float, grid: int) -> None:
        self.patient, self.height, self.z = patient, height, height * patient.trunk.span
        self.frame, self.layers = _Frame(patient.scan, grid), _layers(patient.trunk, height)
        self.uneven = self._unevenness()
        self.image = np.full((grid, grid), AIR, np.float32)
        self.body = self.frame.within(self.layers.skin)
        self.lung = self.frame.within(self.layers.cavity)  # what no other organ has taken yet
        self._table()
        self._wall()
        self._lungs()
        self._mediastinum()
        self._lung_vessels()
        self._bones()

    def _over(self, cover: Floats, value: float | Floats) -> None:
        """Paint ``value`` where ``cover`` is 1, and mix it in where ``cover`` is less."""
        self.image += cover * (value - self.image)

    def _cover(self, capsules: Capsules) -> Floats:
        return self.frame.strokes(_cut(capsules, self.z, self.patient.scan.thickness))

    def _unevenness(self) -> Floats:
        """Return a sum of waves through the patient, of about unit sd."""
        fx, fy, fz, px, py, pz = self.patient.uneven[:, :, None]
        columns = np.sin(fx * self.frame.u + px) * np.sin(fz * np.float32(self.z) + pz)
        waves = np.sin(fy * self.frame.v + py).T @ columns
        return _f32(waves * np.float32(np.sqrt(8 / WAVES)))

    def _table(self) -> None:
        scan, frame = self.patient.scan, self.frame
        if scan.shell is None:
            return
        gap, radius, thickness = scan.table
        back = float((self.layers.skin * SIN).max()) + gap
        arc = np.sqrt(frame.x**2 + (frame.y - np.float32(back - radius)) ** 2)
        depth = np.abs(arc - np.float32(radius + thickness / 2)) - np.float32(thickness / 2)
        self._over(frame.soft(depth), AIR + 25)
        self._over(frame.soft(np.abs(depth) - np.float32(1.4)), scan.shell)

    def _wall(self) -> None:
        """Paint skin, fat, and muscle with fat between its sheets."""
        frame, layers = self.frame, self.layers
        self._over(self.body, SKIN)
        self._over(frame.within(layers.fat), FAT + 6 * self.uneven)
        self._over(frame.within(layers.muscle), MUSCLE + 8 * self.uneven)
        gap = layers.muscle - layers.cage
        sheet = frame.within(layers.cage + 0.5 * gap) - frame.within(layers.cage + 0.08 * gap)
        sides = np.minimum(_bump(-0.2, 0.6) + _bump(np.pi + 0.2, 0.6), 1)
        share = (sides * np.clip(gap / 10 - 0.6, 0, 1))[frame.sector]
        self._over(sheet * share * np.clip(0.7 + 0.8 * self.uneven, 0, 1), FAT)

    def _lungs(self) -> None:
        """Fill the cavity with lung, and with what rises into it from below."""
        patient = self.patient
        gradient = np.float32(patient.gradient / (2 * patient.trunk.depth)) * self.frame.y
        self._over(self.lung, patient.lung + gradient + 12 * self.uneven)
        for distance in self._ellipsoids(patient.abdomen):
            dome = self.frame.soft(distance)
            self._over(dome * self.lung, ABDOMEN + 5 * self.uneven)
            self.lung = self.lung * (1 - dome)

    def _ellipsoids(self, shapes: Floats) -> list[Floats]:
        """Return the signed distances to the ellipsoids that this height meets."""
        found = []
        for x, y, z, a, b, tall, tilt in shapes.tolist():
            scale = math.sqrt(max(0.0, 1 - ((self.z - z) / tall) ** 2))
            if scale > 0:
                found.append(self.frame.ellipse(x, y, a * scale, b * scale, tilt))
        return found

    def _mediastinum(self) -> None:
        """Paint what lies between the lungs."""
        patient, cavity, soft = self.patient, self.lung, self.frame.soft
        heart = self._ellipsoids(patient.heart)
        shapes = [(self._septum(), SEPTUM)]
        shapes += [(soft(distance - 3), FAT / 2) for distance in heart]
        shapes += [(soft(distance), patient.blood) for distance in heart]
        shapes += [(self._cover(patient.oesophagus), MUSCLE)]
        shapes += [(self._cover(patient.great_vessels), patient.blood)]
        shapes += [(self._cover(patient.trachea), LUMEN)]
        for cover, value in shapes:
            self._over(cover * cavity, value + 7 * self.uneven)
            self.lung = self.lung * (1 - cover)

    def _septum(self) -> Floats:
        """Return the wall between the lungs: thin in front, wide round the vessels."""
        depth, sides = np.float32(self.patient.trunk.depth), []
        for sign, (low, high, front, waist) in zip((1, -1), self.patient.septum, strict=True):
            wide = low + (high - low) * np.float32(self.height)
            away = ((self.frame.y / depth - waist) / np.float32(0.5)) ** 2
            edge = front + (wide - front) / (1 + away * away)
            sides.append(self.frame.soft(sign * self.frame.x - edge))
        return np.minimum(*sides)

    def _lung_vessels(self) -> None:
        """Paint nodules, vessels and bronchi where lung is left."""
        patient, z = self.patient, self.z
        self._over(self._cover(patient.nodules) * self.lung, NODULE + 20 * self.uneven)
        self._over(self._cover(patient.lung_vessels) * self.lung, min(patient.blood, 70.0))
        lumen = _cut(patient.bronchi, z, patient.scan.thickness)
        wall = replace(lumen, radii=1.2 * lumen.radii + 0.5)
        self._over(self.frame.strokes(wall) * self.lung, SEPTUM)
        self._over(self.frame.strokes(lumen) * self.lung, LUMEN)

    def _bones(self) -> None:
        """Paint spine, ribs, sternum and scapulae: a bright shell round the marrow."""
        patient, layers, spine = self.patient, self.layers, self.patient.trunk.spine
        half_width, half_depth, spacing, first = patient.vertebra
        phase, canal = (self.z - first) / spacing % 1.0, spine + half_depth + 7
        shell, core = (CARTILAGE, CARTILAGE - 20) if phase < 0.22 else (BONE, MARROW)
        speckle, body = 25 * self.uneven, self.frame.ellipse(0, spine, half_width, half_depth)
        self._over(self.frame.soft(body), shell)
        self._over(self.frame.soft(body + 2), core + speckle)
        lines = _arch(canal, phase, _at(layers.muscle, BACK)) + _ribs(patient, layers, self.z)
        lines += _scapulae(layers, self.height) + _sternum(layers, self.height)
        ends, radii = _f32([line[:4] for line in lines]), _f32([line[4] for line in lines])
        bones = _Strokes(ends.reshape(-1, 2, 2), radii, np.ones_like(radii))
        marrow = replace(bones, radii=np.maximum(radii - 1.6, 0))
        self._over(self.frame.strokes(bones) * self.body, BONE)
        self._over(self.frame.strokes(marrow) * self.body, MARROW + speckle)
        self._over(self.frame.soft(self.frame.ellipse(0, canal, 9, 8)), MUSCLE - 15)


Line = tuple[float, float, float, float, float]  # x, y, x, y, radius


def _arch(canal: float, phase: float, back: float) -> list[Line]:
    """Return the vertebral arch round the canal, with the processes that this height meets."""
    tip = max(min(canal + 20 + 12 * phase, back - 4), canal + 13)
    lines: list[Line] = [(0, canal + 13, 0, tip, 2.8)]
    for side in (-1, 1):
        lines.append((side * 12, canal - 4, side * 8, canal + 8, 3.5))
        lines.append((side * 8, canal + 8, 0, canal + 13, 3.2))
        if 0.35 < phase < 0.85:
            lines.append((side * 12, canal + 2, side * 34, canal + 9, 3.8))
    return lines


def _ribs(patient: Patient, layers: _Layers, z: float) -> list[Line]:
    """Return the sections of the ribs, each of which falls on its way from the spine forwards."""
    spacing, first, fall, radius = patient.ribs
    lines = []
    for start in np.arange(first % spacing - 2 * spacing, z + fall, spacing):
        way = (start - z) / fall
        if 0 <= way <= 0.95:
            angle = BACK - 0.30 - way * (np.pi - 0.75)
            lines.append(_along(layers.cage - 5.5, angle, 0.1, radius))
            lines.append(_along(layers.cage - 5.5, np.pi - angle, 0.1, radius))
    return lines


def _scapulae(layers: _Layers, height: float) -> list[Line]:
    """Return the scapulae, longer the higher."""
    if height < 0.35:
        return []
    ring = layers.cage + 0.45 * np.maximum(layers.muscle - layers.cage, 6.0)
    half = 0.09 + 0.1 * min(1.0, (height - 0.35) / 0.3)
    lines = []
    for middle, radius in ((0.75 + half, 2.8), (0.75 - half, 3.4)):
        lines.append(_along(ring, middle, half, radius))
        lines.append(_along(ring, np.pi - middle, half, radius))
    return lines


def _sternum(layers: _Layers, height: float) -> list[Line]:
    y, half = 2 - _at(layers.cage, FRONT), 11 + 14 * max(0.0, height - 0.7)
    return [(-half, y, half, y, 5.0)]


def _along(curve: Curve, angle: float, half: float, radius: float) -> Line:
    """Return a line along a curve, ``half`` radians to both sides of ``angle``."""
    (x, y), (to_x, to_y) = (
        (_at(curve, at) * math.cos(at), _at(curve, at) * math.sin(at))
        for at in (angle - half, angle + half)
    )
    return x, y, to_x, to_y, radius
