"""The drawn samples: pictures drawn by our own code, so that every chapter runs without a file.

Everything is drawn from a seed with NumPy and Pillow: cats and dogs for chapter 03, and ten kinds
of objects, named like those of CIFAR-10, for chapter 02. Pose, colour, light, clutter and occlusion
vary, so that a few hundred pictures can be learned by heart and augmentation has something to add.
For the cats and dogs the positions of ears, eyes and snout are known exactly; chapter 06 compares
heatmaps with them.

Shapes are given in local coordinates: the middle of the head or the body is (0, 0), x runs right,
y runs down and 1 is half a width. A `Sheet` places them on the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CATS_VS_DOGS_CLASSES = ("cat", "dog")
PARTS = ("left ear", "right ear", "left eye", "right eye", "snout")

# Pictures are drawn this many times too large and then averaged down, which smooths every edge.
OVERSAMPLING = 4

# Cats and dogs share their coats: colour alone must not give the class away.
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

    def place(self, points: np.ndarray) -> np.ndarray:
        """Oversampled pixel positions (N, 2) of local `points` (N, 2)."""
        return np.asarray(points, dtype=float) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def fill(self, points: np.ndarray, colour: Colour) -> None:
        """Fill the polygon through local `points` (N, 2); it belongs to the object."""
        corners = [tuple(p) for p in self.place(points)]
        ImageDraw.Draw(self.image).polygon(corners, fill=colour)
        ImageDraw.Draw(self.mask).polygon(corners, fill=255)

    def stroke(self, points: np.ndarray, colour: Colour, width: float) -> None:
        """Draw a line through local `points`, `width` local units thick, as part of the object."""
        corners = [tuple(p) for p in self.place(points)]
        scale = float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))
        pixels = max(1, round(width * scale))
        for surface, ink in ((self.image, colour), (self.mask, 255)):
            ImageDraw.Draw(surface).line(corners, fill=ink, width=pixels, joint="curve")

    def cover(self, points: np.ndarray, colour: Colour) -> None:
        """Fill the polygon through oversampled pixel `points`; it hides the object behind it."""
        corners = [tuple(p) for p in points]
        ImageDraw.Draw(self.image).polygon(corners, fill=colour)
        ImageDraw.Draw(self.mask).polygon(corners, fill=0)


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> np.ndarray:
    """36 points (36, 2) around an ellipse with half axes `rx`, `ry`, turned by `turn` radians."""
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    u, v = rx * np.cos(angle), ry * np.sin(angle)
    return np.stack(
        [x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], axis=1
    )


def smooth(points: list[tuple[float, float]], steps: int = 8) -> np.ndarray:
    """A closed Catmull-Rom curve (len(points) * steps, 2) through a few control points."""
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


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` made darker (factor < 1) or lighter (factor > 1), kept within 0 to 255."""
    red, green, blue = (int(np.clip(c * factor, 0, 255)) for c in colour)
    return red, green, blue


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour `share` of the way from `a` to `b`."""
    red, green, blue = (int(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def jitter(rng: np.random.Generator, colour: Colour, amount: int = 22) -> Colour:
    """`colour` with each channel moved by up to `amount`."""
    red, green, blue = np.clip(np.array(colour) + rng.integers(-amount, amount + 1, 3), 0, 255)
    return int(red), int(green), int(blue)


def pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of `colours`, a little changed."""
    return jitter(rng, colours[rng.integers(len(colours))])


def gradient(side: int, top: Colour, bottom: Colour) -> Image.Image:
    """A square picture that runs from `top` to `bottom`."""
    share = np.linspace(0, 1, side)[:, None, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    return Image.fromarray(np.broadcast_to(rows, (side, side, 3)).astype(np.uint8))


@dataclass(frozen=True)
class Look:
    """What the parts of a cat's or dog's face look like; the shapes stay as they are.

    Attributes:
        nose: colors of the nose: "own", those of its kind; "other", those of the other kind;
            "shared", those of either kind, at random; "none" leaves the nose out.
        eyes: the same for the irises and what surrounds them.
        ears: "own", or "none" to leave them out.
        tongue: "own", or "none"; only dogs show one.
    """

    nose: str = "own"
    eyes: str = "own"
    ears: str = "own"
    tongue: str = "own"

    def __post_init__(self) -> None:
        for part, allowed in (
            ("nose", ("own", "other", "shared", "none")),
            ("eyes", ("own", "other", "shared", "none")),
            ("ears", ("own", "none")),
            ("tongue", ("own", "none")),
        ):
            if getattr(self, part) not in allowed:
                raise ValueError(
                    f"the look of the {part} must be one of {', '.join(allowed)}, "
                    f'not "{getattr(self, part)}"'
                )


# Backgrounds ---------------------------------------------------------------------------------


def room(rng: np.random.Generator, side: int) -> Image.Image:
    """A wall, a floor and some furniture."""
    wall = pick(rng, ((205, 190, 165), (150, 170, 180), (190, 160, 160), (120, 130, 110)))
    image = gradient(side, shade(wall, 1.1), shade(wall, 0.85))
    draw = ImageDraw.Draw(image)
    floor = int(side * rng.uniform(0.55, 0.85))
    wood = pick(rng, ((130, 92, 60), (95, 85, 80), (170, 140, 110)))
    draw.rectangle((0, floor, side, side), fill=wood)
    for x in np.arange(rng.uniform(0, 0.2), 1.6, rng.uniform(0.12, 0.3)):
        draw.line((x * side, floor, (x - 0.3) * side, side), fill=shade(wood, 0.85), width=3)
    for _ in range(rng.integers(1, 4)):
        x, width = rng.uniform(-0.1, 0.9) * side, rng.uniform(0.12, 0.4) * side
        height = rng.uniform(0.15, 0.5) * side
        top = rng.uniform(0.0, 0.5) * side if rng.random() < 0.5 else floor - height
        colour = pick(rng, PAINTS)
        draw.rectangle((x, top, x + width, top + height), fill=shade(colour, 0.8))
        inset = 0.12 * min(width, height)
        inner = (x + inset, top + inset, x + width - inset, top + height - inset)
        draw.rectangle(inner, fill=mix(colour, wall, 0.5))
    return image


def garden(rng: np.random.Generator, side: int) -> Image.Image:
    """Sky, bushes and grass with flowers."""
    sky = pick(rng, ((120, 175, 225), (185, 200, 210), (235, 200, 165)))
    image = gradient(side, shade(sky, 0.95), mix(sky, (245, 245, 240), 0.6))
    draw = ImageDraw.Draw(image)
    horizon = rng.uniform(0.3, 0.75)
    for _ in range(rng.integers(3, 8)):
        leaf = pick(rng, ((60, 110, 55), (85, 125, 60), (45, 85, 60)))
        x, radius = rng.uniform(-0.1, 1.1), rng.uniform(0.08, 0.25)
        bush = ellipse(
            x * side, horizon * side, radius * side, radius * side * rng.uniform(0.6, 1.3)
        )
        draw.polygon([tuple(p) for p in bush], fill=leaf)
    grass = pick(rng, ((96, 150, 62), (130, 150, 75), (150, 130, 85)))
    draw.rectangle((0, horizon * side, side, side), fill=grass)
    for _ in range(rng.integers(20, 60)):
        x, y = rng.uniform(0, side), rng.uniform(horizon * side, side)
        tint = shade(grass, rng.uniform(0.75, 1.25))
        draw.line((x, y, x + rng.uniform(-8, 8), y - side * 0.05), fill=tint, width=3)
    for _ in range(rng.integers(0, 8)):
        x, y, radius = rng.uniform(0, side), rng.uniform(horizon * side, side), side * 0.012
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=pick(rng, PAINTS))
    return image


