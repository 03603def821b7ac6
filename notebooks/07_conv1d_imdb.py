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
# A convolution needs neighbours, not pictures.
# The words of a sentence have neighbours too: the one before and the one behind.
# This chapter slides filters along text and lets them judge film reviews.
#
# After this chapter you can
#
# * turn text into numbers, and say what is lost on the way;
# * compute a one-dimensional convolution by hand, with its output size;
# * build a Conv1D net, and find and mend a mistake in a published one;
# * judge it against simple baselines, and say so when a baseline wins;
# * show which words decided, and let the net read a review of your own;
# * use the same idea in one, two and three dimensions.

# %% [markdown]
# We begin with the imports.
# The module `reviews` turns text into rows of word codes.

# %%
from itertools import pairwise
import json
import warnings

from helpers import arithmetic, datasets, plots, reviews, training
from helpers.backend import as_array
from helpers.places import ROOT
from helpers.records import claims_table, mistakes_table, record
from IPython.display import HTML, display
import keras
from keras import layers, ops
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# The next cell holds everything that can be changed without touching the code.
# The comment behind each parameter says which values make sense.
#
# The textbook trains its net with a learning rate of 1e-4 for ten epochs.
# The values below use a rate ten times as high and stop earlier: the same net, trained faster.
# The profile `full` runs the textbook's own recipe.

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: built-in data, real data in minutes, the textbook
seed: int = 0  # 0 to 1000000: seed of the weights, the shuffling and the drawn clips
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
words: int = 10000  # 100 to 60000: size of the vocabulary, with the codes for padding and unknown
length: int = 500  # 60 to 2000: words that are kept of a review
validation: int = 5000  # 100 to 20000: training reviews held out to watch the training
batch_size: int = 128  # 8 to 1024: reviews a step
bag_epochs: int = 6  # 1 to 100: passes over the training reviews for the bag of words
broken_epochs: int = 1  # 1 to 20: passes for the net without a sigmoid
published_epochs: int = 6  # 1 to 100: passes for the textbook's net and for the dense net
published_rate: float = 0.001  # 0.00001 to 0.1: learning rate of these two
embedding: int = 32  # 4 to 256: numbers a word in the improved net
filters: int = 128  # 8 to 512: filters of the improved net
improved_epochs: int = 4  # 1 to 100: passes for the improved net
improved_batch: int = 64  # 8 to 1024: reviews a step for the improved net
improved_rate: float = 0.005  # 0.00001 to 0.1: highest learning rate of the improved net

# %% [markdown]
# ## Text becomes numbers
#
# We load reviews from the Internet Movie Database.
# Each one is labelled: positive if its author gave at least seven stars of ten, negative if at most
# four.
# The vocabulary was learned from the training reviews alone.
# A vocabulary that had seen the test would be a leak.

# %% tags=["measured"]
training.start(seed, precision)
rounding = 1e-4 if precision == "exact" else 0.1  # largest difference that it may make
imdb = datasets.load("imdb", profile, words=words, length=length)
(all_rows, all_labels), (test_rows, test_labels) = imdb.train, imdb.test
vocabulary = reviews.vocabulary_of(imdb.extra)
for part in ("train", "test"):
    for kind in ("negative", "positive"):
        record(f"imdb.{part}.{kind}", imdb.report[part][kind], "count")
record("imdb.left_out", imdb.report["left_out_count"], "count")
record("imdb.texts_in_both_parts", imdb.report["texts_in_both_parts"], "count")

# %% [markdown]
# The last record is worth a thought.
# Some texts stand in the training part and in the test part.
# A model can learn them by heart, and the test then flatters it a little.
# They are few, every published figure includes them, and so do ours.
#
# What does one review look like, and what does the network get?
# We show a short one, and its words as codes.
# Code 0 is padding, code 1 stands for any word outside the vocabulary, and small codes are frequent
# words.

# %% tags=["measured"]
counts = (np.array(test_rows[:500]) > 0).sum(axis=1)
short = int(np.argsort(counts)[60])
display(HTML(reviews.highlight(reviews.text_of(imdb.extra, "test", short), np.zeros(length))))
row = test_rows[short]
words_read = reviews.decode(row, vocabulary)
codes = row[row > reviews.PADDING]
print("The row ends in:", *(f"{word}={code}" for word, code in zip(words_read, codes, strict=True)))

# %% [markdown]
# Capital letters and punctuation are gone, and so are rare words.
# The word order is still there, and that is what a convolution can use.
#
# Reviews differ in length, but a batch is a rectangle.
# So each review is cut to its last words, or padded with zeros in front.
# The end is kept, because that is where the verdict tends to stand.
# The picture shows how many reviews are cut: those in the last bar fill the whole row.

