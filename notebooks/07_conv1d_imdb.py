# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,nbval,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Convolution along a line: reading film reviews
#
# **Does it matter in which order you read the words?**
#
# "Not bad, it's good" and "not good, it's bad" are made of the very same words. You hear the
# difference at once. Does a machine that judges film reviews have to hear it, too? In this
# chapter we slide filters along a text, the way we slid them over images, and ask what they
# find there that counting words doesn't.
#
# > **What you'll be able to do**
# >
# > * turn text into numbers, and say what is lost at each step;
# > * judge texts by counting words and word pairs, a baseline that is hard to beat;
# > * compute a one-dimensional convolution by hand, and build a text convnet in Keras;
# > * split a verdict exactly into what each word added to it;
# > * find the mistake in a published network, and show what it does to the training;
# > * use convolution in one, two and three dimensions.
# >
# > **What you should know:** convolution, pooling and training a Keras model (chapter 1), why
# > several seeds and a paired test come before a claim (chapter 2), and sigmoid, binary
# > cross-entropy and dropout (chapters 2 and 3).
# >
# > **Time:** an hour to read, with the questions; about nine minutes to run on one core.
#
# Numbers in the text come from the stored run, made in November 2026 on one processor core.
# Your own run prints its own numbers, and they may differ a little. Words in **bold** are in the
# glossary.

# %% tags=["parameters", "hide-input"]
seed: int = 0  # 0 to 1000000: seed of weights, shuffling and drawn films
epochs: int = 4  # 1 to 100: passes over the reviews for the text convnet
batch_size: int = 128  # 8 to 1024: reviews per step
peak: float = 0.003  # 0.00001 to 0.1: highest learning rate of a training
vector: int = 48  # 4 to 256: numbers per word in an embedding
filters: int = 64  # 8 to 512: filters of each width in the text convnet
seeds: int = 3  # 1 to 10: trainings of the text convnet for the final test
# What only the profiles need:
profile: str = "quick"  # sample | quick | full: built-in data, real data, long recipes
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
words: int = 10000  # 100 to 60000: size of the vocabulary, special codes included
length: int = 500  # 60 to 2000: words that are kept of a review
read_words: int = 300  # 60 to 2000: words of these that the networks read
validation: int = 5000  # 100 to 20000: training reviews held out
published: bool = False  # also train three nets as published, ten epochs each

# %% [markdown]
# Our texts are 50,000 reviews from the Internet Movie Database. Each is labeled: positive if its
# author gave at least seven stars of ten, negative if at most four. Half of them are for
# training, half for the test, and from the training half we hold out 5,000 for validation. The
# words have already been turned into numbers, with a **vocabulary** of the most frequent ones;
# we'll come back to that.

# %% tags=["measured"]
from helpers import datasets, films, kept, live_reviews, plots, resumable, reviews
from helpers import tables, training
from helpers.backend import as_array
from helpers.records import claims_table, mistakes_table, record
from IPython.display import HTML, display
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

training.start(seed, precision)
imdb = datasets.load("imdb", profile, words=words, length=length)
vocabulary = reviews.vocabulary_of(imdb.extra)
names = np.array(list(vocabulary))  # the word of each code

# %%
all_rows, all_labels = np.array(imdb.train[0]), imdb.train[1]
train_rows, train_labels = all_rows[:-validation], all_labels[:-validation]
val_rows, val_labels = all_rows[-validation:], all_labels[-validation:]

# %% tags=["measured", "hide-input"]
for part in ("train", "test"):
    for kind in ("negative", "positive"):
        record(f"imdb.{part}.{kind}", imdb.report[part][kind], "count")
record("imdb.left_out", imdb.report["left_out_count"], "count")
record("imdb.texts_in_both_parts", imdb.report["texts_in_both_parts"], "count")
record("imdb.train.cut_share", imdb.report["train"]["cut"] / len(all_rows), "fraction")

# %% [markdown]
# ## A critic who reads in alphabetical order
#
# Here is one of the validation reviews, with its words sorted from A to Z.

# %% tags=["measured", "hide-input"]
lengths = (val_rows > reviews.PADDING).sum(axis=1)
shown = int(np.flatnonzero((lengths > 55) & (lengths < 75) & (val_labels == 0))[0])

# %% tags=["measured"]
written = reviews.decode(val_rows[shown], vocabulary)
print(*sorted(word for word in written if word != "[unknown]"))

# %% [markdown]
# > **Predict.** Would you dare to say whether its author liked the film? And a machine that
# > learned from 20,000 reviews, all of them with their words in a jumble: how many of every
# > hundred would it judge correctly?
# >
# > <details><summary>Think first, then open</summary>
# >
# > This author didn't. And the machine judges nearly nine of ten reviews correctly, although it
# > never learns which word stood next to which. The average review has more than two hundred
# > words, and a few telling ones often give its author away, in whatever order they come.
# > </details>
#
# The machine counts. Each review becomes a row with one column per word of the vocabulary, and in
# it the number of times that the word occurs. This is a **bag of words**: of the words that the
# vocabulary knows, everything is in there except the order. Nearly all of the 10,000 columns are
# zero, so we store a *sparse* matrix, which keeps only the others.


# %%
def count_table(review, column, rows, columns):
    ones = np.ones(len(review), dtype="float32")
    return sparse.csr_matrix((ones, (review, column)), shape=(rows, columns))


def count_words(rows):
    review, place = np.nonzero(rows > reviews.UNKNOWN)
    return count_table(review, rows[review, place], len(rows), words)


# %% [markdown]
# Three refinements make counting fair. A word that occurs five times doesn't say five times as
# much, so counts are replaced by $1 + \log(\text{count})$. And a word that is in every review, such
# as *the*, says nothing at all, so each column is weighted by how *few* reviews contain its word.
# Together the two are called **TF-IDF**, for term frequency and inverse document frequency. Last,
# every row is scaled to length 1, so that a long review doesn't count for more than a short one.
#
# On top we put the linear classifier of chapter 1, with two classes. Each number in the row is
# multiplied by its word's weight, and a **sigmoid** turns the sum into a probability. Statisticians
# call it logistic regression, and scikit-learn finds the best weights in a second or two. Its one
# knob, `C`, says how large the weights may grow: the smaller it is, the stronger
# the **regularization**. We chose it on the validation reviews: `3` for words, and `10` for the
# classifier that we build next.


# %%
def make_bag(count, freedom):
    return make_pipeline(
        FunctionTransformer(count),
        TfidfTransformer(sublinear_tf=True),
        LogisticRegression(C=freedom, max_iter=200),
    )


