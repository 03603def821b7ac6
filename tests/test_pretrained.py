"""The table of bases: every one builds without a network, and the weights are the right ones."""

import hashlib
import json
import urllib.error
import urllib.request

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

from helpers import frozen, pretrained
from helpers.backend import keras

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
EXPECTED = {
    "efficientnet_lite0": (PIXELS - 127.0) / 128.0,
    "mobilenet": PIXELS / 127.5 - 1.0,
    "vgg16": PIXELS[..., ::-1] - np.array([103.939, 116.779, 123.68]),
}


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_MIRROR", raising=False)
    return tmp_path / "cache" / "bases"


@pytest.fixture
def no_network(monkeypatch):
    def unreachable(source, timeout):
        if str(source).startswith("http"):
            raise urllib.error.URLError("no network")
        return opened(source, timeout=timeout)

    opened = urllib.request.urlopen
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)


@pytest.fixture(scope="module")
def random_bases():
    return {name: pretrained.load(name, 64, weights="random") for name in pretrained.BASES}


@pytest.mark.parametrize("name", pretrained.BASES)
def test_what_the_table_says_of_a_base_is_true_of_its_model(random_bases, name):
    entry, model = pretrained.BASES[name], random_bases[name]
    ordinary = [layer.name for layer in model.layers if type(layer) is keras.layers.Conv2D]
    assert entry.last_convolution == ordinary[-1]
    possible = frozen.cuts(model)
    assert [cut for cut in possible if cut in entry.cuts] == list(entry.cuts)
    assert model.output_shape[:3] == (None, 2, 2)


@pytest.mark.parametrize("name", pretrained.BASES)
def test_preprocessing_matches_the_base(random_bases, name):
    model = random_bases[name]
    layer = keras.Model(model.input, model.get_layer("preprocessing").output)
    np.testing.assert_allclose(layer.predict_on_batch(PIXELS), EXPECTED[name], atol=1e-4)
    bare = pretrained.load(name, 64, weights="random", preprocessing=False)
    bare.set_weights(model.get_weights())
    np.testing.assert_allclose(
        bare.predict_on_batch(EXPECTED[name]), model.predict_on_batch(PIXELS), atol=1e-4
    )


def test_parameters_are_the_published_ones(random_bases):
    counts = {name: model.count_params() for name, model in random_bases.items()}
    assert counts == {"efficientnet_lite0": 3_413_024, "mobilenet": 3_228_864, "vgg16": 14_714_688}
    assert pretrained.load("mobilenet", 160, weights="random").output_shape == (None, 5, 5, 1024)


def test_the_converted_weights_recognise_a_photograph(own_cache):
    model = pretrained.load("efficientnet_lite0", 224, top=True)
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        picture = np.asarray(Image.open(file).convert("RGB").resize((224, 224)))
    probabilities = model.predict_on_batch(picture[None])[0]
    assert probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert pretrained.imagenet_classes()[probabilities.argmax()] == "military uniform"
    assert probabilities.max() > 0.4


def test_converted_weights_are_cached_and_a_damaged_cache_is_made_again(own_cache, monkeypatch):
    first = pretrained.load("efficientnet_lite0", 32).get_weights()
    cached = own_cache / "efficientnet_lite0.npz"
    facts = json.loads(cached.with_suffix(".json").read_text())
    assert facts["sha256"] == hashlib.sha256(cached.read_bytes()).hexdigest()

    with monkeypatch.context() as patch:
        patch.setattr(pretrained.checkpoint, "read", None)
        again = pretrained.load("efficientnet_lite0", 32).get_weights()
    content = bytearray(cached.read_bytes())
    content[len(content) // 2] ^= 1
    cached.write_bytes(content)
    mended = pretrained.load("efficientnet_lite0", 32).get_weights()
    for one, two, three in zip(first, again, mended, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_weights_that_cannot_be_had_say_which_bases_work_offline(own_cache, no_network):
    with pytest.raises(
        FileNotFoundError, match=r"reachable at .* these bases work: efficientnet_lite0"
    ):
        pretrained.load("vgg16", 64)


def test_weights_come_from_a_mirror_and_their_hash_is_checked(
    own_cache, no_network, monkeypatch, tmp_path, random_bases
):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    name = "mobilenet_1_0_224_tf_no_top.h5"
    random_bases["mobilenet"].save_weights(mirror / "a.weights.h5")
    (mirror / "a.weights.h5").rename(mirror / name)
    with pytest.raises(ValueError, match=r"have MD5 .* damaged or another file"):
        pretrained.load("mobilenet", 64)
    assert not (own_cache / name).exists()

    md5 = hashlib.md5((mirror / name).read_bytes()).hexdigest()
    path = pretrained.download(f"https://nowhere.invalid/{name}", md5)
    assert path.read_bytes() == (mirror / name).read_bytes()
    (mirror / name).unlink()
    assert pretrained.download(f"https://nowhere.invalid/{name}", md5) == path


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "resnet"}, r"no base 'resnet'; there are efficientnet_lite0, mobilenet, vgg16"),
        ({"size": 31}, r"31 pixels are too small for vgg16: give size at least 32"),
        ({"weights": "mine"}, r"'imagenet' or 'random', not 'mine'"),
        ({"top": True}, r"vgg16 comes without its top; with one: efficientnet_lite0"),
    ],
)
def test_a_wrong_request_is_answered_in_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=message):
        pretrained.load(**({"name": "vgg16", "size": 64, "weights": "random"} | wrong))


def test_class_names_are_a_thousand_and_in_order():
    names = pretrained.imagenet_classes()
    assert len(set(names)) == 1000
    assert (names[151], names[268]) == ("Chihuahua", "Mexican hairless")
    assert names[281:286] == ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")