# %% tags=["measured"]
counts = (np.array(all_rows) > 0).sum(axis=1)
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.hist(counts, bins=50, color="C0")
axis.set(xlabel=f"words in the row (at most {length})", ylabel="training reviews")
axis.set_title(f"How long reviews are ({imdb.label})")
plots.show(figure, "A histogram of the number of words in a row, of all training reviews.")
record("imdb.train.cut_share", imdb.report["train"]["cut"] / len(all_rows), "fraction")

# %% [markdown]
# We hold out some training reviews to watch the training.
# The test reviews are touched only to measure finished models.

# %% tags=["measured"]
train_rows, train_labels = np.array(all_rows[:-validation]), all_labels[:-validation]
watched = np.array(all_rows[-validation:]), all_labels[-validation:]
assert len(train_rows) > 0, "the parameter validation must leave reviews to train on"
assert 0.4 < train_labels.mean() < 0.6, "both labels must be in the training part"


# %% [markdown]
# ## Convolution in one dimension
#
# Each word becomes a short vector, its **embedding**.
# A sentence is then a table with one row a word, and one column a number of the embedding.
# A filter of width 2 reads two neighbouring rows with all their columns at once.
# It moves along one axis only, from the first word to the last.
#
# The function below is the convolution of chapter 1 with one loop less.
# Its `output_size` is the same formula, and it refuses a filter that is longer than the sequence.


# %%
def convolve(sequence, kernel, bias, stride=1):
    """Sequence (steps, depth) and kernel (window, depth, filters) to responses (out, filters)."""
    window, _, depth = kernel.shape
    steps = arithmetic.output_size(len(sequence), window, stride)
    output = np.zeros((steps, depth), np.float32)
    for step in range(steps):
        patch = sequence[step * stride : step * stride + window]
        output[step] = np.tensordot(patch, kernel, axes=2) + bias
    return output


# %% [markdown]
# One source draws a filter of width 2 over words of depth 4.
# It has two times four weights and a bias.
# We run ours over a sentence of six words and compare with Keras.
# Expect five responses: there are five pairs of neighbours.

# %%
random = np.random.default_rng(0)
sentence = "not a good film at all".split()
vectors = random.normal(size=(6, 4)).astype(np.float32)
layer = layers.Conv1D(1, 2)
layer.build((None, 6, 4))
kernel, bias = layer.get_weights()
by_hand = convolve(vectors, kernel, bias)
assert np.abs(by_hand - as_array(layer(vectors[None]))[0]).max() < rounding
assert layer.count_params() == arithmetic.convolution_parameters((2,), 4, 1)
record("imdb.filter_2x1_depth_4.parameters", layer.count_params(), "count")
print("responses:", len(by_hand))

