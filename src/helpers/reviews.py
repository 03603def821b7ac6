"""Film reviews as arrays: the IMDB data set from its text, and a built-in sample from a grammar.

A review becomes a row of word codes. Code 0 is padding, code 1 stands for every word outside the
vocabulary, and from code 2 on the words follow in order of falling frequency. Rows are padded in
front and cut in front, as `keras.utils.pad_sequences` does by default: the end of a review, where
the verdict tends to stand, always survives.

The texts themselves are kept beside the codes, as one array of bytes and one of offsets, so that a
chapter can show the review that it speaks about.
"""

import html
import random
import re
import tarfile
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from helpers.datasets import Arrays, DataError

PADDING, UNKNOWN = 0, 1
SPECIAL = ("[padding]", "[unknown]")
CLASSES = ("negative", "positive")

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_MEMBER = re.compile(r"(?:.*/)?(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")
_LARGEST_FILE = 1_000_000  # bytes; the longest review of the data set has about 14,000


def words_of(text: str) -> list[tuple[str, int, int]]:
    """Split a text into words, with the place of each.

    A word is a run of letters and digits, with apostrophes inside ("don't"). Punctuation and the
    line-break marks of the data set (``<br />``) separate words and are dropped.

    Args:
        text: plain text.

    Returns:
        For each word: itself in lower case, and its start and end in ``text``.
    """
    plain = _LINE_BREAK.sub(lambda found: " " * len(found.group()), text)
    return [
        (found.group().lower().replace("’", "'"), found.start(), found.end())
        for found in _WORD.finditer(plain)
    ]


def learn_vocabulary(texts: Iterable[str], words: int) -> dict[str, int]:
    """Give a code to each of the most frequent words of texts.

    Args:
        texts: plain texts; only those of the training part, or the test would leak.
        words: number of codes, the two special ones included: the input_dim of an Embedding.

    Returns:
        Code of each word, in the order of the codes. Equally frequent words stand in the order of
        the alphabet, so the order of the texts does not matter.

    Raises:
        ValueError: ``words`` is below 3 or above 65,536.
    """
    if not 3 <= words <= 65_536:
        raise ValueError(
            f"A vocabulary of {words} words is not possible: codes 0 and 1 are taken by padding "
            "and unknown words and codes are stored in 16 bits, so choose from 3 to 65536."
        )
    counts = Counter(word for text in texts for word, _, _ in words_of(text))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[: words - len(SPECIAL)]
    return {word: code for code, word in enumerate((*SPECIAL, *ranked))}


def _codes(words: Sequence[str], vocabulary: Mapping[str, int], length: int) -> np.ndarray:
    row = np.zeros(length, np.uint16)
    kept = words[-length:]
    if kept:
        row[-len(kept) :] = [vocabulary.get(word, UNKNOWN) for word in kept]
    return row


def encode(text: str, vocabulary: Mapping[str, int], length: int) -> np.ndarray:
    """Encode one plain text as the row of codes that the networks read.

    Warns when the text has more than ``length`` words, because only its last words are read.

    Args:
        text: plain text, such as a review of your own.
        vocabulary: code of each word, from ``vocabulary_of``.
        length: codes per row, as in the training data.

    Returns:
        Codes, padded in front: shape (length,), uint16.

    Raises:
        TypeError: the review is not text.
        ValueError: it holds no word, or no word of the vocabulary: a network would still answer,
            but about nothing.

    >>> vocabulary = learn_vocabulary(["A good film.", "A bad film."], 10)
    >>> encode("A really good film!", vocabulary, 6).tolist()
    [0, 0, 2, 1, 5, 3]
    """
    if not isinstance(text, str):
        raise TypeError(
            f"A review must be plain text in quotes, such as 'A lovely film.', "
            f"not a value of type {type(text).__name__}."
        )
    words = [word for word, _, _ in words_of(text)]
    if not words:
        raise ValueError("The review holds no word: write at least one sentence.")
    if len(words) > length:
        warnings.warn(
            f"The review has {len(words):,} words; only its last {length:,} are read.",
            stacklevel=2,
        )
    row = _codes(words, vocabulary, length)
    if not (row > UNKNOWN).any():
        shown = ", ".join(repr(word) for word in words[:3])
        raise ValueError(
            f"No word of the review ({shown}{', …' if len(words) > 3 else ''}) is in the "
            f"vocabulary of {len(vocabulary):,} words: use commoner English words."
        )
    return row


