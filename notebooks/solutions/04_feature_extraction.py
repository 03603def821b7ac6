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
# # Exercises for chapter 4: Feature extraction
#
# Seven exercises. One star means that you can answer straight from the chapter, three stars that
# you have to go beyond it.
#
# Replace the three dots, or the line "your code goes here", with your answer, run the cell, and
# then run the `check` below it: it tells you whether you are right, and often what went wrong if
# you aren't. Each exercise stands on its own, so start where you like, but run the next cell first.
# The images are built in and the base's weights come with the course, so everything runs offline.

# %%
from helpers import datasets, plots, pretrained, training
from helpers.exercises import check
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# %% [markdown]
# ## Exercise 04.1: The price of Flatten
#
# ★☆☆ · about 10 minutes
#
# For images of 224 pixels, VGG16 without its top gives 7x7 maps with 512 channels.
# Count the parameters of three heads on paper:
#
# * `probe`: `GlobalAveragePooling2D`, then `Dense(1)`;
# * `pooled`: `GlobalAveragePooling2D`, `Dense(256)`, `Dense(1)`;
# * `flat`: `Flatten`, `Dense(256)`, `Dense(1)`.
#
# <details><summary>Hint</summary>
#
# A dense layer with $n$ inputs and $m$ units has $n \cdot m$ weights and $m$ biases.
# How many numbers per image does `GlobalAveragePooling2D` pass on, and how many does `Flatten`?
# </details>

# %%
probe = ...
pooled = ...
flat = ...
### BEGIN SOLUTION
probe = 512 + 1
pooled = (512 + 1) * 256 + (256 + 1)
flat = (7 * 7 * 512 + 1) * 256 + (256 + 1)
print(f"{probe:,}, {pooled:,} and {flat:,} parameters")
### END SOLUTION

# %%
passed = check("04.1", probe, pooled, flat)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** you have 500 training images. Which of the three heads do you try first?

# %% [markdown]
# ### BEGIN SOLUTION
# The probe.
# It has about as many parameters as there are images, and the flat head has more than ten
# thousand per image, enough to memorize every one of them.
# If the probe works well, there's little left to gain.
# If it doesn't, the features are probably the wrong ones, and a larger head won't help.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 04.2: Asking the thousand classes
#
# ★☆☆ · about 10 minutes
#
# Write `says_dog(probabilities)`, the classifier that needs no training.
# It takes an array of shape (N, 1000), one row of ImageNet's probabilities per image, and returns
# an array of N integers: 1 where the dogs (classes 151 to 268) have a larger *sum* than the
# domestic cats (classes 281 to 285), else 0.
#
# <details><summary>Hint</summary>
#
# `probabilities[:, 281:286]` are the five columns of the cats: a slice ends *before* its second
# number. `.sum(axis=1)` adds them up, and `.astype(int)` turns true and false into 1 and 0.
# </details>


# %%
def says_dog(probabilities):
    ### BEGIN SOLUTION
    cats = probabilities[:, 281:286].sum(axis=1)
    dogs = probabilities[:, 151:269].sum(axis=1)
    return (dogs > cats).astype(int)
    ### END SOLUTION


# %%
passed = check("04.2", says_dog)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once it is right, try it on drawings. The base has learned from photographs only.

# %% tags=["measured"]
if passed:
    drawn = datasets.load("cats_vs_dogs", "sample", size=64)
    images, labels = drawn.test
    net = pretrained.load("efficientnet_lite0", 64, top=True)
    answers = net.predict(training.batches(images, None, 64), verbose=0)
    print(f"right on drawings: {np.mean(says_dog(answers) == labels):.1%}")

# %% [markdown]
# **In your own words:** why does it do worse on drawings than on photographs?

# %% [markdown]
# ### BEGIN SOLUTION
# On drawings it is hardly better than a coin. A photograph of a cat has fur, whiskers and shadows,
# and a drawing has outlines and plain areas. The network has never had to name a *drawn* animal:
# much of the probability may go to classes that aren't animals at all, and the two sums are left
# with scraps. That doesn't mean that the base sees nothing. In exercise 04.6 its features, compared
# with those of labeled drawings, get three of four drawings right. The images are also small here,
# 64 pixels instead of 160.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 04.3: What VGG16 wants to see
#
# ★★☆ · about 15 minutes
#
# VGG16 was trained on images whose channels come in the order blue, green, red, each less its mean
# over ImageNet: 103.939 for blue, 116.779 for green, 123.68 for red. Nothing is divided.
#
# Write `preprocess(images)`. It takes RGB images of shape (N, height, width, 3) with values from 0
# to 255 and returns what VGG16 wants, in the same shape.
#
# <details><summary>Hint</summary>
#
# `images[..., ::-1]` turns the last axis around. An array of three numbers is subtracted from the
# last axis: in which order must they come, after the channels have been turned around?
# </details>


