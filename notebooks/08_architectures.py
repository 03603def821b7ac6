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
# # 8. Architectures: from LeNet to ResNet
#
# A convnet is put together from a few kinds of blocks.
# The history of image recognition is, to a large part, the history of better blocks.
# This chapter takes the famous networks apart, counts what each block costs, and builds them again.
#
# After this chapter you can
#
# * say why small filters in a stack replaced large ones;
# * build a 1x1 convolution, an Inception module, a residual block and a separable convolution;
# * count their parameters and multiplications before you train anything;
# * build LeNet-5, AlexNet, ZFNet, VGG, GoogLeNet and ResNet, and name the idea of each;
# * race architectures fairly, and show why depth alone does not help.

# %% [markdown]
# We begin with the imports.
# The module `arithmetic` counts parameters and multiplications, and we hold it against Keras all
# the way.

# %%
from itertools import pairwise

from helpers import arithmetic, datasets, plots, training
from helpers.backend import as_array
from helpers.architectures import draw_block
from helpers.records import claims_table, record
import keras
from keras import layers, ops
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# The next cell holds everything that can be changed without touching the code.
# The comment behind each parameter says which values make sense.

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: built-in data, real data in minutes, a long race
seed: int = 0  # 0 to 1000000: seed of the first run of every race; the next runs count on from it
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
seeds: int = 2  # 1 to 10: runs of each network in the race
budget: float = 40  # 0.1 to 10000: thousand million multiplications that each run may spend
batch_size: int = 64  # 8 to 512: pictures a step
rate: float = 0.008  # 0.0001 to 0.1: highest learning rate of the race
depth_runs: int = 1  # 1 to 10: runs of each network in the comparison of depths
depth_pictures: int = 5000  # 100 to 50000: training pictures in the comparison of depths
depth_epochs: int = 2  # 1 to 100: passes over them
deepest: int = 14  # 2 to 54: blocks of two convolutions in the deepest net of that comparison

# %% [markdown]
# The pictures of this chapter are those of chapter 2: small colour photographs of ten classes.

# %% tags=["measured"]
training.start(seed, precision)
rounding = 1e-4 if precision == "exact" else 0.1  # largest difference that it may make
cifar10 = datasets.load("cifar10", profile)
images, labels = cifar10.train
test_images, test_labels = cifar10.test

# %% [markdown]
# ## Small filters in a stack
#
# The first famous networks began with large filters: 11x11 in AlexNet, 7x7 in ZFNet.
# Later ones use 3x3 nearly everywhere.
# Why does that not make them short-sighted?
#
# A layer sees more than its own window, because its input has already looked around.
# The part of the picture that one output can see is its **receptive field**.
# With stride 1, every further 3x3 layer adds one pixel on each side.
#
# We do not have to believe that.
# We make all weights one, put a single bright pixel in the middle, and look where the bright pixel
# has an influence.
# Expect squares that grow with each layer.

# %%
pixel = np.zeros((1, 15, 15, 1), np.float32)
pixel[0, 7, 7, 0] = 1
responses, maps = [pixel[0] > 0], pixel
for depth in (1, 2, 3):
    layer = layers.Conv2D(1, 3, padding="same", use_bias=False, kernel_initializer="ones")
    maps = as_array(layer(maps))
    responses.append(maps[0] > 0)
    reach = int(responses[-1].any(axis=(1, 2)).sum())
    assert reach == arithmetic.receptive_field([(3, 1)] * depth)
    print(f"{depth} layer{'s' if depth > 1 else ''} of 3x3: {reach}x{reach} pixels in sight")
names = ["the pixel", "one layer", "two layers", "three layers"]
figure = plots.image_grid(responses, names, "Where one pixel has an influence", 4, scale=1.8)
plots.show(
    figure,
    "Four black squares; a white point in the first grows to white squares of 3, 5 and 7 pixels.",
)

# %% [markdown]
# Three layers of 3x3 see exactly what one layer of 7x7 sees, and five see what 11x11 sees.
# Now we compare the cost.
# We let every layer read 64 channels and write 64 channels, and count weights without biases.
#
# For each large window we build both versions in Keras.
# The counts of our arithmetic must be those of Keras.


# %%
def count_weights(windows, channels=64):
    """Weights of a stack of convolutions, counted by our arithmetic and by Keras."""
    stack = keras.Sequential([keras.Input((32, 32, channels))])
    for window in windows:
        stack.add(layers.Conv2D(channels, window, padding="same", use_bias=False))
    ours = sum(
        arithmetic.convolution_parameters((window, window), channels, channels, bias=False)
        for window in windows
    )
    assert ours == stack.count_params() == sum(row.parameters for row in arithmetic.count(stack))
    return ours


