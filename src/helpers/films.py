"""Small films beside one another, as one animated picture."""

import io

import numpy as np
from PIL import Image

from helpers.outputs import as_text, put

_GAP = 1  # pixels of the films between two of them


def show(films: np.ndarray, alt: str, seconds: float = 0.2, scale: int = 12) -> None:
    """Show films side by side in an endless loop, as an animated PNG.

    Viewers that can't animate it show the first frames.

    Args:
        films: shape (films, frames, height, width, 1), gray values from 0 to 1.
        alt: one or two sentences on what the films show.
        seconds: each frame is shown for this long.
        scale: pixels of the page per pixel of a film.

    Raises:
        ValueError: the text is empty, or the array has another shape.

    >>> show(np.zeros((2, 8, 16, 16, 1), "float32"), "Two black films.")
    Two black films.
    """
    if not alt.strip():
        raise ValueError("A film needs a text for those who cannot see it: alt is empty.")
    if films.ndim != 5 or films.shape[-1] != 1 or 0 in films.shape:
        raise ValueError(
            "Films have the shape (films, frames, height, width, 1), "
            f"but this array has {films.shape}."
        )
    gray = (255 * np.clip(films[..., 0], 0, 1)).round().astype(np.uint8)
    framed = np.pad(gray, ((0, 0), (0, 0), (0, 0), (0, _GAP)), constant_values=255)
    frames = np.concatenate(list(framed), axis=2)[:, :, :-_GAP]
    pictures = [Image.fromarray(frame.repeat(scale, 0).repeat(scale, 1)) for frame in frames]
    file = io.BytesIO()
    first, *later = pictures
    first.save(
        file, "PNG", save_all=True, append_images=later, duration=round(1000 * seconds), loop=0
    )
    size = {"width": first.width, "height": first.height}
    put(
        {"image/png": as_text(file.getvalue()), "text/plain": alt},
        {"image/png": {"alt": alt, **size}},
    )
