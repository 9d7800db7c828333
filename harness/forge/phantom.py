"""Phantom chest CT: axial slices through a patient, in a lung window.

A slice cuts the patient's layers, ellipsoids and capsules at a height and paints them in Hounsfield
units from the outside in. Lengths and axes are those of :mod:`harness.forge.anatomy`.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harness.forge.anatomy import WAVES, Capsules, Floats, Patient, f32
from harness.forge.frame import Frame, Strokes, cut
from harness.forge.layers import BACK, FRONT, SIN, Curve, Layers, bump, layers_at, radius_at

SIZES = (32, 512)  # pixels
WINDOW = (-1100.0, 200.0)  # Hounsfield units shown as grey 0 and 255
OVERSAMPLING = 2

AIR, LUMEN, FAT, SEPTUM, SKIN, NODULE = -1000.0, -985.0, -100.0, 0.0, 15.0, 25.0
MUSCLE, ABDOMEN, CARTILAGE, MARROW, BONE = 48.0, 75.0, 110.0, 175.0, 520.0


def render_slice(
    patient: Patient, height: float, size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Show one axial slice of a patient in a lung window.

    Args:
        patient: The anatomy, from :func:`harness.forge.anatomy.draw_patient`.
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


def _pool(samples: Floats) -> Floats:
    """Average blocks of samples into pixels."""
    size = len(samples) // OVERSAMPLING
    blocks = samples.reshape(size, OVERSAMPLING, size, OVERSAMPLING)
    pooled: Floats = blocks.mean(axis=(1, 3))
    return pooled


class _Slice:
    """A slice in Hounsfield units, painted from the outside in."""

    def __init__(self, patient: Patient, height: float, grid: int) -> None:
        self.patient, self.height, self.z = patient, height, height * patient.trunk.span
        self.frame, self.layers = Frame(patient.scan, grid), layers_at(patient.trunk, height)
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
        return self.frame.strokes(cut(capsules, self.z, self.patient.scan.thickness))

    def _unevenness(self) -> Floats:
        """Return a sum of waves through the patient, of about unit sd."""
        fx, fy, fz, px, py, pz = self.patient.uneven[:, :, None]
        columns = np.sin(fx * self.frame.u + px) * np.sin(fz * np.float32(self.z) + pz)
        waves = np.sin(fy * self.frame.v + py).T @ columns
        return f32(waves * np.float32(np.sqrt(8 / WAVES)))

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
        sides = np.minimum(bump(-0.2, 0.6) + bump(np.pi + 0.2, 0.6), 1)
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
        lumen = cut(patient.bronchi, z, patient.scan.thickness)
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
        lines = _arch(canal, phase, radius_at(layers.muscle, BACK)) + _ribs(patient, layers, self.z)
        lines += _scapulae(layers, self.height) + _sternum(layers, self.height)
        ends, radii = f32([line[:4] for line in lines]), f32([line[4] for line in lines])
        bones = Strokes(ends.reshape(-1, 2, 2), radii, np.ones_like(radii))
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


def _ribs(patient: Patient, layers: Layers, z: float) -> list[Line]:
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


def _scapulae(layers: Layers, height: float) -> list[Line]:
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


def _sternum(layers: Layers, height: float) -> list[Line]:
    y, half = 2 - radius_at(layers.cage, FRONT), 11 + 14 * max(0.0, height - 0.7)
    return [(-half, y, half, y, 5.0)]


def _along(curve: Curve, angle: float, half: float, radius: float) -> Line:
    """Return a line along a curve, ``half`` radians to both sides of ``angle``."""
    (x, y), (to_x, to_y) = (
        (radius_at(curve, at) * math.cos(at), radius_at(curve, at) * math.sin(at))
        for at in (angle - half, angle + half)
    )
    return x, y, to_x, to_y, radius