# %%
large, small = {}, {}
for window in (5, 7, 11):
    stack = [3] * ((window - 1) // 2)
    assert arithmetic.receptive_field([(size, 1) for size in stack]) == window
    large[window], small[window] = count_weights([window]), count_weights(stack)
    print(
        f"one {window}x{window}: {large[window]:,} weights; {len(stack)} of 3x3: {small[window]:,}"
    )

# %%
figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
places = np.arange(3)
axis.bar(places - 0.2, large.values(), 0.4, label="one large filter")
axis.bar(places + 0.2, small.values(), 0.4, label="stack of 3x3 filters")
axis.set_xticks(places, [f"{window}x{window}" for window in large])
axis.set_xlabel("receptive field")
axis.set_ylabel("weights, 64 to 64 channels")
axis.set_title("The same view for fewer weights")
axis.legend()
plots.show(
    figure,
    "Bars of weights for receptive fields of 5, 7 and 11 pixels; the bar of the large filter is "
    "always the taller one, and the gap widens with the window.",
)

# %%
for window in (7, 11):
    share = small[window] / large[window]
    record(f"architectures.stack_over_single_{window}x{window}", share, "fraction")

# %% [markdown]
# The stack wins, and more so the larger the window.
# A window of $F \times F$ costs $F^2$ weights a pair of channels.
# The stack costs $9 \cdot (F - 1) / 2$, which grows only linearly.
#
# The stack has a second advantage that no count shows.
# There is a relu between its layers, so it can compute things that one linear filter cannot.
# This is the idea of VGG.

# %% [markdown]
# ## The 1x1 convolution
#
# A filter of 1x1 sounds useless: it sees a single pixel.
# But it sees that pixel through *all channels*.
# It is a small dense layer that is applied at every pixel with the same weights.
#
# We give a `Dense` layer and a 1x1 convolution the same weights.
# They must give the same numbers.

# %%
maps = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype(np.float32)
pointwise, dense = layers.Conv2D(4, 1), layers.Dense(4)
pointwise.build(maps.shape)
dense.build(maps.shape)
dense.set_weights([pointwise.get_weights()[0][0, 0], pointwise.get_weights()[1]])
difference = float(ops.max(ops.abs(pointwise(maps) - dense(maps))))
assert difference < rounding
assert pointwise.count_params() == arithmetic.convolution_parameters((1, 1), 8, 4)
print("A 1x1 convolution equals a dense layer at every pixel:", difference < rounding)

# %% [markdown]
# A colour picture has three channels, so a 1x1 filter on it mixes red, green and blue.
# We set the weights by hand.
# The first filter weighs the colours as the eye does and gives a grey picture.
# The second subtracts blue from red and gives a map of warmth: bright where the picture is warm.

# %% tags=["measured"]
mix = layers.Conv2D(2, 1, use_bias=False)
mix.build((None, 32, 32, 3))
mix.set_weights([np.array([[[[0.30, 0.5], [0.59, 0.0], [0.11, -0.5]]]], np.float32)])
chosen = np.array(images[:8])
mixed = as_array(mix(chosen / 255.0))
pictures = [*chosen, *np.clip(mixed[..., 0], 0, 1), *(mixed[..., 1] + 0.5)]
rows = ["picture"] * 8 + ["grey"] * 8 + ["warmth"] * 8
figure = plots.image_grid(pictures, rows, f"Two 1x1 filters at work ({cifar10.label})", 8)
plots.show(
    figure,
    "Eight small colour pictures, below them the same in grey, and below those their warmth: "
    "reds and browns are bright, blues are dark.",
)

# %% [markdown]
# If the warmth of photographs looks blocky, their colours were stored more coarsely than their
# brightness, as the JPEG format does.
#
# ### The bottleneck
#
# The great use of 1x1 convolutions is to save work.
# A 5x5 convolution that reads 192 channels is expensive, because every weight is used at every
# pixel.
# So we first squeeze the 192 channels into 16 with a cheap 1x1 convolution.
# The expensive filter then reads 16 channels only.
#
# The sizes are those of a branch of GoogLeNet: maps of 28x28, and 32 channels in the end.

# %%
direct = keras.Sequential(
    [keras.Input((28, 28, 192)), layers.Conv2D(32, 5, padding="same", name="five")]
)
squeezed = keras.Sequential(
    [
        keras.Input((28, 28, 192)),
        layers.Conv2D(16, 1, activation="relu", name="squeeze"),
        layers.Conv2D(32, 5, padding="same", name="five"),
    ]
)


# %%
def total(model):
    """Parameters and multiplications of a whole model, for one example."""
    rows = arithmetic.count(model)
    assert sum(row.parameters for row in rows) == model.count_params()
    return model.count_params(), sum(row.multiplications for row in rows)


for name, model in (("direct", direct), ("squeezed", squeezed)):
    parameters, multiplications = total(model)
    print(f"{name:9}{parameters:>9,} parameters {multiplications:>13,} multiplications")
record("architectures.squeezed_over_direct", total(squeezed)[1] / total(direct)[1], "fraction")

# %% [markdown]
# The squeezed version does the same job with about a tenth of the multiplications.
# The price is that everything the 5x5 filter learns must pass through 16 channels.

# %% [markdown]
# ## The Inception module
#
# Which window is the best one: 1x1, 3x3 or 5x5?
# The Inception module does not choose.
# It computes all of them side by side, adds a pooling branch, and joins the channels.
# A 1x1 convolution stands in front of each expensive window, as a bottleneck.
#
# The drawing is read from the bottom up.
# The numbers are the channels of the first module of GoogLeNet.

# %%
boxes = {"input, 192": (1.5, 0), "1x1, 64": (-0.4, 2), "1x1, 96": (1, 1), "3x3, 128": (1, 2)}
boxes |= {"1x1, 16": (2, 1), "5x5, 32": (2, 2), "max pool 3x3": (3, 1), "1x1, 32": (3, 2)}
boxes |= {"join: 256 channels": (1.5, 3)}
arrows = [("input, 192", name) for name in ("1x1, 64", "1x1, 96", "1x1, 16", "max pool 3x3")]
arrows += [("1x1, 96", "3x3, 128"), ("1x1, 16", "5x5, 32"), ("max pool 3x3", "1x1, 32")]
arrows += [(name, "join: 256 channels") for name in ("1x1, 64", "3x3, 128", "5x5, 32", "1x1, 32")]
figure = draw_block(boxes, arrows, "The Inception module")
plots.show(
    figure,
    "The input feeds four branches: a 1x1 convolution; a 1x1 followed by a 3x3; a 1x1 followed by "
    "a 5x5; and a max pooling followed by a 1x1. Their outputs are joined into 256 channels.",
)

# %% [markdown]
# In code the module has one line a branch.
# Every branch keeps height and width, so that the maps can be stacked in depth.


# %%
def convolution(x, filters, window, strides=1, padding="same"):
    return layers.Conv2D(filters, window, strides, padding, activation="relu")(x)


def inception(x, one, three_in, three, five_in, five, pooled):
    """An Inception module: six numbers of channels, one for each convolution."""
    pool = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    branches = [
        convolution(x, one, 1),
        convolution(convolution(x, three_in, 1), three, 3),
        convolution(convolution(x, five_in, 1), five, 5),
        convolution(pool, pooled, 1),
    ]
    return layers.Concatenate()(branches)


# %%
x = keras.Input((28, 28, 192))
module = keras.Model(x, inception(x, 64, 96, 128, 16, 32, 32))
assert module.output_shape == (None, 28, 28, 64 + 128 + 32 + 32)
for row in arithmetic.count(module):
    if row.parameters:
        window = "x".join(map(str, module.get_layer(row.name).kernel_size))
        print(f"{window}{row.output_shape[-1]:>5} channels {row.parameters:>8,} parameters")
record("architectures.inception_3a.parameters", total(module)[0], "count")

# %% [markdown]
# How much do the bottlenecks save in the whole module?
# We build it without them and count again.


# %%
def inception_without_bottlenecks(x, one, three, five):
    branches = [convolution(x, one, 1), convolution(x, three, 3), convolution(x, five, 5)]
    return layers.Concatenate()([*branches, layers.MaxPooling2D(3, 1, padding="same")(x)])


naive = keras.Model(x, inception_without_bottlenecks(x, 64, 128, 32))
saving = total(naive)[1] / total(module)[1]
print(f"without bottlenecks: {naive.output_shape[-1]} channels come out, not 256")
record("architectures.inception_bottleneck_saving", saving)

# %% [markdown]
# The version without bottlenecks costs more, and it also hands on more channels.
# Its pooling branch must pass on all channels of the input.
# After a few such modules the network would drown in channels.

# %% [markdown]
# ## The residual block
#
# Deeper networks can express more, yet beyond some depth plain networks became *worse*, even on
# the data they were trained on.
# The added layers should at least be able to do nothing, but they find that hard to learn.
#
# The residual block makes doing nothing the easy case.
# Its layers compute a correction $F(x)$, and the block returns $x + F(x)$.
# If the weights of $F$ are near zero, the block passes its input on.

# %%
boxes = {"input x": (0, 0), "3x3 convolution": (0, 1), "3x3 convolution, 2nd": (0, 2)}
boxes |= {"add: x + F(x)": (0, 3), "relu": (0, 4)}
names = list(boxes)
arrows = [*pairwise(names), ("input x", "add: x + F(x)", 0.7)]
figure = draw_block(boxes, arrows, "The residual block")
plots.show(
    figure,
    "The input passes through two 3x3 convolutions; a curved arrow carries it past them, and both "
    "are added before the last relu.",
)

# %% [markdown]
# In code we follow the paper: each convolution has a batch normalisation behind it.
# Its momentum of 0.9 lets the averages settle within the short trainings of this chapter.
# Where the block changes the number of channels, or the stride, the input cannot be added as it is.
# A 1x1 convolution on the shortcut then brings it into shape.


# %%
def normalized(x, filters, window, strides=1):
    x = layers.Conv2D(filters, window, strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def residual_block(x, filters, strides=1):
    """Two 3x3 convolutions and a shortcut past them."""
    correction = layers.ReLU()(normalized(x, filters, 3, strides))
    correction = normalized(correction, filters, 3)
    if strides != 1 or x.shape[-1] != filters:
        x = normalized(x, filters, 1, strides)
    return layers.ReLU()(layers.Add()([x, correction]))


x = keras.Input((32, 32, 16))
same = keras.Model(x, residual_block(x, 16))
halved = keras.Model(x, residual_block(x, 32, strides=2))
for name, block in (("16 to 16 channels", same), ("16 to 32, stride 2", halved)):
    parameters, multiplications = total(block)
    print(f"{name:20}{parameters:>8,} parameters {multiplications:>11,} multiplications")

# %% [markdown]
# Can the block really do nothing?
# We set the weights of its convolutions to zero and send numbers through.
# The output must be the input, as long as the input has passed a relu and is not negative.

# %%
for layer in same.layers:
    if isinstance(layer, layers.Conv2D):
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
maps = np.random.default_rng(0).uniform(size=(2, 32, 32, 16)).astype(np.float32)
assert np.abs(same.predict_on_batch(maps) - maps).max() < rounding
print("With zero weights the block returns its input unchanged.")

# %% [markdown]
# The nets from 50 layers on use a **bottleneck block**: squeeze with 1x1, convolve with 3x3, widen
# with 1x1.
# It is the same saving as before, now inside a residual block.


# %%
def bottleneck_block(x, filters, strides=1):
    """1x1, 3x3 and 1x1 convolutions, the last one four times as wide, and a shortcut past them."""
    correction = layers.ReLU()(normalized(x, filters, 1, strides))
    correction = layers.ReLU()(normalized(correction, filters, 3))
    correction = normalized(correction, 4 * filters, 1)
    if strides != 1 or x.shape[-1] != 4 * filters:
        x = normalized(x, 4 * filters, 1, strides)
    return layers.ReLU()(layers.Add()([x, correction]))


x = keras.Input((56, 56, 256))
wide = keras.Model(x, residual_block(x, 256))
bottleneck = keras.Model(x, bottleneck_block(x, 64))
assert wide.output_shape == bottleneck.output_shape
for name, block in (("two 3x3 at 256", wide), ("bottleneck at 64", bottleneck)):
    parameters, multiplications = total(block)
    print(f"{name:18}{parameters:>10,} parameters {multiplications:>14,} multiplications")

# %% [markdown]
# ## The depthwise separable convolution
#
# An ordinary filter does two things at once: it looks around in the plane, and it mixes channels.
# A separable convolution does one after the other.
# First a *depthwise* convolution looks around, one small filter for each channel alone.
# Then a 1x1 convolution mixes the channels.
#
# Ordinary: $F^2 D_\text{in} D_\text{out}$ multiplications a pixel.
# Separable: $F^2 D_\text{in} + D_\text{in} D_\text{out}$.
# The share that is left is $1 / D_\text{out} + 1 / F^2$, about a ninth for 3x3 filters and many
# channels.

# %%
x = keras.Input((32, 32, 64))
ordinary = keras.Model(x, layers.Conv2D(128, 3, padding="same", use_bias=False)(x))
depthwise = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
in_two_steps = keras.Model(x, layers.Conv2D(128, 1, use_bias=False)(depthwise))
separable = keras.Model(x, layers.SeparableConv2D(128, 3, padding="same", use_bias=False)(x))

separable.set_weights(in_two_steps.get_weights())
maps = np.random.default_rng(0).normal(size=(2, 32, 32, 64)).astype(np.float32)
outputs = [model.predict_on_batch(maps) for model in (in_two_steps, separable)]
assert np.abs(outputs[0] - outputs[1]).max() < rounding
assert total(in_two_steps) == total(separable)
assert np.isclose(total(separable)[1] / total(ordinary)[1], 1 / 128 + 1 / 3**2)
for name, model in (("ordinary", ordinary), ("separable", separable)):
    parameters, multiplications = total(model)
    print(f"{name:10}{parameters:>8,} parameters {multiplications:>12,} multiplications")

# %% [markdown]
# The Keras layer and the two steps give the same numbers, and the formula is exact.
# MobileNet, which chapter 4 meets, is built from these.
#
# Here are all the blocks side by side, as multiplications per parameter.
# The ratio says how often each weight is used on one picture.
# Expect it to be the size of the feature map, because that is what sharing weights means.

# %%
blocks = {"bottleneck of 5x5": squeezed, "Inception module": module, "residual": same}
blocks |= {"residual bottleneck": bottleneck, "ordinary 3x3": ordinary, "separable 3x3": separable}
figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
for number, (name, block) in enumerate(blocks.items()):
    parameters, multiplications = total(block)
    axis.scatter(parameters, multiplications, s=70, color=f"C{number}", label=name)
axis.set_xscale("log")
axis.set_yscale("log")
reach = np.array(axis.get_xlim())
for size, shift in ((28, (180, 52)), (32, (20, 32)), (56, (20, 32))):
    axis.plot(reach, reach * size**2, ":", color="0.6", zorder=0)
    start = (reach[0], reach[0] * size**2)
    axis.annotate(f"{size}x{size} maps", start, shift, textcoords="offset points", color="0.4")
axis.set(xlabel="parameters", ylabel="multiplications for one picture", title="What blocks cost")
axis.legend(fontsize=8, loc="lower right")
plots.show(
    figure,
    "Six blocks in a plane of parameters and multiplications, both on logarithmic scales. They lie "
    "close to dotted lines, one for each size of feature map.",
)

# %% [markdown]
# ## Six networks that made history
#
# Now we build the whole networks, from the papers, with nothing copied but the numbers.
# Each one comes with its idea in a sentence.
#
# **LeNet-5** (1998) set the pattern: convolve, pool, convolve, pool, then dense layers.
# In the paper each of the 16 later filters reads only some of the six maps.
# As everyone does today, we let them read all.


# %%
def lenet5():
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Conv2D(6, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )


# %% [markdown]
# **AlexNet** (2012) is LeNet made large, with relu, dropout and a thousand classes.
# It was trained on two graphics cards, so three of its layers are split into two groups that do not
# see each other: `groups=2`.
# The paper states pictures of 224 pixels, but its own map sizes need 227.
# Its local response normalisation has no parameters and is left out here.
#
# Its head of three dense layers is used again below, so it gets a function of its own.


# %%
def dense_head(x):
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dropout(0.5)(layers.Dense(4096, activation="relu")(x))
    return layers.Dense(1000, activation="softmax")(x)


def alexnet():
    x = start = keras.Input((227, 227, 3))
    x = convolution(x, 96, 11, 4, "valid")
    x = layers.MaxPooling2D(3, 2)(x)
    x = layers.Conv2D(256, 5, padding="same", groups=2, activation="relu")(x)
    x = layers.MaxPooling2D(3, 2)(x)
    x = convolution(x, 384, 3)
    x = layers.Conv2D(384, 3, padding="same", groups=2, activation="relu")(x)
    x = layers.Conv2D(256, 3, padding="same", groups=2, activation="relu")(x)
    x = layers.MaxPooling2D(3, 2)(x)
    return keras.Model(start, dense_head(x))


# %% [markdown]
# **ZFNet** (2013) came from looking at AlexNet's first filters, as chapter 6 does, and finding them
# too coarse.
# It uses 7x7 with stride 2 in place of 11x11 with stride 4.
#
# **VGG** (2014) went all the way to 3x3.
# We build the variant with 16 layers.
# Its pattern is as simple as it can be: blocks of 3x3 convolutions, pooling, twice the channels.


# %%
def zfnet():
    x = start = keras.Input((224, 224, 3))
    x = convolution(layers.ZeroPadding2D(1)(x), 96, 7, 2, "valid")
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = convolution(x, 256, 5, 2, "valid")
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for filters in (384, 384, 256):
        x = convolution(x, filters, 3)
    return keras.Model(start, dense_head(layers.MaxPooling2D(3, 2)(x)))


def vgg16():
    x = start = keras.Input((224, 224, 3))
    for filters, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            x = convolution(x, filters, 3)
        x = layers.MaxPooling2D(2)(x)
    return keras.Model(start, dense_head(x))


# %% [markdown]
# **GoogLeNet** (2014) is a stack of nine Inception modules.
# It has no large dense layers: global average pooling hands 1024 numbers to the classifier.
# The two helper classifiers that the paper uses only in training are left out.

# %%
MODULES = """
64 96 128 16 32 32 | 128 128 192 32 96 64 | pool
192 96 208 16 48 64 | 160 112 224 24 64 64 | 128 128 256 24 64 64 | 112 144 288 32 64 64
256 160 320 32 128 128 | pool
256 160 320 32 128 128 | 384 192 384 48 128 128
"""


def googlenet():
    x = start = keras.Input((224, 224, 3))
    x = layers.MaxPooling2D(3, 2, padding="same")(convolution(x, 64, 7, 2))
    x = convolution(convolution(x, 64, 1), 192, 3)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for entry in MODULES.strip().replace("\n", "|").split("|"):
        if entry.strip() == "pool":
            x = layers.MaxPooling2D(3, 2, padding="same")(x)
        else:
            x = inception(x, *map(int, entry.split()))
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(start, layers.Dense(1000, activation="softmax")(x))


# %% [markdown]
# **ResNet** (2015) is a stack of residual blocks.
# We build the variant with 50 layers.
# Pooling has almost disappeared: the maps shrink by convolutions with stride 2.


# %%
def resnet50():
    x = start = keras.Input((224, 224, 3))
    x = layers.ReLU()(normalized(x, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for filters, depth in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for number in range(depth):
            strides = 2 if number == 0 and filters > 64 else 1
            x = bottleneck_block(x, filters, strides)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, layers.Dense(1000, activation="softmax")(x))


# %% [markdown]
# Next we build all six and count them.
# Their weights stay random: to train the large ones on their data is out of reach here.
# A model of this size needs memory, so we keep the counts and drop each model at once.

# %%
BUILDERS = [lenet5, alexnet, zfnet, vgg16, googlenet, resnet50]
history = {}
for build in BUILDERS:
    model = build()
    rows = arithmetic.count(model)
    history[build.__name__] = {
        "parameters": sum(row.parameters for row in rows),
        "trainable": sum(int(np.prod(weight.shape)) for weight in model.trainable_weights),
        "multiplications": sum(row.multiplications for row in rows),
        "dense": sum(row.parameters for row in rows if row.kind == "Dense"),
        "weighted": sum(row.kind in ("Conv2D", "Dense") for row in rows),
        "pooling": sum(row.kind in ("MaxPooling2D", "AveragePooling2D") for row in rows),
    }
    record(f"architectures.{build.__name__}.parameters", model.count_params(), "count")
    cost = history[build.__name__]["multiplications"]
    record(f"architectures.{build.__name__}.multiplications", cost, "count")
    assert history[build.__name__]["parameters"] == model.count_params()
    del model
    keras.backend.clear_session()

# %% [markdown]
# Are these the networks of the papers?
# For five of them the exact number of trainable parameters is known from independent sources, and
# ours must agree to the last one.
#
# * LeNet-5 with all maps connected; the paper's own has about 60,000.
# * AlexNet with two groups; the popular version without groups has more.
# * VGG with 16 layers, the paper's configuration D.
# * GoogLeNet with biases and without its helper classifiers.
# * ResNet with 50 layers, convolutions without bias.
#   Batch normalisation also keeps a moving mean and variance; these are not trained, and only the
#   record above counts them.

# %%
published = {"lenet5": 61_706, "alexnet": 60_965_224, "vgg16": 138_357_544}
published |= {"googlenet": 6_998_552, "resnet50": 25_557_032}
for name, parameters in published.items():
    assert history[name]["trainable"] == parameters, name
    print(f"{name:10} {parameters:>12,} trainable parameters, as others count them")

# %% [markdown]
# The next cell adds what only the papers can tell: the year, the depth by the authors' count, and
# the top-5 error in the ImageNet contest.
# The top-5 error is the share of pictures whose true class is not among the network's five best
# guesses.
# Contest entries averaged several networks, so these errors belong to ensembles of the family.

# %%
# name: (title, year, depth as published, top-5 error of the contest entry, where it is published)
PAPERS = {
    "lenet5": ("LeNet-5", 1998, 7, None, "LeCun et al., Proc. IEEE 86 (1998); digits only"),
    "alexnet": ("AlexNet", 2012, 8, 15.3, "Krizhevsky et al., NIPS (2012); 7 nets"),
    "zfnet": ("ZFNet", 2013, 8, 14.8, "Zeiler and Fergus, ECCV (2014); 6 nets"),
    "vgg16": ("VGG-16", 2014, 16, 7.3, "Simonyan and Zisserman, ICLR (2015); 7 nets"),
    "googlenet": ("GoogLeNet", 2014, 22, 6.67, "Szegedy et al., CVPR (2015); 7 nets"),
    "resnet50": ("ResNet-50", 2015, 50, 3.57, "He et al., CVPR (2016); 6 nets, up to 152 layers"),
}
heads = ("parameters", "in dense layers", "multiplications", "pooling", "top-5 error")
print(f"{'network':11}{'year':>5}{'depth':>7}" + "".join(f"{head:>17}" for head in heads))
for name, (title, year, depth, error, _) in PAPERS.items():
    net = history[name]
    dense_share = f"{net['dense'] / net['parameters']:.0%}"
    print(
        f"{title:11}{year:>5}{depth:>7}{net['parameters']:>17,}{dense_share:>17}"
        f"{net['multiplications']:>17,}{net['pooling']:>17}{f'{error} %' if error else '—':>17}"
    )
print("\nThe errors are published in:")
for title, _, _, _, paper in PAPERS.values():
    print(f"{title:11}{paper}")

# %% [markdown]
# Read the table from top to bottom.
#
# * The depth never falls, and from VGG on it rises with every network.
# * The parameters rise up to VGG and then fall sharply: nearly all of VGG's are in its dense
#   layers, and GoogLeNet and ResNet replace those by global average pooling.
# * The multiplications tell another story: they sit in the convolutions.
# * ResNet keeps one single pooling layer besides the global one.
#   Strided convolutions do the shrinking.
#
# The depth counts layers with weights on the longest path, except for LeNet-5, whose authors count
# the pooling layers too.
# GoogLeNet has far more convolutions than its depth says, because its branches lie side by side.

# %%
titles = [PAPERS[name][0] for name in history]
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
for shift, key in ((-0.2, "parameters"), (0.2, "multiplications")):
    axis.bar(np.arange(6) + shift, [net[key] for net in history.values()], 0.4, label=key)
axis.set_yscale("log")
axis.set_xticks(range(6), titles)
axis.set(ylabel="count, for one picture", title="What the six networks cost")
axis.legend(loc="upper left")
plots.show(
    figure,
    "Bars of parameters and multiplications of the six networks on a logarithmic scale. VGG-16 has "
    "the tallest bars; GoogLeNet has the fewest parameters after LeNet-5.",
)

# %%
figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
for name, (title, _, depth, error, _) in PAPERS.items():
    if error is not None:
        axis.scatter(depth, error, s=15 + 4e-6 * history[name]["parameters"], alpha=0.6)
        label = "ResNet (up to 152)" if name == "resnet50" else title
        axis.annotate(label, (depth * 1.09, error + (-1.2 if name == "zfnet" else 0.6)))
axis.set(xscale="log", xlim=(6, 200), ylim=(0, 18), xlabel="depth (layers)")
axis.set_xticks([8, 16, 32, 64], [8, 16, 32, 64])
axis.set(ylabel="top-5 error, published (percent)")
axis.set_title("The error falls with depth; the area shows the parameters")
plots.show(
    figure,
    "Top-5 error against depth, falling from AlexNet over ZFNet, VGG and GoogLeNet to ResNet, "
    "whose error is that of nets of up to 152 layers; the disc of VGG is the largest.",
)

# %% [markdown]
# ## A race on equal terms
#
# Which *block* is best cannot be read from these figures.
# The networks differ in size, data, tricks and years.
# So we let small versions race on CIFAR-10 under one rule: **every run may spend the same number of
# multiplications**.
# A network that costs half as much a picture may look at twice as many pictures.
#
# All have batch normalisation and the same optimizer, so that little but the structure differs.
# One exception: the Inception modules keep the form of their paper, so they normalise once, behind
# the joined branches.
# Each of the next functions builds one contestant.
# They share a beginning, which shrinks the picture once, and an end.


# %%
def contestant(body):
    """A small network: shared first layer, a body of blocks, global average pooling, softmax."""
    x = start = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, -1)(x)
    x = layers.ReLU()(normalized(x, 16, 3, 2))
    x = layers.GlobalAveragePooling2D()(body(x))
    return keras.Model(start, layers.Dense(10, activation="softmax")(x))


def large_filters(x):
    """As in LeNet and AlexNet: 5x5 filters and pooling."""
    x = layers.MaxPooling2D(2)(layers.ReLU()(normalized(x, 16, 5)))
    return layers.ReLU()(normalized(x, 32, 5))


def vgg_style(x):
    """As in VGG: pairs of 3x3 filters, and pooling between the pairs."""
    for _ in range(2):
        x = layers.ReLU()(normalized(x, 16, 3))
    x = layers.MaxPooling2D(2)(x)
    for _ in range(2):
        x = layers.ReLU()(normalized(x, 32, 3))
    return x


# %%
def inception_style(x):
    """As in GoogLeNet: modules of four branches, and pooling between them."""
    x = inception(x, 16, 12, 24, 4, 8, 8)
    x = layers.MaxPooling2D(2)(layers.BatchNormalization(momentum=0.9)(x))
    x = inception(x, 24, 16, 32, 8, 16, 16)
    return layers.BatchNormalization(momentum=0.9)(x)


def residual_style(x):
    """As in ResNet: residual blocks, shrinking by stride."""
    return residual_block(residual_block(x, 16), 32, strides=2)


def separable_style(x):
    """As in MobileNet: separable convolutions, which are cheap and so may be wide."""
    for filters, strides in ((48, 1), (48, 1), (96, 2), (96, 1)):
        x = layers.SeparableConv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return x


# %% [markdown]
# Before the start we weigh the contestants.

# %%
CONTESTANTS = {"large filters": large_filters, "VGG": vgg_style, "Inception": inception_style}
CONTESTANTS |= {"residual": residual_style, "separable": separable_style}
costs = {}
for name, body in CONTESTANTS.items():
    model = contestant(body)
    parameters, costs[name] = total(model)
    print(f"{name:14}{parameters:>8,} parameters {costs[name]:>11,} multiplications a picture")

# %% [markdown]
# Now the race.
# Each run gets its pictures in an order drawn from its seed, and sees as many as it can pay for.
# Every network runs with several seeds: with one run each, luck could decide.
# We measure on test pictures, and nothing is chosen by that measure.


# %%
def race(body, cost, run_seed):
    """Train one contestant for its share of the budget; return its accuracy on the test."""
    training.start(run_seed)
    model = contestant(body)
    pictures = max(batch_size, int(budget * 1e9 / cost))
    order = np.random.default_rng(run_seed).permutation(len(images))
    chosen = np.resize(order, pictures)
    schedule = training.one_cycle(rate, training.steps_in(pictures, batch_size, 1))
    optimizer = keras.optimizers.Adam(schedule)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    training.fit(
        model, images[chosen], labels[chosen], epochs=1, batch_size=batch_size, seed=run_seed
    )
    return training.evaluate(model, test_images, test_labels)["accuracy"]


# %% tags=["measured"]
results = {
    name: [race(body, costs[name], seed + number) for number in range(seeds)]
    for name, body in CONTESTANTS.items()
}
for name, accuracies in results.items():
    slug = name.replace(" ", "_").lower()
    record(f"architectures.race.{slug}.test_accuracy", np.mean(accuracies), "fraction")
    record(f"architectures.race.{slug}.spread", np.ptp(accuracies), "fraction")

# %% [markdown]
# A bar shows the mean of a network, and each dot is one run.
# Where the dots of two networks overlap, this race does not tell them apart.

# %% tags=["measured"]
ranked = sorted(results, key=lambda name: np.mean(results[name]))
figure, axis = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
axis.barh(ranked, [np.mean(results[name]) for name in ranked], color="C0", alpha=0.5)
for place, name in enumerate(ranked):
    axis.plot(results[name], [place] * seeds, "o", color="C1", markersize=5)
axis.axvline(0.1, color="0.5", linestyle=":")
axis.set_xlabel("accuracy on the test (dotted: guessing)")
axis.set_title(f"Equal multiplications for all ({cifar10.label})")
plots.show(
    figure,
    "One bar for each of the five networks with its mean test accuracy, sorted, and a dot for "
    "every run.",
)
first, second = ranked[-1], ranked[-2]
apart = min(results[first]) > max(results[second])
verdict = "all its runs beat all of" if apart else "but its runs overlap with those of"
print(f"The best mean has the net of the kind «{first}»; {verdict} «{second}».")

# %% [markdown]
# Remember what such a race can and cannot say.
# It holds for small networks, a short training and one count of cost.
# Multiplications are not seconds: a separable convolution spends much of its time fetching numbers,
# so a race against the clock may end differently.

# %% [markdown]
# ## Depth alone does not help
#
# The last experiment repeats, in small, the one that led to ResNet.
# We take plain networks of growing depth, and the same networks with shortcuts.
# A plain block and a residual block have the same convolutions, and a shortcut between equal shapes
# costs no parameter.
#
# We look at the loss on the *training* pictures.
# If the deep plain net were only overfitting, its training loss would be low.


# %%
def tower(blocks, residual):
    """So many blocks of two 3x3 convolutions on 8x8 maps, with shortcuts or without."""
    x = start = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, -1)(x)
    x = layers.MaxPooling2D(2)(layers.ReLU()(normalized(x, 16, 3, 2)))
    for _ in range(blocks):
        if residual:
            x = residual_block(x, 16)
        else:
            x = layers.ReLU()(normalized(x, 16, 3))
            x = layers.ReLU()(normalized(x, 16, 3))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, layers.Dense(10, activation="softmax")(x))


