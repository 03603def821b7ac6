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
# # 1. Convnet basics
#
# A convolutional network, or convnet, looks at a picture through small windows.
# It uses the same window everywhere, so that what it learns in one corner it knows in all corners.
# This chapter builds the idea from its parts and then lets it read handwritten digits.
#
# After this chapter you can
#
# * say what a convolution computes, and write it yourself in a few lines of NumPy;
# * work out the size of a feature map, its parameters and its cost before you build a layer;
# * explain padding, stride, pooling and the receptive field with a picture each;
# * train a dense net, a convnet and LeNet on MNIST, and judge them fairly;
# * compute the backward pass of a convolution by hand.
#
# Along the way we check what lecture notes and books say.
# Some of their figures are wrong, and each time we let the computer show the right one.

# %% [markdown]
# We begin with the imports.
# The modules of `helpers` hold the plumbing of the course: data, training with progress, pictures.
# Everything that a chapter teaches stands in the chapter itself.

# %%
from helpers import arithmetic, datasets, plots, training
from helpers.backend import as_array, gradient
from helpers.records import claims_table, mistakes_table, record
import keras
from keras import layers, ops
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# The next cell holds everything that can be changed without touching the code.
# The comment behind each parameter says which values make sense.

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: built-in, real, or the long recipe
seed: int = 0  # 0 to 1000000: seed of the weights and of the shuffling
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
validation: float = 0.1  # 0.01 to 0.5: share of the training digits held out to watch it
batch_size: int = 128  # 8 to 1024: digits a step
epochs: int = 2  # 1 to 100: passes over the training digits for the convnet
dense_epochs: int = 4  # 1 to 100: passes over the training digits for the dense net
lenet_epochs: int = 3  # 1 to 100: passes over the training digits for LeNet
filters: int = 16  # 4 to 64: filters in the first layer of the convnet

# %% [markdown]
# We set the seed once.
# The same seed on the same machine then gives the same weights, down to the last bit.
# We load MNIST: pictures of handwritten digits, 28 pixels high and wide, in shades of grey.

# %% tags=["measured"]
training.start(seed, precision)
rounding = 1e-5 if precision == "exact" else 0.1  # largest difference that it may make
mnist = datasets.load("mnist", profile)
images, labels = mnist.train
test_images, test_labels = mnist.test

# %% [markdown]
# Before any theory, we look at the data.
# A picture is an array of whole numbers from 0 (black) to 255 (white), with one channel.

# %%
firsts = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
figure = plots.image_grid(
    images[firsts], [f"label {digit}" for digit in range(10)], f"One of each ({mnist.label})", 10
)
plots.show(figure, "Ten handwritten digits, one of each from 0 to 9, white on black.")
print("shape of one picture:", images[0].shape, "type:", images.dtype)

# %% [markdown]
# ## From templates to filters
#
# The simplest network for pictures is a linear classifier.
# It has one weight a pixel and class, and its score for a class is the sum of pixel times weight.
# So its weights are a *template*: a picture that is bright where the class has ink, and dark where
# the class must have none.
#
# We train one, beginning with empty templates, and look at what it made of them.
# Expect blurred ghosts of the digits.

# %% tags=["measured"]
linear = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(10, "softmax", kernel_initializer="zeros", name="templates"),
    ]
)
linear.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
_ = training.fit(linear, images, labels, epochs=1, batch_size=batch_size, seed=seed)

# %%
templates = linear.get_layer("templates").kernel.numpy().T.reshape(10, 28, 28)
limit = np.abs(templates).max()
figure, axes = plt.subplots(2, 5, figsize=(9, 4.2), layout="constrained")
for digit, axis in enumerate(axes.flat):
    shown = axis.imshow(templates[digit], cmap="RdBu_r", vmin=-limit, vmax=limit)
    axis.set_title(f"template of {digit}", fontsize=9)
    axis.set_axis_off()
figure.colorbar(shown, ax=axes, label="weight", shrink=0.8)
figure.suptitle(f"What a linear classifier looks for ({mnist.label})")
plots.show(
    figure,
    "Ten blurred templates in red and blue; the one of 0 is a red ring with a blue centre, "
    "the others are fainter ghosts of their digits.",
)

# %% [markdown]
# The ring of the zero is easy to see: ink around, none in the middle.
# But a template is tied to its place.
# If we moved the zero by a few pixels, ink would fall on the blue centre.
# A template also has a weight for every pixel, and that becomes expensive with larger pictures.
#
# A convolution answers both: it takes a *small* template, called a **filter**, and slides it over
# the picture.
# At each position it computes one number, its response.
# The responses together form a **feature map**, or response map.