def decode(row: np.ndarray, vocabulary: Mapping[str, int]) -> list[str]:
    """Return the words of a row of codes without the padding; unknown words read [unknown].

    Args:
        row: codes, shape (length,).
        vocabulary: code of each word, in the order of the codes.

    >>> vocabulary = learn_vocabulary(["A good film.", "A bad film."], 10)
    >>> decode(np.array([0, 0, 2, 1, 5, 3]), vocabulary)
    ['a', '[unknown]', 'good', 'film']
    """
    names = list(vocabulary)
    return [names[code] for code in np.asarray(row) if code != PADDING]


def highlight(text: str, strengths: np.ndarray) -> str:
    """Write a review as HTML, with the words marked that decided; the text itself is escaped.

    Args:
        text: the review.
        strengths: one number per position of the encoded row, shape (length,): positive marks a
            word blue and underlined, negative orange and dotted; the larger, the stronger. The
            words in front of the last ``length`` were not read and are set in gray.

    >>> highlight("A good film.", np.array([0.0, 0.0, 1.5, 0.1]))  # doctest: +ELLIPSIS
    '<p ...>A <mark ...>good</mark> film.</p>'
    """
    strengths = np.asarray(strengths, float)
    found = words_of(text)
    unread = max(len(found) - len(strengths), 0)
    largest = np.abs(strengths).max(initial=0.0) or 1.0
    pieces, done = [], 0
    if unread:
        done = found[unread - 1][2]
        pieces.append(f'<span style="color:#6b6b6b">{_escape(text[:done])}</span>')
    for (_, start, end), strength in zip(
        found[unread:], strengths[len(strengths) - len(found) + unread :], strict=True
    ):
        pieces.append(_escape(text[done:start]))
        share = abs(strength) / largest
        word = _escape(text[start:end])
        if share >= 0.1:
            color, line = ("31,119,180", "solid") if strength > 0 else ("255,127,14", "dotted")
            word = (
                f'<mark style="color:inherit;background:rgba({color},{0.15 + 0.5 * share:.2f});'
                f'border-bottom:2px {line} rgb({color})">{word}</mark>'
            )
        pieces.append(word)
        done = end
    pieces.append(_escape(text[done:]))
    return f'<p style="line-height:1.7;max-width:45em">{"".join(pieces)}</p>'


def _escape(text: str) -> str:
    return html.escape(_LINE_BREAK.sub("\n", text)).replace("\n", "<br>")


def pack(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Pack texts into their UTF-8 bytes in a row, uint8, and N + 1 offsets, int64."""
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8).copy(), offsets


def unpack(data: np.ndarray, offsets: np.ndarray, index: int) -> str:
    """Return text number ``index`` of two arrays that ``pack`` made."""
    return bytes(data[int(offsets[index]) : int(offsets[index + 1])]).decode()


def text_of(extra: Mapping[str, np.ndarray], part: str, index: int) -> str:
    """Return the original text of a review.

    Args:
        extra: the extra arrays of the loaded data set.
        part: "train" or "test".
        index: row of the review in that part.

    >>> texts, offsets = pack(["A good film.", "A bad film."])
    >>> text_of({"test_text": texts, "test_text_offsets": offsets}, "test", 1)
    'A bad film.'
    """
    return unpack(extra[f"{part}_text"], extra[f"{part}_text_offsets"], index)


def vocabulary_of(extra: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return the vocabulary that a data set was encoded with: the code of each word, in order.

    Args:
        extra: the extra arrays of the loaded data set.

    >>> words, offsets = pack(["[padding]", "[unknown]", "film"])
    >>> vocabulary_of({"vocabulary_text": words, "vocabulary_text_offsets": offsets})
    {'[padding]': 0, '[unknown]': 1, 'film': 2}
    """
    data, offsets = extra["vocabulary_text"], extra["vocabulary_text_offsets"]
    return {unpack(data, offsets, code): code for code in range(len(offsets) - 1)}


def _files(source: Path) -> Iterator[tuple[re.Match[str], bytes | None]]:
    """Yield the matched name and content of every review's file; None when it is too large."""
    try:
        # Read as a stream and never extracted, so a hostile member name or link reaches nothing.
        with tarfile.open(source, "r|gz") as archive:
            for member in archive:
                if member.isreg() and (name := _MEMBER.fullmatch(member.name)):
                    large = member.size > _LARGEST_FILE
                    file = None if large else archive.extractfile(member)
                    yield name, None if file is None else file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"{source} cannot be read as a .tar.gz archive ({type(error).__name__}): get it again."
        ) from error


