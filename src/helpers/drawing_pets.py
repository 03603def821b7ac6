"""Drawn cats and dogs, whose ears, eyes and snouts are where the drawing code put them."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from helpers.drawing_scenes import garden, room, soft
from helpers.drawing_tools import (
    COATS,
    OVERSAMPLING,
    Color,
    Sheet,
    ellipse,
    expose,
    hide,
    jitter,
    mix,
    pick,
    placing,
    shade,
    smooth,
)

CATS_VS_DOGS_CLASSES = ("cat", "dog")
PARTS = ("left ear", "right ear", "left eye", "right eye", "snout")


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
        """Raise ValueError for a look that doesn't exist."""
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


def sides(rng: np.random.Generator, turn: float) -> list[tuple[int, float]]:
    """Return (-1 | 1, its width) for each half of the head, the far half of a turned head first."""
    order = [(-1, 1.0 + 0.25 * turn), (1, 1.0 - 0.25 * turn)]
    return order if turn < 0 else order[::-1]


def marks(sheet: Sheet, rng: np.random.Generator, coat: Color, middle: tuple[float, float]) -> None:
    """Draw stripes or patches around `middle`, on forehead or flank: both animals wear them."""
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
    """Return the kind, "cat" or "dog", whose colors a part wears."""
    other = "dog" if kind == "cat" else "cat"
    if look == "shared":
        return str(chooser.choice(CATS_VS_DOGS_CLASSES))
    return other if look == "other" else kind


def nose_color(kind: str, coat: Color, rng: np.random.Generator) -> Color:
    """Choose the color of a cat's or a dog's nose."""
    if kind == "cat":
        return mix(pick(rng, ((225, 140, 140), (120, 80, 75))), coat, 0.1)
    return (34, 28, 30)


def eye_colors(kind: str, coat: Color, rng: np.random.Generator) -> tuple[Color, Color]:
    """Choose the colors around and in a cat's or a dog's iris."""
    if kind == "cat":
        return shade(coat, 0.5), pick(rng, IRISES)
    return mix(coat, (250, 245, 238), 0.45), jitter(rng, (78, 50, 32), 14)


def cat_head(
    sheet: Sheet, rng: np.random.Generator, coat: Color, turn: float, nod: float, look: Look
) -> dict[str, tuple[float, float]]:
    """Draw a cat's head, and return the local position of each part by its name."""
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


def dog_ear(ears: str, side: int, x: float, length: float) -> np.ndarray:
    """Return the corners of a dog's ear near `x`, float64 (n, 2); it hangs down by `length`."""
    if ears == "floppy":
        return smooth(
            [
                (x - side * 0.22, -0.78),
                (x + side * 0.2, -0.68),
                (x + side * 0.5, -0.1),
                (x + side * 0.42, length),
                (x + side * 0.14, length - 0.1),
                (x + side * 0.06, -0.2),
            ]
        )
    if ears == "folded":
        return np.array(
            [
                (x - side * 0.3, -0.74),
                (x + side * 0.1, -1.12),
                (x + side * 0.52, -0.5),
                (x + side * 0.2, -0.42),
            ]
        )
    return np.array([(x - side * 0.32, -0.66), (x + side * 0.12, -1.3), (x + side * 0.26, -0.3)])


def dog_eye(
    sheet: Sheet, middle: tuple[float, float], width: float, colors: tuple[Color, Color]
) -> None:
    """Draw a dog's eye; its colors are those around the iris and of the iris."""
    (x, y), (around, iris) = middle, colors
    sheet.fill(ellipse(x, y, 0.165 * width, 0.15), around)
    sheet.fill(ellipse(x, y, 0.13 * width, 0.125), iris)
    sheet.fill(ellipse(x, y, 0.075, 0.085), (16, 14, 14))
    sheet.fill(ellipse(x + 0.05, y - 0.05, 0.032, 0.032), (245, 245, 240))


def dog_snout(
    sheet: Sheet,
    rng: np.random.Generator,
    coat: Color,
    middle: tuple[float, float],
    look: Look,
    chooser: np.random.Generator,
) -> None:
    """Draw a dog's snout around its nose at `middle`: tongue, muzzle, nose and mouth."""
    x, y = middle
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


def dog_head(
    sheet: Sheet, rng: np.random.Generator, coat: Color, turn: float, nod: float, look: Look
) -> dict[str, tuple[float, float]]:
    """Draw a dog's head, and return the local position of each part by its name."""
    parts = {}
    chooser = rng.spawn(1)[0]
    breadth, jaw = rng.uniform(0.78, 0.95), rng.uniform(0.88, 1.08)
    outline = [(0, -0.86), (0.5, -0.78), (breadth, -0.2), (0.62, 0.5), (0.3, jaw)]
    outline += [(-x, y) for x, y in outline[4:0:-1]]
    eared = mix(coat, pick(rng, COATS), rng.choice([0.0, 0.8], p=[0.6, 0.4]))
    ears = rng.choice(["floppy", "folded", "pricked"], p=[0.55, 0.2, 0.25])
    length = rng.uniform(0.3, 0.75)

    def draw_ears() -> None:
        for side, width in sides(rng, turn):
            ear = dog_ear(ears, side, side * 0.62 * width + 0.1 * turn, length)
            if look.ears != "none":
                sheet.fill(ear, shade(eared, 0.82))
            parts[f"{'left' if side < 0 else 'right'} ear"] = tuple(ear.mean(0))

    # Floppy ears hang in front of the head, the others stand behind it.
    if ears != "floppy":
        draw_ears()
    sheet.fill(smooth(outline), coat)
    marks(sheet, rng, coat, (0.1 * turn, -0.5))
    if ears == "floppy":
        draw_ears()
    worn = eye_colors(whose("dog", look.eyes, chooser), coat, chooser)
    for side, width in sides(rng, turn):
        x, y = side * 0.36 * width + 0.3 * turn, -0.2 + nod
        own = eye_colors("dog", coat, rng)
        if look.eyes != "none":
            dog_eye(sheet, (x, y), width, own if look.eyes == "own" else worn)
        parts[f"{'left' if side < 0 else 'right'} eye"] = (x, y)
    parts["snout"] = (0.55 * turn, 0.26 + 1.4 * nod)
    dog_snout(sheet, rng, coat, parts["snout"], look, chooser)
    return parts


def animal_body(
    sheet: Sheet, rng: np.random.Generator, coat: Color, pose: str, slim: float, tail: str
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
    """Draw a cat or a dog, and return the local positions of `PARTS`, float64 (5, 2)."""
    coat = jitter(rng, COATS[rng.integers(len(COATS))], 10)
    turn, nod = rng.uniform(-0.8, 0.8), rng.uniform(-0.1, 0.1)
    if kind == "cat":
        animal_body(sheet, rng, coat, pose, rng.uniform(0.8, 1.05), "long")
        parts = cat_head(sheet, rng, coat, turn, nod, look)
    else:
        animal_body(sheet, rng, coat, pose, rng.uniform(0.9, 1.25), "short")
        parts = dog_head(sheet, rng, coat, turn, nod, look)
    return np.array([parts[name] for name in PARTS])


def draw_cat_or_dog(
    rng: np.random.Generator, kind: str, size: int, look: Look
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one animal: picture uint8 (size, size, 3), `PARTS` in pixels (5, 2), mask bool."""
    side = size * OVERSAMPLING
    pose = rng.choice(["face", "sitting", "standing"], p=[0.56, 0.24, 0.2])
    scenes = (room, garden, soft)
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