def positive(model, rows):
    """The probability that each review is positive, whatever kind of model it is."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(rows)[:, 1]
    batches = training.batches(rows[:, -read_words:], None, 256)
    return model.predict(batches, verbose=0)[:, 0]


def accuracy(model, rows, labels):
    return np.mean((positive(model, rows) > 0.5) == labels)


# %%
def shuffle_words(rows, random):
    shuffled = rows.copy()
    for row in shuffled:
        written = row[row > reviews.PADDING]  # padding stays in front
        row[len(row) - len(written) :] = random.permutation(written)
    return shuffled


val_shuffled = shuffle_words(val_rows, np.random.default_rng(seed))

# %% tags=["measured"]
judges = {"words": make_bag(count_words, 3)}
judges["words"].fit(train_rows, train_labels)
for what, rows in (("as written", val_rows), ("shuffled", val_shuffled)):
    print(f"{what}: {accuracy(judges['words'], rows, val_labels):.1%} correct")
[opinion] = positive(judges["words"], val_rows[shown : shown + 1])
print(f"the review above: {opinion:.0%} positive")

# %% tags=["measured", "hide-input"]
record(
    "imdb.bag_of_words.validation_accuracy",
    accuracy(judges["words"], val_rows, val_labels),
    "fraction",
)
record("imdb.alphabetical.positive", opinion, "fraction")
weights = judges["words"][-1].coef_[0]
frequent = np.arange(2, min(2000, len(names)))
ranked = frequent[np.argsort(weights[frequent])]
chosen = np.concatenate([ranked[:12], ranked[-12:]])
figure, axis = plt.subplots(figsize=(6.5, 5.2), layout="constrained")
colors = np.where(weights[chosen] > 0, "C0", "C1")
axis.barh(names[chosen], weights[chosen], color=colors)
axis.axvline(0, color="0.4", linewidth=0.8)
axis.set(xlabel="weight (above zero: positive)", title=f"What words say ({imdb.label})")
plots.show(
    figure,
    "Bars for the twelve most negative weights, worst, bad and waste among them, and "
    "for the twelve most positive, great, excellent, 7 and 8 among them.",
)

# %% [markdown]
# It gets 89.6 %<!-- imdb.bag_of_words.validation_accuracy --> of the validation reviews right, with
# the words as written or shuffled: the same answers, down to the last one. Our sorted review is
# negative, and the machine thinks that it is positive with a probability of 32 %<!--
# imdb.alphabetical.positive -->, so it got this one right.<!-- imdb.alphabetical.positive < 0.5 -->
# The weights tell you how. The figure shows the extreme ones among the 2,000 most frequent words.
# Most of them you might have picked yourself, and a review usually has enough such words to outvote
# the few that mislead.
#
# (Do you see digits among them? Some authors write their stars into the text, and the label was
# made from the stars. No rule was broken, but such a review gives its answer away.)

# %% [markdown]
# ## Does order help?
#
# Now we let the machine see a little order: besides the words it counts *pairs* of neighbors.
# "Not a good film" then contains *not a*, *a good* and *good film*. A run of $n$ neighboring
# words is called an **n-gram**; ours are bigrams.
#
# There is a snag. With 10,000 words there are 100 million possible pairs, far too many columns. The
# usual trick is **hashing**: compute a number from the pair that looks random but is always the
# same for the same pair, and let it choose one of about a million slots. Many pairs will share a
# slot, but most of them are so rare that it does little harm.

# %%
SLOTS = 2**20


def slot_of(first, second):
    pair = first.astype("int64") * words + second
    return pair * 2654435761 % 2**32 // (2**32 // SLOTS)


def count_pairs(rows):
    first, second = rows[:, :-1], rows[:, 1:]
    review, place = np.nonzero((first > reviews.UNKNOWN) & (second > reviews.UNKNOWN))
    slot = slot_of(first[review, place], second[review, place])
    return count_table(review, slot, len(rows), SLOTS)


def count_words_and_pairs(rows):
    return sparse.hstack([count_words(rows), count_pairs(rows)], format="csr")


# %% [markdown]
# > **Predict.** The same reviews, the same classifier, and now pairs as well as words. By how
# > many points does the accuracy rise? And if the machine had only 1,000 reviews to learn from?
# >
# > <details><summary>Think first, then open</summary>
# >
# > With all reviews it rises by about one point, so something like every tenth error disappears.
# > With 1,000 reviews the pairs are of no use: a pair is much rarer than a word, and a machine
# > can learn what a pair means only after it has met it several times.
# > </details>

# %% tags=["measured"]
judges["pairs"] = make_bag(count_words_and_pairs, 10)
judges["pairs"].fit(train_rows, train_labels)

counts = [len(train_rows) // 20, len(train_rows) // 5, len(train_rows)]
curves = {"words": [], "pairs": []}
for name, curve in curves.items():
    for number in counts[:-1]:
        smaller = clone(judges[name]).fit(train_rows[:number], train_labels[:number])
        curve.append(accuracy(smaller, val_rows, val_labels))
    curve.append(accuracy(judges[name], val_rows, val_labels))

# %% tags=["measured", "hide-input"]
COLORS = {"words": "C6", "pairs": "C2", "textCNN": "C1", "GRU": "C4"}
figure, axis = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
for name, curve in curves.items():
    axis.semilogx(counts, curve, "o-", color=COLORS[name])
axis.set(xlabel="training reviews", ylabel="validation accuracy")
axis.set_title(f"Pairs need more examples ({imdb.label})")
axis.set_xticks(counts, [f"{number:,}" for number in counts])
axis.minorticks_off()
axis.yaxis.set_major_formatter("{x:.0%}")
plots.label_ends(axis, axis.lines, list(curves))
plots.show(
    figure,
    "Validation accuracy against the number of training reviews, for words alone and "
    "for words with pairs. Both start at nearly the same height and rise; pairs pull "
    "ahead, and their lead grows to the right.",
)
for name, curve in curves.items():
    for step, value in enumerate(curve, start=1):
        record(f"imdb.{name}.step_{step}.accuracy", value, "fraction")
record("imdb.bag_of_pairs.validation_accuracy", curves["pairs"][-1], "fraction")

# %% [markdown]
# With all 20,000 reviews, pairs lift the accuracy from
# 89.6 %<!-- imdb.bag_of_words.validation_accuracy --> to
# 90.5 %<!-- imdb.bag_of_pairs.validation_accuracy -->. With 1,000 the two stand at
# 83.7 %<!-- imdb.words.step_1.accuracy --> and 83.8 %<!-- imdb.pairs.step_1.accuracy -->.
# The gain grows with the data.<!-- imdb.pairs.step_3.accuracy - imdb.words.step_3.accuracy >
# imdb.pairs.step_1.accuracy - imdb.words.step_1.accuracy -->
#
# So word order seems to matter on real reviews, too, and not only in examples made up for the
# purpose; the test will tell whether one point is more than luck. Keep this machine in mind. It
# is a **baseline** in the strict sense: whatever we build from now on has to beat it, or we have
# to say why it doesn't.
#
# Which pairs did it find? We look at those that occur at least fifty times.

# %% tags=["measured", "hide-input"]
first, second = train_rows[:, :-1].astype("int64"), train_rows[:, 1:].astype("int64")
both = (first > reviews.UNKNOWN) & (second > reviews.UNKNOWN)
pairs, times = np.unique(first[both] * words + second[both], return_counts=True)
pairs = pairs[times >= 50]
pair_weights = judges["pairs"][-1].coef_[0][words:]
values = pair_weights[slot_of(pairs // words, pairs % words)]
ranked = np.argsort(values)
chosen = np.concatenate([ranked[:12], ranked[-12:]])
labels = [f"{names[pairs[i] // words]} {names[pairs[i] % words]}" for i in chosen]
figure, axis = plt.subplots(figsize=(6.5, 5.2), layout="constrained")
axis.barh(labels, values[chosen], color=np.where(values[chosen] > 0, "C0", "C1"))
axis.axvline(0, color="0.4", linewidth=0.8)
axis.set(xlabel="weight (above zero: positive)", title=f"What pairs say ({imdb.label})")
plots.show(
    figure,
    "Bars for the twelve word pairs with the most negative weights and the twelve with "
    "the most positive weights.",
)

# %% [markdown]
# Some of these are one strong word in company, such as *the best* and *the worst*, and say little
# more than the word alone. Others say what none of their words says: *must see*, *well worth*, *not
# even*, *at best*. And there are the stars again, *7 10* for seven of ten. But would you have
# guessed *is a*, *a bit* or *as the*? They praise nothing. They are just more common in reviews by
# people who liked the film, and the machine takes every hint it can get.

# %% [markdown]
# ## How text becomes numbers
#
# So far we took the numbers for granted. What happens to a review before a machine sees it, and
# what gets lost on the way? There are three steps, and each of them loses something.
#
# 1. **Tokenization** cuts the text into words. Capitals and punctuation disappear.
# 2. A **vocabulary** gives each word a code. Code 0 is padding, code 1 stands for every word that
#    isn't in the vocabulary, and the rest follow by frequency: *the* is 2. The vocabulary comes
#    from the training reviews alone, because one that had seen the test would be a leak. (Ours has
#    seen the reviews that we hold out for validation. Word frequencies without labels give little
#    away, but strictly it's a small leak.)
# 3. **Padding** makes all reviews equally long. A review that is too long loses its beginning,
#    and one that is too short gets zeros in front. Keeping the end is a bet that people save
#    their verdict for last.
#
# Keras has all of this ready: the layer `TextVectorization` for the first two steps, and
# `keras.utils.pad_sequences` for the third.
#
# > **Predict.** "Not a good film at all. I have seen better acting at the zoo!" has 14 words, and a
# > row has 500 places. What will the last two numbers of the row be, those of *the* and *zoo*? And
# > at which end are the 486 places that are left?
# >
# > <details><summary>Think first, then open</summary>
# >
# > A 2 and a 1: *the* is the most frequent word, and *zoo* isn't among the frequent ones, so it
# > becomes a 1, like every other rare word. The network will never know where the acting was
# > better. The other places hold zeros, and they come first.
# > </details>

# %% tags=["measured"]
review = "Not a good film at all. I have seen better acting at the zoo!"
rows = [reviews.encode(review, vocabulary, length)]
if keras.config.backend() == "tensorflow":  # the layer needs TensorFlow
    vectorize = layers.TextVectorization(max_tokens=words, vocabulary=list(names[2:]))
    codes = as_array(vectorize([review]))
    rows.append(keras.utils.pad_sequences(codes, maxlen=length)[0])
assert all(np.array_equal(row, rows[0]) for row in rows)
print(rows[0][-16:])
print(*reviews.decode(rows[0], vocabulary))

# %% [markdown]
# The course's own `encode` and Keras give the same row. (They would disagree about *don't*, which
# the layer turns into *dont* and the course keeps as it is.)
#
# How much gets lost? Of the training reviews, 8.0 %<!-- imdb.train.cut_share --> have more than
# 500 words and lose their beginning. And 123<!-- imdb.texts_in_both_parts --> texts occur both in
# the training half and in the test half, so a model can memorize them. That flatters every test
# accuracy on these data a little, ours included, but they are too few to matter.

# %% [markdown]
# ## A filter of width two
#
# To the bag, *good film* and *great movie* are two pairs that have nothing to do with each
# other. Whatever it learns about the one, it doesn't know about the other. A convnet can do
# better, if words that mean similar things get similar numbers.
#
# So each word gets a short vector, its **embedding**. (In Keras, `Embedding` is a table with one
# row per code, from which it looks the rows up.) The vectors start at random and are trained like
# all other weights. A sentence is then a table with one row per word, and a filter of width 2
# covers two neighboring rows in their whole depth. It slides along one axis only, from the first
# word to the last. Compare the function with `convolve` in chapter 1: one loop has gone.


# %%
def output_size(size, window, stride=1):
    if window > size:
        raise ValueError(f"A window of {window} doesn't fit into {size} steps.")
    return (size - window) // stride + 1


def convolve(sequence, kernel, bias=0.0, stride=1):
    window, _, count = kernel.shape
    output = np.zeros((output_size(len(sequence), window, stride), count))
    for step in range(len(output)):
        patch = sequence[step * stride : step * stride + window]
        for k in range(count):
            output[step, k] = np.sum(patch * kernel[..., k])
    return output + bias


# %% [markdown]
# > **Predict.** A sentence of six words, vectors of four numbers, one filter of width 2. How
# > many weights does the filter have, and how many responses does it give?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Two times four weights and a bias make nine parameters. It gives five responses, because six
# > words have five pairs of neighbors. Four filters would give a table of five by four.
# > </details>

# %%
sentence = "not a good film at all".split()
random = np.random.default_rng(0)
vectors = random.normal(size=(len(sentence), 4)).astype("float32")
layer = layers.Conv1D(1, kernel_size=2)
from_keras = as_array(layer(vectors[None]))[0]
kernel = as_array(layer.kernel)
by_hand = convolve(vectors, kernel, as_array(layer.bias))
tolerance = 1e-5 if precision == "exact" else 0.1
np.testing.assert_allclose(by_hand, from_keras, atol=tolerance)
print(f"{len(by_hand)} responses, {layer.count_params()} parameters; Keras agrees")

# %% tags=["hide-input"]
from itertools import pairwise

record("imdb.filter_2x1_depth_4.parameters", layer.count_params(), "count")
neighbors = [f"{left} {right}" for left, right in pairwise(sentence)]
panels = (
    (vectors, "sentence: 6 words", sentence),
    (kernel[..., 0], "filter of width 2", ["first word", "second word"]),
    (by_hand, "responses", neighbors),
)

# %% tags=["hide-input"]
widths = (4, 4, 2)
figure, axes = plt.subplots(
    *(1, 3),
    figsize=(9, 3.2),
    width_ratios=widths,
    layout="constrained",
)
for axis, (panel, title, labels) in zip(axes, panels, strict=True):
    drawn = axis.imshow(panel, cmap="RdBu_r", vmin=-2.5, vmax=2.5)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_xticks(range(panel.shape[1]))
    axis.set(title=title, xlabel="depth", ylim=(5.5, -0.5))
    axis.grid(False)
figure.colorbar(drawn, ax=axes, label="value", shrink=0.7)
plots.show(
    figure,
    "Three colored tables: a sentence of six words with four numbers each, a filter of "
    "two rows and four columns, and a column of five responses, one per word pair.",
)

# %% [markdown]
# Read one response in the picture: lay the filter over the two rows that its label names, multiply
# field by field, add up all eight products, and add the bias (zero in a new layer). The weights are
# random, so the responses mean nothing yet. Their number follows the formula of chapter 1, for one
# axis: $\lfloor (W - F) / S \rfloor + 1$ responses. A filter that is longer than the sentence
# doesn't fit anywhere:

# %%
try:
    convolve(vectors, np.zeros((7, 4, 1)))
except ValueError as error:
    print(error)

# %% [markdown]
# A filter of width 2 is a detector of pairs, one of width 3 a detector of triples, and so on. The
# bag has a separate weight for every pair, or at least for every slot. Our toy filter has eight
# weights for all pairs together, and it answers to a pair that it never met if the vectors resemble
# those of pairs that it knows.

# %% [markdown]
# ## A convnet for text
#
# In 2014 Yoon Kim showed how little it takes to judge a sentence with this idea: embeddings,
# filters of three widths side by side, and of every filter only its *strongest* response in the
# whole text, which is **global max pooling**. A linear classifier reads those maxima. Nothing about
# this network is deep. It has been known as the **textCNN** ever since. (Kim's filters were 3, 4
# and 5 words wide. Ours are 2, 3 and 4, so that we can compare them with pairs.)


# %%
def make_textcnn():
    steps = min(read_words, length)
    inputs = keras.Input((steps,))
    vectors = layers.Embedding(words, vector, name="vectors")(inputs)
    kept_words = layers.Dropout(0.2, noise_shape=(None, steps, 1))(vectors)
    strongest = []
    for width in (2, 3, 4):
        name = f"width_{width}"
        windows = layers.Conv1D(filters, width, activation="relu", name=name)
        strongest.append(layers.GlobalMaxPooling1D()(windows(kept_words)))
    joined = layers.Dropout(0.5)(layers.Concatenate()(strongest))
    outputs = layers.Dense(1, activation="sigmoid", name="verdict")(joined)
    return keras.Model(inputs, outputs, name="textcnn")


# %% tags=["hide-input"]
BOX = {"boxstyle": "round,pad=0.5", "facecolor": "#cfe3f2", "edgecolor": "none"}
blocks = [(0, 1, f"{min(read_words, length)} words,\n{vector} numbers each")]
for height, width in ((2, 2), (1, 3), (0, 4)):
    blocks.append((1.5, height, f"{filters} filters\nof width {width}"))
    blocks.append((2.8, height, "the maximum\nof each"))
blocks.append((4.1, 1, f"{3 * filters} maxima"))
blocks.append((5.1, 1, "verdict"))

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(8.4, 3), layout="constrained")
for x, y, text in blocks:
    axis.text(x, y, text, ha="center", va="center", bbox=BOX)
links = [(4.5, 4.75, 1, 1)]
for y in (0, 1, 2):
    links += [(0.58, 1.05, 1, y), (1.95, 2.3, y, y), (3.35, 3.64, y, 1)]
for x, x_next, y, y_next in links:
    arrow = {"arrowstyle": "->", "color": "0.4"}
    axis.annotate("", (x_next, y_next), (x, y), arrowprops=arrow)
axis.set(xlim=(-0.6, 5.5), ylim=(-0.4, 2.4))
axis.set_axis_off()
plots.show(
    figure,
    "A diagram: word vectors feed filters of three widths side by side; the maximum of "
    "each filter goes to one verdict.",
)

# %% tags=["measured", "hide-input"]
text_net = make_textcnn()
record("imdb.textcnn.parameters", text_net.count_params(), "count")
record("imdb.textcnn.embedding", text_net.get_layer("vectors").count_params(), "count")

# %% [markdown]
# It has 508,033<!-- imdb.textcnn.parameters --> parameters, and
# 480,000<!-- imdb.textcnn.embedding --> of them are word vectors. That is a lot to learn from
# 20,000 reviews, so there are two dropouts. The second is the usual one. The first drops whole
# *words*: with `noise_shape=(None, steps, 1)` one coin is tossed per word, and all its numbers
# stay or go together. A network that can't rely on any single word has to use the others.
#
# The network reads the last 300 words of a review. Training is as in chapter 1, with two
# classes instead of ten: one output, a sigmoid, and *binary* cross-entropy.
#
# > **Predict.** The counter of words is right on 89.6 %<!-- imdb.bag_of_words.validation_accuracy
# > --> of the validation reviews, the counter of pairs on 90.5 %<!--
# > imdb.bag_of_pairs.validation_accuracy -->. Where will the textCNN land?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Below both, at 88.0 %<!-- imdb.textcnn.validation_accuracy -->. It could profit from similar
# > words, but first it has to find out, from 20,000 reviews, which words are similar. We come back
# > to this after the test.
# > </details>


# %%
def train(model, rows, labels, epochs, seed, **watch):
    steps = training.steps_in(len(rows), batch_size, epochs)
    model.compile(
        optimizer=keras.optimizers.Adam(training.one_cycle(peak, steps)),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    batches = training.batches(rows[:, -read_words:], labels, batch_size, seed=seed)
    return model.fit(batches, epochs=epochs, verbose=0, **watch)


watched = training.batches(val_rows[:, -read_words:], val_labels, 256)

# %% tags=["measured"]
training.start(seed)
judges["textCNN"] = make_textcnn()
history = train(
    judges["textCNN"],
    train_rows,
    train_labels,
    epochs,
    seed,
    validation_data=watched,
    callbacks=[training.Progress()],
).history

# %% tags=["measured", "hide-input"]
plots.show(
    plots.learning_curves({"textCNN": history}, f"The text convnet ({imdb.label})"),
    "Loss and accuracy of the text convnet over the epochs. The training curves go on "
    "improving while the validation curves level off.",
)
record("imdb.textcnn.validation_accuracy", history["val_accuracy"][-1], "fraction")
record("imdb.textcnn.training_accuracy", history["accuracy"][-1], "fraction")

# %% [markdown]
# In its last pass it judges 90.7 %<!-- imdb.textcnn.training_accuracy --> of the training reviews
# correctly, although dropout makes each of them harder, and
# 88.0 %<!-- imdb.textcnn.validation_accuracy --> of the validation reviews. It begins to know its
# training reviews better than reviews in general,<!-- imdb.textcnn.training_accuracy >
# imdb.textcnn.validation_accuracy + 0.01 --> and it hasn't caught up with the counter of
# words.<!-- imdb.textcnn.validation_accuracy < imdb.bag_of_words.validation_accuracy -->

# %% [markdown]
# ## A network that reads from left to right
#
# There is an older way to use order. A **recurrent network** reads word by word and keeps a memory,
# a vector that each word changes a little. After the last word the memory holds what the network
# made of the text. The **GRU** (gated recurrent unit) is a kind that learns what to keep and what
# to forget, a simpler relative of the better known LSTM. Like a convolution it uses the same
# weights at every position. Unlike a convolution it can't work on two positions at once, because
# each step needs the memory that the step before has left.


# %%
def make_recurrent():
    steps = min(read_words, length)
    return keras.Sequential(
        [
            keras.Input((steps,)),
            layers.Embedding(words, vector),
            layers.Dropout(0.2, noise_shape=(None, steps, 1)),
            layers.GRU(32),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="recurrent",
    )


# %% [markdown]
# Per word the filters of the textCNN multiply $(2 + 3 + 4) \cdot 48 \cdot 64$ times. The GRU
# computes three things, two gates and a proposal for the new memory, and each of them reads the
# word's vector and the old memory: $3 \cdot (48 + 32) \cdot 32$.

# %% tags=["measured"]
products = {
    "textCNN": (2 + 3 + 4) * vector * filters,
    "GRU": 3 * (vector + 32) * 32,
}
print(products, f"ratio {products['textCNN'] / products['GRU']:.1f}")

# %% tags=["measured", "hide-input"]
record("imdb.textcnn.products", products["textCNN"], "count")
record("imdb.recurrent.products", products["GRU"], "count")

# %% [markdown]
# > **Predict.** So the textCNN multiplies 3.6<!-- imdb.textcnn.products / imdb.recurrent.products
# > --> times as often as the GRU. Will one of its epochs also take that many times as long?
# >
# > <details><summary>Think first, then open</summary>
# >
# > No. A convolution computes all positions of all reviews at once, and processors are good at
# > that. The GRU goes through 300 small steps, one after another, and every step has to wait for
# > the one before. The more your processor can do at the same time, the more of it the GRU leaves
# > idle. In our run the GRU was even the slower of the two.
# > </details>
#
# We'll train the GRU together with the others, for the test below.

# %% [markdown]
# ## A published net, and what its last line lacks
#
# Textbooks like to show Conv1D on exactly these reviews. One well-known network stacks two
# convolutions with wide windows, and a course that retells it reports about `80 %` on validation
# reviews, better than a dense net. Here are the network and its opponent:


# %%
def make_published(activation="sigmoid", bias="zeros", name="published"):
    return keras.Sequential(
        [
            keras.Input((length,)),
            layers.Embedding(words, 128),
            layers.Conv1D(32, 7, activation="relu"),
            layers.MaxPooling1D(5),
            layers.Conv1D(32, 7, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(1, activation=activation, bias_initializer=bias),
        ],
        name=name,
    )


# %%
def make_dense(name="dense"):
    return keras.Sequential(
        [
            keras.Input((length,)),
            layers.Embedding(words, 16),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ],
        name=name,
    )


# %% tags=["measured"]
make_published().summary()
sizes = [output_size(length, 7)]
sizes.append(output_size(sizes[-1], 5, stride=5))
sizes.append(output_size(sizes[-1], 7))
print("by the formula:", *sizes)

# %% tags=["hide-input"]
record("imdb.published.parameters", make_published().count_params(), "count")

# %% [markdown]
# In print, the last line is `Dense(1)`, *without* the sigmoid, and the loss is binary
# cross-entropy. That is a mistake. Binary cross-entropy takes the logarithm of a *probability*,
# and a dense layer without an activation returns any number.
#
# What does Keras do with an output of $-0.3$ or $1.7$? It clips it into the range from 0 to 1, or
# rather to a ten-millionth short of both ends, so that the loss stays finite: at most
# $-\log(10^{-7})$, about `16`. Here is the loss of a positive review, for every possible output.

# %%
outputs = np.linspace(-3, 3, 241, dtype="float32")[:, None]
targets = np.ones_like(outputs)
cross_entropy = keras.losses.binary_crossentropy
clipped = as_array(cross_entropy(targets, outputs))
with_sigmoid = as_array(cross_entropy(targets, outputs, from_logits=True))
assert np.ptp(clipped[outputs[:, 0] < -0.01]) == 0  # flat

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
lines = axis.plot(outputs, np.stack([clipped, with_sigmoid], axis=-1))
for left, right in ((-3, 0), (1, 3)):
    axis.axvspan(left, right, color="0.92", zorder=0)
axis.text(-2.9, 13.8, "Dense(1) alone", color=lines[0].get_color())
axis.text(-2.9, 4.2, "with a sigmoid", color=lines[1].get_color())
axis.set(xlabel="output of Dense(1)", ylabel="loss of a positive review", xlim=(-3, 3))
axis.set_title("Flat outside 0 to 1")
plots.show(
    figure,
    "The loss with a sigmoid falls smoothly everywhere. The loss without one is a high "
    "plateau below 0, a steep fall between 0 and 1, and zero above 1.",
)

# %% [markdown]
# > **Predict.** Suppose that a new network happens to give every review an output below zero, the
# > positive ones as well as the negative ones. What will training do to it?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Nothing. For a positive review the loss is high, but its slope is zero, and gradient descent
# > follows slopes: as wrong as can be, the review has no vote. For a negative review the loss is
# > almost zero, and flat as well, because by accident the answer is right. So nobody has a vote.
# > </details>
#
# Let's bring the network into that state on purpose. We start its last bias at $-0.5$, so that
# all outputs are below zero, and train for one pass over 512 reviews. A negative bias is no
# obstacle for a healthy network: it is the first thing that training corrects.

# %% tags=["measured"]
for name, activation in (("no_sigmoid", None), ("sigmoid", "sigmoid")):
    training.start(seed)
    unlucky = make_published(activation, keras.initializers.Constant(-0.5))
    before = unlucky.get_weights()
    unlucky.compile("rmsprop", "binary_crossentropy")
    unlucky.fit(train_rows[:512], train_labels[:512], batch_size=64, verbose=0)
    pairs_of_weights = zip(before, unlucky.get_weights(), strict=True)
    moved = sum(np.sum(old != new) for old, new in pairs_of_weights)
    record(f"imdb.unlucky_start.{name}.weights_moved", moved, "count")
    print(f"{name}: {moved:,} of {unlucky.count_params():,} weights have moved")

# %% [markdown]
# Without the sigmoid, 0<!-- imdb.unlucky_start.no_sigmoid.weights_moved --> weights have moved: the
# network is dead, and it will stay so. With it, 950,622<!--
# imdb.unlucky_start.sigmoid.weights_moved --> have, and nearly all the others belong to words that
# don't occur in these 512 reviews.
#
# There are two cures: make a sigmoid the last activation, or tell the loss that it gets raw
# outputs, **logits**: `keras.losses.BinaryCrossentropy(from_logits=True)`. Mathematically they are
# the same; the second is a little safer with extreme outputs. But then the border between negative
# and positive lies at 0 and no longer at 0.5, for `predict` and for the metric `accuracy` alike,
# and again no error message reminds you.
#
# A real start can be luckier. The bias begins at zero, so the first outputs are tiny, and those
# that happen to lie above zero give some slope to follow. We trained three networks with the recipe
# of the source (RMSprop at a rate of `0.0001`, `10` epochs, a fifth of the reviews held out): the
# network as printed, the network with a sigmoid, and the dense net. That takes longer than this
# chapter should, so we read the curves of two kept runs. Of the second run we show only the network
# as printed: the same layers, the same recipe, other random numbers.

# %% tags=["hide-input", "ledger"]
shown = {"as_printed": "as printed", "corrected": "corrected", "dense": "dense net"}
curves = dict(kept.curves("imdb_published"))
trained = {label: curves[name] for name, label in shown.items()}
trained["as printed, again"] = dict(kept.curves("imdb_published_earlier"))["as_printed"]
title = "The published recipe (kept runs, real data)"
plots.show(
    plots.learning_curves(trained, title, ["accuracy"]),
    "Accuracy over ten epochs. The network as printed stays at one half from the first "
    "epoch to the last. In a second training it rises to more than eight tenths, as do "
    "the corrected network and the dense net.",
)

# %% [markdown]
# After ten epochs the network as printed judges 50.4 %<!--
# kept.imdb_published.imdb.published.as_printed.validation_accuracy --> of the validation reviews
# correctly: it calls all of them negative, which is no better than tossing a coin.<!--
# kept.imdb_published.imdb.published.as_printed.validation_accuracy < 0.52 --> Its curve is flat
# from the first epoch on, and its training loss never leaves the plateau: all its outputs lay below
# zero from the start, so nothing ever moved. What we did to a network on purpose has happened here
# by itself.
#
# And then the same network with the same recipe reaches 85.9 %<!--
# kept.imdb_published_earlier.imdb.published.as_printed.validation_accuracy --> in another training,
# which is more than the corrected network reaches in either: 84.8 %<!--
# kept.imdb_published.imdb.published.corrected.validation_accuracy --> and 83.5 %<!--
# kept.imdb_published_earlier.imdb.published.corrected.validation_accuracy -->.<!--
# kept.imdb_published_earlier.imdb.published.as_printed.validation_accuracy >
# max(kept.imdb_published.imdb.published.corrected.validation_accuracy,
# kept.imdb_published_earlier.imdb.published.corrected.validation_accuracy) --> A likely reason:
# between 0 and 1, the same step of the weights changes the probability at least four times as much
# without a sigmoid as with one, and with so small a learning rate that can even speed things up.
# Such a mistake probably survives in print because it worked for the author. Whether it works is a
# matter of luck, and a single training can't show you that.
#
# On the 25,000 test reviews the corrected network gets 84.4 %<!--
# kept.imdb_published.imdb.published.corrected.test_accuracy --> right and the dense net 84.4 %<!--
# kept.imdb_published.imdb.published.dense.test_accuracy -->; in the other run it was 83.2 %<!--
# kept.imdb_published_earlier.imdb.published.corrected.test_accuracy --> against 85.2 %<!--
# kept.imdb_published_earlier.imdb.published.dense.test_accuracy -->. "Better than a dense net"
# doesn't hold for it, with this recipe.<!--
# kept.imdb_published.imdb.published.corrected.test_accuracy <
# kept.imdb_published.imdb.published.dense.test_accuracy and
# kept.imdb_published_earlier.imdb.published.corrected.test_accuracy <
# kept.imdb_published_earlier.imdb.published.dense.test_accuracy --> (The lucky network as
# printed *was* ahead of the dense net of its run, on the validation reviews: 85.9 %<!--
# kept.imdb_published_earlier.imdb.published.as_printed.validation_accuracy --> against 85.4 %<!--
# kept.imdb_published_earlier.imdb.published.dense.validation_accuracy -->. But so small a lead, in
# one training of two, decides nothing.) The source also says that its network overfits after about
# six epochs. The corrected one doesn't: its validation loss is lowest in epoch 10<!--
# kept.imdb_published.imdb.published.corrected.best_epoch -->, the last, so it isn't done learning,
# and at this rate ten epochs are too few to judge it by. (The lucky one as printed has its lowest
# in epoch 9<!-- kept.imdb_published_earlier.imdb.published.as_printed.best_epoch -->.) Both the
# corrected network and the dense net stay behind our counter of words, which trains in a second or
# two.<!-- max(kept.imdb_published.imdb.published.corrected.test_accuracy,
# kept.imdb_published.imdb.published.dense.test_accuracy) < imdb.bag_of_words.test_accuracy --> (In
# the test the counter learns from 5,000 more reviews than they did. But on the validation reviews,
# where all learned from the same 20,000, it's ahead as well.<!--
# max(kept.imdb_published.imdb.published.corrected.validation_accuracy,
# kept.imdb_published.imdb.published.dense.validation_accuracy) <
# imdb.bag_of_words.validation_accuracy -->)

# %% [markdown]
# ## The test
#
# Now for the 25,000 test reviews. No decision has used them, and apart from the few texts that are
# in both halves none of our four judges has seen them. Every choice is made, so we may train on all
# 25,000 training reviews, including those that we held out. We train the textCNN three times, with
# three seeds, to see how much of its result is luck. The GRU gets the recipe of the textCNN. It
# takes even longer and is trained only once, so its figure alone can't say how lucky it was.
#
# > **Predict.** Words reached 89.6 %<!-- imdb.bag_of_words.validation_accuracy --> on the
# > validation reviews, pairs 90.5 %<!-- imdb.bag_of_pairs.validation_accuracy --> and the textCNN
# > 88.0 %<!-- imdb.textcnn.validation_accuracy -->. Who will win the test? And when we shuffle the
# > words of every test review, which of the four judges will lose accuracy?
# >
# > <details><summary>Think first, then open</summary>
# >
# > The counter of pairs should win: that is what validation reviews are for. If the test ranked the
# > judges differently, we would suspect luck, or that we had chosen too much on the validation
# > reviews. Shuffling costs the counter of words nothing, and the other three a point or more: all
# > of them had been using the order.
# > </details>

# %% tags=["measured"]
judges["words"].fit(all_rows, all_labels)
judges["pairs"].fit(all_rows, all_labels)
text_nets = []
for repeat in range(seeds):
    training.start(seed + repeat)
    text_nets.append(make_textcnn())
    progress = training.Progress()
    watch = {"callbacks": [progress]}
    train(text_nets[-1], all_rows, all_labels, epochs, seed + repeat, **watch)
judges["textCNN"] = text_nets[0]
seconds = {"textCNN": min(progress.seconds)}

# %% tags=["measured"]
training.start(seed)
judges["GRU"] = make_recurrent()
progress = training.Progress()
train(judges["GRU"], all_rows, all_labels, epochs, seed, callbacks=[progress])
seconds["GRU"] = min(progress.seconds)

# %% tags=["measured"]
test_rows, test_labels = np.array(imdb.test[0]), imdb.test[1]
test_shuffled = shuffle_words(test_rows, np.random.default_rng(seed))
right, right_shuffled = {}, {}
for name, judge in judges.items():
    right[name] = (positive(judge, test_rows) > 0.5) == test_labels
    right_shuffled[name] = (positive(judge, test_shuffled) > 0.5) == test_labels
net_right = [(positive(net, test_rows) > 0.5) == test_labels for net in text_nets]
net_accuracies = np.mean(net_right, axis=1)

# %% tags=["measured", "hide-input"]
slugs = {
    "words": "bag_of_words",
    "pairs": "bag_of_pairs",
    "textCNN": "textcnn",
    "GRU": "recurrent",
}
tested = {name: correct.mean() for name, correct in right.items()}
tested["textCNN"] = net_accuracies.mean()
for name, value in tested.items():
    record(f"imdb.{slugs[name]}.test_accuracy", value, "fraction")
    record(f"imdb.{slugs[name]}.shuffled", right_shuffled[name].mean(), "fraction")
record("imdb.textcnn.lowest", net_accuracies.min(), "fraction")
record("imdb.textcnn.highest", net_accuracies.max(), "fraction")
record("imdb.textcnn.first", net_accuracies[0], "fraction")
for name, value in seconds.items():
    record(f"imdb.{slugs[name]}.epoch_seconds", value, "seconds")

# %% tags=["measured", "hide-input"]
figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
for place, (name, correct) in enumerate(right.items()):
    values = net_accuracies if name == "textCNN" else [correct.mean()]
    axis.plot(values, [place] * len(values), "o", color=COLORS[name], alpha=0.7)
    axis.text(tested[name], place - 0.22, f"{tested[name]:.1%}", ha="center")
    lost = right_shuffled[name].mean()
    axis.plot(lost, place, "x", color=COLORS[name])
    axis.text(lost, place + 0.42, f"{lost:.1%}", ha="center", color="0.4")
axis.set_yticks(range(len(right)), right)
axis.set(xlabel="test accuracy")
axis.set_title(f"As written (dots) and shuffled (crosses), {imdb.label}")
axis.xaxis.set_major_formatter("{x:.0%}")
axis.margins(x=0.1, y=0.25)
axis.invert_yaxis()
plots.show(
    figure,
    "Test accuracy of four judges, a dot per training and a cross for shuffled words. "
    "The counter of words has both in one place; the other crosses lie well below. In "
    "order, the counter of pairs is clearly ahead.",
)

# %% [markdown]
# Two judges read the same reviews, so we compare them in pairs, with McNemar's test from
# chapter 1: of the reviews on which just one of the two is right, how many standard deviations
# is the split away from a coin toss?


# %%
def in_standard_deviations(first, second):
    only_first = np.sum(first & ~second)
    only_second = np.sum(second & ~first)
    return (only_first - only_second) / np.sqrt(only_first + only_second)


# %% tags=["measured", "hide-input"]
rows = []
for first, second in (("pairs", "words"), ("textCNN", "words"), ("GRU", "words")):
    ratio = in_standard_deviations(right[first], right[second])
    record(f"imdb.{slugs[first]}.against_words", ratio)
    rows.append((f"{first} against {second}", f"{ratio:+.1f}"))
for number, correct in enumerate(net_right):
    ratio = in_standard_deviations(right["pairs"], correct)
    record(f"imdb.bag_of_pairs.against_textcnn_{number}", ratio)
    rows.append((f"pairs against textCNN, seed {seed + number}", f"{ratio:+.1f}"))
ratio = in_standard_deviations(right["textCNN"], right["GRU"])
record("imdb.textcnn.against_recurrent", ratio)
rows.append(("textCNN against GRU", f"{ratio:+.1f}"))
tables.show_table(("who against whom", "standard deviations"), rows)

# %% [markdown]
# The counter of pairs wins, with 90.6 %<!-- imdb.bag_of_pairs.test_accuracy -->. The counter of
# words gets 88.9 %<!-- imdb.bag_of_words.test_accuracy -->, the GRU
# 88.7 %<!-- imdb.recurrent.test_accuracy -->, and the textCNN
# 88.3 %<!-- imdb.textcnn.test_accuracy --> on average, its three seeds between
# 88.3 %<!-- imdb.textcnn.lowest --> and 88.5 %<!-- imdb.textcnn.highest -->.
#
# **Order helps.** Pairs and words saw the same reviews, in the same kind of classifier, and pairs
# are 11.6<!-- imdb.bag_of_pairs.against_words --> standard deviations ahead.<!--
# imdb.bag_of_pairs.against_words > 4 --> (Chapter 2 asks for three trainings. These two classifiers
# have no random start, so three trainings would give the same answer three times.)
#
# **Every judge that can see order uses it.** Look at the crosses: the same reviews with their words
# shuffled. The counter of words doesn't notice. Pairs lose 2.6 points<!--
# imdb.bag_of_pairs.test_accuracy - imdb.bag_of_pairs.shuffled -->, the first textCNN 2.5 points<!--
# imdb.textcnn.first - imdb.textcnn.shuffled --> and the GRU 1.5 points<!--
# imdb.recurrent.test_accuracy - imdb.recurrent.shuffled -->.<!--
# min(imdb.bag_of_pairs.test_accuracy - imdb.bag_of_pairs.shuffled, imdb.textcnn.first -
# imdb.textcnn.shuffled, imdb.recurrent.test_accuracy - imdb.recurrent.shuffled) > 0.01 --> (In
# reviews of more than 300 words the shuffle also changes *which* words the networks read, so a
# little of their loss may not be about order.)
#
# **The convnet loses all the same.** Pairs beat every one of the three text convnets, by at least
# 10.9<!-- min(imdb.bag_of_pairs.against_textcnn_0, imdb.bag_of_pairs.against_textcnn_1,
# imdb.bag_of_pairs.against_textcnn_2) --> standard deviations.<!--
# min(imdb.bag_of_pairs.against_textcnn_0, imdb.bag_of_pairs.against_textcnn_1,
# imdb.bag_of_pairs.against_textcnn_2) > 4 --> All three are behind the counter of words, too,<!--
# imdb.textcnn.highest < imdb.bag_of_words.test_accuracy --> the first of them by 3.2<!--
# abs(imdb.textcnn.against_words) --> standard deviations,<!-- imdb.textcnn.against_words < -2 -->
# and the GRU is 1.5<!-- abs(imdb.recurrent.against_words) --> behind it. We compared only one
# training of each with the counter, so by our rule these are hints, and the GRU's isn't even
# that.<!-- imdb.recurrent.against_words > -2 --> (Over five<!--
# runs(imdb.recurrent.against_words) --> runs, each with networks of its own, both are behind every
# time, but by very different margins: the textCNN by 1.5<!--
# lowest(abs(imdb.textcnn.against_words)) --> to 3.7<!--
# highest(abs(imdb.textcnn.against_words)) --> standard deviations, the GRU by 0.8<!--
# lowest(abs(imdb.recurrent.against_words)) --> to 4.8<!--
# highest(abs(imdb.recurrent.against_words)) -->.<!-- max(highest(imdb.textcnn.against_words),
# highest(imdb.recurrent.against_words)) < 0 -->)
#
# Is it fair, though? The counters read up to 500 words of a review, and the networks only the last
# 300. Let's take the rest away from the counters, too.

# %% tags=["measured"]
cut_rows, cut_tests = all_rows[:, -read_words:], test_rows[:, -read_words:]
for name, count in (("words", count_words), ("pairs", count_words_and_pairs)):
    brief = make_bag(count, 3 if name == "words" else 10).fit(cut_rows, all_labels)
    brief_right = (positive(brief, cut_tests) > 0.5) == test_labels
    ratio = in_standard_deviations(brief_right, right["textCNN"])
    record(f"imdb.{slugs[name]}.brief.test_accuracy", brief_right.mean(), "fraction")
    record(f"imdb.{slugs[name]}.brief.against_textcnn", ratio)
    print(f"{name}, {read_words} words: {brief_right.mean():.1%}, {ratio:+.1f} apart")

# %% [markdown]
# With the same 300 words the counter of words gets 88.5 %<!--
# imdb.bag_of_words.brief.test_accuracy -->, and its lead over the first textCNN shrinks to 1.1<!--
# imdb.bag_of_words.brief.against_textcnn --> standard deviations. (Over five<!--
# runs(imdb.bag_of_words.brief.against_textcnn) --> runs, each with textCNNs of its own, it lies
# between −0.6<!-- lowest(imdb.bag_of_words.brief.against_textcnn) --> and 1.6<!--
# highest(imdb.bag_of_words.brief.against_textcnn) -->.) So a part of that small lead came from the
# words that the networks never saw, and the rest may be luck.<!-- imdb.bag_of_words.test_accuracy >
# imdb.bag_of_words.brief.test_accuracy and imdb.bag_of_words.brief.against_textcnn < 2 --> The
# counter of pairs stays 10.1<!-- imdb.bag_of_pairs.brief.against_textcnn --> standard deviations
# ahead.<!-- imdb.bag_of_pairs.brief.against_textcnn > 4 -->
#
# So there is more to it, and the crosses show that it isn't a blindness to order. One possible
# reason is the maximum. A filter reports only its strongest window, so the second and the tenth
# word of the same praise add nothing, while a counter adds up all evidence. (Kim's texts were
# mostly single sentences; our reviews are long.) We haven't tested that. Another likely reason is
# what each has to learn. The counter of pairs has even more weights, about a million, but each
# stands for itself: a handful of reviews with *must see* settle its weight. In the convnet nothing
# stands for itself. A filter can't mean anything before the words have useful vectors, 480,000<!--
# imdb.textcnn.embedding --> numbers in all, and the vectors become useful only through the filters.
# Kim's own best networks didn't start from nothing: their word vectors had been learned from a
# hundred billion words of news. And in 2018 Jeremy Howard and Sebastian Ruder reported about `95 %`
# on these reviews, with a network that had read Wikipedia first and was then fine-tuned. That
# network was recurrent. Since then the networks that read first are mostly **transformers** such as
# BERT, in which every word can look at every other one. You know that lesson from chapter 4: **the
# best way to make do with few examples is to have learned from many others.**
#
# **And the GRU?** On one processor core its epochs take 28 s<!-- imdb.recurrent.epoch_seconds -->
# each and the convnet's 24 s<!-- imdb.textcnn.epoch_seconds -->, although it multiplies far less
# often.<!-- imdb.recurrent.epoch_seconds > imdb.textcnn.epoch_seconds --> In accuracy the two are
# 1.9<!-- abs(imdb.textcnn.against_recurrent) --> standard deviations apart, which may well be
# luck.<!-- abs(imdb.textcnn.against_recurrent) < 2 --> People often say that on such texts
# convolutions are comparable to recurrent networks, and Shaojie Bai and others found in 2018 that
# on many kinds of sequences they do even better. Our GRU gives no reason to disagree, but one
# training is no more than a hint. (We ran the chapter five<!--
# runs(imdb.recurrent.test_accuracy) --> times, with other seeds each time. The GRU averages 88.5
# %<!-- average(imdb.recurrent.test_accuracy) -->, and the textCNN 88.3 %<!--
# average(imdb.textcnn.test_accuracy) -->.)

# %% [markdown]
# ## Good, not good
#
# So we have four judges, all right on about nine of ten reviews. But do they understand the same
# things? Let's give them sentences that differ in a word or two.
#
# > **Predict.** To the counter of words, what does *not* do to "good"? And to "bad"?
# >
# > <details><summary>Think first, then open</summary>
# >
# > It does the same to both. *Not* has one weight, and it is negative, because people who
# > dislike a film say *not* more often. So it pulls "not good" down, as it should, and it pulls
# > "not bad" down as well, where it should lift it.
# > </details>

# %%
phrases = ("good", "not good", "hardly good", "not good at all", "bad", "not bad")


def encode(texts):
    return np.stack([reviews.encode(text, vocabulary, length) for text in texts])


# %% tags=["measured"]
framed = encode([f"The film is {phrase}." for phrase in phrases])
table = np.stack([positive(judge, framed) for judge in judges.values()], axis=1)

# %% tags=["measured", "hide-input", "gallery"]
figure, axis = plt.subplots(figsize=(6.8, 3.4), layout="constrained")
drawn = axis.imshow(table, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
for (row, column), value in np.ndenumerate(table):
    color = "white" if abs(value - 0.5) > 0.3 else "black"
    axis.text(column, row, f"{value:.1%}", ha="center", va="center", color=color)
axis.set_yticks(range(len(phrases)), [f"The film is {phrase}." for phrase in phrases])
axis.set_xticks(range(len(judges)), judges)
axis.xaxis.tick_top()
figure.colorbar(drawn, label="probability of positive")
axis.set_title(f"Six sentences, four judges ({imdb.label})")
plots.show(
    figure,
    "Six sentences by four judges, the bluer the more positive. All call those with "
    "“bad” negative. Of those with “good”, words and the GRU call all positive, pairs "
    "call “not good” and “not good at all” negative; the textCNN's cells stay pale.",
)
for phrase, row in zip(phrases, table, strict=True):
    phrase_slug = phrase.replace(" ", "_")
    for name, value in zip(judges, row, strict=True):
        record(f"imdb.phrase.{phrase_slug}.{name.lower()}", value, "fraction")

# %% [markdown]
# Read the columns. For *words*, putting *not* before "bad" makes it sound still worse.<!--
# imdb.phrase.not_bad.words < imdb.phrase.bad.words --> And "not good" remains praise, at 78 %<!--
# imdb.phrase.not_good.words -->, because *good* outvotes *not*.<!-- imdb.phrase.not_good.words >
# 0.5 --> *Pairs* has a weight of its own for *not good*, and falls from 97 %<!--
# imdb.phrase.good.pairs --> to 16 %<!-- imdb.phrase.not_good.pairs -->.<!--
# imdb.phrase.not_good.pairs < 0.5 --> It lifts "not bad" above "bad",<!--
# imdb.phrase.not_bad.pairs > imdb.phrase.bad.pairs --> but only a little. *Hardly good* is probably
# too rare a pair to have taught it much: "hardly good" still counts as praise, at 61 %<!--
# imdb.phrase.hardly_good.pairs -->, while "not good at all" sinks to 4 %<!--
# imdb.phrase.not_good_at_all.pairs -->.
#
# The *textCNN* moves in the right direction both times, from 53 %<!-- imdb.phrase.good.textcnn -->
# down to 50 %<!-- imdb.phrase.not_good.textcnn --> and from 32 %<!-- imdb.phrase.bad.textcnn --> up
# to 42 %<!-- imdb.phrase.not_bad.textcnn -->.<!-- imdb.phrase.not_good.textcnn <
# imdb.phrase.good.textcnn and imdb.phrase.not_bad.textcnn > imdb.phrase.bad.textcnn --> It is
# timid, though, probably because its filters have learned to expect the maximum of some 300
# windows, and four words give them very little. The *GRU* lowers both, as *words* does.<!--
# imdb.phrase.not_good.gru < imdb.phrase.good.gru and imdb.phrase.not_bad.gru <
# imdb.phrase.bad.gru --> And *at all* behind "not good" leaves the textCNN cold, and in this run it
# even cheers the GRU up.<!-- abs(imdb.phrase.not_good_at_all.textcnn -
# imdb.phrase.not_good.textcnn) < 0.02 and imdb.phrase.not_good_at_all.gru >
# imdb.phrase.not_good.gru --> (In another run the GRU did hear it.<!--
# lowest(imdb.phrase.not_good_at_all.gru - imdb.phrase.not_good.gru) < 0 -->) The verdicts of the
# two counters do fall.<!-- imdb.phrase.not_good_at_all.words < imdb.phrase.not_good.words and
# imdb.phrase.not_good_at_all.pairs < imdb.phrase.not_good.pairs --> But here only *pairs* hears
# that it makes things worse: *at all* was among its most negative pairs. *Words* falls mostly
# because every row is scaled to length 1, so that two more words shrink what *good* adds.
#
# Are the judges wrong about "not bad"? Let's look at how people use it.

# %% tags=["measured", "hide-input"]
rows = []
for phrase in ("good", "not good", "bad", "not bad"):
    codes = [vocabulary[word] for word in phrase.split()]
    windows = np.lib.stride_tricks.sliding_window_view(all_rows, len(codes), axis=1)
    has = (windows == codes).all(axis=2).any(axis=1)
    share = all_labels[has].mean()
    record(f"imdb.contains.{phrase.replace(' ', '_')}.reviews", has.sum(), "count")
    record(f"imdb.contains.{phrase.replace(' ', '_')}.positive", share, "fraction")
    rows.append((phrase, f"{has.sum():,}", f"{share:.0%}"))
tables.show_table(("training reviews with", "how many", "of them positive"), rows)

# %% [markdown]
# Of the reviews that contain *not bad*, 40 %<!-- imdb.contains.not_bad.positive --> are positive.
# That is more than of those with *bad*, 25 %<!-- imdb.contains.bad.positive -->, and less than
# half:<!-- imdb.contains.not_bad.positive > imdb.contains.bad.positive and
# imdb.contains.not_bad.positive < 0.5 --> "not bad" seems to be faint praise, often on the way to a
# complaint. So a judge that leaves "not bad" below one half speaks the language of these reviewers,
# and not that of a logic book. But it should put "not bad" above "bad", and *words* and the GRU do
# the opposite.<!-- imdb.phrase.not_bad.words < imdb.phrase.bad.words and imdb.phrase.not_bad.gru <
# imdb.phrase.bad.gru --> And *good*? Only half of the reviews that contain it are positive, 50
# %<!-- imdb.contains.good.positive -->, because people also write of good actors in a bad film. It
# is praise all the same: a weight says what a word adds when all the *other* words of the review
# are counted, too. Look at the counts, as well. There are 125<!--
# imdb.contains.not_good.reviews --> reviews with *not good* among 25,000. *Pairs* has nothing else
# to learn this phrase from; the networks could borrow from similar phrases, such as *not great*.
#
# A harder examination: *twins*, two reviews made of the very same words, one positive and one
# negative. A judge solves a pair of twins if the positive one gets the higher probability.
#
# > **Predict.** How many of the twelve pairs will *words* solve? How many would a coin? And
# > *pairs*, which is right on nine of ten real reviews?
# >
# > <details><summary>Think first, then open</summary>
# >
# > *Words* solves none, because both twins are the same bag. A coin solves about six. *Pairs* does
# > no better than the coin: what decides is often further apart than two words.
# > </details>

# %%
TWINS = (
    "Not bad, it is good. / Not good, it is bad.",
    "They promised bad and gave great. / They promised great and gave bad.",
    "The acting is not awful, it is great. / The acting is not great, it is awful.",
    "It is funny and not boring at all. / It is boring and not funny at all.",
    "Not one of the worst, one of the best. / Not one of the best, one of the worst.",
    "Never predictable, always moving. / Never moving, always predictable.",
    "I hated the book but loved the film. / I loved the book but hated the film.",
    "The trailer is bad, the film is good. / The trailer is good, the film is bad.",
    "Far from dull, and just perfect. / Far from perfect, and just dull.",
    "Worth your time and not a waste. / A waste and not worth your time.",
    "It has no bad jokes, only great ones. / It has no great jokes, only bad ones.",
    "Boring at first, wonderful in the end. / Wonderful at first, boring in the end.",
)
twins = [text.split(" / ") for text in TWINS]
good_twins, bad_twins = (
    encode([good for good, _ in twins]),
    encode([bad for _, bad in twins]),
)

# %% tags=["measured"]
for name, judge in judges.items():
    gaps = positive(judge, good_twins) - positive(judge, bad_twins)
    solved = np.sum(gaps > 1e-6)
    record(f"imdb.twins.{name.lower()}", solved, "count")
    print(f"{name}: {solved} of {len(TWINS)}")

# %% [markdown]
# *Words* solves 0<!-- imdb.twins.words --> of them, necessarily: it gives both twins the same
# probability. For the others a coin toss would solve six of twelve, and up to nine would still be
# within two standard deviations of it. *Pairs* solves 5<!-- imdb.twins.pairs -->, the textCNN 4<!--
# imdb.twins.textcnn -->, the GRU 7<!-- imdb.twins.gru -->. In this run none of them is clearly
# better than the coin.<!-- max(imdb.twins.pairs, imdb.twins.textcnn, imdb.twins.gru) < 10 --> (The
# GRU's score hangs on its seed. We trained it once here; over five<!-- runs(imdb.twins.gru) -->
# runs of this chapter it solved between 5<!-- lowest(imdb.twins.gru) --> and 10<!--
# highest(imdb.twins.gru) -->, so don't conclude that it can't. The textCNN never got beyond
# four<!-- highest(imdb.twins.textcnn) -->. Probably its maxima say only *that* a "not" occurred,
# and little about what it belongs to.)
#
# That is worth a pause. *Pairs* judges nine of ten reviews correctly and does no better than a coin
# on sentences like these.<!-- imdb.bag_of_pairs.test_accuracy > 0.9 and imdb.twins.pairs < 10 -->
# An accuracy tells you how well a model does on data like those it was measured on. To find out
# what else it can do, you need questions made for that purpose.

# %% [markdown]
# ## Which words decided?
#
# A filter of the textCNN has one response per window, and global max pooling keeps the
# strongest. So we can ask two questions of each filter: *which* windows excite it most, and
# *where* in a review its maximum was.
#
# First the windows. We take the three filters that speak most strongly *for* a film and the three
# that speak most strongly *against* one, and look for their strongest responses in a thousand
# test reviews.

# %%
net = judges["textCNN"]
convolutions = [layer for layer in net.layers if layer.name.startswith("width_")]
outputs = [net.get_layer("vectors").output, *(layer.output for layer in convolutions)]
viewer = keras.Model(net.input, outputs)
verdict_weights, verdict_bias = (as_array(w) for w in net.get_layer("verdict").weights)
weight_of = np.split(verdict_weights[:, 0], len(convolutions))  # one array per width

# %% tags=["measured", "hide-input"]
sample_rows = test_rows[:1000, -read_words:]
_, *maps = viewer.predict(sample_rows, batch_size=250, verbose=0)
by_weight = np.argsort(verdict_weights[:, 0])
rows = []
for number in [*by_weight[-3:][::-1], *by_weight[:3]]:
    which, column = divmod(number, filters)
    width, responses = convolutions[which].kernel_size[0], maps[which][..., column]
    windows = []
    for place in np.argsort(-responses, axis=None):
        review, start = np.unravel_index(place, responses.shape)
        text = " ".join(names[sample_rows[review, start : start + width]])
        if text not in windows and "[" not in text:
            windows.append(text)
        if len(windows) == 4:
            break
    rows.append((width, f"{verdict_weights[number, 0]:+.2f}", "; ".join(windows)))
tables.show_table(("width", "weight in the verdict", "strongest windows"), rows)

# %% [markdown]
# Some filters have found phrases, such as *thoroughly enjoyed this film*. Others wait for one word
# in changing company: *absolutely wooden*, *very wooden*. And a filter isn't always what you would
# wish for. The one that answers to *pleasantly surprised* is excited by *vertigo* as well, after
# Hitchcock's famous film, even in *awful vertigo*.
#
# Now the *where*. Before the sigmoid the verdict is a sum, the **logit**: each filter adds its
# strongest response times one weight. That response is itself a sum over the words of the winning
# window, the vector of each word times its part of the kernel, plus a bias. The ReLU isn't in the
# way: it passes a positive response unchanged, and a filter without one adds nothing. So we can
# split the logit, *exactly*, into what each word added. There is no approximation in this; the
# parts and the biases must add up to it. (Exact doesn't mean that the verdict would change by just
# this much without the word: then another window might win the maximum. That is the difference
# between the shares and the occlusion of chapter 6. These shares are the gradient at each word's
# vector times the vector itself.) Padding counts as a word here: in a short text it adds its part,
# too, though you won't see it colored.


# %%
def word_parts(row):
    """What each word that the net reads adds to its logit, and what the biases add."""
    vectors, *maps = (as_array(output)[0] for output in viewer(row[None, -read_words:]))
    parts, biases = np.zeros(len(vectors)), float(verdict_bias[0])
    for layer, responses, weights in zip(convolutions, maps, weight_of, strict=True):
        kernel, bias = as_array(layer.kernel), as_array(layer.bias)
        start = responses.argmax(axis=0)  # of each filter's winning window
        weights = weights * (responses.max(axis=0) > 0)  # silent filters add nothing
        for k in range(len(kernel)):
            answers = np.sum(vectors[start + k] * kernel[k].T, axis=1)
            np.add.at(parts, start + k, answers * weights)
        biases += np.sum(bias * weights)
    return parts, biases


# %% tags=["measured"]
rounding = 1e-4 if precision == "exact" else 0.1
for row in test_rows[:5]:
    parts, biases = word_parts(row)
    logit = parts.sum() + biases
    probability = positive(net, row[None])[0]
    assert abs(1 / (1 + np.exp(-logit)) - probability) < rounding
print("In all five reviews the words add up to the verdict.")

# %% [markdown]
# The counter of pairs can be split in the same way, and more easily: its verdict is a sum over
# words and pairs to begin with. A pair gives half of its part to each of its two words.


# %%
def pair_parts(row):
    count, weigh, judge = (step for _, step in judges["pairs"].steps)
    added = weigh.transform(count.transform(row[None])).multiply(judge.coef_).tocsr()
    columns, places = [], []
    for place in np.flatnonzero(row > reviews.UNKNOWN):
        columns.append(int(row[place]))
        places.append([place])
        if place + 1 < len(row) and row[place + 1] > reviews.UNKNOWN:
            columns.append(words + int(slot_of(row[place], row[place + 1])))
            places.append([place, place + 1])
    parts = np.zeros(len(row))
    for column, where in zip(columns, places, strict=True):
        parts[where] += added[0, column] / columns.count(column) / len(where)
    return parts


# %% [markdown]
# Here are six sentences that turn a good word around. Blue with a solid line speaks for a
# positive verdict, orange with a dotted line against it, and the stronger the color, the more a
# word added. Each sentence appears twice, first as the counter of pairs sees it, then as the
# textCNN does.

# %% tags=["measured", "hide-input"]
NEGATED = (
    "The film is not good.",
    "This is not worth your time.",
    "I do not recommend this film.",
    "The jokes are not funny.",
    "The story never gets interesting.",
    "I did not enjoy it.",
)
lines, marked = [], {"pairs": 0, "textCNN": 0}
for text in NEGATED:
    row = encode([text])[0]
    [place] = np.flatnonzero(np.isin(names[row], ("not", "never")))
    for name, parts in (("pairs", pair_parts(row)), ("textCNN", word_parts(row)[0])):
        marked[name] += parts.argmin() == place - len(row) + len(parts)
        lines.append(f"<b>{name}</b>{reviews.highlight(text, parts)}")
display(HTML("\n".join(lines)))
for name, number in marked.items():
    record(f"imdb.negation.{name.lower()}", number, "count")

# %% [markdown]
# The negating word carries the strongest mark against the film in 5<!-- imdb.negation.pairs --> of
# the six sentences for *pairs*, and in 5<!-- imdb.negation.textcnn --> for the textCNN (over
# five<!-- runs(imdb.negation.textcnn) --> runs in 4<!-- lowest(imdb.negation.textcnn) --> to 6<!--
# highest(imdb.negation.textcnn) -->). In this run both miss *never*, and the textCNN even counts it
# in the film's favor. (In another it got all six right.<!-- highest(imdb.negation.textcnn) > 5 -->)
# In the textCNN the praise beside *not* stays blue, and *not* pulls the other way. In "The film is
# not good" all the blue words together nearly cancel it, which is why it stood at 50 %<!--
# imdb.phrase.not_good.textcnn -->. *Pairs* gives half of every pair to each of its words, so some
# of the orange spills over to the neighbors. (A colored word says what was added, not how sure the
# judge is: each review has its own scale.)
#
# Now two real test reviews, one positive and one negative, that the textCNN judged correctly and
# was sure of.

# %% tags=["measured"]
sizes = (test_rows[:1000] > reviews.PADDING).sum(axis=1)
probability = positive(net, test_rows[:1000])
for label in (1, 0):
    fitting = (test_labels[:1000] == label) & (sizes <= 110)
    sureness = np.where(fitting, np.abs(probability - 1 + label), 0)
    chosen = int(sureness.argmax())
    print(f"A {imdb.classes[label]} review, {probability[chosen]:.1%} positive:")
    text = reviews.text_of(imdb.extra, "test", chosen)
    display(HTML(reviews.highlight(text, word_parts(test_rows[chosen])[0])))

# %% [markdown]
# Compare the marks with the words that you would underline yourself. In the positive review they
# are *favorite*, *sensitive* and *masterpiece*. In the negative one the strongest is *unwatchable*,
# but the next is *MST3k*, a television show that makes fun of bad films, and only then comes
# *awful*: the network has learned in what company the name appears. And look at the last line,
# where the author rates the film zero out of ten: the network sees the *10* and counts it in the
# film's favor.
#
# Nothing teaches you more about a model than its worst mistakes. Of the thousand reviews, leaving
# out the long ones, here are the two that the textCNN got wrong with the greatest confidence. The
# stars are the author's own.

# %% tags=["measured"]
wrong_by = np.abs(test_labels[:1000] - probability)
wrong_by[sizes > 150] = 0
for chosen in np.argsort(-wrong_by)[:2]:
    stars = imdb.extra["test_stars"][chosen]
    print(f"{stars} of 10 stars, judged {probability[chosen]:.1%} positive:")
    text = reviews.text_of(imdb.extra, "test", int(chosen))
    display(HTML(reviews.highlight(text, word_parts(test_rows[chosen])[0])))

# %% [markdown]
# In the first, much of the praise is for a novel, and the film is what ruined it. But find the
# strongest mark: it is on *fashioned*, which praises nothing here. The second praises and complains
# by turns, and *explores*, which the network likes best, is what its author calls a fault. A judge
# that adds up words and short phrases can't keep track of *who* is praised, or of what outweighs
# what in the end. Other mistakes can have other reasons: a review may be ironic, or retell a sad
# story and love the film. And sometimes the stars don't fit the text; then it is the label that is
# wrong.

# %% [markdown]
# ## Now you write
#
# Here are three of the judges, with the weights that they learned above. They run in your
# browser while you type, and split each verdict as we just did. The buttons below a text name
# the words, pairs and windows that added most, and show you where they are.


# %% tags=["measured", "hide-input"]
def still_picture(text):
    [row], written = encode([text]), text.rstrip(".").split()
    of_words = np.pad(word_parts(row)[0], (len(row), 0))[-len(row) :]
    parts = np.stack([pair_parts(row), of_words])[:, -len(written) :]
    figure, axis = plt.subplots(figsize=(6.8, 1.7), layout="constrained")
    scale = np.abs(parts).max(axis=1, keepdims=True)
    axis.imshow(parts / scale, cmap="RdBu", vmin=-2, vmax=2, aspect="auto")
    for (place, column), value in np.ndenumerate(parts):
        number = f"{value:+.2f}".replace("-", "−")
        axis.text(column, place, number, ha="center", va="center")
    axis.set_yticks((0, 1), ("pairs", "textCNN"))
    axis.set_xticks(range(len(written)), written)
    axis.xaxis.tick_top()
    axis.grid(False)
    figure.suptitle("What each word adds to the verdicts of two judges")
    return figure


# %% tags=["measured", "hide-input"]
worst = reviews.text_of(imdb.extra, "test", int(wrong_by.argmax()))
examples = {
    "good": "The film is good.",
    "not good": "The film is not good.",
    "not bad at all": "The film is not bad at all.",
    "promised bad": "They promised bad and gave great.",
    "promised great": "They promised great and gave bad.",
    "the worst mistake": worst.replace("<br />", "\n"),
}
reader = live_reviews.review_reader(
    {name: judges[name] for name in ("words", "pairs", "textCNN")},
    vocabulary,
    examples,
    still_picture(examples["not bad at all"]),
    "What each word of 'The film is not bad at all' adds to the verdicts of pairs and "
    "of the textCNN, in numbers and colors. Where scripts run, you can type a review.",
    length=length,
    slots=SLOTS,
)

# %% [markdown]
# Some things to try:
#
# * Start from *good* and put *not* in front of it, then *really*, then *at all* behind it. Which
#   judge notices what? What does *words* add for *not*, whatever stands next to it?
# * Write "not bad at all", and then "not a bad film at all". The pair *not bad* is gone. Do
#   *pairs* and the textCNN still see it?
# * *Promised bad* and *promised great* are twins from above. Look for the words whose color
#   changes between the two.
# * Take the worst mistake, and delete words until the textCNN changes its mind. How few does it
#   take?
#
# To fit into a page, the weights are rounded, and *pairs* keeps only the slots that matter most;
# any other pair adds nothing. Does that change the answers? We ask both, the judges and their
# light copies, about all test reviews, and about the six sentences with *good* and *bad*.

# %% tags=["measured"]
kept_pairs = np.count_nonzero(reader["pairs"][-1].coef_[0, words:])
record("imdb.reader.pairs", kept_pairs, "count")
for name, copied in reader.items():
    same = np.mean(((positive(copied, test_rows) > 0.5) == test_labels) == right[name])
    gap = np.abs(positive(copied, framed) - positive(judges[name], framed)).max()
    record(f"imdb.reader.{slugs[name]}.same_answers", same, "fraction")
    record(f"imdb.reader.{slugs[name]}.largest_gap", gap, "fraction")

# %% [markdown]
# Of a million slots, 18,132<!-- imdb.reader.pairs --> are left. The copies of *words*, *pairs*
# and the textCNN give the same answer as the originals to
# 99.96 %<!-- imdb.reader.bag_of_words.same_answers -->,
# 99.0 %<!-- imdb.reader.bag_of_pairs.same_answers --> and
# 99.8 %<!-- imdb.reader.textcnn.same_answers --> of the test reviews. On our six sentences no
# probability moves by more than
# 1.6 points<!-- max(imdb.reader.bag_of_words.largest_gap, imdb.reader.bag_of_pairs.largest_gap,
# imdb.reader.textcnn.largest_gap) -->.<!-- max(imdb.reader.bag_of_words.largest_gap,
# imdb.reader.bag_of_pairs.largest_gap, imdb.reader.textcnn.largest_gap) < 0.03 -->

# %% [markdown]
# ## One, two and three dimensions
#
# Text has one axis along which a filter can slide, an image has two, and a film has three. Sound
# is a line like text, and a medical scan is a block like a film. The operation is the same each
# time; only the window gains an axis. Here is one layer of each kind, with windows of 3 along
# every axis, checked against our formulas.

# %%
examples = {
    "text: 500 words, vectors of 128": ((500, 128), layers.Conv1D(32, 3)),
    "image: 32x32 pixels, 3 colors": ((32, 32, 3), layers.Conv2D(32, 3)),
    "film: 16 frames of 32x32, 3 colors": ((16, 32, 32, 3), layers.Conv3D(32, 3)),
}
for name, (shape, layer) in examples.items():
    *axes, depth = shape
    output = layer(keras.Input(shape)).shape[1:]
    parameters = (3 ** len(axes) * depth + 1) * 32
    assert output == (*(output_size(size, 3) for size in axes), 32)
    assert layer.count_params() == parameters
    print(f"{name:35} -> {output!s:20} {parameters:>7,} parameters")

# %% [markdown]
# What does the third axis give us? We draw tiny films, in which a bright square moves to the
# left or to the right over a noisy background. What leaves on one side comes in on the other, so
# every place is equally likely in both kinds of film.


# %%
def draw_films(number, random, frames=8, size=16):
    """Films (number, frames, size, size, 1) and labels: 1 moves right, 0 moves left."""
    labels = random.integers(0, 2, number)
    clips = random.uniform(0, 0.5, (number, frames, size, size, 1)).astype("float32")
    tops = random.integers(0, size - 3, number)
    starts = random.integers(0, size, number)
    for clip, label, top, start in zip(clips, labels, tops, starts, strict=True):
        for frame in range(frames):
            left = start + (frame if label else -frame)
            clip[frame, top : top + 3, np.arange(left, left + 3) % size] = 1
    return clips, labels


# %%
random = np.random.default_rng(seed)
clips, directions = draw_films(600, random)
test_clips, test_directions = draw_films(400, random)
shown = [int(np.argmax(directions == label)) for label in (1, 0)]
films.show(
    clips[shown],
    "Two short films side by side. In the left one a white square moves to the right "
    "over gray noise, in the right one to the left.",
)

# %% [markdown]
# > **Predict.** One network gets whole films, and convolves over time as well as space. Another
# > gets the middle frame of each film. How often will each tell the direction?
# >
# > <details><summary>Think first, then open</summary>
# >
# > The first can be right every time. The second guesses: a single frame holds no direction, and
# > no training can find one in it.
# > </details>


# %%
def direction_net(shape, convolution, pooling):
    net = keras.Sequential(
        [
            keras.Input(shape),
            convolution(8, 3, activation="relu"),
            pooling(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.02)
    net.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return net


# %% tags=["measured"]
training.start(seed)
film_net = direction_net(clips.shape[1:], layers.Conv3D, layers.GlobalMaxPooling3D)
frame_net = direction_net(clips.shape[2:], layers.Conv2D, layers.GlobalMaxPooling2D)
middle = clips[:, 4], test_clips[:, 4]
for name, net, (seen, new) in (
    ("conv3d", film_net, (clips, test_clips)),
    ("conv2d", frame_net, middle),
):
    batches = training.batches(seen, directions, 32, seed=seed)
    net.fit(batches, epochs=15, callbacks=[training.Progress()], verbose=0)
    _, correct = net.evaluate(new, test_directions, verbose=0)
    record(f"video.{name}.test_accuracy", correct, "fraction")

# %% [markdown]
# On new films Conv3D is right in 100 %<!-- video.conv3d.test_accuracy --> of all cases. Conv2D on
# single frames is right in 54 %<!-- video.conv2d.test_accuracy -->, which is no better than
# guessing.<!-- abs(video.conv2d.test_accuracy - 0.5) < 0.08 --> (It can be a little above one half
# without any skill: slightly more of the drawn films move to the right, so always saying *right*
# pays.) A filter that spans three frames can answer to a *change*, just as a filter that spans
# three words can answer to a phrase.

# %% [markdown]
# ## What to remember
#
# * Text becomes numbers in three steps: **tokenization**, a **vocabulary** from the training
#   texts alone, and padding to one length.
# * A **bag of words** ignores order and still judges nearly nine of ten reviews correctly. A bag of
#   pairs is a **baseline** that a network has to beat, and with 25,000 reviews neither of ours
#   did.<!-- imdb.bag_of_pairs.test_accuracy > max(imdb.textcnn.highest,
#   imdb.recurrent.test_accuracy) -->
# * A filter of width $n$ slides along one axis, covers the whole depth of the embedding, and is a
#   detector of **n-grams** that can generalize to phrases it has never met. Its output has
#   $\lfloor (W - F) / S \rfloor + 1$ positions.
# * Binary cross-entropy wants probabilities: a sigmoid at the end, or `from_logits=True`.
# * Global max pooling and a linear verdict can be taken apart exactly, word by word.
# * Shuffle the words and measure again: that tells you whether a model uses their order. Test
#   sentences made for the purpose tell you what it understands.
# * Convolutions in one, two and three dimensions are one operation.

# %% [markdown]
# ## What others report
#
# This chapter retells what others teach about convolution on text. Here are their figures beside
# ours, and a mistake that we found in print beside the value that this notebook computed.

# %% tags=["measured", "hide-input", "ledger"]
claims_table("07", profile)

# %% tags=["hide-input", "ledger"]
mistakes_table("07")

# %% [markdown]
# With `published = True`, or the profile `full`, the next cell trains the three networks of the
# section on the published net for ten epochs each, with the recipe of the source.


# %% tags=["hide-input"]
def train_as_published(model, name):
    rate = keras.optimizers.RMSprop(0.0001)
    model.compile(rate, "binary_crossentropy", metrics=["accuracy"])
    batches = training.batches(train_rows, train_labels, 128, seed=seed)
    watch = resumable.Kept(f"imdb-{name}", seed=seed, data=imdb.sha256)
    model.fit(
        batches,
        initial_epoch=watch.restore(model, batches),
        epochs=10,
        validation_data=training.batches(val_rows, val_labels, 256),
        callbacks=[watch],
        verbose=0,
    )
    return watch.curves


# %% tags=["measured", "hide-input"]
recipes = {
    "as_printed": lambda: make_published(None, name="as_printed"),
    "corrected": lambda: make_published("sigmoid", name="corrected"),
    "dense": make_dense,
}
for name, make in recipes.items() if published else ():
    training.start(seed)
    model = make()
    history = train_as_published(model, name)
    slug = f"imdb.published.{name}"
    tested = training.batches(test_rows, test_labels, 256)
    scores = model.evaluate(tested, verbose=0, return_dict=True)
    record(f"{slug}.test_accuracy", scores["accuracy"], "fraction")
    record(f"{slug}.validation_accuracy", history["val_accuracy"][-1], "fraction")
    best = max(history["val_accuracy"])
    record(f"{slug}.best_validation_accuracy", best, "fraction")
    record(f"{slug}.best_epoch", int(np.argmin(history["val_loss"])) + 1, "count")

# %% [markdown]
# ## Exercises
#
# The questions are in [a notebook of their own](exercises/07_conv1d_imdb.ipynb), where a check
# tells you whether your answer is right and, often, what went wrong. The book has the solutions.
#
# 1. *Four and a half outputs.* Sizes along a line, and what one response of the published net
#    sees. (one star)
# 2. *Count the text convnet.* Parameters of embeddings and filters. (one star)
# 3. *How crowded are the slots?* Pairs, and the columns they are hashed into. (one star)
# 4. *A filter for negation.* Choose the weights of a filter that tells "not good" from "good"
#    and from "not bad". (two stars)
# 5. *No slope, no vote.* Gradients with and without the sigmoid. (two stars)
# 6. *Split a verdict.* Write the exact attribution for a single filter. (three stars)
# 7. *Where order is everything.* Words, pairs and a convnet on texts full of negations. (three
#    stars)
#
# ## Where this leads
#
# This chapter's networks were shallow, and a simple rival beat them. **Chapter 8** goes the other
# way: very deep networks for images, built up one idea at a time, and each idea has to show what
# it buys.

# %% [markdown]
# ## References
#
# * Y. Kim, [Convolutional neural networks for sentence
#   classification](https://arxiv.org/abs/1408.5882), 2014. The textCNN.
# * A. Maas and others, [Learning word vectors for sentiment
#   analysis](https://aclanthology.org/P11-1015/), 2011. The reviews of this chapter.
# * S. Wang and C. Manning, [Baselines and bigrams: simple, good sentiment and topic
#   classification](https://aclanthology.org/P12-2018/), 2012. How far counting pairs goes.
# * K. Weinberger and others, [Feature hashing for large scale multitask
#   learning](https://arxiv.org/abs/0902.2206), 2009. Why sharing slots does so little harm.
# * K. Cho and others, [Learning phrase representations using RNN
#   encoder-decoder](https://arxiv.org/abs/1406.1078), 2014. The GRU.
# * S. Bai, J. Z. Kolter and V. Koltun, [An empirical evaluation of generic convolutional and
#   recurrent networks for sequence modeling](https://arxiv.org/abs/1803.01271), 2018.
# * J. Howard and S. Ruder, [Universal language model fine-tuning for text
#   classification](https://arxiv.org/abs/1801.06146), 2018. What reading first buys on these
#   very reviews.
# * A. Vaswani and others, [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017, and
#   J. Devlin and others, [BERT](https://arxiv.org/abs/1810.04805), 2018. Transformers.
# * A. Zhang, Z. Lipton, M. Li and A. Smola, [Dive into Deep
#   Learning](https://d2l.ai/chapter_natural-language-processing-applications/sentiment-analysis-cnn.html),
#   whose chapter on sentiment analysis builds a textCNN.
# * F. Chollet, *Deep Learning with Python*, 2017, whose net with two wide convolutions Subir
#   Varma, "Convolutional Neural Networks" (book chapter), retells; Georges Sakr, "Deep Learning
#   with ConvNets" (lecture slides), on one, two and three dimensions.
