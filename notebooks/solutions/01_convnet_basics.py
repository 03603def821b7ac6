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
# # Exercises for chapter 1: Convnet basics
#
# Eight exercises, in the order of the chapter. The first five and the last need pencil and paper,
# or a few lines of NumPy; 01.6 and 01.7 build and train. One star means that you can answer
# straight from the chapter, three stars that you have to go beyond it.
#
# Replace the three dots, or the line "your code goes here", with your answer, run the cell, and
# then run the `check` below it: it tells you whether you are right, and often what went wrong if
# you aren't. Each exercise stands on its own, so start where you like, but run the next cell first.
# The data are a sample of 5,000 digits that comes with the course, so everything runs offline and
# on two processor cores.

# %%
from helpers import datasets, plots, training
from helpers.exercises import check
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np

digits = datasets.load("mnist", "sample")
train_images, train_labels = digits.train
test_images, test_labels = digits.test


def slide(image, kernel):
    """Return the map of one kernel, with stride 1 and without padding."""
    windows = np.lib.stride_tricks.sliding_window_view(image, np.shape(kernel))
    return (windows * kernel).sum(axis=(2, 3))


# %% [markdown]
# ## Exercise 01.1: A filter for slanted strokes
#
# ★☆☆ · about 10 minutes
#
# The stem of a seven leans to the right, from bottom left to top right.
# Choose a 3x3 kernel by hand that lights up along such strokes.
# Its response to them must be stronger than to vertical strokes, to horizontal ones, and to those
# that lean to the left, and on plain areas, dark or bright, it must be exactly zero.
#
# <details><summary>Hint</summary>
#
# Draw the 3x3 window with a bright diagonal in it.
# Where there is ink, the weight should be large; where there is none, it should be negative.
# On a plain area every pixel has the same value, so the response is that value times the sum of
# the weights: which sum makes it zero?
# </details>

# %%
kernel = ...
### BEGIN SOLUTION
# The diagonal gets 2 three times, the other six weights -1: they add up to zero.
kernel = np.array([[-1, -1, 2], [-1, 2, -1], [2, -1, -1]])
### END SOLUTION

# %%
passed = check("01.1", kernel)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once your kernel passes, this cell shows what it sees in a seven and in a zero.
# Where does it light up?

# %%
if passed:
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
    for left, right, digit in ((axes[0], axes[1], 7), (axes[2], axes[3], 0)):
        picture = train_images[np.flatnonzero(train_labels == digit)[0], :, :, 0] / 255
        response = slide(picture, kernel)
        limit = np.abs(response).max()
        left.imshow(picture, cmap="gray")
        right.imshow(response, cmap="RdBu_r", vmin=-limit, vmax=limit)
        left.set_title(f"a {digit}")
        right.set_title("its map")
    for axis in axes:
        axis.set_axis_off()
    plots.show(
        figure,
        "A seven and a zero, each beside its feature map; the map is strongest, "
        "in red, along the strokes that lean to the right.",
    )

# %% [markdown]
# **In your own words:** why does the zero light up in two places and not all the way around?

# %% [markdown]
# ### BEGIN SOLUTION
# The kernel looks at a piece of stroke three pixels long and knows nothing of digits.
# A zero is a closed curve, so its outline takes every direction: on the upper left and on the
# lower right it runs from bottom left to top right, and there it matches the kernel.
# On the other two sides it leans to the left, and the responses stay small.
# To tell a seven from a zero, a later layer has to combine several such maps, and that is exactly
# what the second convolution of a convnet does.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 01.2: How large is the map?
#
# ★☆☆ · about 10 minutes
#
# Work this out on paper before you let Keras confirm it.
# Give one number each, the length of one side:
#
# * `valid`: a 7x7 window with stride 2 and valid padding on 224x224 pixels;
# * `same`: the same window and stride with same padding;
# * `last`: what is left of a digit of 28x28 pixels after convolution, pooling, convolution,
#   pooling, convolution, where every convolution is 3x3 and every pooling 2x2, without padding.
#
# <details><summary>Hint</summary>
#
# Without padding, a window of $F$ pixels can take $W - F$ steps of one pixel, and with a stride
# $S$ only every $S$-th of them: $\lfloor (W - F) / S \rfloor$ steps, and one position more than
# steps.
# With same padding the size is $W / S$, rounded up.
# </details>