# %% [markdown]
# ### Counting weights
#
# How much do small templates save?
# The function `dense_parameters` counts one weight an input and unit, and one bias a unit.
# The function `convolution_parameters` counts
# $(F \cdot F \cdot D_\text{in} + 1) \cdot D_\text{out}$:
# each of the $D_\text{out}$ filters has a window of $F \times F$ pixels through all $D_\text{in}$
# channels, and one bias.
#
# We count the examples that our sources give.

# %%
record(
    "basics.dense_100_on_200x200.weights",
    arithmetic.dense_parameters(200 * 200 * 3, 100, bias=False),
    "count",
)
record("basics.template_32x32.parameters", arithmetic.dense_parameters(32 * 32 * 3, 1), "count")
record("basics.filter_5x5.parameters", arithmetic.convolution_parameters((5, 5), 3, 1), "count")
record("basics.templates_20.parameters", arithmetic.dense_parameters(32 * 32 * 3, 20), "count")
record("basics.filters_20.parameters", arithmetic.convolution_parameters((5, 5), 3, 20), "count")

# %% [markdown]
# A filter of the convnet has a few dozen weights where the whole-image template has thousands.
# Better still, the number of weights of a filter does not depend on the size of the picture at all.
#
# One source writes that a layer has "$F \cdot F \cdot D + 1$ weights a map, for
# $D_\text{out}(F \cdot F \cdot D + 1)$ weights *and* $D_\text{out}$ biases".
# That counts the biases twice.
# We ask Keras, which must agree with `convolution_parameters`.

# %%
layer = layers.Conv2D(20, 5)
layer.build((None, 32, 32, 3))
record("basics.conv_20_5x5.parameters", layer.count_params(), "count")
assert layer.count_params() == arithmetic.convolution_parameters((5, 5), 3, 20)

# %% [markdown]
# ## The convolution by hand
#
# Now we write the operation itself.
# For each position of the window we multiply the pixels below it with the weights of the filter,
# and add everything up.
# Deep learning calls this a convolution; a mathematician would call it a cross-correlation, because
# the filter is not flipped.
#
# The function below takes a picture of shape (height, width, channels) and filters of shape
# (window, window, channels, filters), as Keras stores them.
# The loops run over the positions of the output, so you can see every step.


# %%
def convolve(image, kernel, bias, stride=1):
    window, _, _, depth = kernel.shape
    height = arithmetic.output_size(image.shape[0], window, stride)
    width = arithmetic.output_size(image.shape[1], window, stride)
    output = np.zeros((height, width, depth), dtype=np.float32)
    for row in range(height):
        for column in range(width):
            top, left = row * stride, column * stride
            patch = image[top : top + window, left : left + window, :]
            output[row, column] = np.tensordot(patch, kernel, axes=3) + bias
    return output


# %% [markdown]
# Does it compute what Keras computes?
# We give both the same picture with three channels and the same random weights.
# The largest difference must be below one part in a hundred thousand.

# %%
random = np.random.default_rng(seed)
picture = random.uniform(size=(12, 11, 3)).astype(np.float32)
for stride in (1, 2, 3):
    layer = layers.Conv2D(4, 3, strides=stride, bias_initializer="random_normal")
    ours = as_array(layer(picture[None])[0])
    by_hand = convolve(picture, layer.kernel.numpy(), layer.bias.numpy(), stride)
    assert np.abs(by_hand - ours).max() < rounding
    print(f"stride {stride}: shape {by_hand.shape}, the same numbers as Keras")

# %% [markdown]
# Filters are easiest to understand when we choose them ourselves.
# The first filter below is dark on the left and bright on the right: it answers to vertical edges.
# The second is the same on its side.
# Watch where each feature map lights up.

# %%
vertical = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], dtype=np.float32)
edges = np.stack([vertical, vertical.T], axis=-1)[:, :, None, :]
digit = images[firsts[7]].astype(np.float32) / 255
maps = convolve(digit, edges, 0)

figure, axes = plt.subplots(1, 5, figsize=(11, 2.6), layout="constrained")
panels = [digit[..., 0], vertical, maps[..., 0], vertical.T, maps[..., 1]]
names = ["picture", "filter 1: vertical", "feature map 1", "filter 2: horizontal", "feature map 2"]
for axis, panel, name in zip(axes, panels, names, strict=True):
    axis.imshow(panel, cmap="gray" if name == "picture" else "RdBu_r")
    axis.set_title(f"{name}\n{panel.shape[0]}x{panel.shape[1]}", fontsize=9)
    axis.set_axis_off()
