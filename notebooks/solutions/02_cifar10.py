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
# # Exercises for chapter 2: CIFAR-10
#
# Six exercises, in the order of the chapter. Pencil and paper, a few lines of NumPy, and a small
# network at the end. One star means that you can answer straight from the chapter, three stars that
# you have to go beyond it.
#
# Replace the three dots, or the line "your code goes here", with your answer, run the cell, and
# then run the `check` below it: it tells you whether you are right, and often what went wrong if
# you aren't. Each exercise stands on its own, so start where you like, but run the next cell first.
# The images are a drawn sample that comes with the course, so everything runs offline and within
# seconds.

# %%
from helpers import datasets, plots
from helpers.exercises import check
import keras
from keras import layers
import numpy as np

drawn = datasets.load("cifar10", "sample")
images, labels = drawn.train

# %% [markdown]
# ## Exercise 02.1: Luck or not?
#
# ★☆☆ · about 10 minutes
#
# Two networks were trained three times each, and compared on the same 5,000 images.
# `only_first` counts the images that only the first network got right, `only_second` those that
# only the second did.
# By how many standard deviations is the first ahead in each training?
# And is it *clearly better* by the rule of the chapter, 1 for yes or 0 for no?
#
# <details><summary>Hint</summary>
#
# If both networks are equally good, $b + c$ fair coins decide.
# Their difference $b - c$ has a standard deviation of $\sqrt{b + c}$.
# </details>

# %%
only_first = np.array([330, 318, 301])
only_second = np.array([262, 259, 265])

ratios = ...
verdict = ...
### BEGIN SOLUTION
ratios = (only_first - only_second) / np.sqrt(only_first + only_second)
verdict = int(np.all(ratios > 2))  # the third ratio is only 1.5
### END SOLUTION

# %%
passed = check("02.1", ratios, verdict)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** the first network is ahead in every training.
# Why isn't that enough?

# %% [markdown]
# ### BEGIN SOLUTION
# If both were equally good, one of them would still be ahead in all three trainings in one case
# out of four: the first training decides who, and the other two agree by luck.
# Three wins alone are weak evidence. Three wins of more than two standard deviations each are not.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 02.2: Where the parameters are
#
# ★☆☆ · about 15 minutes
#
# Count on paper, for the published deeper net: two modules of a 3x3 convolution with same padding,
# a 3x3 convolution without padding, and a 2x2 pooling, with 32 filters in the first module and 64
# in the second; then `Flatten`, a dense layer of 512 and one of 10.
# The images have 32x32 pixels in three colors, and the whole net has 1,250,858 parameters.
#
# * `second`: the parameters of the second convolution;
# * `dense`: those of the dense layer of 512;
# * `share`: what share of the whole net that is.
#
# <details><summary>Hint</summary>
#
# Follow the size of the maps first: 32, then 32, then 30, and so on.
# Pooling drops a last row that has no partner.
# </details>

# %%
second = ...
dense = ...
share = ...
### BEGIN SOLUTION
second = (3 * 3 * 32 + 1) * 32
# The maps: 32 -> 32 -> 30 -> 15 -> 15 -> 13 -> 6
dense = (6 * 6 * 64 + 1) * 512
share = dense / 1_250_858
### END SOLUTION

# %%
passed = check("02.2", second, dense, share)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 02.3: Smoothed labels
#
# ★★☆ · about 15 minutes
#
# Label smoothing takes a tenth of the right class's certainty and shares it evenly among all ten
# classes.
# What does it ask for the `right` class, and for each `other` class?
# And what is the smallest cross-entropy `loss` that a network can reach with such labels?
#
# <details><summary>Hint</summary>
#
# The cross-entropy of labels $q$ and probabilities $p$ is $-\sum_k q_k \ln p_k$.
# It is smallest when $p = q$, and then it isn't zero.
# </details>

