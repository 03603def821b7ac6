"""Reviews become arrays: bad archives, the vocabulary, own texts, and a sample that teaches."""

import io
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from helpers import reviews
from helpers.datasets import DataError

GOOD = {
    "aclImdb/train/neg/0_2.txt": b"A dull, dull film.<br /><br />Don't watch it!",
    "aclImdb/train/neg/1_1.txt": b"Not a good film. Not at all.",
    "aclImdb/train/pos/0_9.txt": b"A good film, a very good film.",
    "aclImdb/train/pos/1_10.txt": "Tr\u00e8s bien \u2013 a lovely film.".encode(),
    "aclImdb/test/neg/0_3.txt": b"Unheard words only here.",
    "aclImdb/test/pos/0_8.txt": b"A good film, a very good film.",
}


def archive(folder: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    path = folder / "aclImdb_v1.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return path


@pytest.fixture(scope="module")
def sample() -> tuple[dict[str, np.ndarray], dict]:
    return reviews.sample(length=100)


@pytest.fixture(scope="module")
def vocabulary(sample: tuple[dict[str, np.ndarray], dict]) -> dict[str, int]:
    return reviews.vocabulary_of(sample[0])


def test_archive_becomes_arrays(tmp_path: Path) -> None:
    arrays, report = reviews.prepare(archive(tmp_path, GOOD), words=50, length=8)
    assert arrays["train_x"].shape == (4, 8)
    assert arrays["train_x"].dtype == np.uint16
    assert sorted(arrays["train_y"]) == [0, 0, 1, 1]
    assert sorted(arrays["test_stars"]) == [3, 8]
    assert report["train"]["negative"] == report["train"]["positive"] == 2
    assert report["texts_in_both_parts"] == 1
    texts = {reviews.text_of(arrays, "train", index) for index in range(4)}
    assert texts == {content.decode() for name, content in GOOD.items() if "train" in name}
    for array in arrays.values():
        assert array.dtype != object


def test_labels_stay_with_their_texts(tmp_path: Path) -> None:
    arrays, _ = reviews.prepare(archive(tmp_path, GOOD), words=50, length=20)
    vocabulary = reviews.vocabulary_of(arrays)
    for index, label in enumerate(arrays["train_y"]):
        text = reviews.text_of(arrays, "train", index)
        assert GOOD[f"aclImdb/train/{['neg', 'pos'][label]}/" + _name(text)].decode() == text
        assert arrays["train_stars"][index] == int(_name(text)[2:].removesuffix(".txt"))
        assert (arrays["train_x"][index] == reviews.encode(text, vocabulary, 20)).all()


def test_reviews_are_shuffled_in_an_order_that_does_not_depend_on_the_archive(
    tmp_path: Path,
) -> None:
    files = {
        f"aclImdb/{part}/{kind}/{number}_{stars}.txt": f"word{number} {kind}".encode()
        for part in ("train", "test")
        for kind, stars in (("neg", 2), ("pos", 9))
        for number in range(20)
    }
    arrays, _ = reviews.prepare(archive(tmp_path, files), words=50, length=4)
    again, _ = reviews.prepare(archive(tmp_path, dict(reversed(files.items()))), 50, 4)
    for part in ("train", "test"):
        assert set(arrays[f"{part}_y"][:10]) == set(arrays[f"{part}_y"][-10:]) == {0, 1}
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])


def _name(text: str) -> str:
    return next(name for name, content in GOOD.items() if content.decode() == text).split("/")[-1]


def test_vocabulary_comes_from_training_texts_alone(tmp_path: Path) -> None:
    arrays, _ = reviews.prepare(archive(tmp_path, GOOD), words=50, length=8)
    vocabulary = reviews.vocabulary_of(arrays)
    assert list(vocabulary)[:2] == list(reviews.SPECIAL)
    assert vocabulary["a"] == 2, "the most frequent word comes first"
    assert "unheard" not in vocabulary
    row = arrays["test_x"][list(arrays["test_stars"]).index(3)]
    assert reviews.decode(row, vocabulary) == ["[unknown]"] * 4