figure.suptitle(f"Two filters and what they see ({mnist.label})")
plots.show(
    figure,
    "A handwritten seven, a filter for vertical edges with its feature map, which lights up along "
    "the stem, and one for horizontal edges, which lights up along the top bar.",
)

# %% [markdown]
# The vertical filter finds the two sides of the stem, one in red and one in blue, since one side
# goes from dark to bright and the other from bright to dark.
# The horizontal filter finds the bar.
# Nobody needs to choose such filters: training finds better ones.

# %% [markdown]
# ### A stack of feature maps
#
# A layer has many filters, and each gives one feature map.
# So 32 filters of 3x3 turn a digit of shape (28, 28, 1) into an output of shape (26, 26, 32).
# A colour picture of shape (256, 256, 3) needs filters that are three channels deep.
# The depth of a filter is always the depth of its input; we do not choose it.

# %%
for shape in [(28, 28, 1), (256, 256, 3)]:
    layer = layers.Conv2D(32, 3)
    output = layer(np.zeros((1, *shape), dtype=np.float32))
    print(
        f"{shape} -> {tuple(output.shape[1:])}, kernel {tuple(layer.kernel.shape)}, "
        f"{layer.count_params()} parameters"
    )
record("basics.mnist_first_layer.output_size", arithmetic.output_size(28, 3), "count")

# %% [markdown]
# ## Translation, shown
#
# A filter does the same everywhere, so moving the picture should move the feature map, and change
# nothing else.
# We move the seven three pixels to the right and two down, and compare.
# A dense layer with random weights gets the same two pictures.

# %%
room = np.pad(digit, ((4, 4), (4, 4), (0, 0)))
moved = np.roll(room, (2, 3), axis=(0, 1))
before, after = convolve(room, edges, 0), convolve(moved, edges, 0)
assert np.array_equal(np.roll(before, (2, 3), axis=(0, 1)), after)

dense = layers.Dense(30, kernel_initializer=keras.initializers.RandomNormal(seed=seed))
answers = as_array(dense(np.stack([room.ravel(), moved.ravel()])))

# %%
figure, axes = plt.subplots(1, 5, figsize=(12, 2.7), layout="constrained")
panels = [room[..., 0], moved[..., 0], before[..., 0], after[..., 0]]
names = ["picture", "moved picture", "feature map", "feature map, moved"]
for axis, panel, name in zip(axes[:4], panels, names, strict=True):
    axis.imshow(panel, cmap="gray" if "picture" in name else "RdBu_r")
    axis.set_title(name, fontsize=9)
    axis.set_axis_off()
axes[4].plot(answers[0], label="picture")
axes[4].plot(answers[1], label="moved picture")
axes[4].set(title="dense layer", xlabel="unit", ylabel="output")
axes[4].legend(fontsize=7)
figure.suptitle("Convolution moves with the picture; a dense layer starts anew")
plots.show(
    figure,
    "A seven and the same seven moved; their feature maps are the same but for the move, while the "
    "outputs of a dense layer's thirty units change in no visible order.",
)

# %% [markdown]
# The moved feature map is the old one, moved: the `assert` in the cell compared every number.
# This is called translation *equivariance*.
# The dense layer has to learn a seven anew at every place.
#
# Filters of later layers look at feature maps instead of pixels.
# They combine edges to corners, corners to shapes and shapes to objects: a spatial hierarchy.

# %% [markdown]
# ## Border effects and padding
#
# A window of 3x3 cannot be centred on a pixel of the border.
# On a picture of 5x5 it takes 3x3 positions.
# One source counts "4 ways" to move it; we draw all of them and count.

# %%
positions = [(row, column) for row in range(5 - 3 + 1) for column in range(5 - 3 + 1)]
record("basics.positions_3x3_on_5x5", len(positions), "count")
figure, axes = plt.subplots(1, len(positions), figsize=(12, 1.9), layout="constrained")
for number, (axis, (row, column)) in enumerate(zip(axes, positions, strict=True), start=1):
    board = np.zeros((5, 5))
    board[row : row + 3, column : column + 3] = 1
    board[row + 1, column + 1] = 2
    axis.imshow(board, cmap="Blues", vmin=0, vmax=2.5)
    axis.set_xticks(np.arange(-0.5, 5), [])
    axis.set_yticks(np.arange(-0.5, 5), [])
    axis.grid(color="gray")
    axis.tick_params(length=0)
    axis.set_title(f"position {number}", fontsize=9)
