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
# # Exercises for chapter 7: Convolution along a line
#
# Seven exercises, from easy to hard. The first three need pencil and paper, the next
# three a few lines of NumPy, and the last one trains. One star means that you can answer straight
# from the chapter, three stars that you have to go beyond it.
#
# Replace the three dots, or the line "your code goes here", with your answer, run the cell, and
# then run the `check` below it: it tells you whether you are right, and often what went wrong if
# you aren't. Each exercise stands on its own, so start where you like, but run the next cell first.
# The data are 2,500 short reviews that a small grammar has written; they come with the course, so
# everything runs offline.

# %%
from helpers import datasets, reviews, training
from helpers.exercises import check
import keras
from keras import layers
import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

imdb = datasets.load("imdb", "sample")
train_rows, train_labels = np.array(imdb.train[0])[:, -100:], imdb.train[1]
test_rows, test_labels = np.array(imdb.test[0])[:, -100:], imdb.test[1]
vocabulary = reviews.vocabulary_of(imdb.extra)

# %% [markdown]
# ## Exercise 07.1: Four and a half outputs
#
# ★☆☆ · about 10 minutes
#
# A book chapter gives this example: a sequence of 10 steps, a filter of width 3, no padding. With
# stride 2 there are 4.5 outputs, it says, and with stride 1 there are 5. Both numbers are wrong.
# Give the right ones:
#
# * `stride_1` and `stride_2`: the outputs of that filter;
# * `last`: the outputs of the last convolution of the published net, which reads 500 words through
#   a convolution of width 7, a pooling of width 5 with stride 5, and a convolution of width 7;
# * `sees`: how many words one of these last outputs sees.
#
# <details><summary>Hint</summary>
#
# $\lfloor (W - F) / S \rfloor + 1$, layer by layer.
# For `sees`, start with one position and walk through the layers: a window of $F$ adds $F - 1$
# steps, and a step is as long as the product of all strides *before* that layer.
# </details>

# %%
stride_1 = ...
stride_2 = ...
last = ...
sees = ...
### BEGIN SOLUTION
stride_1 = (10 - 3) // 1 + 1
stride_2 = (10 - 3) // 2 + 1  # half an output does not exist
last = ((500 - 7 + 1) - 5) // 5 + 1 - 7 + 1
sees = 1 + (7 - 1) * 1 + (5 - 1) * 1 + (7 - 1) * 5
### END SOLUTION

# %%
passed = check("07.1", stride_1, stride_2, last, sees)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** the published net sees 41 words at a time, the text convnet of the chapter
# two to four. Why can the narrow windows be enough?

# %% [markdown]
# ### BEGIN SOLUTION
# Most of what gives a review away is said in a word or two: *wonderful*, *waste of time*, *not
# worth it*.
# Global max pooling collects such findings from the whole text, so the windows don't have to reach
# from one to the other.
# What no narrow window can see is a contrast between sentences, such as praise that is taken back
# two lines later.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 07.2: Count the text convnet
#
# ★☆☆ · about 10 minutes
#
# A text convnet has a vocabulary of 5,000 words, vectors of 32 numbers, 100 filters of width 3 and,
# side by side with them, 100 filters of width 5.
# Each filter keeps its largest response, and one dense unit reads these maxima.
# Filters and the dense unit have biases.
#
# Count the parameters of each part on paper: `embedding`, `width_3`, `width_5` and `verdict`.
#
# <details><summary>Hint</summary>
#
# A filter of width $F$ covers $F$ vectors in their whole depth and has one bias.
# An embedding is a table with a row per word, and nothing else.
# </details>

# %%
embedding = ...
width_3 = ...
width_5 = ...
verdict = ...
### BEGIN SOLUTION
embedding = 5_000 * 32
width_3 = (3 * 32 + 1) * 100
width_5 = (5 * 32 + 1) * 100
verdict = 200 + 1
### END SOLUTION

# %%
passed = check("07.2", embedding, width_3, width_5, verdict)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 07.3: How crowded are the slots?
#
# ★☆☆ · about 10 minutes
#
# The chapter counts pairs of neighboring words and hashes them into slots.
# Give
#
# * `pairs`: the number of pairs in a review of 200 words, repetitions included;
# * `possible`: the number of pairs that can be made of 1,000 words;
# * `per_slot`: how many different pairs share a slot on average, if $2^{21}$ different pairs occur
#   in the reviews and there are $2^{20}$ slots.
#
# <details><summary>Hint</summary>
#
# Write down a sentence of four words and count its pairs.
# For `possible`: how many words can stand first, and how many can stand second after each of them?
# </details>

