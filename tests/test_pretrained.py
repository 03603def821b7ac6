"""The table of bases: every one builds without a network, and the weights are the right ones."""

import dataclasses
import functools
import hashlib
import http.server
import json
import shutil
import threading
from typing import ClassVar

import h5py
import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

from course import data
from helpers import downloads, efficientnet_lite0, frozen, places, pretrained, sources
from helpers.backend import keras
from helpers.datasets import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
EXPECTED = {
    "efficientnet_lite0": (PIXELS - 127.0) / 128.0,
    "mobilenet": PIXELS / 127.5 - 1.0,
    "vgg16": PIXELS[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    "xception": PIXELS / 127.5 - 1.0,
}


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_MIRROR", raising=False)
    return tmp_path / "cache" / "bases"


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *words):
        pass


def save_as_upstream(model, path):
    """Write a model's weights as the files of keras.applications hold them, the format of Keras 2.

    The layers stand in the model's order, named, with what their weights were called then.
    """
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.0.6"
        for layer in model.layers:
            group = file.create_group(layer.name)
            named = {f"{layer.name}/{weight.name}:0": weight for weight in layer.weights}
            group.attrs["weight_names"] = [name.encode() for name in named]
            for name, weight in named.items():
                group.create_dataset(name, data=np.asarray(weight.numpy()))