def prepare(source: Path, words: int = 10_000, length: int = 500) -> tuple[Arrays, dict[str, Any]]:
    """Prepare the arrays of the IMDB archive ``aclImdb_v1.tar.gz``; nothing of it is extracted.

    The vocabulary is learned from the training texts alone. Each part is shuffled in a fixed
    order, so that any slice of it holds both classes.

    Args:
        source: the verified archive, with files ``{train,test}/{neg,pos}/ID_STARS.txt``.
        words: size of the vocabulary, see ``learn_vocabulary``.
        length: words kept of a review, its last ones; shorter reviews are padded in front.

    Returns:
        ``train_x`` and ``test_x`` (N, length), uint16; ``train_y`` and ``test_y`` (N,), int64, 0
        negative and 1 positive; ``train_stars`` and ``test_stars`` (N,), uint8, the author's 1 to
        10; the texts and the vocabulary, see ``text_of`` and ``vocabulary_of``. And a report: the
        counts, and every file left out (not UTF-8, no word, too large) with the reason.

    Raises:
        DataError: the archive cannot be read, or one of its four folders holds no review.
        ValueError: ``words`` or ``length`` is impossible.
    """
    reviews: dict[str, list[tuple[str, int, int, str]]] = {"train": [], "test": []}
    left_out: dict[str, str] = {}
    for match, content in tqdm(_files(source), desc="reading reviews", unit=" files", leave=False):
        name, (part, label, _, stars) = match.string, match.groups()
        if content is None:
            left_out[name] = f"larger than {_LARGEST_FILE:,} bytes"
            continue
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            left_out[name] = f"not UTF-8 at byte {error.start}"
            continue
        if not _WORD.search(_LINE_BREAK.sub(" ", text)):
            left_out[name] = "holds no word"
            continue
        reviews[part].append((name, int(label == "pos"), min(int(stars), 10), text))
    for part, found in reviews.items():
        for label, folder in enumerate(("neg", "pos")):
            if not any(review[1] == label for review in found):
                raise DataError(
                    f"{source} holds no readable review of {part}/{folder}: files must be named "
                    f"{part}/{folder}/ID_STARS.txt, such as {part}/{folder}/12_{1 + 8 * label}.txt."
                )
        found.sort()
        random.Random(0).shuffle(found)
    arrays, report = _arrays(
        {part: [review[1:] for review in found] for part, found in reviews.items()}, words, length
    )
    return arrays, {**report, "left_out": left_out, "left_out_count": len(left_out)}


def _arrays(
    reviews: Mapping[str, Sequence[tuple[int, int, str]]], words: int, length: int
) -> tuple[Arrays, dict[str, Any]]:
    """Encode (label, stars, text) of each part; the vocabulary comes from "train" alone."""
    if length < 1:
        raise ValueError(f"Reviews cannot be cut to {length} words: give a length of 1 or more.")
    vocabulary = learn_vocabulary((text for _, _, text in reviews["train"]), words)
    arrays: Arrays = {}
    report: dict[str, Any] = {"vocabulary": len(vocabulary)}
    for part, found in reviews.items():
        labels, stars, texts = zip(*found, strict=True)
        rows = np.zeros((len(texts), length), np.uint16)
        cut = 0
        for row, text in zip(rows, texts, strict=True):
            split = [word for word, _, _ in words_of(text)]
            row[:] = _codes(split, vocabulary, length)
            cut += len(split) > length
        arrays[f"{part}_x"] = rows
        arrays[f"{part}_y"] = np.array(labels, np.int64)
        arrays[f"{part}_stars"] = np.array(stars, np.uint8)
        arrays[f"{part}_text"], arrays[f"{part}_text_offsets"] = pack(texts)
        report[part] = {
            "reviews": len(texts),
            **{name: labels.count(label) for label, name in enumerate(CLASSES)},
            "different_texts": len(set(texts)),
            "cut": cut,
        }
    arrays["vocabulary_text"], arrays["vocabulary_text_offsets"] = pack(list(vocabulary))
    different = [{text for _, _, text in found} for found in reviews.values()]
    report["texts_in_both_parts"] = len(set.intersection(*different))
    return arrays, report


