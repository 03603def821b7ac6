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
# # Exercises for chapter 8: Architectures
#
# Seven exercises, from easy to hard. The first three need pencil and paper, or a line of
# Python, and so does 08.6; the others build, count and train. One star means that you can answer
# straight from the chapter, three stars that you have to go beyond it.
#
# Replace the three dots, or the line "your code goes here", with your answer, run the cell, and
# then run the `check` below it: it tells you whether you are right, and often what went wrong if
# you aren't. Each exercise stands on its own, so start where you like, but run the next cell first.
# The data are a small sample that comes with the course, so everything runs offline and on two
# processor cores.

# %%
from helpers import datasets, training
from helpers.exercises import check
import keras
from keras import layers
import numpy as np

photos = datasets.load("cifar10", "sample")
train_images, train_labels = photos.train


def conv(x, filters, window=3, strides=1, norm=True, relu=True):
    x = layers.Conv2D(
        *(filters, window, strides, "same"),
        use_bias=not norm,
        kernel_initializer="he_normal",
    )(x)
    if norm:
        x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


# %% [markdown]
# ## Exercise 08.1: Nine pixels wide
#
# ★☆☆ · about 5 minutes
#
# You would like a receptive field of 9x9 pixels, and there are two ways to get it: one 9x9 window,
# or a stack of 3x3 layers with stride 1. Input, output and everything in between have the same
# number of channels.
#
# * `layers_needed`: how many 3x3 layers does the stack need?
# * `share`: how many weights does the stack have, as a share of those of the single window? (Leave
#   out the biases.)
#
# <details><summary>Hint</summary>
#
# The first 3x3 layer sees 3 pixels in each direction. What does every further one add?
# For the share you don't need the number of channels; it cancels.
# </details>

# %%
layers_needed = ...
share = ...
### BEGIN SOLUTION
# 3, 5, 7, 9: the first layer sees three pixels, and each further one adds two.
layers_needed = 4
share = layers_needed * 3 * 3 / (9 * 9)
### END SOLUTION

# %%
passed = check("08.1", layers_needed, share)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 08.2: Through the bottleneck
#
# ★☆☆ · about 10 minutes
#
# Both of these blocks read 256 channels and write 256 channels. Count their weights, without biases
# and without batch norm:
#
# * `bottleneck_weights`: a 1x1 convolution to 64 channels, a 3x3 convolution on 64 channels, and a
#   1x1 convolution back to 256;
# * `plain_weights`: two 3x3 convolutions on 256 channels.
#
# <details><summary>Hint</summary>
#
# A convolution has window times window times channels in times channels out weights.
# </details>

# %%
bottleneck_weights = ...
plain_weights = ...
### BEGIN SOLUTION
bottleneck_weights = 256 * 64 + 3 * 3 * 64 * 64 + 64 * 256
plain_weights = 2 * 3 * 3 * 256 * 256
### END SOLUTION

# %%
passed = check("08.2", bottleneck_weights, plain_weights)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** if the bottleneck is so much cheaper, why don't we squeeze to 8 channels?

# %% [markdown]
# ### BEGIN SOLUTION
# Because everything that the block adds to its input has to pass through those 8 channels. The
# block could still mix and look around, but it could only speak of eight things at each position.
# How far one can squeeze is a matter of experiment; ResNet's factor of four is a choice that
# worked.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 08.3: The price of a separable convolution
#
# ★★☆ · about 10 minutes
#
# Write a function that counts the multiply-adds of a separable convolution with stride 1 and same
# padding.
# It takes the `size` of the map (height and width), the `window`, and the channels that go in and
# come out.
#
# <details><summary>Hint</summary>
#
# Count for one position first. The depthwise part has one kernel per channel *of its input*. How
# many multiplications is that? Then the 1x1 convolution: how many weights does it have? In the end,
# multiply by the number of positions.
# </details>


# %%
def separable_macs(size, window, channels_in, channels_out):
    ### BEGIN SOLUTION
    looks_around = window * window * channels_in
    mixes = channels_in * channels_out
    return size * size * (looks_around + mixes)
    ### END SOLUTION


# %%
passed = check("08.3", separable_macs)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once it passes, this cell compares it with an ordinary convolution.

# %%
if passed:
    for window, channels in ((3, 8), (3, 64), (3, 512), (7, 64)):
        ordinary = 8 * 8 * window * window * channels * channels
        left = separable_macs(8, window, channels, channels) / ordinary
        print(f"{window}x{window}, {channels} channels: {left:.1%} of the MACs")

# %% [markdown]
# **In your own words:** when does a separable convolution save the most?

# %% [markdown]
# ### BEGIN SOLUTION
# The more channels come out and the larger the window, the more it saves. What is left is one part
# in the number of output channels plus one part in the number of weights of the window: for 3x3 and
# very many channels, a ninth.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 08.4: A block that begins by doing nothing
#
# ★★☆ · about 15 minutes
#
# In the chapter a residual block returned its input when its kernels were zero. But zero kernels
# can't be a start: where every kernel is zero, no kernel gets a gradient.
# There is a better way, which is common in practice. The convolutions start at random, and the
# *scale* of the last batch normalization starts at zero.
#
# Build such a `block` as a Keras model from maps of 8x8x16 to maps of 8x8x16: two 3x3 convolutions,
# each with batch normalization, a ReLU in between, the shortcut, and a ReLU at the end.
#
# <details><summary>Hint</summary>
#
# `BatchNormalization` calls its scale *gamma*, and has an argument `gamma_initializer`.
# The function `conv` above makes the first of the two convolutions; write out the second one.
# Join the two paths with `layers.Add()`.
# </details>

