"""Small films as one animated picture: every frame, side by side, with a text."""

import base64
import io

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
    clips[0, 1], clips[1, 2] = 1, 1  # Pillow joins frames that don't differ
    films.show(clips, "A light goes on.", seconds=0.5, scale=2)
    [(data, metadata)] = shown
    assert data["text/plain"] == metadata["image/png"]["alt"] == "A light goes on."
    assert metadata["image/png"]["width"] == 2 * (5 + 1 + 5)
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert (picture.n_frames, picture.size, picture.info["loop"]) == (3, (22, 8), 0)
    assert picture.info["duration"] == 500
    for frame, light in ((0, 0), (2, 255)):
        picture.seek(frame)
        pixels = np.asarray(picture.convert("L"))
        assert (pixels[:, :10] == 0).all() and (pixels[:, 12:] == light).all()


def test_a_film_without_text_or_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="alt is empty"):
        films.show(np.zeros((1, 2, 3, 3, 1)), " ")
    with pytest.raises(ValueError, match=r"has \(2, 3, 3, 1\)"):
        films.show(np.zeros((2, 3, 3, 1)), "One film.")