# %%
pairs = ...
possible = ...
per_slot = ...
### BEGIN SOLUTION
pairs = 200 - 1
possible = 1_000 * 1_000
per_slot = 2**21 / 2**20
### END SOLUTION

# %%
passed = check("07.3", pairs, possible, per_slot)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** on average two pairs share a slot and can't be told apart. Why does that do
# so little harm?

# %% [markdown]
# ### BEGIN SOLUTION
# Most pairs are very rare: they occur once or twice in 20,000 reviews, and such a pair hardly
# moves a weight.
# A frequent, telling pair such as *waste of* shares its slot with pairs that nearly never occur, so
# the weight of the slot is in effect its own.
# It would do harm if two frequent pairs met that speak for opposite verdicts, and there are too few
# frequent pairs for that to happen often.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 07.4: A filter for negation
#
# ★★☆ · about 15 minutes
#
# Each of four words has a vector of four numbers; to keep it simple, each has its 1 in another
# place: *good* is $(1, 0, 0, 0)$, *bad* is $(0, 1, 0, 0)$, *not* is $(0, 0, 1, 0)$ and *film* is
# $(0, 0, 0, 1)$.
#
# Choose the weights of a filter of width 2, an array of shape (2, 4) without a bias, whose response
# to *not good* is above zero, and to each of the other fifteen pairs, such as *film good*, *not
# bad* or *good not*, zero or less.
#
# <details><summary>Hint</summary>
#
# The response to a pair is one weight of row 0 plus one weight of row 1.
# Make both weights of *not good* positive.
# Then each must be outweighed wherever it stands alone.
# </details>

# %%
kernel = ...
### BEGIN SOLUTION
kernel = np.array(
    [
        [-1, -1, 1, -1],  # the first word: for "not", against all others
        [1, -1, -1, -1],  # the second word: for "good", against all others
    ]
)
### END SOLUTION

# %%
passed = check("07.4", kernel)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** could a bag of words do the same, with one weight per word and a bias?

# %% [markdown]
# ### BEGIN SOLUTION
# No. To the bag, *not good* and *good not* are the same two words, so it gives them the same sum.
# Even without that pair it would be in trouble in a longer text: *not* and *good* may stand far
# apart and have nothing to do with each other.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 07.5: No slope, no vote
#
# ★★☆ · about 15 minutes
#
# A net gives three positive reviews the outputs $-0.3$, $0.5$ and $1.7$.
# How steep is the loss of each, seen from the output? Give the derivatives as lists of three
# numbers:
#
# * `without`: the output goes straight into binary cross-entropy, which clips it into the range
#   from 0 to 1;
# * `with_sigmoid`: the output goes through a sigmoid first.
#
# <details><summary>Hint</summary>
#
# The loss of a positive review is $-\log p$, and its derivative with respect to $p$ is $-1/p$.
# Where an output is clipped, $p$ doesn't change any more.
# The sigmoid $s$ has the derivative $s (1 - s)$, so with it the two factors nearly cancel.
# </details>

# %%
outputs = np.array([-0.3, 0.5, 1.7])
without = ...
with_sigmoid = ...
### BEGIN SOLUTION
without = [0, -1 / 0.5, 0]
probabilities = 1 / (1 + np.exp(-outputs))
with_sigmoid = probabilities - 1  # -1/s times s (1 - s)
### END SOLUTION

# %%
passed = check("07.5", without, with_sigmoid)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 07.6: Split a verdict
#
# ★★★ · about 25 minutes
#
# The chapter splits the verdict of a text convnet into what each word added.
# Do it for a single filter: write `word_parts(vectors, kernel, bias, weight)`.
#
# * `vectors`, shape (words, depth): the embedded text;
# * `kernel`, shape (window, depth), and `bias`: the filter, followed by a ReLU;
# * `weight`: the weight of its largest response in the verdict.
#
# It returns an array with one number per word: what the word adds to the verdict through this
# filter.
# The part of the bias belongs to no word and is left out.
#
# <details><summary>Hint</summary>
#
# First compute the response of each window and find the largest.
# If the ReLU cuts it off, nothing is added at all.
# Otherwise word $k$ of that window has added its vector times row $k$ of the kernel.
# </details>