# The built-in sample: a grammar in which nearly every word of praise also occurs negated, so that
# counting words falls short of reading them in order.
_ASPECTS = (
    "acting,story,plot,script,music,ending,dialogue,humor,photography,cast,pacing,opening,"
    "direction,editing,costumes,camera work,love story,second half,main character,villain"
).split(",")
_PRAISE = (
    "good,great,wonderful,brilliant,funny,moving,clever,beautiful,excellent,charming,gripping,"
    "fresh,believable,superb,enjoyable,touching"
).split(",")
_BLAME = (
    "bad,awful,terrible,boring,dull,stupid,predictable,weak,horrible,lazy,annoying,tedious,"
    "wooden,painful,pointless,ridiculous"
).split(",")
_PLAIN = (
    "i saw it with my {friend} on {day}",
    "we did not leave before the credits",
    "it is about two hours long",
    "there is a scene in {place} that nobody will forget",
    "i had never heard of the director",
    "it was not shown in {place}",
    "my {friend} had already read the book",
    "the film starts in {place} and ends on {day}",
)
_FILL = {
    "friend": ("brother", "sister", "wife", "husband", "mother", "neighbor"),
    "day": ("a monday", "a friday", "a sunday", "a rainy evening", "a long flight"),
    "place": ("a hotel", "a train", "the desert", "a small town", "a school", "paris"),
}
# {word} agrees with what the sentence says; {opposite} is a word of the other side, turned round.
_OPINIONS = (
    "the {aspect} was {word}",
    "i found the {aspect} really {word}",
    "what a {word} {aspect}",
    "the {aspect} was so {word}",
    "the {aspect} was as {word} as they say",
    "to me the {aspect} was simply {word}",
    "a {word} {aspect} if you ask me",
    "the {aspect} was not {opposite} at all",
    "the {aspect} was never {opposite}",
    "the {aspect} was anything but {opposite}",
    "they say the {aspect} is {opposite} but it is {word}",
    "i expected a {opposite} {aspect} and got a {word} one",
)
_CONTRAST = (
    "although the {aspect} was {opposite} , {verdict}",
    "yes , the {aspect} was {opposite} , but {verdict}",
    "the {aspect} may be {opposite} and still {verdict}",
)
_VERDICTS = (
    (
        "do not watch it",
        "i would not see it again",
        "it is a waste of time",
        "it is not worth your money",
        "i cannot recommend it",
    ),
    (
        "do watch it",
        "i would see it again",
        "it is not a waste of time",
        "it is worth your money",
        "i can only recommend it",
    ),
)


def _sentence(chance: random.Random, positive: bool, patterns: Sequence[str]) -> str:
    agreeing, opposing = (_PRAISE, _BLAME) if positive else (_BLAME, _PRAISE)
    return chance.choice(patterns).format(
        aspect=chance.choice(_ASPECTS),
        word=chance.choice(agreeing),
        opposite=chance.choice(opposing),
        verdict=chance.choice(_VERDICTS[positive]),
        **{name: chance.choice(values) for name, values in _FILL.items()},
    )


def write_review(chance: random.Random, positive: bool) -> tuple[str, int]:
    """Write one review by the grammar.

    Most sentences agree with the verdict, up to two concede the opposite, and two say nothing.

    Args:
        chance: where the choices come from.
        positive: whether the review recommends the film.

    Returns:
        The text, and its stars from 1 to 10.
    """
    concessions = chance.choice((0, 1, 1, 2))
    sentences = [_sentence(chance, positive, _OPINIONS) for _ in range(chance.randint(3, 5))]
    sentences += [_sentence(chance, not positive, _OPINIONS) for _ in range(concessions)]
    sentences += [_sentence(chance, positive, _PLAIN) for _ in range(2)]
    chance.shuffle(sentences)
    if chance.random() < 0.7:
        sentences.append(_sentence(chance, positive, _CONTRAST))
    text = " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
    return text.replace(" ,", ","), (10 - concessions) if positive else (1 + concessions)


def sample(words: int = 10_000, length: int = 500) -> tuple[Arrays, dict[str, Any]]:
    """Write the built-in sample: 2,000 training and 500 test reviews, always the same.

    Args:
        words: size of the vocabulary, of which the grammar needs about 150.
        length: words kept of a review; those of the grammar have fewer than 120.

    Returns:
        The same arrays as ``prepare``, smaller.
    """
    chance = random.Random(7)
    reviews: dict[str, list[tuple[int, int, str]]] = {}
    for part, count in (("train", 2_000), ("test", 500)):
        reviews[part] = []
        for number in range(count):
            text, stars = write_review(chance, positive=bool(number % 2))
            reviews[part].append((number % 2, stars, text))
        chance.shuffle(reviews[part])
    arrays, report = _arrays(reviews, words, length)
    return arrays, {**report, "left_out": {}, "left_out_count": 0}