figure.suptitle("A 3x3 window on a 5x5 picture")
plots.show(
    figure,
    "Nine small 5x5 grids; in each, a blue 3x3 window stands at another position, from top left to "
    "bottom right.",
)

# %% [markdown]
# Along one axis, a window of length $F$ on an input of length $W$ with stride $S$ and $P$ zeros of
# padding at each end takes
#
# $$\left\lfloor \frac{W - F + 2P}{S} \right\rfloor + 1$$
#
# positions.
# The padding *adds* to the input, so its sign is plus; one source prints a minus.
#
# * **Valid** padding adds nothing: the window stays inside.
# * **Same** padding adds just enough zeros that the output is as large as the input at stride 1;
#   for an odd window that is $P = (F - 1) / 2$ at each end.
#
# We compare both on a digit, and draw where the zeros are.

# %%
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.3), layout="constrained")
padded = np.pad(digit[..., 0], 2, constant_values=np.nan)
axes[0].imshow(np.nan_to_num(padded, nan=0.35), cmap="gray")
axes[0].set_title("5x5 same: two rows of zeros\nat each end (grey)", fontsize=9)
for axis, padding in zip(axes[1:], ("valid", "same"), strict=True):
    size = arithmetic.output_size(28, 5, padding=padding)
    layer = layers.Conv2D(1, 5, padding=padding, kernel_initializer="ones")
    axis.imshow(as_array(layer(digit[None]))[0, ..., 0], cmap="magma")
    axis.set_title(f"5x5 {padding}: {size}x{size}", fontsize=9)
for axis in axes:
    axis.set_xlabel("column")
    axis.set_ylabel("row")
figure.suptitle("The border with and without padding")
plots.show(
    figure,
    "A seven with a grey margin of zeros; the response map of a 5x5 filter without padding, 24 "
    "pixels wide, and with same padding, 28 pixels wide.",
)

# %% [markdown]
# A 5x5 window on a 28x28 digit leaves 24x24, and not 23x23 as one of our sources says.
# It also calls the size of the window its "stride".
# The stride is something else: the step from one position to the next.

# %% [markdown]
# ## Stride
#
# A stride of 2 visits every second position, so the feature map shrinks to about half.
# "About" matters: with valid padding, 28 pixels and a 3x3 window give 13 and not 14 positions.
# When the steps do not come out even, valid padding leaves the last pixels unseen, and same padding
# adds a zero at the end.
#
# The picture shows a row of 5 pixels with a window of 2 and a stride of 2.

# %%
figure, axes = plt.subplots(2, 1, figsize=(7, 3.4), layout="constrained")
for axis, padding in zip(axes, ("valid", "same"), strict=True):
    before, after = arithmetic.padding_amounts(5, 2, 2, padding)
    for place in range(-before, 5 + after):
        inside = 0 <= place < 5
        axis.add_patch(plt.Rectangle((place, 0), 1, 1, fc="white" if inside else "0.8", ec="black"))
        axis.text(place + 0.5, 0.5, f"x{place}" if inside else "0", ha="center", va="center")
    for step in range(arithmetic.output_size(5, 2, 2, padding)):
        left = step * 2 - before
        axis.plot([left + 0.05, left + 1.95], [-0.25, -0.25], lw=5, color=f"C{step}")
        axis.text(left + 1, -0.75, f"output {step}", ha="center", color=f"C{step}")
    axis.set(
        xlim=(-0.2, 6.2), ylim=(-1, 1.2), xlabel="pixel", yticks=[], title=f"{padding} padding"
    )
figure.suptitle("A window of 2 with stride 2 on 5 pixels")
plots.show(
    figure,
    "Top: with valid padding two windows cover four of five pixels, and the last is not seen. "
    "Bottom: with same padding a zero is added at the end, and a third window covers the last one.",
)

# %% [markdown]
# ## The formulas, checked against Keras
#
# We have been checking single cases.
# Now we check the output size and the number of parameters over a grid of settings: every
# combination of input size, window, stride, padding, depth and bias below.

# %%
checked = 0
for size in (5, 10, 28, 33):
    for window in (1, 2, 3, 5):
        for stride in (1, 2, 3):
            for padding in ("valid", "same"):
                for depth, bias in ((1, True), (3, False)):
                    layer = layers.Conv2D(4, window, strides=stride, padding=padding, use_bias=bias)
                    shape = layer(np.zeros((1, size, size, depth), np.float32)).shape
                    expected = arithmetic.output_size(size, window, stride, padding)
                    assert shape[1:3] == (expected, expected)
                    weights = arithmetic.convolution_parameters((window, window), depth, 4, bias)
                    assert layer.count_params() == weights
                    checked += 1
