"""The review reader: a live figure in which the judges of chapter 07 read a text of the reader's.

The counters of words and pairs and the text convnet are computed in the browser, and each verdict
is split into what every word and word group added to it.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from helpers import live

# Values of a weight of the network on either side of zero: with 127 of them, the word vectors
# alone would take nearly all the space that the figure may take.
_LEVELS = 31
_WEIGHT, _RARITY = 100, 100  # a counter's weights and factors are shipped as whole numbers
_MOST = 100_000  # slots of pairs that are shipped if there is space
_LENGTH = 0.1  # a verdict of 3, divided by twice the length 16 of a short text's row


def review_reader(
    judges: Mapping[str, Any],
    vocabulary: Mapping[str, int],
    examples: Mapping[str, str],
    still: Figure,
    alt: str,
    *,
    length: int,
    slots: int,
    space: int = 600_000,
) -> dict[str, Any]:
    """Show what trained judges make of a review that the reader types, word by word.

    Args:
        judges: by the names under which they are shown: pipelines of a counter, a
            TfidfTransformer and a LogisticRegression, and Keras models as the chapter's textCNN.
            A counter's columns are the codes of words, and after them, if it counts pairs as
            well, the slots into which they are hashed as in the chapter.
        vocabulary: code of each word, in the order of the codes.
        examples: texts to start from, by the labels of their buttons; the first is shown.
        still: the figure that readers see where scripts don't run; it is closed afterward.
        alt: what the still picture shows.
        length: words that the counters read, the last ones of a text.
        slots: of word pairs, a power of two.
        space: bytes of the page that all weights may take together. What the rest leaves of it is
            for the pairs: those that matter most keep their weights, and the others add nothing.

    Returns:
        The judges with the rounded weights that the figure uses, to compare with the originals.

    Raises:
        ValueError: a network has a layer of a kind that the figure cannot compute.

    >>> from keras import Input, Model, layers
    >>> from matplotlib.pyplot import figure
    >>> codes = {"[padding]": 0, "[unknown]": 1, "a": 2, "good": 3, "film": 4}
    >>> inputs = Input((4,))
    >>> pairs = layers.Conv1D(3, 2, activation="relu")(layers.Embedding(5, 2)(inputs))
    >>> net = Model(inputs, layers.Dense(1)(layers.GlobalMaxPooling1D()(pairs)))
    >>> texts = {"good": "A good film."}
    >>> copied = review_reader({"net": net}, codes, texts, figure(), "A table.", length=4, slots=8)
    A table.
    >>> copied["net"].count_params() == net.count_params()
    True
    """
    shipped: dict[str, Any] = {}
    described: dict[str, Any] = {}
    # The networks come first, because the counter of pairs takes what space is left.
    nets = {name: judge for name, judge in judges.items() if not hasattr(judge, "predict_proba")}
    for name, net in nets.items():
        shipped[name], described[name] = live.rounded(net, _LEVELS), _network(net)
    left = space - sum(len(network["packed"]) for network in described.values())
    for name, judge in judges.items():
        if name not in nets:
            shipped[name], described[name] = _counter(judge, slots, left)
            left -= len(described[name]["table"])
    texts = json.dumps([*vocabulary], ensure_ascii=False, separators=(",", ":"))
    data = {
        "judges": {name: described[name] for name in judges},
        "vocabulary": live.compressed(texts.encode()),
        "examples": dict(examples),
        "length": length,
    }
    live.show("reviewReader", ("network.js", "reviews.js", "reviews.css"), data, still, alt)
    return {name: shipped[name] for name in judges}


def _network(net: Any) -> dict[str, Any]:
    """Describe a textCNN: word vectors, filters of several widths side by side, a verdict."""
    known = ("Embedding", "Conv1D", "Dense")
    passed = ("InputLayer", "Dropout", "Concatenate", "GlobalMaxPooling1D")
    for layer in net.layers:
        if (kind := type(layer).__name__) not in (*known, *passed):
            raise ValueError(f"A live figure cannot compute the layer {layer.name!r}, a {kind}.")
    layers = [layer for layer in net.layers if type(layer).__name__ in known]
    described, weights = live.packed({"net": layers}, _LEVELS)
    return {"reads": net.input_shape[1], "layers": described, "packed": weights}


def _counter(bag: Any, slots: int, space: int) -> tuple[Any, dict[str, Any]]:
    """Round a counter's weights, keep as many of its pairs as fit, and describe it."""
    copied = copy.deepcopy(bag)
    _, weigh, judge = (step for _, step in copied.steps)
    words = len(weigh.idf_) - (slots if len(weigh.idf_) > slots else 0)
    rarity = np.rint(weigh.idf_ * _RARITY).astype(int)
    weight = np.rint(judge.coef_[0] * _WEIGHT).astype(int)
    # A pair matters by what it adds, by how far it would move the length that all is divided by if
    # it were given the rarity of the rest, and by how many reviews have it.
    idf, coefficient = weigh.idf_[words:], judge.coef_[0, words:]
    frequency = np.exp(-idf)
    usual = np.average(idf**2, weights=frequency) if len(idf) else 0
    matters = frequency * ((idf * coefficient) ** 2 + (_LENGTH * (idf**2 - usual)) ** 2)
    ranked = np.argsort(-matters, kind="stable")
    pairs = min(len(ranked), _MOST)
    while len(table := _table(rarity, weight, words, np.sort(ranked[:pairs]))) > space and pairs:
        pairs = int(0.98 * pairs * max(space, 0) / len(table))
    dropped = words + ranked[pairs:]
    if len(dropped):
        common = np.average(weigh.idf_[dropped] ** 2, weights=frequency[ranked[pairs:]]) ** 0.5
        rarity[dropped], weight[dropped] = round(common * _RARITY), 0
    weigh.idf_ = rarity / _RARITY
    judge.coef_ = weight[None] / _WEIGHT
    described = {
        "words": words,
        "shift": 33 - slots.bit_length() if len(ranked) else 0,
        "others": int(rarity[dropped[0]]) if len(dropped) else 0,
        "units": [_RARITY, _WEIGHT],
        "bias": float(judge.intercept_[0]),
        "table": table,
    }
    return copied, described


def _table(rarity: np.ndarray, weight: np.ndarray, words: int, kept: np.ndarray) -> str:
    """Write the numbers of all words and of some slots as one compressed text."""
    columns = np.concatenate([np.arange(words), words + kept])
    table = {
        "slots": np.diff(kept, prepend=0).tolist(),
        "rarity": rarity[columns].tolist(),
        "weight": weight[columns].tolist(),
    }
    return live.compressed(json.dumps(table, separators=(",", ":")).encode())