def test_vocabulary_does_not_depend_on_the_order_of_the_texts() -> None:
    texts = ["b a c", "c d", "e"]
    once = reviews.learn_vocabulary(texts, 5)
    assert once == reviews.learn_vocabulary(texts[::-1], 5)
    assert list(once) == [*reviews.SPECIAL, "c", "a", "b"]


@pytest.mark.parametrize("words", [2, 65_537])
def test_impossible_vocabulary(words: int) -> None:
    with pytest.raises(ValueError, match="from 3 to 65536"):
        reviews.learn_vocabulary(["a b"], words)


def test_bad_files_are_named_and_counted(tmp_path: Path) -> None:
    bad = {
        "aclImdb/train/pos/7_9.txt": "caf\u00e9".encode("latin-1"),
        "aclImdb/train/neg/8_1.txt": b" \n<br /> ... ",
        "aclImdb/test/pos/9_9.txt": b"long " * 300_000,
    }
    ignored = {"aclImdb/train/unsup/0_0.txt": b"\xff", "aclImdb/README": b"\xff"}
    path = archive(tmp_path, {**GOOD, **bad, **ignored})
    arrays, report = reviews.prepare(path, words=50, length=8)
    assert report["left_out_count"] == 3
    assert report["left_out"] == {
        "aclImdb/train/pos/7_9.txt": "not UTF-8 at byte 3",
        "aclImdb/train/neg/8_1.txt": "holds no word",
        "aclImdb/test/pos/9_9.txt": "larger than 1,000,000 bytes",
    }
    assert len(arrays["train_x"]) == 4


def test_hostile_members_reach_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("a secret")
    inside = tmp_path / "in"
    inside.mkdir()
    path = archive(
        inside,
        {**GOOD, "../../train/pos/5_9.txt": b"a film from above"},
        links={"aclImdb/train/pos/6_9.txt": str(outside)},
    )
    arrays, _ = reviews.prepare(path, words=50, length=8)
    assert sorted(file.name for file in tmp_path.rglob("*")) == [
        "aclImdb_v1.tar.gz",
        "in",
        "secret.txt",
    ]
    texts = [reviews.text_of(arrays, "train", index) for index in range(len(arrays["train_x"]))]
    assert "a secret" not in texts


def test_empty_folder_of_the_archive_is_named(tmp_path: Path) -> None:
    files = {name: content for name, content in GOOD.items() if "test/pos" not in name}
    with pytest.raises(DataError, match="no readable review of test/pos"):
        reviews.prepare(archive(tmp_path, files))


def test_broken_archive(tmp_path: Path) -> None:
    whole = archive(tmp_path, GOOD).read_bytes()
    for content in (b"no archive", b"", whole[:-40]):
        path = tmp_path / "broken.tar.gz"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"broken\.tar\.gz cannot be read"):
            reviews.prepare(path)


def test_impossible_length() -> None:
    with pytest.raises(ValueError, match="length of 1 or more"):
        reviews.sample(length=0)


def test_words() -> None:
    found = reviews.words_of("Don\u2019t STOP<br />me--now_2!")
    assert [word for word, _, _ in found] == ["don't", "stop", "me", "now", "2"]
    text = "\u0130 am<BR>here"
    assert [text[start:end] for _, start, end in reviews.words_of(text)] == ["\u0130", "am", "here"]


def test_rows_are_padded_and_cut_in_front(vocabulary: dict[str, int]) -> None:
    row = reviews.encode("The acting was good", vocabulary, 6)
    assert row.tolist()[:2] == [reviews.PADDING] * 2
    assert reviews.decode(row, vocabulary) == ["the", "acting", "was", "good"]
    with pytest.warns(UserWarning, match="only its last 2 are read"):
        row = reviews.encode("The acting was good", vocabulary, 2)
    assert reviews.decode(row, vocabulary) == ["was", "good"]


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("", ValueError, "holds no word"),
        (" ... <br /> !", ValueError, "holds no word"),
        ("zxqy qqqq vvv wwww", ValueError, r"'zxqy', 'qqqq', 'vvv', …\) is in the vocabulary of"),
        (7, TypeError, "not a value of type int"),
        (["good", "film"], TypeError, "not a value of type list"),
        (None, TypeError, "not a value of type NoneType"),
        (b"good film", TypeError, "not a value of type bytes"),
    ],
)
def test_bad_own_reviews(
    text: object, error: type[Exception], sentence: str, vocabulary: dict[str, int]
) -> None:
    with pytest.raises(error, match="review") as raised:
        reviews.encode(text, vocabulary, 100)
    assert raised.match(sentence)
    assert "\n" not in str(raised.value)