print(f"{checked} settings: size and parameters as Keras has them, every time")

# %% [markdown]
# With the formula proven, we compute the cases that the sources get wrong.

# %%
record("basics.28_window_3_stride_2.size", arithmetic.output_size(28, 3, 2), "count")
record("basics.28_window_3_stride_1.size", arithmetic.output_size(28, 3, 1), "count")
record("basics.28_window_5_stride_1.size", arithmetic.output_size(28, 5, 1), "count")
record("basics.10_window_3_stride_2.size", arithmetic.output_size(10, 3, 2), "count")
record("basics.10_window_3_stride_1.size", arithmetic.output_size(10, 3, 1), "count")
record("basics.7_window_3_padding_1.size", arithmetic.output_size(7, 3, 1, 1), "count")

# %% [markdown]
# And this is how the sources' statements compare.
# The last column is what this notebook computed.

# %%
mistakes_table("01")

# %% [markdown]
# Impossible settings deserve a clear answer rather than a negative size.
# A window of 7 does not fit on 5 pixels:

# %%
try:
    arithmetic.output_size(5, 7)
except ValueError as error:
    print(error)

# %% [markdown]
# ## Pooling
#
# Pooling shrinks a feature map without any weights.
# It slides a window, usually 2x2 with stride 2, and keeps one number a window:
#
# * **max** pooling keeps the strongest response: is the feature there at all?
# * **average** pooling keeps the mean;
# * **L2** pooling keeps the root of the sum of squares;
# * **global** pooling takes the whole map as its window and leaves one number a map.
#
# Why pool? The next layer's windows then cover more of the picture, there is less to compute, and
# small movements matter less.
# We pool the response of the vertical filter.

# %%
response = np.maximum(convolve(digit, edges[..., :1], 0), 0)[None]
pooled = {
    "feature map": response,
    "max 2x2": layers.MaxPooling2D(2)(response),
    "average 2x2": layers.AveragePooling2D(2)(response),
    "L2 2x2": (layers.AveragePooling2D(2)(response**2) * 4) ** 0.5,
    "global max": layers.GlobalMaxPooling2D(keepdims=True)(response),
}
pooled = {name: as_array(maps) for name, maps in pooled.items()}
figure, axes = plt.subplots(1, 5, figsize=(12, 3.2), layout="constrained")
for axis, (name, values) in zip(axes, pooled.items(), strict=True):
    axis.imshow(as_array(values)[0, ..., 0], cmap="magma", vmin=0, vmax=response.max())
    axis.set_title(f"{name}\n{values.shape[1]}x{values.shape[2]}", fontsize=9)
    axis.set_axis_off()
figure.suptitle("Five ways to look at one feature map")
plots.show(
    figure,
    "A feature map of 26x26 and its max, average and L2 pooled versions of 13x13; max and L2 keep "
    "the bright stem, the average is dimmer; global max pooling leaves one bright square.",
)

# %% [markdown]
# Max and L2 pooling keep thin bright lines; averaging dims them.
# Later designs often drop pooling layers and use a stride of 2 in the convolution instead.

# %% [markdown]
# ## The receptive field
#
# How much of the picture can one number of a deep layer see?
# Each layer with window $F_i$ adds $(F_i - 1)$ steps, and every stride before it makes these steps
# longer:
#
# $$r = 1 + \sum_i (F_i - 1) \prod_{j < i} S_j$$
#
# We check it by experiment.
# The gradient of one output with respect to the picture is zero where a pixel cannot reach it.
# So the pixels with a gradient *are* the receptive field.

# %%
stack = [("conv", 3, 1), ("conv", 3, 1), ("pool", 2, 2), ("conv", 3, 1), ("conv", 3, 1)]
fields, x = [], keras.Input((31, 31, 1))
probe = inputs = x
for depth, (kind, window, _) in enumerate(stack, start=1):
    if kind == "conv":
        probe = layers.Conv2D(1, window, kernel_initializer="ones")(probe)
    else:
        probe = layers.AveragePooling2D(window)(probe)
    middle = probe.shape[1] // 2
    reach = keras.Model(inputs, probe[:, middle, middle, 0])
    _, seen = gradient(lambda p, m=reach: m(p)[0], np.ones((1, 31, 31, 1), np.float32))
    seen = as_array(seen)[0, ..., 0] != 0
    expected = arithmetic.receptive_field([(w, s) for _, w, s in stack[:depth]])
    assert seen.any(axis=0).sum() == seen.any(axis=1).sum() == expected
    fields.append((f"after {kind} {depth}\n{expected}x{expected}", seen))