# %%
valid = ...
same = ...
last = ...
### BEGIN SOLUTION
valid = (224 - 7) // 2 + 1  # 108 steps of two pixels, so 109 positions
same = -(-224 // 2)  # rounded up, although 224 is even and there is nothing to round
last = 28
for layer in ("convolution", "pooling", "convolution", "pooling", "convolution"):
    last = last - 2 if layer == "convolution" else last // 2
    print(f"after the {layer}: {last}x{last}")
### END SOLUTION

# %%
passed = check("01.2", valid, same, last)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 01.3: Two layers that are only one
#
# ★★☆ · about 20 minutes
#
# Here are the kernels of two convolutional layers that follow one another, with no bias and no
# activation between them.
#
# 1. Find the single 5x5 kernel `merged` whose map is the same, whatever the image.
# 2. Now put a ReLU after the first layer. Find an `image` of 5x5 numbers on which the two layers
#    give a different result from the one without it.
#
# <details><summary>Hint</summary>
#
# For the first part, take only one weight of `second`, the one at `[row, column]`.
# It reads the first map at one place, and what it finds there is `first` laid over the image at
# that place, so it adds `second[row, column]` times a copy of `first`, moved by `row` and
# `column`.
#
# For the second part, the first map must be negative somewhere, and the second kernel must look
# there.
# </details>

# %%
first = np.array([[1, 2, 0], [0, 1, 0], [0, 0, -1]])
second = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 2]])

merged = ...
image = ...
### BEGIN SOLUTION
merged = np.zeros((5, 5))
for row in range(3):
    for column in range(3):
        merged[row : row + 3, column : column + 3] += second[row, column] * first

# One bright pixel in the lower right corner meets the weight -1 of the first kernel,
# so the first map is negative at [2, 2], where the second kernel has the weight 2.
image = np.zeros((5, 5))
image[4, 4] = 1
first_map = slide(image, first)
with_relu = slide(np.maximum(first_map, 0), second)
print("without ReLU:", slide(first_map, second).item(), "with ReLU:", with_relu.item())
### END SOLUTION

# %%
passed = check("01.3", merged, image)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** what would a network of ten convolutions without activations be able to
# learn?

# %% [markdown]
# ### BEGIN SOLUTION
# No more than one convolution with a 21x21 kernel, since each further 3x3 layer widens the merged
# kernel by two pixels.
# It would have ten layers of weights to train, and all of them together could compute only a single
# linear map.
# The ReLU is what makes depth worth having: each layer can decide *whether* its feature is there
# before the next one combines it with others.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 01.4: How far can it see?
#
# ★★☆ · about 10 minutes
#
# The **receptive field** of a number in a deep layer is the part of the image on which it depends.
# Work out on paper
#
# * `field`: its side, in pixels, after a 5x5 convolution, a 2x2 pooling, a 3x3 convolution, a 2x2
#   pooling and a 3x3 convolution, with stride 1 in every convolution and stride 2 in every pooling;
# * `layers_needed`: how many 3x3 convolutions with stride 1, and nothing else, it takes until one
#   number sees all 28 pixels of a digit's side. (Give them same padding. Without it, the last one
#   would find a map of 2x2 and no room for its window.)
#
# <details><summary>Hint</summary>
#
# Start with 1 pixel and walk through the layers.
# A window of $F$ adds $F - 1$ steps, and a step is as long as the product of all strides *before*
# that layer.
# </details>

# %%
field = ...
layers_needed = ...
### BEGIN SOLUTION
field, step = 1, 1
for window, stride in ((5, 1), (2, 2), (3, 1), (2, 2), (3, 1)):
    field += (window - 1) * step
    step *= stride
    print(f"window {window}, stride {stride}: sees {field} pixels, next step {step}")

layers_needed = -(-(28 - 1) // 2)  # two more pixels per layer; rounded up
### END SOLUTION

# %%
passed = check("01.4", field, layers_needed)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** the first network has three convolutions and sees 20 pixels, and without
# pooling you'd need far more layers. What is the price of pooling?

# %% [markdown]
# ### BEGIN SOLUTION
# Pooling doubles the step, so every later layer reaches twice as far for the same number of
# weights.
# The price is position: after two poolings neighboring numbers stand for places four pixels
# apart, and nothing in the map says where between them the stroke was.
# For reading a digit that is welcome, because a seven remains a seven when it moves a little.
# For finding the outline of an object pixel by pixel it would hurt.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 01.5: Where the parameters are
#
# ★☆☆ · about 10 minutes
#
# A small convnet reads color images of 32x32 pixels:
#
#     Conv2D(32, 3) → MaxPooling2D(2) → Conv2D(64, 3) → MaxPooling2D(2) → Flatten → Dense(10)
#
# There is no padding, and every layer with weights has biases too.
# Count the parameters on paper: `first` and `second` for the convolutions, `dense` for the last
# layer.
# Which of them has the most? Guess before you count.
#
# <details><summary>Hint</summary>
#
# A filter goes through *all* channels of its input and has one bias:
# $(F \cdot F \cdot D_\text{in} + 1) \cdot D_\text{out}$.
# For the dense layer you need to know how many numbers `Flatten` passes on, so follow the size of
# the maps first.
# </details>

# %%
first = ...
second = ...
dense = ...
### BEGIN SOLUTION
first = (3 * 3 * 3 + 1) * 32
second = (3 * 3 * 32 + 1) * 64
dense = (6 * 6 * 64 + 1) * 10  # the maps shrink from 32 to 30, 15, 13 and 6

model = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Conv2D(32, 3),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(10),
    ]
)
for layer in model.layers:
    print(f"{layer.__class__.__name__:<14}{layer.count_params():>8,}")
