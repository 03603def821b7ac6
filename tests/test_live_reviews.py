"""The review reader in Chromium: held to the judges of chapter 07, and used by hand."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import layers
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from helpers import live, live_reviews, reviews, training
from tests.browsing import PHONE, complaints, needs_browser, wait
from tests.figures import (
    darken,
    figure,
    opened,
    page_width,
    press,
    scripts,
    shown,
    text,
    violations,
)

LENGTH, READ, SLOTS = 120, 40, 2**12
EXAMPLES = {"good": "The film is good.", "not bad": "Not a bad zebra at all!"}
ANSWERS = """
const [described, length, vocabulary, texts, done] = arguments;
(async () => {
  const names = await unzipped(vocabulary).json();
  const codes = new Map(names.map((name, code) => [name, code]));
  const judges = await readyJudges(described, length);
  const inOrder = ["words", "pairs", "textCNN"].map((name) => judges[name]);
  done(texts.map((text) => inOrder.map((judge) => {
    const read = wordsOf(text, codes).map(({ code }) => code).slice(-judge.reads);
    const { sum, parts } = judge.read(judge, read);
    return { positive: probability(sum), sum, parts: Array.from(parts), codes: read };
  })));
})();
"""


def table(review: np.ndarray, column: np.ndarray, rows: int, columns: int) -> Any:
    return sparse.csr_matrix((np.ones(len(review)), (review, column)), shape=(rows, columns))


def count_words(rows: np.ndarray, words: int) -> Any:
    review, place = np.nonzero(rows > reviews.UNKNOWN)
    return table(review, rows[review, place], len(rows), words)


def count_both(rows: np.ndarray, words: int) -> Any:
    first, second = rows[:, :-1].astype("int64"), rows[:, 1:]
    review, place = np.nonzero((first > reviews.UNKNOWN) & (second > reviews.UNKNOWN))
    pair = first[review, place] * words + second[review, place]
    slot = pair * 2654435761 % 2**32 // (2**32 // SLOTS)
    return sparse.hstack(
        [count_words(rows, words), table(review, slot, len(rows), SLOTS)], format="csr"
    )


def make_bag(count: Callable[..., Any], words: int) -> Any:
    return make_pipeline(
        FunctionTransformer(partial(count, words=words)),
        TfidfTransformer(sublinear_tf=True),
        LogisticRegression(C=10),
    )


def make_net(words: int, read: int = READ, vector: int = 8, filters: int = 6) -> Any:
    inputs = keras.Input((read,))
    vectors = layers.Embedding(words, vector)(inputs)
    vectors = layers.Dropout(0.2, noise_shape=(None, read, 1))(vectors)
    strongest = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(filters, width, activation="relu")(vectors))
        for width in (2, 3, 4)
    ]
    joined = layers.Dropout(0.5)(layers.Concatenate()(strongest))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(joined))


@dataclass(frozen=True)
class Trained:
    judges: dict[str, Any]
    vocabulary: dict[str, int]
    texts: list[str]

    def positive(self, shipped: dict[str, Any], texts: list[str]) -> np.ndarray:
        """What judges answer in Python, shape (texts, judges)."""
        rows = np.stack([reviews.encode(each, self.vocabulary, LENGTH) for each in texts])
        counted = [shipped[name].predict_proba(rows)[:, 1] for name in ("words", "pairs")]
        net = shipped["textCNN"].predict(rows[:, -READ:], verbose=0)[:, 0]
        return np.stack([*counted, net], axis=1)


@pytest.fixture(scope="module")
def trained() -> Trained:
    training.start(0)
    arrays, _ = reviews.sample(length=LENGTH)
    vocabulary = reviews.vocabulary_of(arrays)
    # Some words of the vocabulary stay unknown, and the reader has to step over them.
    vocabulary = dict(list(vocabulary.items())[:-10])
    words = len(vocabulary)
    rows, labels = arrays["train_x"].copy(), arrays["train_y"]
    rows[rows >= words] = reviews.UNKNOWN
    net = make_net(words)
    net.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    net.fit(training.batches(rows[:, -READ:], labels, 32, seed=0), verbose=0)
    judges = {
        "words": make_bag(count_words, words).fit(rows, labels),
        "pairs": make_bag(count_both, words).fit(rows, labels),
        "textCNN": net,
    }
    texts = [reviews.text_of(arrays, "test", number) for number in range(200)]
    return Trained(judges, vocabulary, texts)


def shipped_with(
    monkeypatch: pytest.MonkeyPatch, trained: Trained, space: int = 100_000
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rounded judges, and the data of the figure."""
    caught: list[dict[str, Any]] = []

    def show(function: str, parts: Any, data: dict[str, Any], still: Any, alt: str) -> None:
        caught.append(json.loads(json.dumps(data)))
        plt.close(still)

    monkeypatch.setattr(live, "show", show)
    shipped = live_reviews.review_reader(
        trained.judges,
        trained.vocabulary,
        EXAMPLES,
        figure(),
        "A table.",
        length=LENGTH,
        slots=SLOTS,
        space=space,
    )
    monkeypatch.undo()
    return shipped, caught[0]