# %%
figure, axes = plt.subplots(1, len(fields), figsize=(12, 2.9), layout="constrained")
for axis, (name, seen) in zip(axes, fields, strict=True):
    axis.imshow(seen, cmap="Greens", vmin=0, vmax=1.4)
    axis.set_title(name, fontsize=9)
    axis.set_xlabel("column")
axes[0].set_ylabel("row")
figure.suptitle("The pixels that one number can see, layer by layer")
plots.show(
    figure,
    "Five 31x31 squares with a green field in the middle that grows from 3 to 5, 6, 10 and 14 "
    "pixels from layer to layer.",
)

# %% [markdown]
# The field grows slowly at first.
# After the pooling every step counts double, so it grows twice as fast.

# %% [markdown]
# ## What a layer costs
#
# Weights are one cost, multiplications another.
# A convolution uses each of its weights at every position of the output, so it does
#
# $$F \cdot F \cdot D_\text{in} \cdot W_\text{out} \cdot H_\text{out} \cdot D_\text{out}$$
#
# multiplications.
# A dense layer from $D_\text{in}$ to $D_\text{out}$ numbers uses each weight once, so it does
# $D_\text{in} \cdot D_\text{out}$.
# The convolution therefore costs $F \cdot F \cdot W_\text{out} \cdot H_\text{out}$ times as much:
# it does the work of a dense layer for each pixel of its window, at every position.
# This is why convolutions are cheap to store and expensive to run.
#
# Networks for pictures get *deeper* in channels while the maps get *smaller*.
# We follow a classic net for 150x150 pictures, with four pairs of convolution and pooling.

# %%
net = keras.Sequential([keras.Input((150, 150, 3))])
for depth in (32, 64, 128, 128):
    net.add(layers.Conv2D(depth, 3))
    net.add(layers.MaxPooling2D(2))
rows = arithmetic.count(net)
print(f"{'layer':<14}{'output':<18}{'parameters':>12}{'multiplications':>18}")
for row in rows:
    shape = "x".join(map(str, row.output_shape[1:]))
    print(f"{row.kind:<14}{shape:<18}{row.parameters:>12,}{row.multiplications:>18,}")
assert sum(row.parameters for row in rows) == net.count_params()
dense = arithmetic.dense_parameters(3, 32, bias=False)
assert rows[0].multiplications == 3 * 3 * 148 * 148 * dense
record("basics.four_pairs_on_150.first_map", rows[0].output_shape[1], "count")
record("basics.four_pairs_on_150.last_map", rows[-1].output_shape[1], "count")

# %%
names = [f"{row.kind.replace('2D', '')}\n{row.output_shape[1]}" for row in rows]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
left.plot(names, [row.output_shape[1] for row in rows], "o-", label="size of the maps")
left.plot(names, [row.output_shape[3] for row in rows], "s-", label="number of maps")
left.set(title="Maps shrink while depth grows", xlabel="layer and size", ylabel="pixels or maps")
left.tick_params(axis="x", labelsize=7)
left.legend(loc="center right")
convolutions = [row for row in rows if row.kind == "Conv2D"]
places = np.arange(len(convolutions))
right.bar(places - 0.2, [row.parameters for row in convolutions], 0.4, label="parameters")
right.bar(places + 0.2, [row.multiplications for row in convolutions], 0.4, label="multiplications")
right.set(title="Two costs of a convolution", xlabel="convolution", ylabel="number", yscale="log")
right.set_xticks(places, [f"{row.output_shape[3]} filters" for row in convolutions])
right.legend(loc="upper right")
right.set_ylim(100, 1e10)
plots.show(
    figure,
    "Left: the size of the maps falls from 148 to 7 while their number rises from 32 to 128. "
    "Right: each convolution has thousands of parameters and millions of multiplications.",
)

# %% [markdown]
# From the first convolution to the last the parameters grow more than a hundredfold.
# The multiplications rise and fall again within a factor of about five: smaller maps pay for more
# filters.

# %% [markdown]
# ## Reading digits
#
# Now the parts come together.
# We keep three sets of digits apart:
#
# * the **training** set, on which weights are fitted;
# * the **validation** set, held out of the training digits, which we watch while training;
# * the **test** set, which each finished model sees once.

# %% tags=["measured"]
held = round(validation * len(images))
fit_images, fit_labels = images[held:], labels[held:]
held_out = (images[:held], labels[:held])