# %%
limit = 2.5
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), width_ratios=(4, 4, 2), layout="constrained")
pairs = [f"{first} {second}" for first, second in pairwise(sentence)]
panels = [
    (vectors, "sentence: 6 words", sentence),
    (kernel[..., 0], "filter of width 2", ["first word", "second word"]),
]
panels.append((by_hand, "responses", pairs))
for axis, (panel, title, names) in zip(axes, panels, strict=True):
    shown = axis.imshow(panel, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axis.set_yticks(range(len(names)), names)
    axis.set_xticks(range(panel.shape[1]))
    axis.set(xlabel="depth", ylim=(5.5, -0.5), frame_on=False)
    axis.set_title(title, fontsize=10)
figure.colorbar(shown, ax=axes, label="value", shrink=0.7)
figure.suptitle("A filter slides along a sentence")
plots.show(
    figure,
    "Three coloured tables: a sentence of six words with four numbers each, a filter of two rows "
    "and four columns, and a column of five responses, one for each pair of neighbouring words.",
)

# %% [markdown]
# What if the filter is longer than the sentence?
# There is no position at which it fits, and the formula says so.

# %%
try:
    convolve(vectors, np.zeros((7, 4, 1)), 0)
except ValueError as error:
    print(error)

# %% [markdown]
# One source works the formula out for a sequence of ten steps and a filter of width three.
# It prints 4.5 outputs for stride 2 and five for stride 1.
# There is no half output, and stride 1 leaves more.

# %%
for stride in (1, 2):
    print(f"10 steps, width 3, stride {stride}:", arithmetic.output_size(10, 3, stride))

# %% [markdown]
# ## Two simple baselines
#
# Before the convolution, we ask how far one gets without it.
# A result means nothing without something simple beside it.
#
# The **bag of words** gives every word one number, its vote.
# It averages the votes of all words and decides by the average.
# Word order plays no part: "not a good film" and "a good film, not" are the same to it.
# In Keras this is an embedding of size one.


# %%
def accuracy_of(model, name):
    """Record the accuracy on the test reviews; return it."""
    value = training.evaluate(model, np.array(test_rows), test_labels)["accuracy"]
    record(f"imdb.{name}.test_accuracy", value, "fraction")
    return value


def bag_of_words():
    return keras.Sequential(
        [
            keras.Input((length,)),
            layers.Embedding(words, 1, mask_zero=True, name="votes"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


# %% tags=["measured"]
bag = bag_of_words()
bag.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
histories = {}
histories["bag of words"] = training.fit(
    bag,
    train_rows,
    train_labels,
    epochs=bag_epochs,
    batch_size=batch_size,
    validation=watched,
    seed=seed,
)
accuracies = {"bag of words": accuracy_of(bag, "bag_of_words")}

# %% [markdown]
# The votes can be read.
# We show the words with the strongest ones.
# Votes of rare words are mostly luck, so we look at the two thousand most frequent words only.

# %% tags=["measured"]
names = np.array(list(vocabulary))[2:2000]
votes = bag.get_layer("votes").get_weights()[0][2 : 2 + len(names), 0]
votes = votes * np.sign(bag.layers[-1].get_weights()[0][0, 0])
order = np.argsort(votes)
chosen = np.concatenate([order[:12], order[-12:]])
figure, axis = plt.subplots(figsize=(6.5, 5), layout="constrained")
colors = np.where(votes[chosen] > 0, "C0", "C1")
axis.barh(names[chosen], votes[chosen], color=colors)
axis.axvline(0, color="0.4", linewidth=0.8)
axis.set(xlabel="vote (above zero: positive)", title=f"The strongest votes ({imdb.label})")
plots.show(
    figure,
    "Bars for the twelve words with the strongest negative votes and the twelve with the strongest "
    "positive votes.",
)

# %% [markdown]
# If there are numbers among the words, think of what they are.
# Some authors write their stars into the text, and the label was made from the stars.
# No rule was broken, but the bag of words has read the answer.
#
# The second baseline is a **dense net**.
# It sees the words in their order: the embeddings of all positions are put into one long row.
# But it has a separate weight for every position.
# What it learns about "boring" as the tenth word from the end, it does not know for the eleventh.


# %%
def dense_net():
    return keras.Sequential(
        [
            keras.Input((length,)),
            layers.Embedding(words, 16),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


# %% [markdown]
# We train it with the textbook's optimizer, loss and batches, so that it can be compared with the
# textbook's convolution.


# %%
def train_as_published(model, epochs):
    """The textbook's optimizer, loss and batches."""
    optimizer = keras.optimizers.RMSprop(published_rate)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return training.fit(
        model,
        train_rows,
        train_labels,
        epochs=epochs,
        batch_size=batch_size,
        validation=watched,
        seed=seed,
    )


# %% tags=["measured"]
training.start(seed)
dense = dense_net()
histories["dense"] = train_as_published(dense, published_epochs)
accuracies["dense"] = accuracy_of(dense, "dense")

# %% [markdown]
# ## The textbook's net, as printed
#
# Now the convolution.
# The net embeds each word in 128 numbers and slides 32 filters of width 7 along the text.
# Pooling keeps the best of five neighbours, a second convolution follows, and global max pooling
# keeps the strongest response of each filter, wherever it was.
#
# First the sizes, by the formula, for 500 words.
# The function also stops us early if we choose a `length` that is too short for these filters.


# %%
def published_sizes(steps):
    sizes = [arithmetic.output_size(steps, 7)]
    sizes.append(arithmetic.output_size(sizes[-1], 5, 5))
    sizes.append(arithmetic.output_size(sizes[-1], 7))
    return sizes


print("500 words, then", *published_sizes(500))
print("words that one response of the last layer sees:", end=" ")
print(arithmetic.receptive_field([(7, 1), (5, 5), (7, 1)]))


# %%
def published_net(last):
    """The textbook's net; `last` is its last layer."""
    stack = [
        keras.Input((length,)),
        layers.Embedding(words, 128),
        layers.Conv1D(32, 7, activation="relu"),
        layers.MaxPooling1D(5),
        layers.Conv1D(32, 7, activation="relu"),
        layers.GlobalMaxPooling1D(),
    ]
    return keras.Sequential([*stack, last])


# %% tags=["measured"]
training.start(seed)
expected = published_sizes(length)
broken = published_net(layers.Dense(1))
assert [broken.layers[number].output.shape[1] for number in (1, 2, 3)] == expected
record("imdb.published.parameters", broken.count_params(), "count")
histories["no sigmoid"] = train_as_published(broken, broken_epochs)

# %% [markdown]
# The textbook's code ends in `Dense(1)` and trains with binary cross-entropy.
# This is a mistake.
# Binary cross-entropy takes the logarithm of a *probability*, and a dense layer without activation
# returns any number.
#
# What does Keras do with -0.3 or 1.7?
# It clips them into the range from 0 to 1, and there the trouble begins.
# We draw the loss of a positive review against the output of the net, with and without a sigmoid.

# %%
outputs = np.linspace(-3, 3, 241).astype(np.float32)
ones = np.ones_like(outputs)
loss = keras.losses.binary_crossentropy
raw = as_array(loss(ones[:, None], outputs[:, None]))
logits = as_array(loss(ones[:, None], outputs[:, None], from_logits=True))
figure, axis = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
axis.plot(outputs, raw, label="Dense(1) alone: clipped")
axis.plot(outputs, logits, label="Dense(1) with a sigmoid")
axis.axvspan(-3, 0, color="0.9", zorder=0)
axis.axvspan(1, 3, color="0.9", zorder=0)
axis.set(xlabel="output of Dense(1)", ylabel="loss of a positive review")
axis.set_title("Without a sigmoid the loss is flat outside 0 to 1 (grey)")
axis.legend()
plots.show(
    figure,
    "Two curves. The loss with a sigmoid falls smoothly everywhere. The loss without one is a flat "
    "plateau below 0, a steep fall between 0 and 1, and flat at zero above 1.",
)
assert np.ptp(raw[outputs < -0.01]) == 0

# %% [markdown]
# On the grey plateau on the left the loss is at its highest, and its slope is zero.
# A positive review that lands there is as wrong as can be, and the net learns nothing from it.
#
# So everything hangs on where the outputs happen to start.
# We make an unlucky start: the last bias begins at -0.5, so that all outputs are below zero.
# Then we train on a few hundred reviews, once without a sigmoid and once with one, and ask whether
# any weight has moved.
# A negative bias should be no obstacle: it is the first thing that training corrects.

# %% tags=["measured"]
for activation in (None, "sigmoid"):
    training.start(seed)
    unlucky = keras.initializers.Constant(-0.5)
    model = published_net(layers.Dense(1, activation=activation, bias_initializer=unlucky))
    before = model.get_weights()
    model.compile("rmsprop", "binary_crossentropy")
    training.fit(model, train_rows[:512], train_labels[:512], epochs=1, batch_size=64, seed=seed)
    pairs = zip(before, model.get_weights(), strict=True)
    moved = sum(int((old != new).sum()) for old, new in pairs)
    assert (moved > 0) == (activation == "sigmoid")
    record(f"imdb.unlucky_start.{activation or 'no_sigmoid'}.weights_moved", moved, "count")

# %% [markdown]
# Without a sigmoid the unlucky net is dead: every gradient is exactly zero, and it stays so.
# The net that we trained before was luckier, because its bias began at zero and its outputs on both
# sides of it.
# We look at where they lie now.
# They are no probabilities: some are below zero or above one.
# Every wrong output in the grey range has stopped teaching.

# %% tags=["measured"]
outputs = training.predict(broken, watched[0]).ravel()
outside = float(np.mean((outputs < 0) | (outputs > 1)))
stuck = float(np.mean(((outputs < 0) & (watched[1] == 1)) | ((outputs > 1) & (watched[1] == 0))))
figure, axis = plt.subplots(figsize=(6.5, 3), layout="constrained")
for label, name in enumerate(imdb.classes):
    shown = np.clip(outputs[watched[1] == label], -1, 2)
    axis.hist(shown, bins=np.linspace(-1, 2, 61), alpha=0.6, color=f"C{1 - label}", label=name)
axis.axvspan(-1, 0, color="0.9", zorder=0)
axis.axvspan(1, 2, color="0.9", zorder=0)
axis.set(xlabel="output of the net without a sigmoid", ylabel="validation reviews")
axis.set_title(f"Where the outputs lie ({imdb.label})")
axis.legend()
plots.show(figure, "Histograms of the outputs for negative and positive validation reviews.")
record("imdb.no_sigmoid.outside_share", outside, "fraction")
record("imdb.no_sigmoid.stuck_share", stuck, "fraction")
record(
    "imdb.no_sigmoid.validation_accuracy", histories["no sigmoid"]["val_accuracy"][-1], "fraction"
)

# %% [markdown]
# With a lucky start the mistake may cost little, and that is why it goes unnoticed.
#
# The right way is either a sigmoid as the last activation, or a loss that is told that it gets raw
# outputs: `from_logits=True`.
# Both are the same function, and we check that.

# %%
few = np.array([-2.0, -0.3, 0.4, 1.7], np.float32)[:, None]
targets = np.array([0, 1, 1, 0], np.float32)[:, None]
probabilities = ops.sigmoid(few)
with_sigmoid = as_array(loss(targets, probabilities))
from_logits = as_array(loss(targets, few, from_logits=True))
assert np.abs(with_sigmoid - from_logits).max() < rounding
print("A sigmoid, and from_logits=True, give the same loss.")

# %% [markdown]
# ## The textbook's net, put right
#
# We change the last layer and nothing else, and train it longer, to see where overfitting begins.

# %% tags=["measured"]
training.start(seed)
published = published_net(layers.Dense(1, activation="sigmoid"))
histories["published"] = train_as_published(published, published_epochs)
history = histories["published"]
record("imdb.published.validation_accuracy", history["val_accuracy"][-1], "fraction")
record("imdb.published.best_validation_accuracy", max(history["val_accuracy"]), "fraction")
record("imdb.published.best_epoch", int(np.argmin(history["val_loss"])) + 1, "count")
accuracies["published"] = accuracy_of(published, "published")
record("imdb.published_minus_dense", accuracies["published"] - accuracies["dense"], "fraction")

# %% tags=["measured"]
shown = {name: histories[name] for name in ("published", "dense", "no sigmoid")}
figure = plots.learning_curves(shown, f"Learning curves ({imdb.label})")
figure.axes[0].set_ylim(0, 1.2)
lowest = figure.axes[0].axvline(1 + np.argmin(history["val_loss"]), color="C0", linestyle=":")
figure.axes[0].legend([lowest], ["lowest validation loss"], fontsize=8, loc="lower left")
plots.show(
    figure,
    "Loss and accuracy over the epochs for the published net, the dense net and the net without a "
    "sigmoid; training curves are dashed. A dotted line marks the lowest validation loss of the "
    "published net.",
)

# %% [markdown]
# The dotted line marks the lowest validation loss of the published net.
# Where the training loss goes on falling and the validation loss does not follow, the net learns
# its training reviews by heart; the two may part before that line.
# The jumps of the solid lines come from the high learning rate; with the textbook's rate the curves
# are smoother and everything happens later.

# %% [markdown]
# ## An improved recipe
#
# A few changes make the net better and faster.
#
# * **One convolution with narrow windows.** Three words are enough for "not very good" and
#   "waste of time". Global max pooling then points at three words, not at dozens.
# * **Words are dropped in training.** `noise_shape` makes the dropout remove whole words, so the
#   net cannot rely on a single one.
# * **A better learning rate.** Adam with a rate that rises and falls in one cycle, as in chapter 1.
#
# The embedding is smaller, which is where most of the parameters were, so there is room for more
# filters.
# A second dropout acts before the verdict.

# %%
window = 3


def improved_net():
    arithmetic.output_size(length, window)
    return keras.Sequential(
        [
            keras.Input((length,)),
            layers.Embedding(words, embedding),
            layers.Dropout(0.25, noise_shape=(None, length, 1)),
            layers.Conv1D(filters, window, activation="relu", name="windows"),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid", name="verdict"),
        ]
    )


# %% tags=["measured"]
training.start(seed)
improved = improved_net()
steps = training.steps_in(len(train_rows), improved_batch, improved_epochs)
optimizer = keras.optimizers.Adam(training.one_cycle(improved_rate, steps))
improved.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
histories["improved"] = training.fit(
    improved,
    train_rows,
    train_labels,
    epochs=improved_epochs,
    batch_size=improved_batch,
    validation=watched,
    seed=seed,
)
accuracies["improved"] = accuracy_of(improved, "improved")
record("imdb.improved.validation_accuracy", histories["improved"]["val_accuracy"][-1], "fraction")

# %% [markdown]
# Now all models side by side.
# The line on each bar is two standard errors of the test accuracy.
# The squares of two such errors add up to that of the difference; a smaller difference may be luck.

# %% tags=["measured"]
ranked = sorted(accuracies, key=accuracies.get)
values = np.array([accuracies[name] for name in ranked])
errors = 2 * np.sqrt(values * (1 - values) / len(test_labels))
figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
axis.barh(ranked, values, xerr=errors, color="C0", alpha=0.6, capsize=3)
axis.set_xlim(max(0, values.min() - 0.05), min(1, values.max() + 0.03))
axis.set(xlabel="accuracy on the test (the axis does not begin at zero)")
axis.set_title(f"Four models ({imdb.label})")
plots.show(figure, "Bars of the test accuracy of the four models, sorted, with error lines.")

gap = accuracies["improved"] - accuracies["bag of words"]
pair = [ranked.index(name) for name in ("improved", "bag of words")]
if abs(gap) <= np.hypot(*errors[pair]):
    print("The best Conv1D net and the bag of words are too close to call.")
elif gap < 0:
    print("The bag of words wins: on these data counting words beats this convolution.")
else:
    print("The improved Conv1D net beats the bag of words: word order helps.")

# %% [markdown]
# The lesson is the same whichever way the last line falls.
# A bag of words is a strong opponent for long reviews: there are hundreds of words, and their votes
# add up.
# Word order matters for the sentences that turn a word around.
# The built-in sample is written so that such sentences are everywhere; run this chapter with the
# profile `sample` to see the bag of words fail.
#
# Here is a longer training of a wider net, on more of the reviews, because it holds fewer out for
# validation.
# The run is kept in the folder `results`, with its exact recipe.

# %%
kept = json.loads((ROOT / "results" / "imdb_conv1d.json").read_text(encoding="utf-8"))
print(kept["command"])
for entry in kept["records"]:
    print(f"{entry['name']} = {entry['value']:.4f}")

# %% [markdown]
# ## Which words decided?
#
# Global max pooling keeps one response a filter, and we can ask *where* it came from.
# The position of the maximum is the place of three words.
#
# In the improved net only one dense layer follows.
# So the verdict is a sum: each filter adds its strongest response times one weight.
# We split that sum into its parts, and give each part to the three words that it came from.
# The parts must add up to the output of the net exactly.


# %%
def contributions(model, rows):
    """For each row and filter: the first word of the winning window, and what it adds."""
    maps = keras.Model(model.inputs, model.get_layer("windows").output)
    weights, bias = model.get_layer("verdict").get_weights()
    responses = training.predict(maps, rows)
    parts = responses.max(axis=1) * weights[:, 0]
    return responses.argmax(axis=1), parts, float(bias[0])


def word_strengths(places, parts):
    """What each position of one row adds to the verdict."""
    strengths = np.zeros(length)
    for step in range(window):
        np.add.at(strengths, places + step, parts / window)
    return strengths


# %% tags=["measured"]
probe = np.array(test_rows[:1000])
places, parts, bias = contributions(improved, probe)
logit = parts.sum(axis=1) + bias
probability = training.predict(improved, probe).ravel()
assert np.abs(1 / (1 + np.exp(-logit)) - probability).max() < rounding
print("The parts add up to the verdict of the net.")

# %% [markdown]
# Now we mark the words in a review.
# Blue with a solid line speaks for a positive verdict, orange with a dotted line against it.
# The stronger the colour, the more the words added.
# We show a positive and a negative review of moderate length that the net got right.

# %% tags=["measured"]
sizes = (probe > 0).sum(axis=1)
for label in (1, 0):
    right = (test_labels[:1000] == label) & ((probability > 0.5) == label)
    fitting = np.flatnonzero(right & (sizes <= 110))
    chosen = int(fitting[np.argmax(np.abs(logit[fitting]))])
    text = reviews.text_of(imdb.extra, "test", chosen)
    print(f"A {imdb.classes[label]} review ({imdb.label}):")
    display(HTML(reviews.highlight(text, word_strengths(places[chosen], parts[chosen]))))

# %% [markdown]
# Compare the marks with the words that you would underline yourself.
# Which groups of three words count most over many reviews?
# We add up what each group contributed, and show the strongest on both sides.

# %% tags=["measured"]
names = np.array(list(vocabulary))
totals = {}
for row, starts, added in zip(probe, places, parts, strict=True):
    for start, value in zip(starts, added, strict=True):
        if row[start] > reviews.PADDING:
            group = " ".join(names[row[start : start + window]])
            totals[group] = totals.get(group, 0) + float(value)
ordered = sorted(totals, key=totals.get)
chosen = ordered[:12] + ordered[-12:]
values = np.array([totals[group] for group in chosen])
figure, axis = plt.subplots(figsize=(7.5, 5.2), layout="constrained")
axis.barh(chosen, values, color=np.where(values > 0, "C0", "C1"))
axis.axvline(0, color="0.4", linewidth=0.8)
axis.set(xlabel="sum of what the group added", title=f"Groups of three words ({imdb.label})")
plots.show(figure, "Bars for the twelve most negative and twelve most positive groups of words.")

# %% [markdown]
# ## A review of your own
#
# The function `predict` takes plain text and answers with a word and a probability.
# Change the sentences below and try your own.


# %%
def predict(text):
    """Judge a review in plain English: ("positive" or "negative", probability of it)."""
    row = reviews.encode(text, vocabulary, length)
    positive = float(improved.predict_on_batch(row[None])[0, 0])
    return ("positive", positive) if positive > 0.5 else ("negative", 1 - positive)


SENTENCES = {
    "A wonderful film with a brilliant story and superb acting.": "positive",
    "This was a boring film and a waste of time.": "negative",
    "The acting was terrible and the plot was stupid.": "negative",
    "I loved it, one of the best films I have ever seen.": "positive",
    "Not good at all, the script is awful.": "negative",
    "Funny, moving and beautiful from the opening to the ending.": "positive",
    "I would not watch it again, it is dull and predictable.": "negative",
    "An excellent cast, a gripping story and great music.": "positive",
    "Although the opening was weak, the ending was brilliant and moving.": "positive",
    "What a pointless, tedious and annoying film.": "negative",
}

# %% tags=["measured"]
right = 0
rows = np.stack([reviews.encode(text, vocabulary, length) for text in SENTENCES])
where, added, _ = contributions(improved, rows)
for number, (text, truth) in enumerate(SENTENCES.items()):
    answer, _ = predict(text)
    right += answer == truth
    shown = reviews.highlight(text, word_strengths(where[number], added[number]))
    display(HTML(f"<b>{answer}</b> {'(right)' if answer == truth else '(wrong)'} {shown}"))
record("imdb.sentences.right", right, "count")

# %% [markdown]
# What does it do with things that are no review?
# A network has an answer to everything, so the check must come before it.
# Each line below is refused in one sentence, or read with a warning.

# %% tags=["measured"]
for strange in ("", "... !!! <br />", "Zxqvy blorpt, grmpf.", 7, ["a", "good", "film"]):
    try:
        predict(strange)
    except (TypeError, ValueError) as error:
        print(f"{strange!r}: {error}")

with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    predict("boring " * 100_000)
print("100,000 words:", seen[0].message)

# %% [markdown]
# ## The most wrong reviews
#
# Nothing teaches more about a model than its worst mistakes.
# We look for the reviews where it was surest, and wrong.
# The stars are the author's own, and we keep to short reviews.

# %% tags=["measured"]
wrong = np.where(test_labels[:1000] == 1, -logit, logit)
wrong[sizes > 150] = -np.inf
for chosen in np.argsort(wrong)[::-1][:3]:
    stars = imdb.extra["test_stars"][chosen]
    said = "positive" if probability[chosen] > 0.5 else "negative"
    text = reviews.text_of(imdb.extra, "test", chosen)
    strengths = word_strengths(places[chosen], parts[chosen])
    display(HTML(f"<b>{stars} of 10 stars, judged {said} ({imdb.label}):</b>"))
    display(HTML(reviews.highlight(text, strengths)))

# %% [markdown]
# Read them slowly, and ask each time what went wrong.
# Some authors retell a sad story and love the film.
# Some are ironic, and irony is in no window of three words.
# Some praise everything that they hoped for and did not get.
# And now and then the stars simply do not fit the text; then the label is wrong, not the net.

# %% [markdown]
# ## One, two and three dimensions
#
# Text has one axis along which a filter can slide, a picture has two, and a film has three.
# Sound is a line like text, and a medical scan is a block like a film.
# The operation is the same each time; only the window gains an axis.
#
# We build one layer of each kind, with windows of 3 along every axis.
# Our formula must give the shapes that Keras gives, one axis at a time.

# %%
examples = {
    "text: 500 words of 128 numbers": ((500, 128), layers.Conv1D(32, 3)),
    "picture: 32x32 pixels, 3 colours": ((32, 32, 3), layers.Conv2D(32, 3)),
    "film: 16 frames of 32x32, 3 colours": ((16, 32, 32, 3), layers.Conv3D(32, 3)),
}
for name, (shape, layer) in examples.items():
    *axes, depth = shape
    output = layer(keras.Input(shape)).shape[1:]
    assert output == (*(arithmetic.output_size(size, 3) for size in axes), 32)
    count = arithmetic.convolution_parameters((3,) * len(axes), depth, 32)
    assert layer.count_params() == count
    print(f"{name:36} -> {output!s:20} {count:>7,} parameters")

# %% [markdown]
# What does the third axis give us?
# We draw tiny films: a bright square moves over a dark, noisy background, to the left or to the
# right.
# The question is in which direction it moves.
# A square that leaves on one side comes in on the other, so every place is equally likely in both
# kinds of film.
# No single frame can answer the question.


# %%
def draw_clips(number, random, frames=8, size=16):
    """Films (number, frames, size, size, 1), float32, and labels: 1 moves right, 0 moves left."""
    labels = random.integers(0, 2, number)
    clips = random.uniform(0, 0.5, (number, frames, size, size, 1)).astype(np.float32)
    tops = random.integers(0, size - 3, number)
    starts = random.integers(0, size, number)
    for clip, label, top, start in zip(clips, labels, tops, starts, strict=True):
        for frame in range(frames):
            left = start + (frame if label else -frame)
            clip[frame, top : top + 3, np.arange(left, left + 3) % size] = 1
    return clips, labels


# %%
random = np.random.default_rng(seed)
clips, directions = draw_clips(600, random)
test_clips, test_directions = draw_clips(400, random)
chosen = [int(np.argmax(directions == label)) for label in (1, 0)]
pictures = [clips[clip, frame] for clip in chosen for frame in range(8)]
titles = [f"{name}, frame {frame}" for name in ("right", "left") for frame in range(1, 9)]
figure = plots.image_grid(pictures, titles, "Two drawn films", 8)
plots.show(
    figure,
    "Two rows of eight frames. In the upper row a white square moves to the right, in the lower "
    "row to the left.",
)

# %% [markdown]
# A Conv3D net gets the films, a Conv2D net the middle frames.
# Both have eight filters and global max pooling.
# Expect the second to guess.


# %%
def direction_net(shape, layer):
    stack = [keras.Input(shape), layer]
    stack.append(layers.GlobalMaxPooling3D() if len(shape) == 4 else layers.GlobalMaxPooling2D())
    net = keras.Sequential([*stack, layers.Dense(1, activation="sigmoid")])
    net.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    return net


# %% tags=["measured"]
training.start(seed)
for name, net, view in (
    ("conv3d", direction_net((8, 16, 16, 1), layers.Conv3D(8, 3, activation="relu")), slice(None)),
    ("conv2d", direction_net((16, 16, 1), layers.Conv2D(8, 3, activation="relu")), 4),
):
    training.fit(net, clips[:, view], directions, epochs=15, batch_size=32, seed=seed)
    measured = training.evaluate(net, test_clips[:, view], test_directions)
    record(f"video.{name}.test_accuracy", measured["accuracy"], "fraction")

# %% [markdown]
# The filter of the Conv3D net spans three frames, so it can answer to a change.
# The frame alone holds no direction, and no training can find one in it.

# %% [markdown]
# ## What to remember
#
# * Text becomes numbers in three steps: words, codes from a vocabulary of the training texts,
#   embeddings.
# * A one-dimensional convolution slides along one axis and reads the whole depth; its output size
#   follows the same formula as ever.
# * Binary cross-entropy wants probabilities: a sigmoid at the end, or `from_logits=True`.
# * Global max pooling keeps the strongest response of each filter, and its position shows the words
#   that decided.
# * A simple baseline belongs beside every result, and sometimes it wins.
# * Convolutions in one, two and three dimensions are one operation.
#
# Here are the mistakes of the sources that this chapter met.

# %% tags=["measured"]
mistakes_table("07")

# %% [markdown]
# And here is what the sources claim, beside what this run measured.

# %% tags=["measured"]
claims_table("07", profile)

# %% [markdown]
# ## Exercises
#
# 1. Write five sentences that fool `predict`, and look at the words that it marked.
# 2. Change `window` to 1. The improved net is then a kind of bag of words. What does it lose?
# 3. Cut reviews in front instead of at the end: keep their first words. Does the accuracy change?
#    You need `all_rows` from texts, `reviews.words_of` and a few lines.
# 4. Replace global max pooling by global average pooling in the improved net. Which of the two does
#    better, and why can you no longer say which words decided?
# 5. Let the square in the films move up or down as well, and teach a Conv3D net four directions.
