"""The frame of a slice: its sampling grid, and how much of each pixel a shape fills."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.forge.anatomy import Capsules, Floats, Scan, f32
from harness.forge.layers import ANGLES, Curve


@dataclass(frozen=True, eq=False)
class Strokes:
    """Segments with a radius in the plane of a slice."""

    ends: Floats  # (N, 2, 2): x and y of both ends
    radii: Floats  # (N,)
    fill: Floats  # (N,) how much of the slice's thickness each fills, 0 to 1


def cut(capsules: Capsules, z: float, thickness: float) -> Strokes:
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
    return Strokes(plane, radii, np.minimum(1, upright + 2 * radii / np.float32(thickness)))


class Frame:
    """The sampling grid of one slice, in the patient's own coordinates."""

    def __init__(self, scan: Scan, grid: int) -> None:
        self.grid, self.pixel = grid, np.float32(scan.view / grid)
        ticks = (np.arange(grid, dtype=np.float32) + 0.5) * self.pixel - np.float32(scan.view / 2)
        self.u, self.v = ticks + np.float32(scan.centre[0]), ticks + np.float32(scan.centre[1])
        cos, sin = np.cos(scan.roll), np.sin(scan.roll)
        self.turn = f32([[cos, -sin], [sin, cos]])
        self.x = self.turn[0, 0] * self.u + self.turn[1, 0] * self.v[:, None]
        self.y = self.turn[0, 1] * self.u + self.turn[1, 1] * self.v[:, None]
        self.radius = np.sqrt(self.x**2 + self.y**2)
        turns = np.arctan2(self.y, self.x) * np.float32(0.5 / np.pi) + np.float32(0.5)
        self.sector = (turns * len(ANGLES)).astype(np.intp) % len(ANGLES)

    def soft(self, distance: Floats) -> Floats:
        """Return how much of each pixel is inside, from a signed distance (negative inside)."""
        return f32(np.clip(np.float32(0.5) - distance / self.pixel, 0, 1))

    def within(self, curve: Curve) -> Floats:
        """Return how much of each pixel is inside a closed curve."""
        return self.soft(self.radius - curve[self.sector])

    def ellipse(self, x: float, y: float, a: float, b: float, tilt: float = 0.0) -> Floats:
        """Return the signed distance to an ellipse, about right near its edge."""
        cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        p, q = (dx * cos + dy * sin) / np.float32(a), (dy * cos - dx * sin) / np.float32(b)
        return f32((np.sqrt(p * p + q * q) - 1) * np.float32(min(a, b)))

    def strokes(self, strokes: Strokes) -> Floats:
        """Return how much of each pixel is inside any stroke.

        What is thinner than a pixel is drawn as wide as one and fainter in proportion.
        """
        ends = (strokes.ends @ self.turn.T - f32([self.u[0], self.v[0]])) / self.pixel
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
        middle = np.floor(ends.mean(axis=1))[:, :, None] + f32(np.arange(-half, half + 1))
        column, row = (np.clip(middle, -1, self.grid).astype(np.intp) + 1).swapaxes(0, 1)
        (dx, dy), along = (middle - ends[:, 0, :, None]).swapaxes(0, 1), ends[:, 1] - ends[:, 0]
        dx, dy, (x, y) = dx[:, None, :], dy[:, :, None], along.T[:, :, None, None]
        part = np.clip((dx * x + dy * y) / np.maximum(x * x + y * y, np.float32(1e-6)), 0, 1)
        distance = np.sqrt((dx - part * x) ** 2 + (dy - part * y) ** 2)
        inside = np.clip(radii[:, None, None] + np.float32(0.5) - distance, 0, 1)
        return row[:, :, None] * (self.grid + 2) + column[:, None, :], inside