def train(model, passes, peak=3e-3):
    steps = training.steps_in(len(fit_images), batch_size, passes)
    optimizer = keras.optimizers.Adam(training.one_cycle(peak, steps))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return training.fit(
        model,
        fit_images,
        fit_labels,
        epochs=passes,
        batch_size=batch_size,
        validation=held_out,
        seed=seed,
    )


# %% [markdown]
# All three models end in ten units with a softmax, one probability a digit.
# The loss that belongs to a softmax is the categorical cross-entropy; "sparse" means that the
# labels are numbers and not vectors.
# The learning rate rises and falls once over the training, which saves epochs.
#
# ### The dense net
#
# The baseline flattens the picture: it throws away which pixels are neighbours.

# %%
dense_net = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ],
    name="dense",
)
print(f"{dense_net.count_params():,} parameters")

# %% tags=["measured"]
histories = {"dense": train(dense_net, dense_epochs)}
scores = training.evaluate(dense_net, test_images, test_labels)
record("mnist.dense.test_accuracy", scores["accuracy"], "fraction")

# %% [markdown]
# ### The convnet
#
# Three convolutions with 3x3 windows, and a pooling after the first two.
# After each convolution comes a batch normalisation, which keeps the size of the responses even and
# makes training faster; chapter 3 measures what it does.
# The last feature maps are flattened and classified.
# Look at how few parameters this takes.

# %%
convnet = keras.Sequential([keras.Input((28, 28, 1)), layers.Rescaling(1 / 255)], name="convnet")
for depth in (filters, 2 * filters, 4 * filters):
    convnet.add(layers.Conv2D(depth, 3, use_bias=False))
    convnet.add(layers.BatchNormalization(momentum=0.9))
    convnet.add(layers.Activation("relu"))
    if depth < 4 * filters:
        convnet.add(layers.MaxPooling2D(2))
convnet.add(layers.Flatten())
convnet.add(layers.Dense(10, activation="softmax"))

# %% tags=["measured"]
record("mnist.convnet.parameters", convnet.count_params(), "count")
histories["convnet"] = train(convnet, epochs, peak=1e-2)
scores = training.evaluate(convnet, test_images, test_labels)
record("mnist.convnet.test_accuracy", scores["accuracy"], "fraction")

# %% [markdown]
# ### LeNet
#
# LeNet read the digits of bank cheques in the nineties.
# This is the version of one of our sources: 20 filters, then 50, all 5x5 with same padding, each
# followed by pooling, and a dense layer of 500 units.
# Most of its parameters sit in the dense layer.

# %%
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
    ],
    name="lenet",
)
for row in arithmetic.count(lenet):
    if row.parameters:
        print(f"{row.kind:<8}{row.parameters:>12,} parameters")
record("mnist.lenet.parameters", lenet.count_params(), "count")

# %% tags=["measured"]
histories["LeNet"] = train(lenet, lenet_epochs, peak=2e-3)
scores = training.evaluate(lenet, test_images, test_labels)
record("mnist.lenet.test_accuracy", scores["accuracy"], "fraction")
record("mnist.lenet.test_loss", scores["loss"])

# %% [markdown]
# ### Learning curves
#
# A learning curve shows a measure after every epoch.
# The training value, on the dashed line, is a mean over the epoch, while the net still learns.
# The validation value, on the solid line, is taken at the end of the epoch.
# So at first the training value may be the worse one.
# Where it becomes clearly better than the validation value, the model begins to learn its training
# digits by heart.

# %%
figure = plots.learning_curves(histories, f"Three models learn to read ({mnist.label})")
plots.show(
    figure,
    "Loss and accuracy over the epochs for the dense net, the convnet and LeNet; the two "
    "convolutional models reach a higher validation accuracy than the dense net.",
)

# %% [markdown]
# ### Which digits are confused?
#
# The confusion matrix counts how often each digit was taken for each other one.
# The diagonal holds the digits that were read correctly.

# %% tags=["measured"]
probabilities = training.predict(convnet, test_images)
predicted = probabilities.argmax(axis=1)
figure = plots.confusion_matrix(
    test_labels,
    predicted,
    mnist.classes,
    f"The convnet's answers on the test digits ({mnist.label})",
)
plots.show(
    figure,
    "A ten by ten table of true against predicted digits; nearly all counts lie on the diagonal.",
)

# %% [markdown]
# ### The hardest digits
#
# Which digits surprised the convnet most?
# We sort the test digits by the probability that it gave to the true class, and look at the lowest.
# Some of them people misread, too.