def test_very_long_own_review(vocabulary: dict[str, int]) -> None:
    with pytest.warns(UserWarning, match="100,000 words; only its last 100"):
        row = reviews.encode("bad " * 99_999 + "good", vocabulary, 100)
    assert row.shape == (100,)
    assert row[-1] == vocabulary["good"]


def test_short_review_does_not_warn(vocabulary: dict[str, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reviews.encode("good " * 100, vocabulary, 100)


def test_highlight_escapes_and_marks() -> None:
    text = "<script>alert(1)</script> & a <br />Good film"
    strengths = np.zeros(9)
    strengths[-2] = 1.0
    shown = reviews.highlight(text, strengths)
    assert "<script" not in shown
    assert "&amp;" in shown
    assert shown.count("<mark") == 1
    assert ">Good</mark>" in shown
    assert "<br>" in shown


def test_highlight_grays_what_was_not_read() -> None:
    shown = reviews.highlight("one two three four", np.array([-1.0, 0.0]))
    assert "one two</span>" in shown
    assert "dotted" in shown
    assert ">three</mark>" in shown


def test_packed_texts_come_back() -> None:
    texts = ["", "\u00e9t\u00e9", "a" * 1000, "\U0001f600"]
    data, offsets = reviews.pack(texts)
    assert data.dtype == np.uint8
    assert [reviews.unpack(data, offsets, index) for index in range(4)] == texts


def test_sample_is_the_same_every_time(sample: tuple[dict[str, np.ndarray], dict]) -> None:
    again, _ = reviews.sample(length=100)
    assert sample[0].keys() == again.keys()
    for name, array in sample[0].items():
        assert (array == again[name]).all(), name


def test_sample_is_balanced_and_apart(sample: tuple[dict[str, np.ndarray], dict]) -> None:
    arrays, report = sample
    assert report["train"]["negative"] == report["train"]["positive"] == 1000
    assert report["test"]["negative"] == report["test"]["positive"] == 250
    assert report["texts_in_both_parts"] == 0
    assert report["train"]["cut"] == 0
    assert 0.4 < arrays["train_y"][:200].mean() < 0.6
    assert 0.4 < (np.diff(arrays["train_y"]) == 0).mean() < 0.6


def test_stars_of_the_sample_agree_with_its_labels(
    sample: tuple[dict[str, np.ndarray], dict],
) -> None:
    for part in ("train", "test"):
        labels, stars = sample[0][f"{part}_y"], sample[0][f"{part}_stars"]
        assert set(stars[labels == 0]) == {1, 2, 3}
        assert set(stars[labels == 1]) == {8, 9, 10}


def test_word_order_matters_in_the_sample(sample: tuple[dict[str, np.ndarray], dict]) -> None:
    arrays, _ = sample
    texts = {
        part: [
            reviews.text_of(arrays, part, index) for index in range(len(arrays[f"{part}_stars"]))
        ]
        for part in ("train", "test")
    }
    scores = {}
    for run in (1, 2):
        counter = CountVectorizer(ngram_range=(1, run))
        model = LogisticRegression(C=0.1, max_iter=500)
        model.fit(counter.fit_transform(texts["train"]), arrays["train_y"])
        scores[run] = model.score(counter.transform(texts["test"]), arrays["test_y"])
    assert scores[1] < 0.85, "counting words must fall short"
    assert scores[2] > scores[1] + 0.1, "pairs of words must show what single words do not"