def soft(rng: np.random.Generator, side: int) -> Image.Image:
    """Blurred spots of colour, like the background of a portrait."""
    base = pick(rng, PAINTS + COATS)
    image = gradient(side // 4, shade(base, 1.15), shade(base, 0.6))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(4, 14)):
        x, y = rng.uniform(0, side / 4, 2)
        radius = rng.uniform(0.04, 0.2) * side / 4
        spot = mix(base, pick(rng, PAINTS + COATS), rng.uniform(0.2, 0.9))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=spot)
    blurred = image.filter(ImageFilter.GaussianBlur(side / 4 * 0.03))
    return blurred.resize((side, side), Image.Resampling.BILINEAR)


def sky(rng: np.random.Generator, side: int) -> Image.Image:
    """Sky with clouds."""
    blue = pick(rng, ((105, 165, 225), (160, 185, 205), (225, 175, 150), (70, 110, 170)))
    image = gradient(side, blue, mix(blue, (245, 245, 245), rng.uniform(0.2, 0.7)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 5)):
        x, y = rng.uniform(0, 1, 2)
        for _ in range(4):
            cloud = ellipse(
                (x + rng.uniform(-0.12, 0.12)) * side,
                (y + rng.uniform(-0.04, 0.04)) * side,
                rng.uniform(0.06, 0.16) * side,
                rng.uniform(0.04, 0.08) * side,
            )
            draw.polygon([tuple(p) for p in cloud], fill=mix(blue, (250, 250, 250), 0.75))
    return image


def sea(rng: np.random.Generator, side: int) -> Image.Image:
    """Sky over water with waves."""
    image = sky(rng, side)
    draw = ImageDraw.Draw(image)
    horizon = rng.uniform(0.45, 0.7)
    water = pick(rng, ((40, 90, 130), (60, 120, 130), (80, 95, 110)))
    draw.rectangle((0, horizon * side, side, side), fill=water)
    for _ in range(rng.integers(8, 25)):
        x, y = rng.uniform(0, side), rng.uniform(horizon * side, side)
        tint = shade(water, rng.uniform(0.8, 1.4))
        draw.line((x, y, x + side * rng.uniform(0.05, 0.2), y), fill=tint, width=2)
    return image


def street(rng: np.random.Generator, side: int) -> Image.Image:
    """Houses behind a road."""
    image = sky(rng, side)
    draw = ImageDraw.Draw(image)
    kerb = rng.uniform(0.55, 0.75) * side
    x = -rng.uniform(0, 0.2) * side
    while x < side:
        width, height = rng.uniform(0.15, 0.4) * side, rng.uniform(0.15, 0.5) * side
        house = pick(rng, ((170, 120, 95), (190, 180, 160), (120, 125, 135), (90, 120, 80)))
        draw.rectangle((x, kerb - height, x + width, kerb), fill=house)
        for u in np.arange(x + width * 0.15, x + width * 0.8, width * 0.3):
            window = (u, kerb - height * 0.8, u + width * 0.15, kerb - height * 0.5)
            draw.rectangle(window, fill=shade(house, 0.6))
        x += width
    road = pick(rng, ((95, 95, 100), (130, 125, 120), (75, 78, 82)))
    draw.rectangle((0, kerb, side, side), fill=road)
    draw.line((0, side * 0.93, side, side * 0.93), fill=shade(road, 1.5), width=3)
    return image


# Cats and dogs -------------------------------------------------------------------------------


def sides(rng: np.random.Generator, turn: float) -> list[tuple[int, float]]:
    """(-1 | 1, how wide that half of the head looks) with the far half of a turned head first."""
    order = [(-1, 1.0 + 0.25 * turn), (1, 1.0 - 0.25 * turn)]
    return order if turn < 0 else order[::-1]


def marks(
    sheet: Sheet, rng: np.random.Generator, coat: Colour, middle: tuple[float, float]
) -> None:
    """Stripes or patches on the forehead or the flank around `middle`: both animals wear them."""
    x, y = middle
    dark = shade(coat, rng.uniform(0.45, 0.75))
    kind = rng.random()
    if kind < 0.35:
        for offset in (-0.3, 0.0, 0.3):
            sheet.fill(ellipse(x + offset, y, 0.05, 0.2), dark)
    elif kind < 0.6:
        patch = COATS[rng.integers(len(COATS))]
        where = ellipse(x + rng.uniform(-0.45, 0.45), y + 0.2, 0.3, 0.36, rng.uniform(-1, 1))
        sheet.fill(where, patch)


IRISES = ((150, 190, 80), (220, 190, 70), (120, 180, 200), (190, 130, 60))