# %%
block = ...
### BEGIN SOLUTION
x = keras.Input((8, 8, 16))
y = conv(x, 16)
y = layers.Conv2D(16, 3, padding="same", use_bias=False)(y)
y = layers.BatchNormalization(gamma_initializer="zeros")(y)
block = keras.Model(x, layers.ReLU()(layers.Add()([x, y])))
### END SOLUTION

# %%
passed = check("08.4", block)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** which weights of this block get a gradient in the very first step?

# %% [markdown]
# ### BEGIN SOLUTION
# Only gamma and beta of the last batch normalization.
# The gradient of everything before it is multiplied by gamma, and that is zero.
# But gamma itself is multiplied by what arrives, which isn't zero, so the first step moves it, and
# from the second step on the convolutions learn, too.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 08.5: Nineteen layers
#
# ★★☆ · about 15 minutes
#
# VGG also exists with 19 layers. Compared with VGG-16, the last three of its five groups have four
# convolutions each.
# Build it, for images of 224x224x3 and a thousand classes, and give
#
# * `parameters`: how many it has in all, biases included;
# * `in_dense`: the share of them that is in its three dense layers.
#
# <details><summary>Hint</summary>
#
# The function `vgg16` of the chapter needs three other numbers.
# `layer.count_params()` counts one layer.
# </details>

# %%
parameters = ...
in_dense = ...
### BEGIN SOLUTION
x = inputs = keras.Input((224, 224, 3))
for filters, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
    for _ in range(count):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
x = layers.Flatten()(x)
for _ in range(2):
    x = layers.Dense(4096, activation="relu")(x)
vgg19 = keras.Model(inputs, layers.Dense(1000, activation="softmax")(x))
parameters = vgg19.count_params()
dense = [layer for layer in vgg19.layers if isinstance(layer, layers.Dense)]
in_dense = sum(layer.count_params() for layer in dense) / parameters
### END SOLUTION

# %%
passed = check("08.5", parameters, in_dense)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 08.6: How large is the answer?
#
# ★★☆ · about 10 minutes
#
# The fully convolutional classifier of the chapter shrinks an image by a factor of 8 in each
# direction, in three steps that each halve it.
# Then it pools over windows of 4x4 positions with stride 1, without padding.
# What are the `rows` and the `columns` of its answer for an image of 96 rows and 192 columns?
#
# <details><summary>Hint</summary>
#
# First the map before the pooling: 96 / 8 rows.
# Then the formula of chapter 1, for a window of 4.
# </details>

# %%
rows = ...
columns = ...
### BEGIN SOLUTION
rows = 96 // 8 - 4 + 1
columns = 192 // 8 - 4 + 1
### END SOLUTION

# %%
passed = check("08.6", rows, columns)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 08.7: Deep, with and without
#
# ★★★ · about 25 minutes, of which the computer needs one
#
# Train two networks of 34 layers and compare them. Both have the skeleton below, with 16 blocks of
# two 3x3 convolutions on 16 channels:
#
# * the first is *plain*: no batch norm and no shortcuts (`norm=False`);
# * the second has both: batch norm after every convolution, and each block adds its input.
#
# Write the two blocks. Then train both networks with `train_deep`, and put their *training*
# accuracies into `accuracies`, plain first.
#
# <details><summary>Hint</summary>
#
# In the second block the last convolution has no ReLU of its own (`relu=False`); the ReLU comes
# after the addition. The shapes agree everywhere, so you need no 1x1 convolution.
# </details>


# %%
def plain_block(x):
    ### BEGIN SOLUTION
    return conv(conv(x, 16, norm=False), 16, norm=False)
    ### END SOLUTION


def residual_block(x):
    ### BEGIN SOLUTION
    correction = conv(conv(x, 16), 16, relu=False)
    return layers.ReLU()(layers.Add()([x, correction]))
    ### END SOLUTION


# %%
def train_deep(block, norm):
    training.start(0)
    x = inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = layers.MaxPooling2D(2)(conv(x, 16, strides=2, norm=norm))
    for _ in range(16):
        x = block(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    rate = training.one_cycle(0.003, training.steps_in(len(train_images), 32, 4))
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    batches = training.batches(train_images, train_labels, 32, seed=0)
    curve = model.fit(batches, epochs=4, callbacks=[training.Progress()], verbose=0)
    return curve.history["accuracy"][-1]


accuracies = ...
### BEGIN SOLUTION
plain = train_deep(plain_block, norm=False)
residual = train_deep(residual_block, norm=True)
accuracies = np.array([plain, residual])
### END SOLUTION

# %%
passed = check("08.7", accuracies)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** the plain network has as many parameters as the other one (nearly), and the
# same data. What is it that it can't do?

# %% [markdown]
# ### BEGIN SOLUTION
# It can't tell the images apart at its start.
# Each layer makes the features of different images a little more alike, and after 33 of them they
# look much alike. (The chapter measured correlations of about 0.9.)
# Then two images with the same label should give nearly the same gradients, whatever they show.
# That would explain why the network learns little but how frequent the classes are.
# ### END SOLUTION