### END SOLUTION

# %%
passed = check("01.5", first, second, dense)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 01.6: A head without Flatten
#
# ★★☆ · about 15 minutes
#
# `Flatten` hands every number of the last maps to the dense layer.
# **Global average pooling** hands over one number per map, its mean.
# Below is a convnet with a `Flatten` head.
#
# 1. Count on paper how many parameters are `saved` when `layers.GlobalAveragePooling2D()` takes
#    the place of `Flatten`. The last convolution gives 64 maps of 3x3.
# 2. Build that network as `model`, with the same three convolutions and the same dense layer.
#
# > **Predict.** Both networks train for the same six epochs. Which one reads more test digits?
#
# <details><summary>Hint</summary>
#
# Only the weights between the maps and the ten classes change; the ten biases are in both.
# Copy the list of layers and change one line.
# </details>

# %%
with_flatten = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)

saved = ...
model = ...
### BEGIN SOLUTION
saved = 3 * 3 * 64 * 10 - 64 * 10
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ]
)
### END SOLUTION

# %%
passed = check("01.6", saved, model)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once both answers pass, this cell trains the two networks on the sample.

# %% tags=["measured"]
if passed:
    for name, net in (("Flatten", with_flatten), ("global average", model)):
        training.start(seed=0)
        net = keras.models.clone_model(net)  # with fresh weights from the same seed
        net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        net.fit(train_images, train_labels, epochs=6, batch_size=64, verbose=0)
        _, accuracy = net.evaluate(test_images, test_labels, verbose=0)
        size = f"{net.count_params():,} parameters"
        print(f"{name:<16}{size}, test accuracy {accuracy:.1%}")

# %% [markdown]
# **In your own words:** what does the network with global average pooling no longer know, and what
# does that cost?

# %% [markdown]
# ### BEGIN SOLUTION
# It knows *that* a feature is there, and how much of it, but no longer *where* in the 3x3 map.
# With only six epochs on 4,000 digits it falls behind the `Flatten` head, as the two lines above
# say.
# A likely reason: a six and a nine have much the same strokes in different places, so position
# matters here, and the convolutions need longer to learn features that carry it.
# What it buys is a head with a ninth of the weights, which has less to memorize and accepts images
# of any size.
# On photographs, where the cat may be anywhere, nearly all modern networks end this way.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 01.7: Does LeNet survive four pixels?
#
# ★★★ · about 25 minutes, of which one minute is training
#
# The chapter moves every test digit by four pixels, and the linear classifier collapses.
# Repeat the experiment for LeNet, with all distances from 0 to 6.
#
# 1. Write `moved(images, pixels)`. It takes images of shape (N, 28, 28, 1) and returns an array of
#    the same shape in which every image is moved to the right. Fill in zeros on the left.
# 2. Compile both models with `"adam"` and `"sparse_categorical_crossentropy"`, and train them for
#    five epochs with `batch_size=64`. Then store the test accuracy for the distances 0, 1, ..., 6
#    in `accuracies`, an array of shape (2, 7): row 0 for `linear`, row 1 for `lenet`, as fractions.
#
# > **Predict.** Draw both curves before you measure them.
#
# <details><summary>Hint</summary>
#
# Start from `np.zeros_like(images)` and copy a slice along axis 2 into it.
# Make sure that `pixels=0` works: the slice `[:-0]` is empty.
# `np.roll` is tempting, but what leaves on the right comes back on the left.
#
# `model.evaluate(images, labels, verbose=0)` returns loss and accuracy.
# </details>


# %%
def moved(images, pixels):
    ### BEGIN SOLUTION
    result = np.zeros_like(images)
    width = images.shape[2]
    result[:, :, pixels:] = images[:, :, : width - pixels]
    return result
    ### END SOLUTION


