"""Small films as one animated picture: every frame, side by side, with a text."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from helpers import films


def test_an_animated_picture_shows_all_films_frame_by_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = []
    monkeypatch.setattr(films, "put", lambda data, metadata: shown.append((data, metadata)))
    clips = np.zeros((2, 3, 4, 5, 1), np.float32)
    clips[0, 1], clips[1, 2] = 7, 1  # Pillow joins frames that don't differ
    clips[0, 0], clips[1, 1] = -1, 0.5
    films.show(clips, "A light goes on.", seconds=0.5, scale=2)
    [(data, metadata)] = shown
    assert data["text/plain"] == metadata["image/png"]["alt"] == "A light goes on."
    size = [metadata["image/png"][side] for side in ("width", "height")]
    assert size == [2 * (5 + 1 + 5), 2 * 4]
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert (picture.n_frames, picture.size, picture.info["loop"]) == (3, (22, 8), 0)
    assert picture.info["duration"] == 500
    for frame, left, right in ((0, 0, 0), (1, 255, 128), (2, 0, 255)):
        picture.seek(frame)
        pixels = np.asarray(picture.convert("L"))
        assert (pixels[:, :10] == left).all() and (pixels[:, 12:] == right).all()
        assert (pixels[:, 10:12] == 255).all()


def test_a_film_without_text_or_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="alt is empty"):
        films.show(np.zeros((1, 2, 3, 3, 1)), " ")
    for shape in ((2, 3, 3, 1), (1, 2, 3, 3, 3), (1, 0, 3, 3, 1)):
        with pytest.raises(ValueError, match=f"has {re.escape(str(shape))}"):
            films.show(np.zeros(shape), "One film.")
