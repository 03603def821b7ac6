"""A trained model comes back as it was saved, and a missing one says which chapter makes it."""

import numpy as np
import pytest

from helpers import artifacts
from helpers.backend import keras


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


def small_model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.Conv2D(2, 3, name="convolution"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def test_a_model_comes_back_with_its_provenance():
    model = small_model()
    x = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    artifacts.save("cats_vs_dogs", "sample", model, {"seed": 7, "size": 8})
    loaded, provenance = artifacts.load("cats_vs_dogs", "sample")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.get_layer("convolution").filters == 2
    assert provenance["seed"] == 7
    assert provenance["chapter"] == "03"
    assert provenance["versions"]["keras"] == keras.__version__


def test_the_version_of_the_backend_that_ran_is_recorded(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    artifacts.save("cats_vs_dogs", "sample", small_model(), {})
    _, provenance = artifacts.load("cats_vs_dogs", "sample")
    assert provenance["versions"] == {"keras": keras.__version__, "numpy": np.__version__}


def test_profiles_are_kept_apart_and_a_missing_model_names_its_chapter():
    artifacts.save("cats_vs_dogs", "sample", small_model(), {})
    with pytest.raises(FileNotFoundError, match=r"chapter 03 makes it.*--profile quick"):
        artifacts.load("cats_vs_dogs", "quick")


def test_a_changed_file_is_refused():
    path = artifacts.save("cats_vs_dogs", "sample", small_model(), {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged or changed"):
        artifacts.load("cats_vs_dogs", "sample")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_description_is_refused(text):
    path = artifacts.save("cats_vs_dogs", "sample", small_model(), {})
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match="damaged or changed"):
        artifacts.load("cats_vs_dogs", "sample")


def test_an_unknown_name_lists_the_models():
    with pytest.raises(ValueError, match="the course makes cats_vs_dogs"):
        artifacts.load("horses", "quick")