# %%
training.start(seed=0)
linear = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)
lenet = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(20, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(50, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(500, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)

# %% tags=["measured"]
accuracies = ...
### BEGIN SOLUTION
accuracies = np.zeros((2, 7))
for row, model in enumerate((linear, lenet)):
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train_images, train_labels, epochs=5, batch_size=64, verbose=0)
    for pixels in range(7):
        _, accuracy = model.evaluate(moved(test_images, pixels), test_labels, verbose=0)
        accuracies[row, pixels] = accuracy
### END SOLUTION

# %%
passed = check("01.7", moved, accuracies)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% tags=["measured"]
if passed:
    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for name, values in zip(("linear", "LeNet"), accuracies, strict=True):
        axis.plot(range(7), values, "o-")
        axis.annotate(name, (2, values[2]), (6, 6), textcoords="offset points")
    axis.set(xlabel="pixels to the right", ylabel="test accuracy", ylim=(0, 1.02))
    axis.set_title("Moved digits (MNIST sample)")
    plots.show(
        figure,
        "Test accuracy against the distance from 0 to 6 pixels; the curve of the "
        "linear classifier falls steeply, and LeNet's follows about one pixel later.",
    )

# %% [markdown]
# **In your own words:** LeNet's convolutions are equivariant, so its maps simply move along with
# the digit. Why does it lose accuracy at all?

# %% [markdown]
# ### BEGIN SOLUTION
# Because of what comes after the convolutions.
# Look at the two curves: LeNet's has the shape of the linear classifier's, about one pixel later.
# Pooling can explain a delay like that: a maximum over 2x2 numbers often stays the same when the
# digit moves by a pixel, so the first step costs LeNet very little.
# Beyond that, the features arrive at other places of the last 7x7 maps, and `Flatten` connects
# every place with weights of its own: to the dense layer, a feature in column 3 and the same
# feature in column 4 are two unrelated inputs.
# It was trained on centered digits only, so it never had a reason to treat them alike.
# At four pixels it still reads more digits than the linear classifier, but it is far from immune.
# (The chapter's LeNet held out better. It had learned from 54,000 digits instead of 4,000, with
# another schedule, and was shifted to the left. So the head alone doesn't decide how much a shift
# costs.)
# Two remedies come up again later in the course: moving the training images at random, and
# replacing `Flatten` by global pooling, as in exercise 01.6.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 01.8: A stride in the backward pass
#
# ★★★ · about 30 minutes
#
# A weight that is used at many positions gets the sum of their gradients.
# For stride 1 the chapter computes that sum as a convolution of the image with the gradient of
# the output.
# What changes with a stride?
#
# Write `weight_gradient(image, output_gradient, window, stride)` for one channel, one filter and
# valid padding.
# It takes an image of shape (H, W) and the gradient of the loss with respect to the map, and
# returns the gradient with respect to the weights, an array of shape (window, window).
#
# <details><summary>Hint</summary>
#
# Follow one weight, say $w_{0,1}$, with stride 2.
# At output $(0, 0)$ it meets pixel $(0, 1)$, at output $(0, 1)$ pixel $(0, 3)$, at output $(1, 0)$
# pixel $(2, 1)$.
# So weight $(i, j)$ meets the pixels `image[i::stride, j::stride]`, of which only as many count as
# there are outputs.
# </details>


# %%
def weight_gradient(image, output_gradient, window, stride):
    ### BEGIN SOLUTION
    height, width = output_gradient.shape
    gradient = np.zeros((window, window))
    for i in range(window):
        for j in range(window):
            met = image[i::stride, j::stride][:height, :width]
            gradient[i, j] = (met * output_gradient).sum()
    return gradient
    ### END SOLUTION


# %%
passed = check("01.8", weight_gradient)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# A gradient can always be tested without calculus: change one weight a little and see how much the
# loss changes.
# Once your function passes, this cell does that for every weight.

# %%
if passed:
    random = np.random.default_rng(0)
    image, kernel = random.normal(size=(9, 8)), random.normal(size=(3, 3))

    def loss(kernel):
        return (slide(image, kernel)[::2, ::2] ** 2).sum()

    wiggled = np.zeros((3, 3))
    for place in np.ndindex(3, 3):
        small = np.zeros((3, 3))
        small[place] = 1e-6
        wiggled[place] = (loss(kernel + small) - loss(kernel - small)) / 2e-6
    output = slide(image, kernel)[::2, ::2]
    # The gradient of a squared output is twice the output.
    by_hand = weight_gradient(image, 2 * output, 3, 2)
    print("by hand and by wiggling agree:", np.allclose(by_hand, wiggled))

# %% [markdown]
# **In your own words:** does a layer with stride 2 learn from fewer pixels?

# %% [markdown]
# ### BEGIN SOLUTION
# Each weight does: it meets only every second pixel in each direction, so about a quarter of the
# products enter its sum.
# The layer as a whole doesn't skip any pixel under a 3x3 window, because neighboring windows
# overlap by one pixel; another weight meets the pixels that this one steps over.
# Only when the stride is larger than the window, or when the last step doesn't fit, are there
# pixels from which nothing is learned, and their own gradient is zero.
# ### END SOLUTION