assert tower(3, True).count_params() == tower(3, False).count_params()
print("Plain and residual towers have the same number of parameters.")

# %% tags=["measured"]
depths = sorted({min(2, deepest), -(-deepest // 3), deepest})
x_part, y_part = np.array(images[:depth_pictures]), labels[:depth_pictures]
steps = training.steps_in(len(x_part), batch_size, depth_epochs)
losses = {}
for kind in ("plain", "residual"):
    for blocks in depths:
        for run_seed in range(seed, seed + depth_runs):
            training.start(run_seed)
            model = tower(blocks, kind == "residual")
            optimizer = keras.optimizers.Adam(training.one_cycle(rate, steps))
            model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
            curve = training.fit(
                model, x_part, y_part, epochs=depth_epochs, batch_size=batch_size, seed=run_seed
            )
            losses.setdefault((kind, blocks), []).append(curve["loss"][-1])

# %% [markdown]
# Each line below is one kind of network.
# Expect the plain line to climb with depth and the residual line to stay low.

# %% tags=["measured"]
figure, axis = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for number, kind in enumerate(("plain", "residual")):
    weighted = [2 * blocks + 2 for blocks in depths]
    axis.plot(weighted, [np.mean(losses[kind, blocks]) for blocks in depths], "o-", label=kind)
    for run in range(depth_runs):
        runs = [losses[kind, blocks][run] for blocks in depths]
        axis.plot(weighted, runs, ".", color=f"C{number}", alpha=0.5)
    for place, blocks in (("shallow", depths[0]), ("deep", depths[-1])):
        loss = np.mean(losses[kind, blocks])
        record(f"architectures.depth.{kind}_{place}.training_loss", loss)
axis.set(xlabel="depth (layers with weights)", ylabel="training loss in the last epoch")
axis.set_title(f"Plain and residual networks of growing depth ({cifar10.label})")
axis.legend()
plots.show(
    figure,
    "Training loss against depth for plain and residual networks, one line each.",
)
plain, residual = (np.mean(losses[kind, deepest]) for kind in ("plain", "residual"))
record("architectures.depth.plain_minus_residual", plain - residual)

# %% tags=["measured"]
growth = np.mean(losses["plain", deepest]) - np.mean(losses["plain", depths[0]])
print(f"The deepest plain net learned {'worse' if growth > 0 else 'better'} than the shallowest.")
print(f"At this depth the shortcuts {'helped' if plain > residual else 'did not help'}.")

# %% [markdown]
# A deep plain network is not weaker on paper: its extra layers could copy their input.
# It is harder to *train*.
# The shortcuts give the gradient a path past the convolutions, from the loss down to the first
# layer.
# This is how networks of a hundred layers became possible.

# %% [markdown]
# ## What to remember
#
# * Stacks of 3x3 filters see as far as large filters, with fewer weights and more relus.
# * A 1x1 convolution is a dense layer at every pixel; as a bottleneck it makes wide filters cheap.
# * An Inception module computes several windows side by side and joins their channels.
# * A residual block adds a correction to its input; doing nothing is its easy case.
# * A separable convolution first looks around, then mixes channels, at a fraction of the cost.
# * From AlexNet to ResNet the depth rose and the dense layers and poolings went.
# * Compare architectures at equal cost and with several seeds, or not at all.
#
# Here is what the sources claim, beside what this run measured.

# %% tags=["measured"]
claims_table("08", profile)

# %% [markdown]
# ## Exercises
#
# 1. Work out on paper the parameters of a 3x3 stack that sees 9x9 pixels, from 128 to 128 channels.
#    Then check with `count_weights`.
# 2. AlexNet without groups has more parameters. In which layers? Change `alexnet` and count.
# 3. VGG also exists with 19 layers: four convolutions in each of the last three blocks. Build it;
#    the paper gives 144 million parameters.
# 4. Put a sixth contestant of your own into the race. Can you beat the others at equal cost?
# 5. In `tower`, take out the batch normalisation. What happens to the plain net, and what to the
#    residual one?
