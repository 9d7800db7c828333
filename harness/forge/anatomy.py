"""Patients: anatomies drawn from one population, and how each was scanned.

A patient is a three-dimensional anatomy of few kinds of shape: closed curves round the middle of
the thorax (skin, fat, muscle, chest cavity), ellipsoids (heart, abdomen), and capsules, which are
segments with a radius (great vessels, airways, lung vessels, nodules).

Lengths are millimetres: x to the right of the image, which is the patient's left, y to the back,
z upwards from the lowest slice; the origin of x and y lies in the middle of the thorax.
Attenuations are Hounsfield units.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Points = NDArray[np.float64]  # (..., 3): x, y, z

LUNG, BLOOD = -865.0, 45.0  # attenuations: of the average lung, of blood without contrast medium
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

    def taper(self, height: ArrayLike) -> NDArray[np.float64]:
        """Return the cavity's width at a height, 0 to 1, as a share of the widest."""
        low = np.maximum(0.0, 0.3 - np.asarray(height))
        return 1 - self.apex * upper_part(height) ** 2 - 0.06 * low


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
        septum=f32(even([20, 25, 1.5, -0.05], [27, 34, 6, 0.2], (2, 4))),
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
        uneven=f32(np.vstack([frequencies, phases])),
    )


def upper_part(height: ArrayLike) -> NDArray[np.float64]:
    """Return how far a height lies in the upper, narrowing part of the chest: 0 to 1."""
    return np.maximum(0.0, (np.asarray(height) - 0.3) / 0.7)


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
        cavity_waves=f32(bell(0, [0.012, 0.022, 0.020, 0.012, 0.008], (2, 5))),
        skin_waves=f32(bell(0, [0.010, 0.016, 0.014, 0.009, 0.006], (2, 5))),
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
    return f32([ventricles, atria])


def _draw_abdomen(rng: np.random.Generator, trunk: Trunk) -> Floats:
    """Draw what rises under the lungs: the liver on the right, stomach and spleen on the left."""
    low, deep = -0.4 * trunk.span, 0.9 * trunk.depth
    right, left = rng.uniform([0.38, 0.32], [0.54, 0.48]) * trunk.span
    return f32(
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
    bronchi = Capsules(f32(thick + beside), f32(0.7 * calibre))
    return Capsules(f32(ends.reshape(-1, 2, 3)), f32(radii.ravel())), bronchi


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
    outer = trunk.width * trunk.taper(np.clip(height, 0, 1)) * np.sqrt(1 - across**2)
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
    return Capsules(f32(np.stack([middles - reach, middles + reach], axis=1)), f32(radii))


def _chain(points: Points, radius: float) -> Capsules:
    """Return the capsules of one radius along a path of (N, 3) points."""
    radii = np.full(len(points) - 1, radius, np.float32)
    return Capsules(f32(np.stack([points[:-1], points[1:]], axis=1)), radii)


def _join(*parts: Capsules) -> Capsules:
    ends, radii = zip(*((part.ends, part.radii) for part in parts), strict=True)
    return Capsules(np.concatenate(ends), np.concatenate(radii))


def f32(values: ArrayLike) -> Floats:
    """Return values in single precision, in which everything is drawn."""
    return np.asarray(values, dtype=np.float32)
