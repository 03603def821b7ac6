"""Ten kinds of drawn objects, named like those of CIFAR-10."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from helpers.drawing_pets import CATS_VS_DOGS_CLASSES, Look, draw_animal
from helpers.drawing_scenes import garden, room, sea, sky, soft, street
from helpers.drawing_tools import (
    OVERSAMPLING,
    PAINTS,
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

Draw = Callable[[Sheet, np.random.Generator], None]
Scene = Callable[[np.random.Generator, int], Image.Image]


def mirrored(points: list[tuple[float, float]]) -> np.ndarray:
    """Close an outline by mirroring its right half, given from top to bottom."""
    return np.array(points + [(-x, y) for x, y in points[::-1]])


def draw_airplane(sheet: Sheet, rng: np.random.Generator) -> None:
    """Draw an airplane from the side or from below."""
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
    """Draw wheels on the ground."""
    for x in places:
        sheet.fill(ellipse(x, y, radius, radius), (28, 28, 30))
        sheet.fill(ellipse(x, y, radius * 0.5, radius * 0.5), (170, 172, 176))


def draw_automobile(sheet: Sheet, rng: np.random.Generator) -> None:
    """Draw a car from the side or from the front."""
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
    """Draw a truck with a box, a tank or an open bed."""
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
    """Draw a sailing boat, or a ship with a funnel."""
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
    """Draw a bird that perches or flies."""
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
    """Draw a sitting frog, from the front."""
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


def draw_grazer(sheet: Sheet, rng: np.random.Generator, coat: Color, slim: float) -> None:
    """Draw the body, legs, neck and head that horse and deer share, facing left."""
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
    """Draw a horse from the side."""
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
    """Draw a deer from the side, with antlers more often than not."""
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


def draw_pet(kind: str) -> Draw:
    """Make a function that draws a cat or a dog from the front, its head in the middle."""

    def draw(sheet: Sheet, rng: np.random.Generator) -> None:
        draw_animal(sheet, rng, kind, "face" if rng.random() < 0.6 else "sitting", Look())

    return draw


# What draws each class, where it stands, and how far it may tilt (in radians).
OBJECTS: dict[str, tuple[Draw, tuple[Scene, ...], float]] = {
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
    """Draw one object of class `kind` as a picture, uint8 (size, size, 3)."""
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