# %%
right = ...
other = ...
loss = ...
### BEGIN SOLUTION
right = 0.9 + 0.1 / 10
other = 0.1 / 10
loss = -right * np.log(right) - 9 * other * np.log(other)
### END SOLUTION

# %%
passed = check("02.3", right, other, loss)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 02.4: Alternating flips
#
# ★★☆ · about 15 minutes
#
# Write a function that gets images of shape (N, H, W, 3), one coin toss per image, and the number
# of the epoch.
# In even epochs it flips, left to right, the images whose toss is `True`; in odd epochs it flips
# the others.
#
# <details><summary>Hint</summary>
#
# `images[:, :, ::-1]` is all images mirrored. An image is flipped if exactly one of two things
# holds, which is what `^` means for truth values.
# </details>


# %%
def alternate(images, first_flip, epoch):
    ...
    ### BEGIN SOLUTION
    flipped = first_flip ^ (epoch % 2 == 1)
    return np.where(flipped[:, None, None, None], images[:, :, ::-1], images)
    ### END SOLUTION


# %%
passed = check("02.4", alternate)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once it passes, look at six images in two epochs.
# Is every one of them seen from both sides?

# %%
if passed:
    tosses = np.array([True, False, False, True, False, True])
    both = np.concatenate([alternate(images[:6], tosses, epoch) for epoch in (0, 1)])
    plots.show(
        plots.image_grid(both, None, "Above: epoch 0. Below: epoch 1", columns=6),
        "Six drawn images in two rows; each image in the lower row is the mirror image "
        "of the one above it.",
    )

# %% [markdown]
# ## Exercise 02.5: Who is confused with whom?
#
# ★★☆ · about 15 minutes
#
# Write a function that finds the most frequent confusion in a confusion matrix: it returns the row
# (the true class) and the column (the answer) of the largest count that isn't on the diagonal.
#
# <details><summary>Hint</summary>
#
# Put something small on the diagonal of a copy.
# `np.unravel_index(position, shape)` turns the position that `argmax` returns into row and column.
# </details>


# %%
def most_confused(matrix):
    ...
    ### BEGIN SOLUTION
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, -1)
    return np.unravel_index(mistakes.argmax(), mistakes.shape)
    ### END SOLUTION


# %%
passed = check("02.5", most_confused)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 02.6: A better head
#
# ★★★ · about 25 minutes
#
# The last maps of a convnet have 3x3 places and 64 channels. `Flatten` and `Dense(10)` after it
# need 5,770 parameters; global pooling needs 650, but forgets where things are. Build a `head` in
# between: it gets the maps, squeezes the 64 channels to 8 with a 1x1 convolution with ReLU,
# flattens, and ends in ten probabilities. How many parameters are `saved` compared with the 5,770?
#
# <details><summary>Hint</summary>
#
# Begin with `keras.Input((3, 3, 64))`.
# A 1x1 convolution is a small dense layer that is applied at each place: 64 weights and a bias per
# filter.
# </details>

# %%
saved = ...
head = ...
### BEGIN SOLUTION
squeezed = (64 + 1) * 8
read = (3 * 3 * 8 + 1) * 10
saved = 5_770 - squeezed - read
head = keras.Sequential(
    [
        keras.Input((3, 3, 64)),
        layers.Conv2D(8, 1, activation="relu"),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)
### END SOLUTION

# %%
passed = check("02.6", saved, head)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** the chapter's last net uses global max pooling.
# For which kind of images would you rather keep the position?

# %% [markdown]
# ### BEGIN SOLUTION
# Where the place carries meaning: in an X-ray, where the heart is on one side; on a road, where the
# sky is above; in a form, where each field has its spot.
# In CIFAR-10 things may be anywhere, so the place says less. But it may say something: in the
# chapter `Flatten` was clearly ahead of global max pooling after a short training, and by a little
# after a long one, with one training each. (Its dense layer also reads nine times as many numbers,
# so the place needn't be the reason.)
# ### END SOLUTION