def reference(name, top=False):
    """A model of keras.applications itself: random weights, no two layers with alike statistics."""
    module = keras.applications
    build = {"mobilenet": module.MobileNet, "vgg16": module.VGG16, "xception": module.Xception}
    model = build[name](include_top=top, weights=None, input_shape=None if top else (96, 96, 3))
    chance = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([chance.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture
def upstream(own_cache, tmp_path, monkeypatch):
    """A server of this test with files of weights, and a table of sources with their MD5s."""
    folder = tmp_path / "served"
    folder.mkdir()
    text = (places.ROOT / "data" / "datasets.toml").read_text(encoding="utf-8")
    Quiet.asked.clear()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()

        def serve(name, model):
            nonlocal text
            listed = sources.source(name).upstream
            save_as_upstream(model, folder / listed.file)
            md5 = hashlib.md5((folder / listed.file).read_bytes()).hexdigest()
            address = f"http://127.0.0.1:{running.server_port}/{listed.file}"
            text = text.replace(f'"{listed.url}"', f'"{address}"').replace(listed.md5, md5)
            (tmp_path / "checkout" / "data").mkdir(parents=True, exist_ok=True)
            (tmp_path / "checkout" / "data" / "datasets.toml").write_text(text, encoding="utf-8")
            monkeypatch.setattr(places, "ROOT", tmp_path / "checkout")
            return folder / listed.file

        yield serve
        running.shutdown()


@pytest.fixture
def mobilenet(upstream, random_bases):
    return upstream("mobilenet", random_bases["mobilenet"])


def replace_keeping_its_md5(path, monkeypatch):
    """Change a file, and let its MD5 stay: such files can be made on purpose."""
    known = hashlib.md5(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes() + b"changed")
    monkeypatch.setattr(downloads, "_md5_of", lambda _: known)


@pytest.fixture(scope="module")
def random_bases():
    return {name: pretrained.load(name, 64, weights="random") for name in pretrained.BASES}


@pytest.mark.parametrize("name", pretrained.BASES)
def test_what_the_table_says_of_a_base_is_true_of_its_model(random_bases, name):
    entry, model = pretrained.BASES[name], random_bases[name]
    kinds = (keras.layers.Conv2D, keras.layers.SeparableConv2D)
    convolutions = [layer.name for layer in model.layers if type(layer) in kinds]
    assert entry.last_convolution == convolutions[-1]
    possible = frozen.cuts(model)
    assert [cut for cut in possible if cut in entry.cuts] == list(entry.cuts)
    assert model.output_shape[:3] == (None, 2, 2)


@pytest.mark.parametrize("name", pretrained.BASES)
def test_fine_tuning_begins_after_the_last_cut_at_a_sixteenth_of_the_size(random_bases, name):
    entry, model = pretrained.BASES[name], random_bases[name]
    sides = {cut: model.get_layer(cut).output.shape[1] for cut in entry.cuts}
    assert [cut for cut, side in sides.items() if side == 64 // 16][-1] == entry.last_frozen


@pytest.mark.parametrize("name", pretrained.BASES)
def test_layers_to_look_into_come_in_order_and_end_in_a_relu(random_bases, name):
    entry, model = pretrained.BASES[name], random_bases[name]
    order = [layer.name for layer in model.layers]
    for chosen in (entry.activations, entry.patterns):
        assert sorted(chosen, key=order.index) == list(chosen)
    outputs = [model.get_layer(layer).output for layer in entry.activations]
    for maps in keras.Model(model.input, outputs).predict_on_batch(PIXELS):
        assert maps.min() == 0 < maps.max()


@pytest.mark.parametrize("name", pretrained.BASES)
def test_layers_have_the_same_names_in_every_model(random_bases, name):
    again = pretrained.load(name, 64, weights="random")
    assert [layer.name for layer in again.layers] == [
        layer.name for layer in random_bases[name].layers
    ]


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
    assert counts == {
        "efficientnet_lite0": 3_413_024,
        "mobilenet": 3_228_864,
        "vgg16": 14_714_688,
        "xception": 20_861_480,
    }
    assert pretrained.load("mobilenet", 160, weights="random").output_shape == (None, 5, 5, 1024)


def test_batch_normalization_divides_as_it_did_in_training(random_bases):
    layers = random_bases["efficientnet_lite0"].layers
    found = {each.epsilon for each in layers if isinstance(each, keras.layers.BatchNormalization)}
    assert found == {1e-3}


def test_the_converted_weights_recognize_a_photograph(own_cache):
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
        patch.setattr(efficientnet_lite0.checkpoint, "read", None)
        again = pretrained.load("efficientnet_lite0", 32).get_weights()
    content = bytearray(cached.read_bytes())
    content[len(content) // 2] ^= 1
    cached.write_bytes(content)
    mended = pretrained.load("efficientnet_lite0", 32).get_weights()
    for one, two, three in zip(first, again, mended, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_weights_converted_from_an_older_checkpoint_are_made_again(own_cache):
    first = pretrained.load("efficientnet_lite0", 32).get_weights()
    cached = own_cache / "efficientnet_lite0.npz"
    facts = cached.with_suffix(".json")
    with np.load(cached) as arrays:
        older = {name: np.zeros_like(array) for name, array in arrays.items()}
    np.savez(cached, allow_pickle=True, **older)
    described = {"source": "0" * 64, "sha256": hashlib.sha256(cached.read_bytes()).hexdigest()}
    facts.write_text(json.dumps(described))
    for one, two in zip(
        first, pretrained.load("efficientnet_lite0", 32).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    assert json.loads(facts.read_text())["source"] != described["source"]


def test_a_cut_off_description_of_converted_weights_is_made_again(own_cache):
    pretrained.load("efficientnet_lite0", 32)
    facts = own_cache / "efficientnet_lite0.json"
    whole = facts.read_text()
    facts.write_text(whole[:20])
    pretrained.load("efficientnet_lite0", 32)
    assert facts.read_text() == whole


def test_every_base_that_needs_a_download_is_a_source_with_a_license(random_bases):
    known = sources.sources()
    for name, base in pretrained.BASES.items():
        for key in [] if base.offline else [name, f"{name}_top"]:
            assert known[key].license and key not in sources.catalogue()
            assert known[key].upstream.bytes > 4 * random_bases[name].count_params()


@pytest.mark.parametrize(
    "name", [name for name, base in pretrained.BASES.items() if not base.offline]
)
def test_downloaded_weights_give_the_maps_of_keras_applications(
    upstream, tmp_path, monkeypatch, capsys, name
):
    theirs = reference(name)
    served = upstream(name, theirs)
    data.get([name])
    data.verify()
    assert f"{served.name}: good" in capsys.readouterr().out
    pixels = np.random.default_rng(1).integers(0, 256, (2, 96, 96, 3)).astype("float32")
    prepared = getattr(keras.applications, name).preprocess_input(pixels.copy())
    expected = theirs.predict_on_batch(prepared)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(
        pretrained.load(name, 96).predict_on_batch(pixels), expected, rtol=1e-3, atol=1e-4
    )

    # An offline lab: the mirror is all there is.
    data.export(tmp_path / "mirror", [name])
    served.unlink()
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setenv("COURSE_MIRROR", str(tmp_path / "mirror"))
    np.testing.assert_allclose(
        pretrained.load(name, 96).predict_on_batch(pixels), expected, rtol=1e-3, atol=1e-4
    )
    assert Quiet.asked == [f"/{served.name}"]


@pytest.mark.parametrize("name", ["mobilenet", "xception"])
def test_downloaded_tops_give_the_classes_of_keras_applications(upstream, name):
    theirs = reference(name, top=True)
    upstream(f"{name}_top", theirs)
    size = theirs.input_shape[1]
    pixels = np.random.default_rng(1).integers(0, 256, (1, size, size, 3)).astype("float32")
    prepared = getattr(keras.applications, name).preprocess_input(pixels.copy())
    np.testing.assert_allclose(
        pretrained.load(name, size, top=True).predict_on_batch(pixels),
        theirs.predict_on_batch(prepared),
        rtol=1e-3,
    )


def test_unreachable_weights_say_which_bases_work_without_a_network(mobilenet, monkeypatch):
    mobilenet.unlink()
    with pytest.raises(
        DataError, match=r"cannot be reached .* these bases work: efficientnet_lite0"
    ):
        pretrained.load("mobilenet", 64)


def test_weights_are_downloaded_once_and_loaded(mobilenet, random_bases):
    loaded = pretrained.load("mobilenet", 64)
    for one, two in zip(loaded.get_weights(), random_bases["mobilenet"].get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    pretrained.load("mobilenet", 64)
    assert Quiet.asked == [f"/{mobilenet.name}"]


def test_weights_of_another_md5_are_thrown_away(mobilenet):
    expected = hashlib.md5(mobilenet.read_bytes()).hexdigest()
    mobilenet.write_bytes(mobilenet.read_bytes() + b"changed")
    found = hashlib.md5(mobilenet.read_bytes()).hexdigest()
    with pytest.raises(DataError, match=f"and MD5 {found} three .* expects MD5 {expected}, so it"):
        pretrained.load("mobilenet", 64)
    assert not (downloads.folder() / mobilenet.name).exists()


def test_the_sha256_of_verified_weights_is_checked_from_then_on(mobilenet, monkeypatch):
    path = downloads.fetch(sources.source("mobilenet")).path
    recorded = path.with_name(f"{path.name}.sha256").read_text()
    md5 = hashlib.md5(mobilenet.read_bytes()).hexdigest()
    assert recorded == f"{hashlib.sha256(mobilenet.read_bytes()).hexdigest()}  {path.name}  {md5}\n"
    replace_keeping_its_md5(path, monkeypatch)
    mobilenet.write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"expects SHA-256 [0-9a-f]{64}, so it was thrown away"):
        downloads.fetch(sources.source("mobilenet"))


def test_what_was_recorded_of_one_md5_says_nothing_of_another(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    path, known = tmp_path / "weights.h5", sources.source("mobilenet")

    def listed(content):
        md5 = hashlib.md5(content).hexdigest()
        archive = dataclasses.replace(known.upstream, file=path.name, md5=md5)
        return dataclasses.replace(known, archives=(archive,))

    path.write_bytes(b"old")
    downloads.check(path, listed(b"old"))
    with pytest.raises(DataError, match="expects MD5"):
        downloads.check(path, listed(b"new"))
    path.write_bytes(b"new")
    assert downloads.check(path, listed(b"new")) == hashlib.sha256(b"new").hexdigest()


def test_a_classifier_for_pictures_of_one_size_gets_that_size(monkeypatch):
    # VGG16's own classifier is half a gigabyte; the maps before it are what the size changes.
    base = dataclasses.replace(pretrained.BASES["vgg16"], build=lambda x, top: x)
    monkeypatch.setitem(pretrained.BASES, "vgg16", base)
    shapes = {
        size: pretrained.load("vgg16", size, top=True, weights="random").output_shape
        for size in (64, 224)
    }
    assert shapes == dict.fromkeys(shapes, (None, 224, 224, 3))
    assert pretrained.load("vgg16", 64, weights="random").output_shape == (None, 64, 64, 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"name": "resnet"},
            r"no base 'resnet'; there are efficientnet_lite0, mobilenet, vgg16, xception",
        ),
        ({"size": 31}, r"31 pixels are too small for vgg16: give size at least 32"),
        ({"weights": "mine"}, r"'imagenet' or 'random', not 'mine'"),
    ],
)
def test_a_wrong_request_is_answered_in_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=message):
        pretrained.load(**({"name": "vgg16", "size": 64, "weights": "random"} | wrong))


def test_class_names_are_a_thousand_and_in_order():
    names = pretrained.imagenet_classes()
    assert len(set(names)) == 1000
    dogs = [names[number] for number in pretrained.DOGS]
    assert (len(dogs), dogs[0], dogs[-1]) == (118, "Chihuahua", "Mexican hairless")
    cats = [names[number] for number in pretrained.CATS]
    assert cats == ["tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"]
