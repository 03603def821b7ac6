"""What every drawing is made of: a sheet, shapes, colors, and what happens to a finished picture.

Shapes are given in local coordinates: the middle of the head or the body is (0, 0), x runs right,
y runs down and 1 is half a width. A `Sheet` places them on the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Color = tuple[int, int, int]

# Pictures are drawn this many times too large and then averaged down, which smooths every edge.
OVERSAMPLING = 4

# Cats and dogs share their coats: color alone must not give the class away.
COATS = (
    (212, 140, 72),
    (140, 138, 142),
    (62, 56, 58),
    (234, 228, 218),
    (146, 112, 78),
    (222, 196, 150),
    (108, 72, 48),
    (186, 142, 96),
)
PAINTS = (
    (196, 44, 40),
    (40, 84, 170),
    (235, 235, 232),
    (52, 54, 60),
    (160, 166, 172),
    (226, 176, 40),
    (44, 120, 84),
    (120, 60, 110),
)


@dataclass
class Sheet:
    """An oversampled picture, the mask of its main object, and where local coordinates land."""

    image: Image.Image
    mask: Image.Image
    matrix: np.ndarray  # (2, 3): local coordinates to oversampled pixels

    @property
    def side(self) -> int:
        """Width and height in oversampled pixels."""
        return self.image.width

    def place(self, points: np.ndarray | Sequence[tuple[float, float]]) -> np.ndarray:
        """Convert local `points` (N, 2) to oversampled pixel positions (N, 2)."""
        return np.asarray(points, dtype=float) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def fill(self, points: np.ndarray, color: Color) -> None:
        """Fill the polygon through local `points` (N, 2); it belongs to the object."""
        corners = [tuple(p) for p in self.place(points)]
        ImageDraw.Draw(self.image).polygon(corners, fill=color)
        ImageDraw.Draw(self.mask).polygon(corners, fill=255)

    def stroke(
        self, points: np.ndarray | Sequence[tuple[float, float]], color: Color, width: float
    ) -> None:
        """Draw a line through local `points`, `width` local units thick, as part of the object."""
        corners = [tuple(p) for p in self.place(points)]
        scale = float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))
        pixels = max(1, round(width * scale))
        for surface, ink in ((self.image, color), (self.mask, 255)):
            ImageDraw.Draw(surface).line(corners, fill=ink, width=pixels, joint="curve")

    def cover(self, points: np.ndarray, color: Color) -> None:
        """Fill the polygon through oversampled pixel `points`; it hides the object behind it."""
        corners = [tuple(p) for p in points]
        ImageDraw.Draw(self.image).polygon(corners, fill=color)
        ImageDraw.Draw(self.mask).polygon(corners, fill=0)


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> np.ndarray:
    """Return 36 points around an ellipse with half axes `rx` and `ry`, turned by `turn` radians."""
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    u, v = rx * np.cos(angle), ry * np.sin(angle)
    return np.stack(
        [x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], axis=1
    )


def smooth(points: list[tuple[float, float]], steps: int = 8) -> np.ndarray:
    """Return a closed Catmull-Rom curve, (len(points) * steps, 2), through some control points."""
    p = np.asarray(points, dtype=float)
    before, after, beyond = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    curve = 0.5 * (
        2 * p[:, None]
        + (after - before)[:, None] * t
        + (2 * before - 5 * p + 4 * after - beyond)[:, None] * t**2
        + (3 * p - before - 3 * after + beyond)[:, None] * t**3
    )
    return curve.reshape(-1, 2)


def shade(color: Color, factor: float) -> Color:
    """Make a color darker (factor < 1) or lighter (factor > 1), within 0 to 255."""
    red, green, blue = (int(np.clip(c * factor, 0, 255)) for c in color)
    return red, green, blue


def mix(a: Color, b: Color, share: float) -> Color:
    """Return the color that lies `share` of the way from `a` to `b`."""
    red, green, blue = (int(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def jitter(rng: np.random.Generator, color: Color, amount: int = 22) -> Color:
    """Move each channel of a color by up to `amount`, at random."""
    red, green, blue = np.clip(np.array(color) + rng.integers(-amount, amount + 1, 3), 0, 255)
    return int(red), int(green), int(blue)


def pick(rng: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    """Choose one of `colors`, and change it a little."""
    return jitter(rng, colors[rng.integers(len(colors))])


def gradient(side: int, top: Color, bottom: Color) -> Image.Image:
    """Draw a square picture whose color runs from `top` to `bottom`."""
    share = np.linspace(0, 1, side)[:, None, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    return Image.fromarray(np.broadcast_to(rows, (side, side, 3)).astype(np.uint8))


def placing(
    rng: np.random.Generator, side: int, scale: tuple[float, float], tilt: float, reach: np.ndarray
) -> np.ndarray:
    """Make a random matrix (2, 3), mirrored half the time, that keeps `reach` (N, 2) inside."""
    unit = rng.uniform(*scale) * side
    angle = rng.uniform(-tilt, tilt)
    stretch = np.diag(rng.uniform(0.88, 1.12, 2) * (rng.choice([-1, 1]), 1))
    lean = np.array([[1.0, rng.uniform(-0.15, 0.15)], [0.0, 1.0]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = unit * turn @ lean @ stretch
    spots = reach @ linear.T
    low, high = -spots.min(0), side - spots.max(0)
    middle = (low + high) / 2
    slack = np.maximum(high - low, 0) / 2
    offset = middle + rng.uniform(-1, 1, 2) * slack
    return np.concatenate([linear, offset[:, None]], axis=1)


def hide(sheet: Sheet, rng: np.random.Generator) -> None:
    """Put something in front of a part of the object: a leaf, a ball or a plank."""
    side = sheet.side
    kind = rng.integers(3)
    x, y = rng.uniform(0.05, 0.95, 2) * side
    if kind == 0:
        leaf = pick(rng, ((60, 120, 60), (100, 140, 60), (150, 110, 60)))
        for _ in range(3):
            angle = rng.uniform(0, np.pi)
            sheet.cover(
                ellipse(x, y, 0.2 * side, 0.035 * side, angle), shade(leaf, rng.uniform(0.8, 1.2))
            )
    elif kind == 1:
        ball, radius = pick(rng, PAINTS), rng.uniform(0.06, 0.11) * side
        sheet.cover(ellipse(x, y, radius, radius), ball)
        sheet.cover(
            ellipse(x - radius * 0.3, y - radius * 0.3, radius * 0.3, radius * 0.3),
            shade(ball, 1.3),
        )
    else:
        plank, width = pick(rng, ((120, 90, 60), (90, 90, 95), (170, 150, 120))), 0.05 * side
        lean = rng.uniform(-0.3, 0.3) * side
        edge = np.array([(x, 0), (x + width, 0), (x + width + lean, side), (x + lean, side)])
        sheet.cover(edge, plank)


def expose(sheet: Sheet, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Average down, round the object, light the scene, add grain: picture uint8, mask bool."""
    size = sheet.side // OVERSAMPLING
    pixels = np.asarray(sheet.image.reduce(OVERSAMPLING), dtype=np.float32) / 255
    mask = sheet.mask.reduce(OVERSAMPLING)
    # Brighter in the middle than at the rim: a flat shape looks round.
    relief = np.asarray(mask.filter(ImageFilter.GaussianBlur(size / 14)), dtype=np.float32) / 255
    cover = np.asarray(mask, dtype=np.float32)[..., None] / 255
    pixels = pixels * (1 + cover * (0.55 * relief[..., None] - 0.42))
    grain = Image.fromarray(rng.normal(0, 1, (size // 2, size // 2)).astype(np.float32))
    fur = np.asarray(grain.resize((size, size), Image.Resampling.BILINEAR))[..., None]
    pixels = pixels * (1 + 0.07 * fur * (0.4 + 0.6 * cover))
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    beam = 1 + rng.uniform(0, 0.45) * (x * np.cos(angle) + y * np.sin(angle))[..., None]
    tint = 1 + rng.uniform(-0.08, 0.08, 3)
    pixels = np.clip(pixels * beam * tint * rng.uniform(0.65, 1.15), 0, 1) ** rng.uniform(0.8, 1.25)
    pixels = pixels + rng.normal(0, rng.uniform(0.002, 0.01), pixels.shape)
    return (np.clip(pixels, 0, 1) * 255).astype(np.uint8), np.asarray(mask) > 127