# %% tags=["measured"]
true_probability = probabilities[np.arange(len(test_labels)), test_labels]
hardest = np.argsort(true_probability)[:16]
titles = [f"is {test_labels[i]}, read as {predicted[i]}" for i in hardest]
figure = plots.image_grid(
    test_images[hardest], titles, f"The hardest digits ({mnist.label})", 8, 1.4
)
plots.show(
    figure,
    "Sixteen test digits with their true and predicted labels; most are broken, slanted or could "
    "be two digits.",
)

# %% [markdown]
# ## The backward pass by hand
#
# Training needs gradients.
# How does the loss change with a weight that is used at every position?
# It changes through all of them, so the gradient of a weight is the *sum* over the positions:
# each contributes the pixel that the weight met there times the gradient of that output.
#
# $$\frac{\partial L}{\partial w_{ij}} =
# \sum_{r, c} x_{r + i,\, c + j}\, \frac{\partial L}{\partial y_{rc}}$$
#
# That is itself a convolution: of the picture with the gradient of the output as its filter.
#
# And how does the loss change with a pixel?
# The pixel was met by a different weight at each position of the window.
# Collecting these gives a convolution of the gradient, with zeros padded around it, with the filter
# turned by half a turn: the *transposed* or flipped filter.


# %%
def backward(image, kernel, output_gradient):
    window = kernel.shape[0]
    weight_gradient = np.zeros_like(kernel)
    for i in range(window):
        for j in range(window):
            height, width = output_gradient.shape
            patch = image[i : i + height, j : j + width]
            weight_gradient[i, j] = np.sum(patch * output_gradient)
    padded = np.pad(output_gradient, window - 1)
    flipped = kernel[::-1, ::-1]
    image_gradient = convolve(padded[..., None], flipped[..., None, None], 0)[..., 0]
    return weight_gradient, image_gradient


# %% [markdown]
# We compare with automatic differentiation.
# The loss is the sum of the squared outputs, whose gradient is twice the output.

# %%
image = random.normal(size=(8, 9)).astype(np.float32)
kernel = random.normal(size=(3, 3)).astype(np.float32)
output = convolve(image[..., None], kernel[..., None, None], 0)[..., 0]
by_hand_weights, by_hand_image = backward(image, kernel, 2 * output)


def loss(pixels, weights):
    mapped = ops.conv(pixels[None, ..., None], weights[..., None, None], padding="valid")
    return ops.sum(mapped**2)


_, auto_weights = gradient(lambda weights: loss(image, weights), kernel)
_, auto_image = gradient(lambda pixels: loss(pixels, kernel), image)
for ours, automatic in ((by_hand_weights, auto_weights), (by_hand_image, auto_image)):
    assert np.abs(ours - as_array(automatic)).max() < rounding * np.abs(ours).max()
print("Both gradients agree with automatic differentiation.")

# %%
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained")
panels = [kernel, by_hand_weights, kernel[::-1, ::-1], by_hand_image]
names = ["filter", "gradient of the weights", "flipped filter", "gradient of the picture"]
for axis, panel, name in zip(axes, panels, names, strict=True):
    limit = np.abs(panel).max()
    shown = axis.imshow(panel, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axis.set_title(name, fontsize=9)
    axis.set_axis_off()
    figure.colorbar(shown, ax=axis, shrink=0.7)
figure.suptitle("The backward pass in pictures")
plots.show(
    figure,
    "Four coloured grids: a 3x3 filter, the 3x3 gradient of its weights, the filter turned by half "
    "a turn, and the 8x9 gradient of the picture.",
)

# %% [markdown]
# ## What to remember
#
# * A convolution slides a small filter over the picture; the same weights serve every position.
# * Move the picture and the feature map moves with it.
# * The output size is $\lfloor (W - F + 2P) / S \rfloor + 1$, with a plus before the padding.
# * A layer has $(F \cdot F \cdot D_\text{in} + 1) \cdot D_\text{out}$ parameters, biases included.
# * Pooling and strides shrink the maps, so later layers see more of the picture.
# * The gradient of a shared weight is the sum over the positions that share it.
#
# Here is what the sources claim, beside what this run measured.

# %% tags=["measured"]
claims_table("01", profile)

# %% [markdown]
# ## Exercises
#
# 1. Choose a filter by hand that answers to the diagonal of a seven, and look at its feature map.
# 2. Work out on paper the output size of a 7x7 window with stride 2 and same padding on 224 pixels,
#    then check it with `arithmetic.output_size`.
# 3. Replace the flattening of the convnet by `GlobalAveragePooling2D`. How many parameters are
#    left, and what happens to the accuracy?
# 4. Move every test digit by four pixels. Which of the three models suffers least, and why?
# 5. Add a stride to `backward`.