# %%
def preprocess(images):
    ### BEGIN SOLUTION
    return images[..., ::-1] - np.array([103.939, 116.779, 123.68])
    ### END SOLUTION


# %%
passed = check("04.3", preprocess)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Now compare with Keras:

# %%
if passed:
    pixels = np.random.default_rng(0).uniform(0, 255, size=(1, 4, 4, 3))
    expected = keras.applications.vgg16.preprocess_input(pixels.copy())
    print("the same as Keras:", np.allclose(preprocess(pixels), expected, atol=1e-3))

# %% [markdown]
# **In your own words:** why does nothing crash when you forget this step?

# %% [markdown]
# ### BEGIN SOLUTION
# Because a network multiplies and adds whatever numbers it gets, and three channels are three
# channels.
# Neither the shape nor the type says in which order the colors are or what range they have.
# So no program can complain, and the only trace is a lower accuracy.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 04.4: Two layers that are only one
#
# ★★☆ · about 15 minutes
#
# Here are two dense layers without an activation, $y = (x W_1 + b_1) W_2 + b_2$.
#
# 1. Find the single layer that does the same: its `kernel`, an array of shape (3, 1), and its
#    `bias`, of shape (1,).
# 2. Find an input `x`, an array of three numbers, for which a ReLU between the layers would change
#    the result.
#
# <details><summary>Hint</summary>
#
# Multiply out: $y = x\, (W_1 W_2) + (b_1 W_2 + b_2)$.
# A ReLU changes something as soon as one of the two hidden numbers is negative.
# </details>

# %%
first_kernel = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
first_bias = np.array([1.0, -2.0])
second_kernel = np.array([[2.0], [-1.0]])
second_bias = np.array([1.0])

kernel = ...
bias = ...
x = ...
### BEGIN SOLUTION
kernel = first_kernel @ second_kernel
bias = first_bias @ second_kernel + second_bias
x = np.array([0.0, 5.0, 0.0])  # the second hidden number is 0 - 5 + 0 - 2 = -7
print(kernel.ravel(), bias)
### END SOLUTION

# %%
passed = check("04.4", kernel, bias, x)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 04.5: Once or every time?
#
# ★☆☆ · about 10 minutes
#
# Your base processes 200 images per second, and you have 4,000 training images. You train for 30
# epochs. One epoch of the head alone takes one second in either method. Work out
#
# * `once`: the seconds for method 1, extracting the features once and then training the head;
# * `every_time`: the seconds for method 2, through the base in every epoch;
# * `megabytes`: the size of the stored features if you *don't* pool them. The maps have 5x5
#   positions and 1,280 channels, and a number takes 32 bits.
#
# <details><summary>Hint</summary>
#
# One pass of all images through the base takes 20 seconds.
# For the memory, multiply images, positions, channels and bytes, and divide by a million.
# </details>

# %%
once = ...
every_time = ...
megabytes = ...
### BEGIN SOLUTION
one_pass = 4000 / 200
once = one_pass + 30 * 1
every_time = 30 * (one_pass + 1)
megabytes = 4000 * 5 * 5 * 1280 * 4 / 1e6
print(f"{once:.0f} s against {every_time:.0f} s; {megabytes:.0f} MB")
### END SOLUTION

# %%
passed = check("04.5", once, every_time, megabytes)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 04.6: Your nearest neighbors
#
# ★★☆ · about 20 minutes
#
# The chapter looks at the photographs that are nearest to a given one. Let them vote, and you have
# a classifier with nothing to train.
#
# Write `vote(features, labels, queries, k)`. The features of the training images have the shape
# (N, D), their labels (N,) are 0 or 1, and the queries are (M, D). For each query, find the `k`
# nearest features by Euclidean distance (`k` is odd) and return the label that most of them have:
# an array of M integers.
#
# <details><summary>Hint</summary>
#
# `queries[:, None] - features[None]` has the shape (M, N, D): every query less every feature.
# Square, sum over the last axis, `argsort`, and take the first `k` columns. The mean of their
# labels is above one half if most of them are 1.
# </details>


# %%
def vote(features, labels, queries, k):
    ### BEGIN SOLUTION
    distances = ((queries[:, None] - features[None]) ** 2).sum(axis=2)
    nearest = distances.argsort(axis=1)[:, :k]
    return (labels[nearest].mean(axis=1) > 0.5).astype(int)
    ### END SOLUTION


# %%
passed = check("04.6", vote)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once it is right, this cell lets neighbors vote on drawn cats and dogs, by pixels and by features.