def answers(browser: Any, folder: Path, data: dict[str, Any], texts: list[str]) -> Any:
    """What the scripts make of texts, for each text and judge."""
    opened(browser, folder, f"<script>{scripts('network.js', 'reviews.js')}</script>")
    arguments = data["judges"], data["length"], data["vocabulary"], texts
    return browser.execute_async_script(ANSWERS, *arguments)


@needs_browser
@pytest.mark.parametrize("space", [100_000, 10_000], ids=["all pairs", "some pairs"])
def test_two_hundred_reviews_get_the_answers_of_the_judges(
    browser: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trained: Trained,
    space: int,
) -> None:
    shipped, data = shipped_with(monkeypatch, trained, space)
    every, kept = (
        np.count_nonzero(np.rint(100 * judges["pairs"][-1].coef_[0, len(trained.vocabulary) :]))
        for judges in (trained.judges, shipped)
    )
    assert (kept < every) == (space < 100_000)
    long = " ".join(trained.texts[:4])  # of which only the end is read
    texts = [*trained.texts, "NOT good,<br />don’t watch it", "Good zebra good, élan!"]
    found = answers(browser, tmp_path, data, [*texts, long])
    with pytest.warns(UserWarning, match="only its last"):
        expected = trained.positive(shipped, [*texts, long])
    computed = np.array([[judge["positive"] for judge in judges] for judges in found])
    np.testing.assert_allclose(computed, expected, atol=1e-3)
    np.testing.assert_array_equal(computed > 0.5, expected > 0.5)
    for text_, judges in zip(texts, found, strict=False):
        row = reviews.encode(text_, trained.vocabulary, LENGTH)
        assert judges[0]["codes"] == row[row > reviews.PADDING].tolist()


@needs_browser
def test_the_parts_of_the_words_add_up(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Trained
) -> None:
    shipped, data = shipped_with(monkeypatch, trained)
    # A text of as many words as the net reads, so that no padding takes part in its verdict.
    full = [each for each in trained.texts if len(reviews.words_of(each)) >= READ][:20]
    biases = [shipped[name][-1].intercept_[0] for name in ("words", "pairs")]
    for judges in answers(browser, tmp_path, data, full):
        for judge, bias in zip(judges[:2], biases, strict=True):
            assert sum(judge["parts"]) + bias == pytest.approx(judge["sum"], abs=1e-6)
    net = shipped["textCNN"]
    *filters, verdict = [layer for layer in net.layers if layer.weights][1:]
    viewer = keras.Model(net.input, [layer.output for layer in filters])
    for each, judges in zip(full, answers(browser, tmp_path, data, full), strict=True):
        row = reviews.encode(each, trained.vocabulary, LENGTH)[None, -READ:]
        maxima = np.concatenate([np.asarray(m)[0].max(axis=0) for m in viewer(row)])
        constant = np.concatenate([np.asarray(layer.bias) for layer in filters])
        kernel, [bias] = (np.asarray(weights) for weights in verdict.weights)
        rest = bias + np.sum(kernel[:, 0] * constant * (maxima > 0))
        assert sum(judges[2]["parts"]) + rest == pytest.approx(judges[2]["sum"], abs=1e-4)


def test_few_pairs_change_few_answers(monkeypatch: pytest.MonkeyPatch, trained: Trained) -> None:
    before = trained.positive(trained.judges, trained.texts)
    everything, _ = shipped_with(monkeypatch, trained)
    np.testing.assert_allclose(
        trained.positive(everything, trained.texts)[:, :2], before[:, :2], atol=0.005
    )
    some, _ = shipped_with(monkeypatch, trained, 12_000)
    changed = (trained.positive(some, trained.texts) > 0.5) != (before > 0.5)
    assert changed.mean(axis=0).max() < 0.05


def test_the_judges_themselves_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch, trained: Trained
) -> None:
    before = trained.positive(trained.judges, trained.texts)
    shipped_with(monkeypatch, trained, 5_000)
    np.testing.assert_array_equal(trained.positive(trained.judges, trained.texts), before)


