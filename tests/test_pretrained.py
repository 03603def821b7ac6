"""The table of bases: every one builds without a network, and the weights are the right ones."""

import functools
import hashlib
import http.server
import json
import shutil
import threading
from typing import ClassVar

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

from course import data
from helpers import downloads, frozen, places, pretrained, sources
from helpers.backend import keras
from helpers.datasets import DataError

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


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *words):
        pass


@pytest.fixture
def mobilenet(own_cache, random_bases, tmp_path, monkeypatch):
    """A file of weights on a server of this test, and a table of sources with its MD5."""
    served = tmp_path / "served" / "mobilenet_1_0_224_tf_no_top.h5"
    served.parent.mkdir()
    random_bases["mobilenet"].save(served)  # the older format, as that of the real file
    Quiet.asked.clear()
    handler = functools.partial(Quiet, directory=str(served.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        text = (places.ROOT / "data" / "datasets.toml").read_text(encoding="utf-8")
        upstream = sources.source("mobilenet").upstream
        address = f"http://127.0.0.1:{running.server_port}"
        text = text.replace(upstream.url, f"{address}/{served.name}")
        text = text.replace(upstream.md5, hashlib.md5(served.read_bytes()).hexdigest())
        (tmp_path / "checkout" / "data").mkdir(parents=True)
        (tmp_path / "checkout" / "data" / "datasets.toml").write_text(text, encoding="utf-8")
        monkeypatch.setattr(places, "ROOT", tmp_path / "checkout")
        yield served
        running.shutdown()


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


def test_a_cut_off_description_of_converted_weights_is_made_again(own_cache):
    pretrained.load("efficientnet_lite0", 32)
    facts = own_cache / "efficientnet_lite0.json"
    whole = facts.read_text()
    facts.write_text(whole[:20])
    pretrained.load("efficientnet_lite0", 32)
    assert facts.read_text() == whole


def test_every_base_that_needs_a_download_is_a_source_with_a_license():
    online = {name for name, base in pretrained.BASES.items() if not base.offline}
    assert online <= {name for name, each in sources.sources().items() if each.license}
    assert "vgg16" not in sources.catalogue()


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
    assert recorded == f"{hashlib.sha256(mobilenet.read_bytes()).hexdigest()}  {path.name}\n"
    replace_keeping_its_md5(path, monkeypatch)
    mobilenet.write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"expects SHA-256 [0-9a-f]{64}, so it was thrown away"):
        downloads.fetch(sources.source("mobilenet"))


def test_weights_are_listed_fetched_verified_and_exported_by_name(
    mobilenet, tmp_path, monkeypatch, capsys
):
    data.get(["mobilenet"])
    data.verify()
    assert f"{mobilenet.name}: good" in capsys.readouterr().out
    data.export(tmp_path / "mirror", ["mobilenet"])
    mobilenet.unlink()
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setenv("COURSE_MIRROR", str(tmp_path / "mirror"))
    assert pretrained.load("mobilenet", 64).name == "mobilenet"
    assert len(Quiet.asked) == 1


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