# %%
def word_parts(vectors, kernel, bias, weight):
    ### BEGIN SOLUTION
    window = len(kernel)
    windows = [vectors[i : i + window] for i in range(len(vectors) - window + 1)]
    responses = np.array([np.sum(each * kernel) for each in windows]) + bias
    parts = np.zeros(len(vectors))
    best = responses.argmax()
    if responses[best] > 0:
        parts[best : best + window] = weight * np.sum(windows[best] * kernel, axis=1)
    return parts
    ### END SOLUTION


# %%
passed = check("07.6", word_parts)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** in chapter 6, attribution was a matter of approximation and debate. Why is
# it exact here?

# %% [markdown]
# ### BEGIN SOLUTION
# Because between the word vectors and the verdict there is only one step that isn't a weighted sum:
# the maximum with its ReLU, which picks one window per filter and switches silent filters off.
# Once it has picked, everything is a sum of products, and a sum can be taken apart.
# A deep network picks again in every layer. For one given input its output can be taken apart, too,
# but each pixel's part then hangs on thousands of picks, which a slight change of the image can
# overturn, so the parts tell you little about what the network goes by.
# Even here the split says what *was* added, not what would happen if a word were missing: then
# another window might win.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 07.7: Where order is everything
#
# ★★★ · about 30 minutes, of which one minute is training
#
# The reviews of the sample are written by a grammar in which nearly every word of praise also
# occurs negated.
# Let three judges compete on them: counted words, counted pairs, and a convnet of your own.
#
# Complete `count_pairs`, and build `convnet` as a Keras model. Train all three:
# `LogisticRegression(max_iter=1000)` on each kind of count, and the convnet with `Adam(0.005)` for
# eight epochs in batches of 32. Collect their accuracies on the test reviews in a list
# `accuracies`, in the order words, pairs, convnet.
#
# > **Predict.** On real reviews the three are within two or three points. And here?
#
# <details><summary>Hint</summary>
#
# The vocabulary is so small that no hashing is needed: the pair of the codes $a$ and $b$ can have
# the column $a \cdot n + b$, with $n$ words.
# For the convnet, an embedding of 16 numbers, 32 filters of width 3 with ReLU, global max pooling
# and a dense unit with a sigmoid are plenty.
# </details>

# %%
size = len(vocabulary)


def count_columns(columns, width):
    table = np.zeros((len(columns), width), dtype="float32")
    for row, chosen in zip(table, columns, strict=True):
        np.add.at(row, chosen, 1)
    return sparse.csr_matrix(table[:, 1:])  # without padding


def count_words(rows):
    return count_columns(rows.astype(int), size)


def count_pairs(rows):
    first, second = rows[:, :-1].astype(int), rows[:, 1:].astype(int)
    ### BEGIN SOLUTION
    return count_columns(first * size + second, size * size)
    ### END SOLUTION


convnet = ...
### BEGIN SOLUTION
keras.utils.set_random_seed(0)
convnet = keras.Sequential(
    [
        keras.Input((100,)),
        layers.Embedding(size, 16),
        layers.Conv1D(32, 3, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(1, activation="sigmoid"),
    ]
)
### END SOLUTION

# %% tags=["measured"]
accuracies = ...
### BEGIN SOLUTION
accuracies = []
for count in (count_words, count_pairs):
    judge = LogisticRegression(max_iter=1000)
    judge.fit(count(train_rows), train_labels)
    accuracies.append(judge.score(count(test_rows), test_labels))

optimizer = keras.optimizers.Adam(0.005)
convnet.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
batches = training.batches(train_rows, train_labels, 32, seed=0)
convnet.fit(batches, epochs=8, verbose=0)
_, accuracy = convnet.evaluate(test_rows, test_labels, verbose=0)
accuracies.append(accuracy)
for name, accuracy in zip(("words", "pairs", "convnet"), accuracies, strict=True):
    print(f"{name}: {accuracy:.1%}")
### END SOLUTION

# %%
passed = check("07.7", accuracies)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** the chapter's counter of pairs beats its convnet on real reviews. What
# would have to be different about those reviews for the convnet to win?

# %% [markdown]
# ### BEGIN SOLUTION
# Probably many more of them would be needed. Here counted words fall far behind, because they don't
# see what is negated, and pairs and convnet are level: with about 150 words, each pair occurs often
# enough for both to learn it. Real reviews have thousands of ways to say the same thing. A convnet
# could use what they have in common through its word vectors, but it has to learn these vectors
# first, and 25,000 reviews are few for that.
# ### END SOLUTION