# %% tags=["measured"]
if passed:
    drawn = datasets.load("cats_vs_dogs", "sample", size=64)
    base = pretrained.load("efficientnet_lite0", 64)
    extractor = keras.Sequential([base, layers.GlobalAveragePooling2D()])
    spaces = {"pixels": [], "features": []}
    for images, _ in (drawn.train, drawn.test):
        thumbnails = images[:, ::4, ::4].reshape(len(images), -1) / 255
        spaces["pixels"].append(thumbnails)
        batches = training.batches(images, None, 64)
        spaces["features"].append(extractor.predict(batches, verbose=0))
    for name, (train, test) in spaces.items():
        votes = []
        for start in range(0, len(test), 20):  # few at a time, to save memory
            votes.extend(vote(train, drawn.train[1], test[start : start + 20], 5))
        print(f"by {name}: {np.mean(votes == drawn.test[1]):.1%} right")

# %% [markdown]
# **In your own words:** this classifier has no parameters that are trained. So where does what it
# knows come from?

# %% [markdown]
# ### BEGIN SOLUTION
# From the space in which distance is measured.
# The base has arranged images so that those with the same content lie close together, and that
# arrangement was learned, from a million photographs.
# In pixel space the same rule measures whether two images have the same brightness in the same
# places, which says little about what they show.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 04.7: Which layer would you borrow?
#
# ★★★ · about 30 minutes, of which less than a minute is computing
#
# Put a linear probe on five depths of the base, for 1,000 handwritten digits, and measure each on
# 500 others. Store the five accuracies, as fractions and in the order of `depths`, in
# `accuracies`.
#
# The next cell prepares the digits and one model whose five outputs are the features at these
# depths. `linear_probe(x, y)` trains a probe; its `score(x, y)` returns an accuracy.
#
# > **Predict.** Draw the curve before you measure it. Where is the best place for *digits*?
#
# <details><summary>Hint</summary>
#
# `features_of.predict(images, verbose=0)` returns a list of five arrays, one per depth.
# Train on the training digits and score on the test digits, for each depth.
# </details>

# %%
digits = datasets.load("mnist", "sample")
depths = ["stem_activation", "block3b_add", "block5c_add", "block6d_add"]
depths.append("head_activation")


def as_photographs(images):
    larger = keras.ops.image.resize(images.astype("float32"), (64, 64))
    return np.repeat(np.asarray(larger), 3, axis=-1)


train_digits = as_photographs(digits.train[0][:1000])
train_labels = digits.train[1][:1000]
test_digits, test_labels = as_photographs(digits.test[0][:500]), digits.test[1][:500]
base = pretrained.load("efficientnet_lite0", 64)
outputs = [base.get_layer(name).output for name in depths]
pooled = [layers.GlobalAveragePooling2D()(output) for output in outputs]
features_of = keras.Model(base.input, pooled)


def linear_probe(x, y):
    model = LogisticRegression(C=0.01, max_iter=1000)
    return make_pipeline(StandardScaler(), model).fit(x, y)


# %% tags=["measured"]
accuracies = ...
### BEGIN SOLUTION
train_features = features_of.predict(train_digits, verbose=0)
test_features = features_of.predict(test_digits, verbose=0)
accuracies = np.zeros(5)
for place in range(5):
    fitted = linear_probe(train_features[place], train_labels)
    accuracies[place] = fitted.score(test_features[place], test_labels)
### END SOLUTION

# %%
passed = check("04.7", accuracies)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% tags=["measured"]
if passed:
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    axis.plot(range(5), accuracies, "o-")
    axis.set_xticks(range(5), [name.split("_")[0] for name in depths])
    axis.set(ylabel="test accuracy", ylim=(0, 1.02))
    axis.set_title("Digits, borrowed at five depths")
    plots.show(
        figure,
        "Test accuracy of linear probes on digits against the depth of the features; "
        "the curve rises steeply, is highest in the middle of the base and falls "
        "towards its end.",
    )

# %% [markdown]
# **In your own words:** you want to sort X-ray images, and all that you have is this base. What do
# you try, and in which order?

# %% [markdown]
# ### BEGIN SOLUTION
# For digits the curve is highest in the middle: the first layers know only edges and colors, and
# the last ones answer a question about photographs. (In the chapter, with larger images, the best
# place was 6d, and the places from 5b on were nearly as good.)
# X-rays are hardly closer to ImageNet than digits are, so the last layer is probably not the best
# place.
# Put linear probes on several depths and choose by validation images of your own, as in the
# chapter; it costs one pass through the base.
# Compare with a simple baseline on the pixels, so that you know what borrowing is worth.
# If there are thousands of labeled images, let the base learn as well, which is chapter 5.
# ### END SOLUTION
