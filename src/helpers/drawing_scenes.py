"""Backgrounds of the drawn pictures: rooms, gardens, skies, seas and streets."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from helpers.drawing_tools import COATS, PAINTS, ellipse, gradient, mix, pick, shade


def room(rng: np.random.Generator, side: int) -> Image.Image:
    """Draw a wall, a floor and some furniture."""
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
        color = pick(rng, PAINTS)
        draw.rectangle((x, top, x + width, top + height), fill=shade(color, 0.8))
        inset = 0.12 * min(width, height)
        inner = (x + inset, top + inset, x + width - inset, top + height - inset)
        draw.rectangle(inner, fill=mix(color, wall, 0.5))
    return image


def garden(rng: np.random.Generator, side: int) -> Image.Image:
    """Draw sky, bushes and grass with flowers."""
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
    """Draw blurred spots of color, like the background of a portrait."""
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
    """Draw a sky with clouds."""
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
    """Draw a sky over water with waves."""
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
    """Draw houses behind a road."""
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