def test_a_net_of_other_layers_is_refused(trained: Trained) -> None:
    net = keras.Sequential([keras.Input((4, 3)), layers.GRU(2, name="memory")])
    still = figure()
    with pytest.raises(ValueError, match="cannot compute the layer 'memory', a GRU"):
        live_reviews.review_reader(
            {"GRU": net}, trained.vocabulary, EXAMPLES, still, "A table.", length=9, slots=SLOTS
        )
    plt.close(still)


def test_the_weights_of_the_chapters_judges_take_less_than_600_kilobytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words, random = 10_000, np.random.default_rng(0)
    vocabulary = {f"word{code}": code for code in range(words)}
    net = make_net(words, 300, 48, 64)
    for weights in net.weights:
        weights.assign(random.normal(size=weights.shape))
    judges = {"textCNN": net}
    for name, columns in (("words", words), ("pairs", words + 2**20)):
        weigh, judge = TfidfTransformer(), LogisticRegression()
        weigh.idf_ = random.uniform(1, 11, columns)
        judge.coef_, judge.intercept_ = random.normal(size=(1, columns)), np.zeros(1)
        judges[name] = make_pipeline(FunctionTransformer(), weigh, judge)
    data = shown(
        monkeypatch,
        partial(live_reviews.review_reader, length=500, slots=2**20),
        *(judges, vocabulary, EXAMPLES, figure(), "A table."),
    )["text/html"]
    weights = re.findall(r'"(?:packed|table)":"([^"]+)"', data)
    assert len(weights) == 3
    assert sum(map(len, weights)) < 600_000
    assert len(data) < 800_000


@pytest.fixture
def reader(
    monkeypatch: pytest.MonkeyPatch, browser: Any, tmp_path: Path, trained: Trained
) -> Trained:
    data = shown(
        monkeypatch,
        partial(live_reviews.review_reader, length=LENGTH, slots=SLOTS),
        *(trained.judges, trained.vocabulary, EXAMPLES, figure(), "A table."),
    )
    opened(browser, tmp_path, data["text/html"])
    wait(lambda: verdicts(browser), 60, "the reader")
    return trained


def verdicts(browser: Any) -> dict[str, float]:
    """The sum of each judge."""
    found: dict[str, float] = browser.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('.judge')].map("
        "judge => [judge.getAttribute('aria-label'), Number(judge.dataset.sum)]))"
    )
    return found


def typed(browser: Any, text_: str) -> None:
    browser.execute_script(
        "const field = document.querySelector('textarea'); field.value = arguments[0];"
        "field.dispatchEvent(new Event('input'))",
        text_,
    )


def says(browser: Any, part: str) -> None:
    wait(lambda: part in text(browser, ".said"), 60, part)


@needs_browser
def test_a_review_can_be_typed_and_its_words_light_up(browser: Any, reader: Trained) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    says(browser, "words ")
    field = browser.find_element(By.CSS_SELECTOR, "textarea")
    before = verdicts(browser)
    field.send_keys(" It is not boring at all.")
    wait(lambda: verdicts(browser) != before, 60, "another verdict")
    field.send_keys(Keys.CONTROL + "a", Keys.DELETE)
    says(browser, "page is empty")
    press(browser, "not bad")
    says(browser, "Not in the vocabulary")
    group = browser.find_element(By.CSS_SELECTOR, "[aria-label=textCNN] .chips button")
    field.click()
    for _ in range(40):  # by the keyboard alone
        if browser.switch_to.active_element == group:
            break
        browser.switch_to.active_element.send_keys(Keys.TAB)
    lit = [each.text.lower() for each in browser.find_elements(By.CSS_SELECTOR, ".lit")]
    assert lit
    assert group.text.startswith(" ".join(lit))


@needs_browser
def test_odd_texts_are_met_calmly(browser: Any, reader: Trained) -> None:
    typed(browser, "zzz <b onclick=alert(1)>qqq")
    says(browser, "No word of this is among the")
    assert not verdicts(browser)
    typed(browser, "the film was <b>good</b> & <img src=x onerror=alert(1)> wonderful " * 1000)
    says(browser, "% positive")
    assert "words are not read" in text(browser, ".marked")
    typed(browser, "... !!!")
    says(browser, "page is empty")
    assert complaints(browser) == []


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_reader_can_be_used_by_everyone(browser: Any, reader: Trained, dark: bool) -> None:
    if dark:
        darken(browser)
    typed(browser, " ".join(reader.texts[:2]))
    says(browser, "% positive")
    assert violations(browser) == []
    for size in ((360, 800), PHONE):
        assert page_width(browser, size) <= size[0]
    assert violations(browser) == []
    assert complaints(browser) == []