def whose(kind: str, look: str, chooser: np.random.Generator) -> str:
    """The kind, "cat" or "dog", whose colors a part wears."""
    other = "dog" if kind == "cat" else "cat"
    if look == "shared":
        return str(chooser.choice(CATS_VS_DOGS_CLASSES))
    return other if look == "other" else kind


def nose_color(kind: str, coat: Colour, rng: np.random.Generator) -> Colour:
    """The color of a cat's or a dog's nose."""
    if kind == "cat":
        return mix(pick(rng, ((225, 140, 140), (120, 80, 75))), coat, 0.1)
    return (34, 28, 30)


def eye_colors(kind: str, coat: Colour, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """The colors around and in a cat's or a dog's iris."""
    if kind == "cat":
        return shade(coat, 0.5), pick(rng, IRISES)
    return mix(coat, (250, 245, 238), 0.45), jitter(rng, (78, 50, 32), 14)


def cat_head(
    sheet: Sheet, rng: np.random.Generator, coat: Colour, turn: float, nod: float, look: Look
) -> dict:
    """Draw a cat's head; the local positions of its parts, by name."""
    parts = {}
    # A generator of its own chooses other colors, so that a look leaves all shapes as they are.
    chooser = rng.spawn(1)[0]
    spread, height = rng.uniform(0.85, 1.1), rng.uniform(1.2, 1.5)
    fold = rng.random() < 0.12
    for side, width in sides(rng, turn):
        x = side * 0.66 * width + 0.12 * turn
        tip = (x + side * 0.18 * spread, -height if not fold else -0.85)
        ear = np.array([(x - side * 0.42, -0.62), tip, (x + side * 0.28, -0.22)])
        if look.ears != "none":
            sheet.fill(ear, shade(coat, 0.9))
            inner = ear.mean(0) + (ear - ear.mean(0)) * 0.55
            sheet.fill(inner, mix(coat, (225, 150, 150), 0.6))
        parts[f"{'left' if side < 0 else 'right'} ear"] = tuple(ear.mean(0))
    chin = rng.uniform(0.7, 0.85)
    cheek = rng.uniform(0.95, 1.08)
    outline = [(0, -0.82), (0.6, -0.7), (cheek, 0.05), (0.62, 0.62), (0, chin)]
    outline += [(-x, y) for x, y in outline[3:0:-1]]
    sheet.fill(smooth(outline), coat)
    marks(sheet, rng, coat, (0.1 * turn, -0.5))
    around, iris = eye_colors("cat", coat, rng)
    if look.eyes != "own":
        around, iris = eye_colors(whose("cat", look.eyes, chooser), coat, chooser)
    slit = rng.uniform(0.03, 0.11)
    for side, width in sides(rng, turn):
        x, y = side * 0.4 * width + 0.3 * turn, -0.08 + nod
        if look.eyes != "none":
            sheet.fill(ellipse(x, y, 0.23 * width, 0.185, side * -0.25), around)
            sheet.fill(ellipse(x, y, 0.2 * width, 0.155, side * -0.25), iris)
            sheet.fill(ellipse(x, y, slit, 0.15), (20, 18, 18))
            sheet.fill(ellipse(x + 0.05, y - 0.06, 0.035, 0.035), (245, 245, 240))
        parts[f"{'left' if side < 0 else 'right'} eye"] = (x, y)
    x, y = 0.42 * turn, 0.26 + 1.2 * nod
    light = mix(coat, (250, 245, 238), rng.uniform(0.2, 0.7))
    for side, width in sides(rng, turn):
        sheet.fill(ellipse(x + side * 0.17, y + 0.2, 0.23 * width, 0.17), light)
    nose = nose_color("cat", coat, rng)
    if look.nose != "own":
        nose = nose_color(whose("cat", look.nose, chooser), coat, chooser)
    if look.nose != "none":
        sheet.fill(np.array([(x - 0.12, y - 0.06), (x + 0.12, y - 0.06), (x, y + 0.09)]), nose)
    mouth = [(x - 0.17, y + 0.25), (x, y + 0.17), (x + 0.17, y + 0.25)]
    sheet.stroke([(x, y + 0.08), (x, y + 0.18)], shade(coat, 0.4), 0.03)
    sheet.stroke(mouth, shade(coat, 0.4), 0.03)
    whisker = (240, 240, 235) if sum(coat) < 450 else (90, 80, 75)
    for side, _ in sides(rng, turn):
        for rise in (-0.12, 0.0, 0.12):
            ends = [(x + side * 0.3, y + 0.17), (x + side * 0.95, y + 0.12 + rise * 1.6)]
            sheet.stroke(ends, whisker, 0.022)
    parts["snout"] = (x, y)
    return parts


def dog_head(
    sheet: Sheet, rng: np.random.Generator, coat: Colour, turn: float, nod: float, look: Look
) -> dict:
    """Draw a dog's head; the local positions of its parts, by name."""
    parts = {}
    chooser = rng.spawn(1)[0]
    breadth, jaw = rng.uniform(0.78, 0.95), rng.uniform(0.88, 1.08)
    outline = [(0, -0.86), (0.5, -0.78), (breadth, -0.2), (0.62, 0.5), (0.3, jaw)]
    outline += [(-x, y) for x, y in outline[4:0:-1]]
    eared = mix(coat, pick(rng, COATS), rng.choice([0.0, 0.8], p=[0.6, 0.4]))
    ears = rng.choice(["floppy", "folded", "pricked"], p=[0.55, 0.2, 0.25])
    length = rng.uniform(0.3, 0.75)

    def draw_ear(side: int, width: float) -> None:
        x = side * 0.62 * width + 0.1 * turn
        if ears == "floppy":
            ear = smooth(
                [
                    (x - side * 0.22, -0.78),
                    (x + side * 0.2, -0.68),
                    (x + side * 0.5, -0.1),
                    (x + side * 0.42, length),
                    (x + side * 0.14, length - 0.1),
                    (x + side * 0.06, -0.2),
                ]
            )
        elif ears == "folded":
            ear = np.array(
                [
                    (x - side * 0.3, -0.74),
                    (x + side * 0.1, -1.12),
                    (x + side * 0.52, -0.5),
                    (x + side * 0.2, -0.42),
                ]
            )
        else:
            ear = np.array(
                [(x - side * 0.32, -0.66), (x + side * 0.12, -1.3), (x + side * 0.26, -0.3)]
            )
        if look.ears != "none":
            sheet.fill(ear, shade(eared, 0.82))
        parts[f"{'left' if side < 0 else 'right'} ear"] = tuple(ear.mean(0))

    if ears != "floppy":
        for side, width in sides(rng, turn):
            draw_ear(side, width)
    sheet.fill(smooth(outline), coat)
    marks(sheet, rng, coat, (0.1 * turn, -0.5))
    if ears == "floppy":
        for side, width in sides(rng, turn):
            draw_ear(side, width)
    worn = eye_colors(whose("dog", look.eyes, chooser), coat, chooser)
    for side, width in sides(rng, turn):
        x, y = side * 0.36 * width + 0.3 * turn, -0.2 + nod
        around, iris = eye_colors("dog", coat, rng)
        if look.eyes != "own":
            around, iris = worn
        if look.eyes != "none":
            sheet.fill(ellipse(x, y, 0.165 * width, 0.15), around)
            sheet.fill(ellipse(x, y, 0.13 * width, 0.125), iris)
            sheet.fill(ellipse(x, y, 0.075, 0.085), (16, 14, 14))
            sheet.fill(ellipse(x + 0.05, y - 0.05, 0.032, 0.032), (245, 245, 240))
        parts[f"{'left' if side < 0 else 'right'} eye"] = (x, y)
    x, y = 0.55 * turn, 0.26 + 1.4 * nod
    light = mix(coat, (250, 245, 238), rng.uniform(0.15, 0.7))
    if rng.random() < 0.35 and look.tongue != "none":
        sheet.fill(
            smooth([(x - 0.14, y + 0.42), (x + 0.16, y + 0.42), (x + 0.08, y + 0.9)]),
            (224, 110, 120),
        )
    sheet.fill(ellipse(x, y + 0.2, 0.42, rng.uniform(0.32, 0.42)), light)
    if look.nose != "none":
        nose = nose_color(whose("dog", look.nose, chooser), coat, chooser)
        sheet.fill(ellipse(x, y, 0.2, 0.14), nose)
        shine = (120, 115, 115) if look.nose == "own" else mix(nose, (245, 240, 240), 0.4)
        sheet.fill(ellipse(x - 0.06, y - 0.05, 0.05, 0.03), shine)
    sheet.stroke([(x, y + 0.12), (x, y + 0.32)], (50, 40, 40), 0.035)
    mouth = [(x - 0.26, y + 0.3), (x - 0.12, y + 0.39), (x, y + 0.32)]
    mouth += [(2 * x - u, v) for u, v in mouth[1::-1]]
    sheet.stroke(mouth, (50, 40, 40), 0.035)
    parts["snout"] = (x, y)
    return parts


def animal_body(
    sheet: Sheet, rng: np.random.Generator, coat: Colour, pose: str, slim: float, tail: str
) -> None:
    """Draw the body below or beside the head: pose 'face', 'sitting' or 'standing'."""
    dark = shade(coat, 0.82)
    if pose == "face":
        shoulders = rng.uniform(0.9, 1.25) * slim
        sheet.fill(
            smooth(
                [
                    (0, 0.4),
                    (shoulders, 1.1),
                    (shoulders * 1.3, 3),
                    (-shoulders * 1.3, 3),
                    (-shoulders, 1.1),
                ]
            ),
            shade(coat, 0.88),
        )
        return
    if pose == "sitting":
        start = (0.9 * slim, 2.9)
        body = [(0, 0.3), (0.75 * slim, 1.0), (1.2 * slim, 2.4), (0.9 * slim, 3.1)]
        body += [(-x, y) for x, y in body[:0:-1]]
    else:
        start = (3.0, 0.9)
        low = 1.45 * slim
        body = [
            (0, 0.3),
            (1.2, 0.55),
            (2.9, 0.7),
            (3.1, 1.3),
            (2.6, low + 0.4),
            (0.9, low + 0.55),
            (-0.2, 1.2),
        ]
    reach = rng.uniform(-0.3, 0.5)
    u, v = start
    if tail == "long":
        curve = [(u, v), (u + 0.7, v - 0.1), (u + 1.0, v - 0.8 - reach), (u + 0.7, v - 1.6 - reach)]
        thick = 0.24
    else:
        curve = [(u, v), (u + 0.55, v - 0.5 - reach), (u + 0.65, v - 1.0 - reach)]
        thick = 0.34
    sheet.stroke(curve, dark, thick)
    sheet.fill(ellipse(*curve[-1], thick / 2, thick / 2), dark)
    if pose == "standing":
        for x in (0.35, 0.75, 2.35, 2.8):
            step = rng.uniform(-0.2, 0.2)
            ends = [(x, 1.3), ((x + step), 2.75)]
            sheet.stroke(ends, dark, 0.42 * slim)
            sheet.fill(ellipse((x + step) - 0.1, 2.78, 0.3, 0.14), shade(coat, 1.1))
    sheet.fill(smooth(body), coat)
    marks(sheet, rng, coat, (0.0, 1.7) if pose == "sitting" else (1.8, 1.2))
    if pose == "sitting":
        for x in (-0.35, 0.35):
            sheet.stroke([(x * slim, 1.4), (x * slim, 3.0)], shade(coat, 0.92), 0.5 * slim)
            sheet.fill(ellipse(x * slim, 3.08, 0.32, 0.16), shade(coat, 1.1))


def draw_animal(
    sheet: Sheet, rng: np.random.Generator, kind: str, pose: str, look: Look
) -> np.ndarray:
    """Draw a cat or a dog; the local positions (5, 2) of `PARTS`."""
    coat = jitter(rng, COATS[rng.integers(len(COATS))], 10)
    turn, nod = rng.uniform(-0.8, 0.8), rng.uniform(-0.1, 0.1)
    if kind == "cat":
        animal_body(sheet, rng, coat, pose, rng.uniform(0.8, 1.05), "long")
        parts = cat_head(sheet, rng, coat, turn, nod, look)
    else:
        animal_body(sheet, rng, coat, pose, rng.uniform(0.9, 1.25), "short")
        parts = dog_head(sheet, rng, coat, turn, nod, look)
    return np.array([parts[name] for name in PARTS])


def placing(
    rng: np.random.Generator, side: int, scale: tuple[float, float], tilt: float, reach: np.ndarray
) -> np.ndarray:
    """A random matrix (2, 3), mirrored half the time, that puts `reach` (N, 2) inside."""
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
    """Average down, round the object off, light the scene, add grain: picture uint8, mask bool."""
    size = sheet.side // OVERSAMPLING
    pixels = np.asarray(sheet.image.reduce(OVERSAMPLING), dtype=np.float32) / 255
    mask = sheet.mask.reduce(OVERSAMPLING)
    # Brighter in the middle than at the rim: a flat shape looks round.
    relief = np.asarray(mask.filter(ImageFilter.GaussianBlur(size / 14)), dtype=np.float32) / 255
    cover = np.asarray(mask, dtype=np.float32)[..., None] / 255
    pixels = pixels * (1 + cover * (0.55 * relief[..., None] - 0.42))
    fur = Image.fromarray(rng.normal(0, 1, (size // 2, size // 2)).astype(np.float32))
    fur = np.asarray(fur.resize((size, size), Image.Resampling.BILINEAR))[..., None]
    pixels = pixels * (1 + 0.07 * fur * (0.4 + 0.6 * cover))
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    beam = 1 + rng.uniform(0, 0.45) * (x * np.cos(angle) + y * np.sin(angle))[..., None]
    tint = 1 + rng.uniform(-0.08, 0.08, 3)
    pixels = np.clip(pixels * beam * tint * rng.uniform(0.65, 1.15), 0, 1) ** rng.uniform(0.8, 1.25)
    pixels = pixels + rng.normal(0, rng.uniform(0.002, 0.01), pixels.shape)
    return (np.clip(pixels, 0, 1) * 255).astype(np.uint8), np.asarray(mask) > 127


def draw_cat_or_dog(
    rng: np.random.Generator, kind: str, size: int, look: Look
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One cat or dog: picture uint8 (size, size, 3), `PARTS` in pixels (5, 2), mask bool."""
    side = size * OVERSAMPLING
    pose = rng.choice(["face", "sitting", "standing"], p=[0.56, 0.24, 0.2])
    scenes: tuple[Callable, ...] = (room, garden, soft)
    background = scenes[rng.integers(len(scenes))](rng, side)
    head = [(-1.1, -1.2), (1.1, -1.2), (-1.1, 1.0), (1.1, 1.0)]
    body = {"face": [], "sitting": [(-0.8, 2.8), (0.8, 2.8)], "standing": [(0, 2.6), (2.7, 2.6)]}
    reach = np.array(head + body[pose])
    scale = {"face": (0.2, 0.38), "sitting": (0.13, 0.21), "standing": (0.12, 0.19)}[pose]
    matrix = placing(rng, side, scale, 0.45 if pose == "face" else 0.2, reach)
    sheet = Sheet(background, Image.new("L", (side, side)), matrix)
    parts = sheet.place(draw_animal(sheet, rng, kind, pose, look)) / OVERSAMPLING
    if np.linalg.det(matrix[:, :2]) < 0:
        # A mirror image: what was drawn as the left ear or eye is now on the right.
        parts = parts[[1, 0, 3, 2, 4]]
    if rng.random() < 0.4:
        hide(sheet, rng)
    picture, mask = expose(sheet, rng)
    return picture, parts, mask


# Ten kinds of objects ------------------------------------------------------------------------


def mirrored(points: list[tuple[float, float]]) -> np.ndarray:
    """A closed outline from its right half, top to bottom."""
    return np.array(points + [(-x, y) for x, y in points[::-1]])


def draw_airplane(sheet: Sheet, rng: np.random.Generator) -> None:
    """An aeroplane from the side or from below."""
    hull = jitter(rng, ((225, 228, 232), (190, 195, 205), (205, 60, 55))[rng.integers(3)])
    trim = pick(rng, PAINTS)
    if rng.random() < 0.55:
        sheet.fill(np.array([(0.6, 0), (1.0, -0.55), (1.15, -0.55), (1.0, 0.05)]), trim)
        sheet.fill(
            smooth([(-1.1, 0.05), (-0.9, -0.14), (0.5, -0.15), (1.1, -0.02), (0.5, 0.17)]), hull
        )
        sheet.fill(
            np.array([(-0.15, 0.02), (0.2, 0.02), (0.55, 0.45), (0.35, 0.45)]), shade(hull, 0.7)
        )
        for x in np.linspace(-0.7, 0.6, 6):
            sheet.fill(ellipse(x, -0.05, 0.035, 0.04), shade(hull, 0.35))
        return
    sweep = rng.uniform(0.05, 0.5)
    wing = [(0.0, -0.25), (1.05, sweep), (1.05, sweep + 0.15), (0.0, 0.2)]
    sheet.fill(mirrored(wing), shade(hull, 0.85))
    sheet.fill(mirrored([(0.0, 0.7), (0.4, 0.85), (0.4, 0.95), (0.0, 0.9)]), trim)
    sheet.fill(smooth([(0, -1.05), (0.13, -0.7), (0.1, 0.9), (-0.1, 0.9), (-0.13, -0.7)]), hull)
    for side in (-1, 1):
        sheet.fill(ellipse(side * 0.45, sweep * 0.4, 0.07, 0.15), shade(hull, 0.5))


def wheels(sheet: Sheet, places: tuple[float, ...], y: float, radius: float) -> None:
    """Wheels on the ground."""
    for x in places:
        sheet.fill(ellipse(x, y, radius, radius), (28, 28, 30))
        sheet.fill(ellipse(x, y, radius * 0.5, radius * 0.5), (170, 172, 176))


def draw_automobile(sheet: Sheet, rng: np.random.Generator) -> None:
    """A car from the side or from the front."""
    paint, glass = pick(rng, PAINTS), (150, 190, 210)
    if rng.random() < 0.3:
        sheet.fill(mirrored([(0.5, -0.5), (0.68, 0.0), (0.85, 0.15), (0.85, 0.5)]), paint)
        sheet.fill(mirrored([(0.42, -0.4), (0.56, 0.0)]), shade(glass, 0.7))
        for side in (-1, 1):
            sheet.fill(ellipse(side * 0.62, 0.2, 0.14, 0.09), (250, 245, 200))
            sheet.fill(ellipse(side * 0.62, 0.55, 0.14, 0.14), (28, 28, 30))
        sheet.fill(mirrored([(0.3, 0.22), (0.3, 0.36)]), (40, 40, 44))
        return
    roof = rng.uniform(-0.55, -0.4)
    front = rng.uniform(-0.65, -0.4)
    body = [(-1.05, 0.3), (-1.0, 0.0), (front, -0.08), (front + 0.3, roof), (0.45, roof)]
    body += [(0.8, -0.05), (1.05, 0.02), (1.05, 0.3)]
    sheet.fill(np.array(body), paint)
    sheet.fill(
        np.array(
            [(front + 0.08, -0.06), (front + 0.34, roof + 0.09), (0.0, roof + 0.09), (0.0, -0.06)]
        ),
        glass,
    )
    sheet.fill(
        np.array([(0.07, -0.06), (0.07, roof + 0.09), (0.4, roof + 0.09), (0.65, -0.06)]), glass
    )
    sheet.fill(ellipse(-0.98, 0.08, 0.07, 0.06), (250, 240, 190))
    wheels(sheet, (-0.6, 0.62), 0.32, 0.2)


def draw_truck(sheet: Sheet, rng: np.random.Generator) -> None:
    """A lorry with a box, a tank or an open bed."""
    paint, load = pick(rng, PAINTS), pick(rng, PAINTS)
    sheet.fill(np.array([(-1.0, 0.4), (1.05, 0.4), (1.05, 0.28), (-1.0, 0.28)]), (60, 60, 64))
    kind = rng.integers(3)
    top = rng.uniform(-0.75, -0.5)
    if kind == 0:
        sheet.fill(np.array([(-0.4, top), (1.08, top), (1.08, 0.32), (-0.4, 0.32)]), load)
        for x in (0.0, 0.36, 0.72):
            sheet.stroke([(x, top), (x, 0.3)], shade(load, 0.8), 0.03)
    elif kind == 1:
        sheet.fill(ellipse(0.35, -0.08, 0.75, 0.4), load)
    else:
        sheet.fill(ellipse(0.35, 0.0, 0.6, 0.35), (130, 105, 75))
        sheet.fill(np.array([(-0.4, -0.1), (1.05, -0.1), (0.95, 0.32), (-0.4, 0.32)]), load)
    cab = [(-1.05, 0.4), (-1.05, -0.1), (-0.88, -0.5), (-0.46, -0.5), (-0.46, 0.4)]
    sheet.fill(np.array(cab), paint)
    sheet.fill(
        np.array([(-0.97, -0.1), (-0.84, -0.4), (-0.58, -0.4), (-0.58, -0.1)]), (150, 190, 210)
    )
    wheels(sheet, (-0.75, 0.45, 0.85), 0.45, 0.2)


def draw_ship(sheet: Sheet, rng: np.random.Generator) -> None:
    """A sailing boat, or a ship with a funnel."""
    hull = pick(rng, PAINTS)
    if rng.random() < 0.4:
        sheet.stroke([(0, 0.3), (0, -1.0)], (110, 85, 60), 0.05)
        sail = jitter(rng, ((240, 238, 230), (220, 120, 70), (200, 60, 60))[rng.integers(3)])
        sheet.fill(np.array([(0.06, -0.95), (0.06, 0.1), (0.75, 0.1)]), sail)
        sheet.fill(np.array([(-0.06, -0.8), (-0.06, 0.1), (-0.55, 0.1)]), shade(sail, 0.88))
        sheet.fill(np.array([(-0.85, 0.2), (0.9, 0.2), (0.55, 0.55), (-0.6, 0.55)]), hull)
        return
    deck = (235, 233, 228)
    for level in range(rng.integers(1, 4)):
        x, y = 0.55 - 0.14 * level, -0.2 * level
        sheet.fill(
            np.array([(-x, y - 0.2), (x, y - 0.2), (x, y + 0.1), (-x, y + 0.1)]), shade(deck, 0.9)
        )
        for u in np.linspace(-x + 0.1, x - 0.1, 5):
            sheet.fill(ellipse(u, y - 0.09, 0.04, 0.04), (60, 80, 100))
    x = rng.uniform(-0.2, 0.2)
    sheet.fill(
        np.array([(x - 0.1, -0.75), (x + 0.1, -0.75), (x + 0.12, -0.2), (x - 0.12, -0.2)]),
        pick(rng, PAINTS),
    )
    sheet.fill(np.array([(-1.05, 0.05), (1.05, 0.0), (0.85, 0.5), (-0.8, 0.5)]), hull)
    sheet.stroke([(-0.98, 0.17), (0.98, 0.13)], shade(hull, 1.5), 0.05)


def draw_bird(sheet: Sheet, rng: np.random.Generator) -> None:
    """A bird that perches or flies."""
    coat = jitter(
        rng,
        ((110, 90, 70), (70, 110, 170), (190, 70, 55), (60, 60, 66), (215, 190, 80))[
            rng.integers(5)
        ],
    )
    belly = mix(coat, (245, 235, 215), rng.uniform(0.3, 0.8))
    beak = (230, 165, 60)
    if rng.random() < 0.35:
        lift = rng.uniform(-0.7, -0.2)
        for side in (-1, 1):
            wing = [(0, -0.1), (side * 0.5, lift), (side * 1.1, lift * 0.3), (side * 0.4, 0.12)]
            sheet.fill(smooth(wing), shade(coat, 0.85))
        sheet.fill(ellipse(0, 0.08, 0.2, 0.34), coat)
        sheet.fill(ellipse(0.02, -0.3, 0.15, 0.14), coat)
        sheet.fill(np.array([(0.1, -0.36), (0.32, -0.28), (0.1, -0.22)]), beak)
        return
    long = rng.uniform(0.2, 0.45)
    for x in (-0.1, 0.12):
        sheet.stroke([(x, 0.4), (x + 0.05, 0.4 + long)], (150, 110, 70), 0.05)
    sheet.fill(np.array([(0.4, 0.0), (1.1, 0.25), (1.0, 0.45), (0.3, 0.35)]), shade(coat, 0.7))
    sheet.fill(smooth([(-0.55, -0.1), (0.0, -0.35), (0.65, 0.15), (0.1, 0.5), (-0.45, 0.35)]), coat)
    sheet.fill(ellipse(-0.22, 0.2, 0.28, 0.22, 0.5), belly)
    sheet.fill(ellipse(-0.5, -0.38, 0.3, 0.28), coat)
    sheet.fill(smooth([(-0.1, -0.1), (0.4, -0.02), (0.75, 0.3), (0.2, 0.28)]), shade(coat, 0.65))
    sheet.fill(np.array([(-0.74, -0.46), (-1.1, -0.33), (-0.74, -0.27)]), beak)
    sheet.fill(ellipse(-0.58, -0.43, 0.06, 0.06), (20, 18, 18))


def draw_frog(sheet: Sheet, rng: np.random.Generator) -> None:
    """A sitting frog, from the front."""
    skin = jitter(
        rng, ((90, 150, 60), (120, 130, 70), (60, 120, 80), (150, 120, 75))[rng.integers(4)]
    )
    for side in (-1, 1):
        sheet.fill(ellipse(side * 0.75, 0.3, 0.4, 0.3, side * -0.5), shade(skin, 0.8))
        sheet.fill(ellipse(side * 0.8, 0.62, 0.34, 0.1), shade(skin, 0.95))
    sheet.fill(
        smooth(
            [
                (0, -0.4),
                (0.65, -0.25),
                (0.75, 0.3),
                (0.3, 0.68),
                (-0.3, 0.68),
                (-0.75, 0.3),
                (-0.65, -0.25),
            ]
        ),
        skin,
    )
    sheet.fill(ellipse(0, 0.4, 0.45, 0.24), mix(skin, (240, 235, 190), 0.6))
    for _ in range(rng.integers(0, 6)):
        sheet.fill(
            ellipse(rng.uniform(-0.5, 0.5), rng.uniform(-0.2, 0.2), 0.08, 0.06), shade(skin, 0.6)
        )
    for side in (-1, 1):
        sheet.fill(ellipse(side * 0.4, -0.45, 0.22, 0.22), skin)
        sheet.fill(ellipse(side * 0.4, -0.48, 0.14, 0.14), (225, 190, 70))
        sheet.fill(ellipse(side * 0.4, -0.48, 0.09, 0.05), (18, 18, 16))
        sheet.stroke([(side * 0.35, 0.4), (side * 0.4, 0.7)], shade(skin, 0.9), 0.16)
    sheet.stroke(smooth([(-0.6, 0.05), (0, 0.2), (0.6, 0.05), (0, 0.19)]), shade(skin, 0.45), 0.04)


def draw_grazer(sheet: Sheet, rng: np.random.Generator, coat: Colour, slim: float) -> None:
    """The body, legs, neck and head that horse and deer share, facing left."""
    for x in (-0.5, -0.32, 0.42, 0.6):
        step = rng.uniform(-0.12, 0.12)
        sheet.stroke([(x, 0.2), (x + step, 1.0)], shade(coat, 0.75), 0.13 * slim)
    thick = 0.26 * slim
    sheet.fill(
        smooth(
            [
                (-0.6, -0.2),
                (0.1, -0.25),
                (0.7, -0.2),
                (0.65, thick),
                (0.0, thick + 0.06),
                (-0.55, thick),
            ]
        ),
        coat,
    )
    sheet.fill(np.array([(-0.62, 0.15), (-0.3, -0.2), (-0.68, -0.85), (-0.86, -0.7)]), coat)
    sheet.fill(smooth([(-0.66, -0.95), (-0.6, -0.7), (-1.0, -0.45), (-1.1, -0.58)]), coat)
    sheet.fill(ellipse(-1.03, -0.53, 0.07, 0.06), shade(coat, 0.5))
    sheet.fill(ellipse(-0.75, -0.78, 0.04, 0.04), (20, 18, 18))


def draw_horse(sheet: Sheet, rng: np.random.Generator) -> None:
    """A horse from the side."""
    coat = jitter(
        rng, ((120, 75, 45), (70, 50, 42), (215, 208, 198), (165, 115, 70))[rng.integers(4)]
    )
    mane = shade(coat, rng.uniform(0.35, 0.6))
    tail = [(0.68, -0.15), (0.95, 0.05), (0.98, 0.65), (0.8, 0.6)]
    sheet.fill(smooth(tail), mane)
    draw_grazer(sheet, rng, coat, rng.uniform(1.15, 1.35))
    sheet.fill(
        smooth([(-0.7, -1.02), (-0.5, -0.75), (-0.25, -0.2), (-0.42, -0.35), (-0.62, -0.8)]), mane
    )
    sheet.fill(np.array([(-0.7, -0.9), (-0.66, -1.12), (-0.58, -0.88)]), coat)


def draw_deer(sheet: Sheet, rng: np.random.Generator) -> None:
    """A deer from the side, with antlers more often than not."""
    coat = jitter(rng, ((165, 110, 65), (140, 100, 70), (185, 135, 85))[rng.integers(3)])
    if rng.random() < 0.65:
        for lean in (-0.12, 0.2):
            stem = [(-0.66, -0.9), (-0.6 + lean, -1.2), (-0.68 + lean * 2, -1.5)]
            sheet.stroke(stem, (120, 95, 70), 0.06)
            sheet.stroke([stem[1], (-0.8 + lean * 2, -1.35)], (120, 95, 70), 0.05)
    draw_grazer(sheet, rng, coat, rng.uniform(0.8, 1.0))
    sheet.fill(ellipse(0.72, -0.1, 0.1, 0.13), (240, 232, 220))
    sheet.fill(ellipse(-0.52, -0.92, 0.16, 0.07, -0.5), shade(coat, 0.85))
    if rng.random() < 0.5:
        for _ in range(8):
            spot = ellipse(rng.uniform(-0.3, 0.6), rng.uniform(-0.18, 0.1), 0.04, 0.04)
            sheet.fill(spot, (235, 220, 195))


def draw_pet(kind: str) -> Callable[[Sheet, np.random.Generator], None]:
    """A function that draws a cat or a dog, its head in the middle of a body from the front."""

    def draw(sheet: Sheet, rng: np.random.Generator) -> None:
        draw_animal(sheet, rng, kind, "face" if rng.random() < 0.6 else "sitting", Look())

    return draw


# What draws each class, where it stands, and how far it may tilt (in radians).
OBJECTS: dict[str, tuple[Callable, tuple[Callable, ...], float]] = {
    "airplane": (draw_airplane, (sky, sky, garden), 0.6),
    "automobile": (draw_automobile, (street, street, garden, sea), 0.15),
    "bird": (draw_bird, (garden, sky, soft), 0.4),
    "cat": (draw_pet("cat"), (room, garden, soft), 0.35),
    "deer": (draw_deer, (garden, garden, soft), 0.12),
    "dog": (draw_pet("dog"), (room, garden, soft), 0.35),
    "frog": (draw_frog, (garden, soft, sea), 0.4),
    "horse": (draw_horse, (garden, garden, street), 0.12),
    "ship": (draw_ship, (sea, sea, sky), 0.15),
    "truck": (draw_truck, (street, street, garden, sky), 0.15),
}


def draw_object(rng: np.random.Generator, kind: str, size: int) -> np.ndarray:
    """One object of class `kind`: picture uint8 (size, size, 3)."""
    side = size * OVERSAMPLING
    draw, scenes, tilt = OBJECTS[kind]
    background = scenes[rng.integers(len(scenes))](rng, side)
    pet = kind in CATS_VS_DOGS_CLASSES
    reach = np.array([(-0.95, -0.85), (0.95, -0.85), (-0.95, 0.75), (0.95, 0.75)])
    matrix = placing(rng, side, (0.22, 0.4) if pet else (0.28, 0.5), tilt, reach)
    sheet = Sheet(background, Image.new("L", (side, side)), matrix)
    draw(sheet, rng)
    if rng.random() < 0.3:
        hide(sheet, rng)
    return expose(sheet, rng)[0]


# The samples -----------------------------------------------------------------------------------


def check_request(size: int, counts: dict[str, int], classes: int) -> None:
    """Raise ValueError for pictures too small to draw or a split with too few of them."""
    if size < 16:
        raise ValueError(f"drawn pictures need a size of at least 16 pixels, got {size}")
    for split, count in counts.items():
        if count < classes:
            raise ValueError(f"the {split} split needs at least {classes} pictures, got {count}")


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the True pixels of `mask` (H, W); right, bottom exclusive."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def sample_cats_vs_dogs(
    size: int = 64,
    seed: int = 0,
    train: int = 400,
    validation: int = 200,
    test: int = 200,
    **look: str,
) -> tuple[dict[str, np.ndarray], dict]:
    """Drawn cats (0) and dogs (1), half and half, with the ground truth of where their parts are.

    Returns the arrays and a report. For each split `S` of train, validation, test: `S_x` uint8
    (N, size, size, 3), `S_y` int64 (N,), `S_parts` float32 (N, 5, 2): x, y in pixels of the parts
    that report["parts"] names (left and right as seen in the picture), `S_box` int64 (N, 4): left,
    top, right, bottom of the visible animal, right and bottom exclusive, `S_mask` bool
    (N, size, size): its pixels.
    Picture i of a split depends on the seed, the split and i only, not on how many are drawn.
    Raises ValueError for a size below 16 or fewer than two pictures in a split.
    """
    counts = {"train": train, "validation": validation, "test": test}
    check_request(size, counts, len(CATS_VS_DOGS_CLASSES))
    arrays: dict[str, np.ndarray] = {}
    for number, (split, count) in enumerate(counts.items()):
        y = np.arange(count) % len(CATS_VS_DOGS_CLASSES)
        drawn = [
            draw_cat_or_dog(
                np.random.default_rng([seed, 3, number, i]),
                CATS_VS_DOGS_CLASSES[label],
                size,
                Look(**look),
            )
            for i, label in enumerate(y)
        ]
        arrays[f"{split}_x"] = np.stack([picture for picture, _, _ in drawn])
        arrays[f"{split}_y"] = y.astype(np.int64)
        arrays[f"{split}_parts"] = np.stack([parts for _, parts, _ in drawn]).astype(np.float32)
        arrays[f"{split}_mask"] = np.stack([mask for _, _, mask in drawn])
        arrays[f"{split}_box"] = np.array([bounding_box(mask) for _, _, mask in drawn], np.int64)
    report = {
        "source": "drawn by helpers.drawing",
        "classes": list(CATS_VS_DOGS_CLASSES),
        "parts": list(PARTS),
        "counts": counts,
        "seed": seed,
    }
    return arrays, report


def sample_cifar10(
    size: int = 32, seed: int = 0, train: int = 2000, validation: int = 500, test: int = 500
) -> tuple[dict[str, np.ndarray], dict]:
    """Drawn objects of ten classes that carry CIFAR-10's names and numbers; as many of each.

    Returns the arrays and a report. For each split `S` of train, validation, test: `S_x` uint8
    (N, size, size, 3) and `S_y` int64 (N,), 0 to 9 in the order of report["classes"].
    Picture i of a split depends on the seed, the split and i only, not on how many are drawn.
    Raises ValueError for a size below 16 or fewer than ten pictures in a split.
    """
    counts = {"train": train, "validation": validation, "test": test}
    check_request(size, counts, len(CIFAR10_CLASSES))
    arrays: dict[str, np.ndarray] = {}
    for number, (split, count) in enumerate(counts.items()):
        y = np.arange(count) % len(CIFAR10_CLASSES)
        drawn = [
            draw_object(np.random.default_rng([seed, 2, number, i]), CIFAR10_CLASSES[label], size)
            for i, label in enumerate(y)
        ]
        arrays[f"{split}_x"] = np.stack(drawn)
        arrays[f"{split}_y"] = y.astype(np.int64)
    report = {
        "source": "drawn by helpers.drawing",
        "classes": list(CIFAR10_CLASSES),
        "counts": counts,
        "seed": seed,
    }
    return arrays, report
