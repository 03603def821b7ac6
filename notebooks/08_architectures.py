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
# # 8. Architectures
#
# **What does each of the famous ideas buy, and what does it cost?**
#
# Between 1998 and today, networks for images grew from a handful of layers to hundreds, and every
# few years someone found a new way to put the same few layers together. Batch normalization,
# shortcuts, bottlenecks, separable convolutions: you'll meet these words wherever networks for
# images are described.
# In this chapter we take one small network and change one thing at a time, so that you see what
# each idea is good for. Then we build the historic networks themselves and find the ideas in
# them.
#
# > **What you'll be able to do**
# >
# > * build a residual block, a bottleneck, a separable convolution, an Inception module and a
# >   squeeze-and-excitation block in a few lines of Keras each;
# > * count what a block costs before you train it, and say why the count isn't the time;
# > * explain, with measurements instead of slogans, why depth hurts a plain network and why
# >   shortcuts help;
# > * build LeNet-5, AlexNet, ZFNet, VGG, GoogLeNet and ResNet, and name the idea of each;
# > * turn a classifier into one that reads images of any size and answers with a map.
# >
# > **What you should know:** convolutions, pooling and receptive fields (chapter 1), CIFAR-10 and
# > McNemar's test (chapters 1 and 2).
# >
# > **Time:** an hour and a half to read, with the questions; eight to ten minutes to run on one
# > core.
#
# Numbers in the text come from the stored run, made in November 2026 on one CPU core. Your own run
# prints its own numbers, and they may differ a little.

# %% [markdown]
# The first cell holds what you can change without touching the code.

# %% tags=["parameters", "hide-input"]
seed: int = 0  # 0 to 1000000: seed of the first training; others count on from it
images: int = 6000  # 200 to 45000: training images for each net of the comparison
epochs: int = 3  # 1 to 200: passes over them
seeds: int = 3  # 1 to 10: trainings per net
blocks: int = 3  # 1 to 9: blocks per stage in the nets of the comparison
width: int = 16  # 8 to 128: channels in the first stage of every net, a multiple of 8
batch_size: int = 64  # 8 to 512: images per step
peak: float = 0.003  # 0.0001 to 0.1: highest learning rate of a training
long_epochs: int = 0  # 0 to 300: train every net this long on all images, too (hours)
# What only the profiles need:
profile: str = "quick"  # sample | quick | full: built-in data, real data, long recipes
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
depth_images: int = 4000  # 100 to 45000: training images where depths are compared
depth_blocks: int = 8  # 2 to 27: blocks per stage in the deepest net
window_images: int = 6000  # 100 to 45000: training images where windows are compared
tested: int = 5000  # 100 to 10000: test images for the verdict at the end

# %% [markdown]
# We use CIFAR-10 again, the small color photographs of chapter 2: training images to learn from,
# 2,000 validation images to compare with, and test images for the end.

# %% tags=["measured"]
from functools import partial
import time

from helpers import architectures, arithmetic, datasets, diagrams, kept, plots
from helpers import pretrained, resumable, tables, training
from helpers.backend import as_array
from helpers.records import claims_table, mistakes_table, record
import keras
from keras import layers, ops
import matplotlib.pyplot as plt
import numpy as np

training.start(seed, precision)
cifar10 = datasets.load("cifar10", profile)
all_images, all_labels = cifar10.train
val_images, val_labels = (array[:2000] for array in cifar10.validation)
tolerance = 1e-4 if precision == "exact" else 0.1


# %% [markdown]
# ## Three times the layers
#
# All the networks that we compare block by block have the same skeleton. A first convolution with
# stride 2 and a pooling shrink the image to 8 x 8 positions. Then come two **stages** of a
# few **blocks** each; the second stage works on 4 x 4 positions and has twice as many channels.
# Global average pooling and one dense layer give the answer. What differs is the block. (And where
# the blocks have batch norm, the first convolution has it, too.) The simplest one is *plain*: two 3
# x 3 convolutions, each with its ReLU, as in chapter 1.


# %%
def conv(x, filters, window=3, strides=1, norm=True, relu=True):
    x = layers.Conv2D(
        *(filters, window, strides, "same"),
        use_bias=not norm,
        kernel_initializer="he_normal",
    )(x)
    if norm:
        x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def plain(x, filters, strides):
    x = conv(x, filters, 3, strides, norm=False)
    return conv(x, filters, norm=False)


# %%
def make_net(block, blocks=blocks, size=32):
    x = inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    normalized = block.__name__ not in ("plain", "bare_shortcuts")
    x = conv(x, width, 3, 2, norm=normalized)
    x = layers.MaxPooling2D(2)(x)
    for stage in range(2):
        for number in range(blocks):
            strides = 2 if stage == 1 and number == 0 else 1
            x = block(x, width * 2**stage, strides)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(10, activation="softmax", name="classes")(x)
    return keras.Model(inputs, x, name=block.__name__)


# %% [markdown]
# The weights start at random, with the spread that He and others worked out for layers with
# ReLUs, so that the signal is neither amplified nor damped on average (`he_normal`).
#
# Training is the same for all: Adam with one cycle of the learning rate, as in chapters 1 and 2,
# and three seeds. (Equal isn't always fair. All networks get the same peak rate, while chapter 2
# gave those without batch norm a fifth of the rate of the others. With a rate of its own, the plain
# network might do better than here.) Each seed draws its own training images, weights and order, so
# that the three trainings of a network are as different as three people's would be. Two networks
# with the same seed see the same images. (We compile a network once and start it again for each
# seed, with fresh weights and an optimizer set back to zero, because Keras takes seconds to prepare
# a deep network for training. This way we wait for that only once.)


# %%
def draw(count, seed):
    chosen = np.random.default_rng(seed).permutation(len(all_images))[:count]
    return all_images[chosen], all_labels[chosen]


# %%
def train(make, count, epochs, runs=seeds, **options):
    net, curves, trained = make(), [], []
    steps = training.steps_in(count, batch_size, epochs)
    net.compile(
        optimizer=keras.optimizers.Adam(training.one_cycle(peak, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    for number in range(seed, seed + runs):
        training.start(number)
        net.set_weights(make().get_weights())
        for variable in net.optimizer.variables:
            variable.assign(ops.zeros_like(variable))
        batches = training.batches(*draw(count, number), batch_size, seed=number)
        progress = training.Progress()
        options |= {"epochs": epochs, "callbacks": [progress], "verbose": 0}
        curve = net.fit(batches, **options).history
        curves.append(curve | {"seconds": progress.seconds})
        trained.append(net.get_weights())
    return net, curves, trained


# %% [markdown]
# > **Predict.** We train a plain network with 2 blocks per stage and one with 8, on the same
# > 4,000 images. The deeper one has more than three times the layers and parameters. Which one
# > gets more of its *training* images right in the second of two epochs?
# >
# > <details><summary>Think first, then open</summary>
# >
# > The shallow one. It isn't overfitting that holds the deep network back: we look at training
# > images, and there more parameters should help. The deep network *could* do all that the
# > shallow one does, by copying its input through the additional layers. It just doesn't find
# > the weights.
# > </details>

# %% tags=["measured"]
hook = {}
shallowest = max(1, depth_blocks // 4)
for count in (shallowest, depth_blocks):
    make = partial(make_net, plain, count)
    model, [curve], _ = train(make, depth_images, epochs=2, runs=1)
    weighted = sum(isinstance(layer, layers.Conv2D) for layer in model.layers) + 1
    hook[weighted] = curve["accuracy"][-1]
    print(f"{weighted} layers, {model.count_params():,} parameters")

# %% tags=["measured", "hide-input"]
shallow, deep = hook.values()
record("architectures.hook.shallow.training_accuracy", shallow, "fraction")
record("architectures.hook.deep.training_accuracy", deep, "fraction")
record("architectures.hook.shallow.layers", min(hook), "count")
record("architectures.hook.deep.layers", max(hook), "count")

# %% [markdown]
# The network with 10<!-- architectures.hook.shallow.layers --> layers gets
# 22 %<!-- architectures.hook.shallow.training_accuracy --> of its training images right in its
# second pass over them. The one with 34<!-- architectures.hook.deep.layers --> layers gets
# 10 %<!-- architectures.hook.deep.training_accuracy -->: it is guessing among ten
# classes.<!-- architectures.hook.deep.training_accuracy < 0.14 -->
#
# That is one training of each, and a short one. (Over five<!--
# runs(architectures.hook.deep.training_accuracy) --> runs with seeds of their own, the shallow one
# gets between 22 %<!-- lowest(architectures.hook.shallow.training_accuracy) --> and 28 %<!--
# highest(architectures.hook.shallow.training_accuracy) -->, and the deep one never more than 11
# %<!-- highest(architectures.hook.deep.training_accuracy) -->.) For years this was the wall that
# everyone ran into. By the end of the chapter a network just as deep will learn, and you'll have
# seen what was wrong with this one.

# %% [markdown]
# ## Six blocks
#
# Let's first collect the ideas that have been proposed, each as a block that fits into our
# skeleton. Every block adds *one* idea to an earlier one, because otherwise we couldn't say what
# made the difference. (The bottleneck is the exception: it reshapes the whole block. We choose its
# channels so that it computes about as much.)
#
# **Batch normalization** (Ioffe and Szegedy, 2015) follows every convolution with a layer of its
# own. As in chapter 2, that layer shifts and scales each channel to mean 0 and variance 1 over all
# images of the batch and all positions, and then lets the network rescale and shift it. (A bias
# before it would be subtracted again, so the convolution has none.)
#
# **Shortcuts**, or *skip connections* (He and others, 2015), add the block's input to its output.
# The layers of the block only have to learn a correction. Where the shapes differ, at the start
# of the second stage, a 1 x 1 convolution gives the input the shape of the output.


# %%
def batch_norm(x, filters, strides):
    x = conv(x, filters, 3, strides)
    return conv(x, filters)


def add_shortcut(x, correction, strides):
    if strides != 1 or x.shape[-1] != correction.shape[-1]:
        x = conv(x, correction.shape[-1], 1, strides, relu=False)
    return layers.ReLU()(layers.Add()([x, correction]))


def shortcuts(x, filters, strides):
    correction = conv(x, filters, 3, strides)
    correction = conv(correction, filters, relu=False)
    return add_shortcut(x, correction, strides)


# %% tags=["hide-input"]
x = keras.Input((8, 8, 16))
plots.show(
    diagrams.network(keras.Model(x, shortcuts(x, 16, 1))),
    "A residual block as a column of layers: convolution, batch normalization, ReLU, "
    "convolution, batch normalization; an arc leads from the input around them to an "
    "addition, and a ReLU follows.",
)

# %% [markdown]
# A block with a shortcut is a **residual block**. (A year later He and others moved batch norm and
# ReLU in front of the convolutions, so that the shortcut passes its input on unchanged. You'll meet
# that version as ResNet v2, or *pre-activation*.) If the weights of its convolutions are zero, it
# returns its input unchanged, as long as that has no negative numbers, and after a ReLU it has
# none. Doing nothing is now the easy case:

# %%
x = keras.Input((8, 8, 16))
idle = keras.Model(x, shortcuts(x, 16, 1))
for layer in idle.layers:
    if isinstance(layer, layers.Conv2D):
        layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
random = np.random.default_rng(0)
maps = random.uniform(size=(2, 8, 8, 16)).astype("float32")
np.testing.assert_allclose(idle.predict(maps, verbose=0), maps, atol=tolerance)
print("With zero weights the block returns its input.")

# %% [markdown]
# ### A window of one pixel
#
# The next idea needs a convolution that looks useless: 1 x 1. It sees a single position, but it
# sees it through *all channels*. It is a small dense layer, applied at every position with the
# same weights.

# %%
pointwise, dense = layers.Conv2D(4, 1), layers.Dense(4)
pointwise.build(maps.shape)
dense.build(maps.shape)
kernel, bias = pointwise.get_weights()
dense.set_weights([kernel[0, 0], bias])
ours, same = as_array(pointwise(maps)), as_array(dense(maps))
np.testing.assert_allclose(ours, same, atol=tolerance)
print(f"kernel {kernel.shape}: the same numbers as a dense layer at each position")

# %% [markdown]
# So a 1 x 1 convolution mixes channels, and it can reduce their number at little cost. A
# **bottleneck** uses that. It squeezes many channels into few, runs the expensive 3 x 3 window on
# the few, and widens the result again. We take ResNet's proportions: the block passes on four
# times as many channels as its 3 x 3 convolution sees.
#
# A **separable convolution**, in full *depthwise separable* (used by Chollet's Xception in 2016 and
# by MobileNet in 2017), splits the work in another way. An ordinary kernel looks around *and* mixes
# channels. A separable one first looks around, with one small kernel for each channel alone
# (the *depthwise* part), and then mixes, with a 1 x 1 convolution.
#
# **Squeeze-and-excitation** (Hu and others, 2017) adds a side path to the residual block: average
# each channel over the map, pass the averages through two small dense layers, and multiply every
# channel by the result, a number between 0 and 1. So the network can turn down channels that
# don't matter for the image at hand.


# %%
def bottleneck(x, filters, strides):
    correction = conv(x, filters, 1)
    correction = conv(correction, filters, 3, strides)
    correction = conv(correction, 4 * filters, 1, relu=False)
    return add_shortcut(x, correction, strides)


def separable(x, filters, strides):
    correction = x
    for step, relu in ((strides, True), (1, False)):
        correction = layers.SeparableConv2D(
            *(filters, 3, step, "same"),
            use_bias=False,
            depthwise_initializer="he_normal",
            pointwise_initializer="he_normal",
        )(correction)
        correction = layers.BatchNormalization(momentum=0.9)(correction)
        correction = layers.ReLU()(correction) if relu else correction
    return add_shortcut(x, correction, strides)


# %%
def squeeze_excitation(x, filters, strides):
    correction = conv(x, filters, 3, strides)
    correction = conv(correction, filters, relu=False)
    weights = layers.GlobalAveragePooling2D(keepdims=True)(correction)
    weights = layers.Dense(filters // 4, activation="relu")(weights)
    weights = layers.Dense(filters, activation="sigmoid")(weights)
    correction = layers.Multiply()([correction, weights])
    return add_shortcut(x, correction, strides)


# %% [markdown]
# In Keras the separable convolution is one layer. Is it really the same as two steps? We give both
# versions the same weights and compare:

# %%
x = keras.Input((8, 8, 16))
one_layer = keras.Model(x, layers.SeparableConv2D(32, 3, use_bias=False)(x))
looks = layers.DepthwiseConv2D(3, use_bias=False)(x)
two_steps = keras.Model(x, layers.Conv2D(32, 1, use_bias=False)(looks))
two_steps.set_weights(one_layer.get_weights())
outputs = [model.predict(maps, verbose=0) for model in (one_layer, two_steps)]
np.testing.assert_allclose(*outputs, atol=tolerance)
print("One separable layer gives the same numbers as its two steps.")

# %% [markdown]
# ### What they cost
#
# We count two things: **parameters**, and multiply-adds, or **MACs**. (Papers often write FLOPs;
# some mean the same, others count each MAC as two.) At each position of its output, a convolution
# multiplies every weight once. With a window of $F \times F$, $D_\text{in}$ channels in and
# $D_\text{out}$ out, as in chapter 1, it needs
#
# $$F \cdot F \cdot D_\text{in} \cdot D_\text{out}$$
#
# MACs per position. A separable one needs
# $F \cdot F \cdot D_\text{in} + D_\text{in} \cdot D_\text{out}$. Divide the second by the first,
# and what is left is the share $1 / D_\text{out} + 1 / F^2$.
#
# > **Predict.** For 3 x 3 windows and 16 to 32 channels, by roughly what factor does the
# > separable convolution reduce the MACs of the whole network? And will training be faster by the
# > same factor?
# >
# > <details><summary>Think first, then open</summary>
# >
# > $1/16 + 1/9$ is about a sixth, and $1/32 + 1/9$ about a seventh. The first layer and the
# > shortcuts don't change, so the network needs about a fifth of the MACs. But don't expect a fifth
# > of the time. A depthwise convolution does so little arithmetic per number that the processor
# > probably waits for memory most of the time. We'll measure it in a minute.
# > </details>

# %%
BLOCKS = {
    "plain": plain,
    "batch_norm": batch_norm,
    "shortcuts": shortcuts,
    "bottleneck": bottleneck,
    "separable": separable,
    "squeeze_excitation": squeeze_excitation,
}
costs = {}
for name, block in BLOCKS.items():
    counted = arithmetic.count(make_net(block))
    costs[name] = {
        "layers": sum(row.kind.endswith("Conv2D") for row in counted) + 1,
        "parameters": sum(row.parameters for row in counted),
        "macs": sum(row.multiplications for row in counted),
    }

# %% tags=["measured", "hide-input"]
tables.show_table(
    ("block", "convolutions and dense layer", "parameters", "million MACs"),
    [
        (
            name.replace("_", " "),
            cost["layers"],
            f"{cost['parameters']:,}",
            f"{cost['macs'] / 1e6:.2f}",
        )
        for name, cost in costs.items()
    ],
    "Six networks, one image of 32 x 32 pixels",
)
for name, cost in costs.items():
    record(f"architectures.{name}.parameters", cost["parameters"], "count")
    record(f"architectures.{name}.macs", cost["macs"], "count")

# %% [markdown]
# We count no MACs for batch norm, because after training it can be folded into the convolution
# before it.<!-- architectures.batch_norm.macs == architectures.plain.macs --> Shortcuts cost next
# to nothing.<!-- architectures.shortcuts.macs < 1.01 * architectures.plain.macs --> The separable
# network needs 0.39 million<!-- architectures.separable.macs --> MACs in place of 1.81 million<!--
# architectures.shortcuts.macs -->, and less than a fifth of the parameters.<!--
# architectures.separable.parameters < 0.2 * architectures.shortcuts.parameters --> The bottleneck
# network carries four times as many channels from block to block and has three convolutions per
# block, at nearly the same number of MACs.<!-- architectures.bottleneck.macs < 1.15 *
# architectures.shortcuts.macs -->

# %% [markdown]
# ## What each idea buys
#
# Now we train them: six networks, three seeds each, three passes over the same images. It is a
# short training, and so the question is an honest but narrow one: *which network learns most in its
# first few hundred steps?* Who wins in the long run is another question, and we'll come to it.
#
# > **Predict.** Rank them by validation accuracy: plain, with batch norm, with shortcuts as well,
# > and with separable convolutions in place of the ordinary ones. Where is the largest step?
# >
# > <details><summary>Think first, then open</summary>
# >
# > From worst to best: first plain; then, close together, batch norm and the separable
# > convolutions; then shortcuts with ordinary convolutions. The largest step is batch
# > normalization; shortcuts add less at this depth. Separable convolutions lose most of what the
# > shortcuts gained, but they make do with a fraction of the parameters and MACs.
# > </details>

# %% tags=["measured"]
nets, curves, trained = {}, {}, {}
validation = training.batches(val_images, val_labels, 256)
for name, block in BLOCKS.items():
    nets[name], curves[name], trained[name] = train(
        partial(make_net, block), images, epochs, validation_data=validation
    )

# %% tags=["measured", "hide-input"]
COLORS = {name: f"C{number}" for number, name in enumerate(BLOCKS)}
reached = {}
for name, runs in curves.items():
    reached[name] = [curve["val_accuracy"][-1] for curve in runs]
figure = architectures.draw_dots(
    reached, list(COLORS.values()), f"One change at a time ({cifar10.label})"
)
plots.show(
    figure,
    "Validation accuracy of the six networks, one dot per seed and a line for the "
    "mean. The plain net is far below the others. Batch norm and the separable net "
    "come next, close together, then the bottleneck; shortcuts and squeeze-and- "
    "excitation are on top.",
)

# %% tags=["measured", "hide-input"]
seconds = {}
for name, runs in curves.items():
    seconds[name] = min(second for curve in runs for second in curve["seconds"])
for name, values in reached.items():
    record(f"architectures.{name}.validation_accuracy", np.mean(values), "fraction")
    record(f"architectures.{name}.lowest", min(values), "fraction")
    record(f"architectures.{name}.highest", max(values), "fraction")
    record(f"architectures.{name}.seconds", seconds[name], "seconds")

# %% tags=["measured", "hide-input"]
first_runs = {name.replace("_", " "): runs[0] for name, runs in curves.items()}
plots.show(
    plots.learning_curves(first_runs, f"The first seed of each ({cifar10.label})"),
    "Loss and accuracy after each epoch for the six networks, on training and "
    "validation images. In accuracy the plain net is behind from the first epoch on. "
    "In the last epoch the training curves of the other nets are ahead of their "
    "validation curves; that of the plain net isn't.",
)

# %% [markdown]
# You can see each step in the dots. The plain network reaches 31 %<!--
# architectures.plain.validation_accuracy -->. Batch norm brings it to 42 %<!--
# architectures.batch_norm.validation_accuracy -->, the largest step of all.<!--
# architectures.batch_norm.validation_accuracy - architectures.plain.validation_accuracy >
# architectures.shortcuts.validation_accuracy - architectures.batch_norm.validation_accuracy -->
# With shortcuts it is 48 %<!-- architectures.shortcuts.validation_accuracy -->. The dots of these
# three don't overlap: the worst run with batch norm beats the best plain one, and the worst run
# with shortcuts beats the best without.<!-- architectures.batch_norm.lowest >
# architectures.plain.highest and architectures.shortcuts.lowest >
# architectures.batch_norm.highest -->
#
# From there on, three changes lead to three different places. Squeeze-and-excitation seems to add a
# little, with 49 %<!-- architectures.squeeze_excitation.validation_accuracy -->, for hardly any
# MACs.<!-- architectures.squeeze_excitation.validation_accuracy >
# architectures.shortcuts.validation_accuracy --> But its dots overlap those of the shortcuts.<!--
# architectures.squeeze_excitation.lowest < architectures.shortcuts.highest --> Separable
# convolutions fall back to 42 %<!-- architectures.separable.validation_accuracy -->, but they work
# with a fifth of the weights.<!-- architectures.separable.validation_accuracy <
# architectures.shortcuts.validation_accuracy --> And the bottleneck, at 45 %<!--
# architectures.bottleneck.validation_accuracy -->, doesn't pay here,<!--
# architectures.bottleneck.validation_accuracy < architectures.shortcuts.validation_accuracy -->
# although it has about as many MACs as the residual network, and more layers. Bottlenecks and
# separable convolutions were made for networks with hundreds of channels, where a 3 x 3 window is
# really expensive. It would be wrong to conclude from our 16 to 32 channels that they are bad
# ideas.
#
# The curves, which show one seed, add something else. In the third pass the training curves of the
# better networks run ahead of their validation curves, and that of the plain one doesn't. Networks
# that learn faster from so few images seem to memorize them sooner, too. But speed isn't all of it:
# the bottleneck network isn't the fastest, and it has the widest gap. (The training accuracy is an
# average over the pass, and the validation accuracy is measured at its end. So the real gaps are
# wider than those drawn.)

# %% tags=["measured", "hide-input"]
millions = {name: cost["macs"] / 1e6 for name, cost in costs.items()}
accuracies = {name: np.mean(values) for name, values in reached.items()}
plots.show(
    architectures.draw_costs(
        {"million MACs per image": millions, "seconds of the fastest epoch": seconds},
        *(accuracies, COLORS),
        f"Two ways to count the cost ({cifar10.label})",
    ),
    "Two panels with the six networks, their names tied to their dots. Left, accuracy "
    "against multiply-adds: the separable net is the cheapest by far. Right, accuracy "
    "against the seconds of an epoch: the separable net takes nearly as long as the "
    "one with ordinary convolutions, and the bottleneck net longest.",
)

# %% [markdown]
# Compare the two panels. Measured in MACs the separable network is by far the cheapest. But its
# pass over the training images takes 1.6 s<!-- architectures.separable.seconds -->, against 2.0
# s<!-- architectures.shortcuts.seconds --> for the one with ordinary convolutions, although it
# computes a fifth as much.<!-- architectures.separable.seconds > 0.5 *
# architectures.shortcuts.seconds --> (Times scatter from run to run. Over five<!--
# runs(architectures.separable.seconds) --> runs the separable network takes between 0.65<!--
# lowest(architectures.separable.seconds / architectures.shortcuts.seconds) --> and 1.3<!--
# highest(architectures.separable.seconds / architectures.shortcuts.seconds) --> times as long,
# never anything near a fifth.<!-- lowest(architectures.separable.seconds /
# architectures.shortcuts.seconds) > 0.5 -->) And the bottleneck network, with about the same MACs,
# is the slowest.<!-- architectures.bottleneck.seconds > architectures.shortcuts.seconds -->
# Squeeze-and-excitation adds hardly a MAC to the network with shortcuts, and yet its pass takes 2.4
# s<!-- architectures.squeeze_excitation.seconds -->.<!-- architectures.squeeze_excitation.seconds >
# 1.1 * architectures.shortcuts.seconds -->
#
# What is going on? We haven't looked inside the processor, but the usual explanation fits. A
# processor can multiply much faster than it can fetch numbers from memory. A depthwise convolution
# does nine multiplications per number that it reads and writes, so it waits for memory most of the
# time. Batch norm, ReLU and addition do hardly any arithmetic, but each of them reads and writes
# whole maps, and the wide maps of the bottleneck are four times as large. Even batch norm, for
# which we counted no MACs (only after training can it be folded away), lengthens a pass: over
# five<!-- runs(architectures.plain.seconds) --> runs to between 1.2<!--
# lowest(architectures.batch_norm.seconds / architectures.plain.seconds) --> and 2.0<!--
# highest(architectures.batch_norm.seconds / architectures.plain.seconds) --> times its length.<!--
# lowest(architectures.batch_norm.seconds / architectures.plain.seconds) > 1.1 --> On a phone, or
# with other libraries, the balance is different: time your network on the machine that will run it.

# %% [markdown]
# ### Early and late
#
# Three passes over a part of the data show which network *starts* fast. Does it also end best?
# With `long_epochs` above zero the next cell trains the same networks on all 45,000 images, with
# mirrored and slightly shifted copies, until the learning rate has come down to zero and nothing
# improves any more. That takes hours, so by default it does nothing. But we ran it once, and kept
# the result: 24 passes with 48 channels in the first stage, three times as many as above.
#
# > **Predict.** In the short training most ideas moved their network by several points. Which of
# > these distances will be left after the long one: from plain to batch norm, from batch norm to
# > shortcuts, from shortcuts to squeeze-and-excitation, from shortcuts to the bottleneck?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Only the first. The plain network stays far behind all others. Between batch norm and shortcuts
# > hardly more than a point is left, squeeze-and-excitation has lost its lead, and the bottleneck,
# > which was behind, is in front.
# > </details>


# %%
def augmented(net):
    inputs = keras.Input((32, 32, 3))
    x = layers.RandomFlip("horizontal", seed=seed)(inputs)
    x = layers.RandomTranslation(0.1, 0.1, fill_mode="reflect", seed=seed)(x)
    return keras.Model(inputs, net(x), name=net.name)


# %% tags=["measured"]
for name, block in BLOCKS.items() if long_epochs else ():
    training.start(seed)
    model = augmented(make_net(block))
    steps = training.steps_in(len(all_images), batch_size, long_epochs)
    optimizer = keras.optimizers.Adam(training.one_cycle(peak, steps))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    batches = training.batches(all_images, all_labels, batch_size, seed=seed)
    progress = resumable.Kept(f"architectures-{name}", seed=seed, data=cifar10.sha256)
    done = progress.restore(model, batches)
    passes = {"epochs": long_epochs, "initial_epoch": done, "callbacks": [progress]}
    model.fit(batches, validation_data=validation, verbose=0, **passes)
    all_tests = training.batches(*cifar10.test, 256)
    scores = model.evaluate(all_tests, verbose=0, return_dict=True)
    record(f"architectures.long.{name}.test_accuracy", scores["accuracy"], "fraction")

# %% [markdown]
# The next cell draws the curves of the run that is kept with the course. They stop rising because
# the learning rate falls to zero.

# %% tags=["measured", "hide-input", "ledger"]
if "architectures_longer" in kept.names():
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, curve in kept.curves("architectures_longer"):
        reached_then = curve.get("val_accuracy", [])
        if name in COLORS and len(reached_then) > epochs:
            axis.plot(range(1, len(reached_then) + 1), reached_then, color=COLORS[name])
            axis.lines[-1].set_label(name.replace("_", " "))
    axis.set(xlabel="epoch", ylabel="validation accuracy")
    axis.set_title("The long run (CIFAR-10)")
    axis.yaxis.set_major_formatter("{x:.0%}")
    plots.label_ends(axis, axis.lines, [line.get_label() for line in axis.lines])
    plots.show(
        figure,
        "Validation accuracy against the epoch, one line per network. All rise, and "
        "flatten toward the end: plain stays far below the others, separable lies in "
        "between, and the remaining four end close together.",
    )
else:
    print("No long run has been kept yet.")

# %% [markdown]
# On the 10,000 test images the plain network gets 71.4 %<!--
# kept.architectures_longer.architectures.long.plain.test_accuracy --> right, and the one with batch
# norm 81.7 %<!-- kept.architectures_longer.architectures.long.batch_norm.test_accuracy -->. That is
# still the largest step.<!--
# kept.architectures_longer.architectures.long.batch_norm.test_accuracy -
# kept.architectures_longer.architectures.long.plain.test_accuracy > 0.05 and
# kept.architectures_longer.architectures.long.batch_norm.test_accuracy -
# kept.architectures_longer.architectures.long.plain.test_accuracy > 3 *
# abs(kept.architectures_longer.architectures.long.shortcuts.test_accuracy -
# kept.architectures_longer.architectures.long.batch_norm.test_accuracy) --> With shortcuts it is
# 82.7 %<!-- kept.architectures_longer.architectures.long.shortcuts.test_accuracy -->, with
# squeeze-and-excitation 82.8 %<!--
# kept.architectures_longer.architectures.long.squeeze_excitation.test_accuracy -->, with separable
# convolutions 79.4 %<!-- kept.architectures_longer.architectures.long.separable.test_accuracy -->,
# and with bottlenecks 84.1 %<!--
# kept.architectures_longer.architectures.long.bottleneck.test_accuracy -->, the best of the
# six.<!-- kept.architectures_longer.architectures.long.bottleneck.test_accuracy >
# max(kept.architectures_longer.architectures.long.shortcuts.test_accuracy,
# kept.architectures_longer.architectures.long.squeeze_excitation.test_accuracy,
# kept.architectures_longer.architectures.long.batch_norm.test_accuracy,
# kept.architectures_longer.architectures.long.separable.test_accuracy,
# kept.architectures_longer.architectures.long.plain.test_accuracy) -->
#
# Compare that with the short training. (We look ahead: its test results come at the end of the
# chapter.) There, shortcuts were 7 points<!-- architectures.shortcuts.test_accuracy -
# architectures.batch_norm.test_accuracy --> ahead of batch norm alone on the test images; now it is
# 1.1 points<!-- kept.architectures_longer.architectures.long.shortcuts.test_accuracy -
# kept.architectures_longer.architectures.long.batch_norm.test_accuracy -->.<!--
# kept.architectures_longer.architectures.long.shortcuts.test_accuracy -
# kept.architectures_longer.architectures.long.batch_norm.test_accuracy < 0.5 *
# (architectures.shortcuts.test_accuracy - architectures.batch_norm.test_accuracy) --> So at 14
# layers most of the shortcuts' lead is gone. They may mainly make a network learn *sooner*, though
# a single training, in which so much else changed, can't show it. Squeeze-and-excitation, which
# seemed to be ahead of them, is level with them.<!--
# abs(kept.architectures_longer.architectures.long.squeeze_excitation.test_accuracy -
# kept.architectures_longer.architectures.long.shortcuts.test_accuracy) < 0.005 --> And the
# bottleneck network, which lost to the one with shortcuts,<!--
# architectures.bottleneck.test_accuracy < architectures.shortcuts.test_accuracy --> is now 1.4
# points<!-- kept.architectures_longer.architectures.long.bottleneck.test_accuracy -
# kept.architectures_longer.architectures.long.shortcuts.test_accuracy --> ahead of it. So a ranking
# after three passes doesn't tell you the ranking after 24.
#
# Be careful with the small distances. It is one training of each, and the standard error of the
# difference of two such accuracies is about half a point, so a lead of one point may be luck. And
# several things changed at once: the width, the number of images, their mirrored and shifted
# copies, and the number of passes. Which of them helped the bottleneck we can't say. (That it needs
# wide maps to pay, as we suspected above, would fit.)

# %% [markdown]
# ## Why does depth hurt, and what do shortcuts repair?
#
# The usual story goes like this: on their way back through many layers the gradients shrink to
# nothing, so the first layers don't learn, and shortcuts give the gradients a free path. It
# sounds convincing. But the authors of ResNet themselves doubted it: with batch normalization,
# they wrote, the gradients of their plain networks have healthy sizes, so vanishing gradients are
# an unlikely reason. We don't have to take sides. We can measure.
#
# We build networks of 34 layers, untrained, in four variants: plain, with batch norm, with
# shortcuts but *without* batch norm, and with both.


# %%
def bare_shortcuts(x, filters, strides):
    correction = conv(x, filters, 3, strides, norm=False)
    correction = conv(correction, filters, norm=False, relu=False)
    if strides != 1:
        x = conv(x, filters, 1, strides, norm=False, relu=False)
    return layers.ReLU()(layers.Add()([x, correction]))


VARIANTS = {
    "plain": plain,
    "batch norm": batch_norm,
    "shortcuts alone": bare_shortcuts,
    "both": shortcuts,
}

# %% [markdown]
# ### Do the gradients vanish?
#
# A trick gives us all gradients at once, in plain Keras. One step of gradient descent with a
# learning rate of 1 changes every weight by exactly its gradient. So we take one such step, on
# one batch of 128 images, and look at how far the kernels of each layer have moved.


# %%
def gradient_norms(model, x, y):
    kernels = [
        layer.kernel
        for layer in model.layers
        if isinstance(layer, layers.Conv2D) and layer.kernel_size == (3, 3)
    ]
    before = [np.array(as_array(kernel)) for kernel in kernels]
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    model.train_on_batch(x, y)
    after = [as_array(kernel) for kernel in kernels]
    return [np.linalg.norm(a - b) for a, b in zip(after, before, strict=True)]


# %% [markdown]
# > **Predict.** In which of the four networks do the gradients vanish, so that those of the
# > *first* layer are a hundred times smaller than those of the last one?
# >
# > <details><summary>Think first, then open</summary>
# >
# > In none of them! In the plain network those of the first layer are somewhat smaller than the
# > last ones, but nowhere near a hundred times. With batch norm alone they even *grow* toward the
# > first layers, so that one step changes the first weights as much as many steps change the last.
# > With shortcuts alone they're large everywhere, and with batch norm and shortcuts they're nearly
# > level. Whatever is wrong with the plain network, with weights that start at the right size it
# > isn't vanishing gradients.
# > </details>

# %% tags=["measured"]
batch_images = np.asarray(all_images[:128], "float32")
batch_labels = all_labels[:128]
norms = {}
for name, block in VARIANTS.items():
    for number in range(seeds):
        training.start(seed + number)
        net = make_net(block, depth_blocks)
        norms_of_layers = gradient_norms(net, batch_images, batch_labels)
        norms.setdefault(name, []).append(norms_of_layers)

# %% tags=["measured", "hide-input"]
SHADES = {"plain": "C0", "batch norm": "C1", "shortcuts alone": "C6", "both": "C2"}
figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
axis.set_yscale("log")
layer_numbers = range(1, len(norms["plain"][0]) + 1)
architectures.draw_with_runs(axis, layer_numbers, norms, SHADES)
axis.set(xlabel="3 x 3 convolution, from the input on", ylabel="norm of its gradient")
axis.set_title(f"One batch, before any training ({cifar10.label})")
plots.show(
    figure,
    "Gradient norm of every convolution on a logarithmic axis. Plain: low and level. "
    "Batch norm alone: falling steeply from the first layer to the last. Shortcuts "
    "alone: very high. Both: level, in the middle.",
)

# %% tags=["measured", "hide-input"]
for name, runs in norms.items():
    middle = np.exp(np.mean(np.log(runs), axis=0))
    slug = f"architectures.gradients.{name.replace(' ', '_')}.first_over_last"
    record(slug, middle[0] / middle[-1])

# %% [markdown]
# In the plain network the gradient of the first convolution is 0.5<!--
# architectures.gradients.plain.first_over_last --> times that of the last (over five<!--
# runs(architectures.gradients.plain.first_over_last) --> runs between 0.26<!--
# lowest(architectures.gradients.plain.first_over_last) --> and 0.72<!--
# highest(architectures.gradients.plain.first_over_last) -->). **The gradients don't vanish.**<!--
# lowest(architectures.gradients.plain.first_over_last) > 0.1 --> With batch norm alone the first
# layer's gradient is 27<!-- architectures.gradients.batch_norm.first_over_last --> times the last
# one's: if anything, it *explodes* toward the input.<!--
# architectures.gradients.batch_norm.first_over_last > 10 --> With batch norm and shortcuts the
# ratio is a moderate 2<!-- architectures.gradients.both.first_over_last --> (never above 3<!--
# highest(architectures.gradients.both.first_over_last) -->), far below that.<!--
# architectures.gradients.both.first_over_last < 0.3 *
# architectures.gradients.batch_norm.first_over_last -->
#
# So He and his colleagues were right to doubt that gradients vanish, at least for weights that
# start at the right size. (They are small in the plain network, but in all of its layers alike, and
# Adam makes up for a common scale.) But with batch norm alone a factor of 27<!--
# architectures.gradients.batch_norm.first_over_last --> isn't quite the health that they report.
# (With smaller initial weights, or with sigmoids in place of ReLUs, gradients do vanish. Both were
# common before 2010, and the story dates from then.) Shortcuts alone, without batch norm, have
# another problem: every block adds its output to its input, so the numbers grow from block to
# block, and the gradients with them.

# %% [markdown]
# ### Can it still tell images apart?
#
# So the gradients arrive. Do they carry any information? Let's follow the signal forward. We show
# each network pairs of images: pairs of two *different* images, and pairs of an image and the
# *same* image with a little noise that you would hardly see. At each depth we compare the features
# of the two by their **correlation**: 1 means that they are the same up to brightness and
# contrast, 0 that they have nothing in common. A useful layer keeps similar images similar and
# different images different.
#
# > **Predict.** In which of the four networks do two different images look nearly the same at the
# > end? And in which does an image become a stranger to its own noisy copy?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Different images look alike in the two networks *without* batch norm: from layer to layer, what
# > all images have in common wins. Batch norm alone errs the other way: it drives an image and its
# > noisy copy apart until they have hardly more in common than two strangers. Only batch norm and
# > shortcuts together get both right.
# > </details>


# %%
def correlation(first, second):
    first, second = (maps.reshape(len(maps), -1) for maps in (first, second))
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.mean((first * second).sum(axis=1) / (lengths + 1e-12))


def similarity(model, x, noisy):
    activations = [layer for layer in model.layers if isinstance(layer, layers.ReLU)]
    viewer = keras.Model(model.input, [layer.output for layer in activations[::2]])
    alike_at = []
    for maps in viewer(np.concatenate([x, noisy]), training=True):
        clean, disturbed = np.split(as_array(maps), 2)
        others = np.roll(clean, 1, axis=0)
        two = correlation(clean, others), correlation(clean, disturbed)
        alike_at.append(two)
    return np.transpose(alike_at)  # different images, and the same ones with noise


# %% tags=["measured"]
noise = np.random.default_rng(seed).normal(0, 8, batch_images.shape)
noisy_images = (batch_images + noise).astype("float32")
alike = {}
for name, block in VARIANTS.items():
    for number in range(seeds):
        training.start(seed + number)
        net = make_net(block, depth_blocks)
        alike.setdefault(name, []).append(similarity(net, batch_images, noisy_images))

# %% tags=["measured", "hide-input", "gallery"]
figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.8), layout="constrained")
titles = ("two different images", "an image, and the same with noise")
for which, axis in enumerate(axes):
    axis.set(title=titles[which], xlabel="block", ylim=(-0.05, 1.05))
    runs = {name: np.array(values)[:, which] for name, values in alike.items()}
    architectures.draw_with_runs(axis, range(2 * depth_blocks + 1), runs, SHADES)
axes[0].set_ylabel("correlation of the features")
figure.suptitle(f"What is left of the images ({cifar10.label})")
plots.show(
    figure,
    "Correlation of features against depth. Left, different images: plain and "
    "shortcuts alone climb to nearly one, the nets with batch norm stay low. Right, an "
    "image and its noisy copy: batch norm alone falls far, the others stay high.",
)
for name, runs in alike.items():
    different, same = np.mean(runs, axis=0)[:, -1]
    slug = name.replace(" ", "_")
    record(f"architectures.signal.{slug}.different", different)
    record(f"architectures.signal.{slug}.noisy", same)

# %% [markdown]
# Here is the answer. In the plain network the features of two *different* images have a correlation
# of 0.95<!-- architectures.signal.plain.different --> at the end. Whatever you show it, it sees
# almost the same.<!-- architectures.signal.plain.different > 0.7 --> The gradients arrive, but they
# depend on an image's label and hardly on what the image shows, so there is little to learn but how
# frequent the classes are. That would explain why it guessed. Shortcuts alone don't help here: with
# them the correlation is 0.98<!-- architectures.signal.shortcuts_alone.different -->.<!--
# architectures.signal.shortcuts_alone.different > 0.7 -->
#
# Batch norm repairs exactly this: it subtracts from every channel what all images have in
# common. The correlation of different images stays at
# 0.26<!-- architectures.signal.batch_norm.different -->. But it does too much. In the right
# panel, an image and its noisy copy end up with a correlation of only
# 0.33<!-- architectures.signal.batch_norm.noisy -->, hardly more than two different
# images.<!-- architectures.signal.batch_norm.noisy <
# architectures.signal.batch_norm.different + 0.2 --> So what the network learns from one image
# says little about a similar one. The exploding gradients are the other side of that coin: if
# the output depends so violently on the input, it depends violently on the first weights, too.
#
# With shortcuts *and* batch norm, different images stay different, at 0.25<!--
# architectures.signal.both.different -->, and similar ones stay similar, at 0.76<!--
# architectures.signal.both.noisy -->.<!-- architectures.signal.both.noisy >
# architectures.signal.batch_norm.noisy + 0.3 and architectures.signal.both.different < 0.5 --> Each
# block changes the signal a little instead of replacing it, because batch norm keeps each
# correction at the same size while the sum that it is added to grows (De and Smith, 2020).
# (Sufficiently small first weights in the blocks can do the same without batch norm: Zhang and
# others, *Fixup*, 2019.) This is the state in which a network can begin to learn, and it comes from
# the architecture and from how its first weights are drawn: we haven't trained anything yet. (All
# of this concerns the start. What happens later in a training is a longer story.)

# %% [markdown]
# ### Does it show in the training?
#
# Now the experiment that made ResNet famous, on a small scale. We train networks of 10 and 34
# layers, with batch norm alone and with shortcuts as well, and watch the loss on the *training*
# images, with three seeds. Both variants have almost the same parameters; the shortcuts add only
# the 1 x 1 convolution between the stages.
#
# > **Predict.** The networks with batch norm get deeper. Does their training loss fall, stay or
# > rise? And with shortcuts?
# >
# > <details><summary>Think first, then open</summary>
# >
# > With batch norm alone the loss rises steeply with depth. With shortcuts it rises much less: 34
# > layers still learn more slowly than 10, but they do learn.
# > </details>

# %% tags=["measured"]
depths = (shallowest, depth_blocks)
losses = {"batch norm": {}, "both": {}}
for name, by_depth in losses.items():
    for count in depths:
        make = partial(make_net, VARIANTS[name], count)
        _, runs, _ = train(make, depth_images, epochs=2)
        by_depth[count] = [curve["loss"][-1] for curve in runs]

# %% tags=["measured", "hide-input"]
for kind, by_depth in (("plain", losses["batch norm"]), ("residual", losses["both"])):
    for where, count in (("shallow", depths[0]), ("deep", depths[-1])):
        name = f"architectures.depth.{kind}_{where}"
        record(f"{name}.training_loss", np.mean(by_depth[count]))
        record(f"{name}.highest", max(by_depth[count]))
        record(f"{name}.lowest", min(by_depth[count]))
difference = np.subtract(losses["batch norm"][depths[-1]], losses["both"][depths[-1]])
record("architectures.depth.plain_minus_residual", np.mean(difference))

# %% tags=["measured", "hide-input"]
figure, axis = plt.subplots(figsize=(6.8, 3.8), layout="constrained")
weighted = [4 * count + 2 for count in depths]
runs, shades = {}, {}
for name, shown_as in (("batch norm", "without shortcuts"), ("both", "with shortcuts")):
    runs[shown_as] = np.transpose([losses[name][count] for count in depths])
    shades[shown_as] = SHADES[name]
architectures.draw_with_runs(axis, weighted, runs, shades)
axis.set(xlabel="layers with weights", ylabel="training loss after two epochs")
axis.set_xticks(weighted)
axis.set_title(f"Batch norm, and growing depth ({cifar10.label})")
plots.show(
    figure,
    "Training loss of a shallow and of a deep network, one dot per seed and a line "
    "through the means. With batch norm alone the loss climbs steeply with depth. "
    "With shortcuts as well it climbs only a little, but it doesn't fall.",
)

# %% [markdown]
# With batch norm alone, 10 layers reach a training loss of 1.71<!--
# architectures.depth.plain_shallow.training_loss -->, and 34 layers have only reached 2.23<!--
# architectures.depth.plain_deep.training_loss -->, in all three runs higher than the worst shallow
# one.<!-- architectures.depth.plain_deep.lowest > architectures.depth.plain_shallow.highest -->
# (Guessing among ten classes costs $\ln 10 \approx 2.30$, so this is hardly better than guessing.)
# With shortcuts the numbers are 1.61<!-- architectures.depth.residual_shallow.training_loss --> and
# 1.73<!-- architectures.depth.residual_deep.training_loss -->. At 34 layers, every run with
# shortcuts is better than every run without.<!-- architectures.depth.residual_deep.highest <
# architectures.depth.plain_deep.lowest --> There it is, the network that we promised at the
# beginning: as deep as the one that could only guess, and it learns. But note what shortcuts don't
# do here: the deep network isn't *better* than the shallow one.<!--
# architectures.depth.residual_deep.training_loss >
# architectures.depth.residual_shallow.training_loss --> In so short a training they only stop depth
# from doing most of its harm.
#
# This is the degradation that He and others describe, seen early in a training. They report
# that it remains at the end of long trainings, on the training images, too. Our two epochs
# can't show that.

# %% [markdown]
# ## Small windows in a stack
#
# No window in our blocks is larger than 3 x 3, as in VGG and most networks after it. AlexNet began
# with 11 x 11, and ZFNet with 7 x 7. Don't small windows make a network short-sighted?
#
# Not in a stack. Each further 3 x 3 layer adds one pixel on every side to the **receptive
# field**, so three of them see 7 x 7 pixels. Do they see all of it equally well? We set all
# weights to one and count the *paths* by which each pixel reaches the output in the middle:

# %%
pixel = np.zeros((1, 15, 15, 1), "float32")
pixel[0, 7, 7, 0] = 1
paths = {0: pixel[0, ..., 0]}
for depth in range(1, 8):
    layer = layers.Conv2D(1, 3, padding="same", kernel_initializer="ones")
    pixel = as_array(layer(pixel))
    paths[depth] = pixel[0, ..., 0]
    field = int((paths[depth] > 0).any(axis=0).sum())
    assert field == arithmetic.receptive_field([(3, 1)] * depth) == 2 * depth + 1
print(paths[3][4:11, 4:11].astype(int))

# %% tags=["hide-input"]
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained")
for axis, depth in zip(axes, (1, 3, 7), strict=False):
    axis.imshow(paths[depth], cmap="Blues", vmin=0)
    axis.set_title(f"{depth} layer{'s' * (depth > 1)} of 3 x 3")
    axis.set_xticks([])
    axis.set_yticks([])
for depth in (1, 3, 7):
    cut = paths[depth][7] / paths[depth][7].sum()
    axes[3].plot(range(-7, 8), cut, label=f"{depth}")
axes[3].set(title="a cut through the middle", xlabel="pixels", yticks=[])
axes[3].legend(title="layers")
plots.show(
    figure,
    "Three square maps of influence and a cut through them: a flat 3x3 square for one "
    "layer, and for three and seven layers a bell that is strong in the middle and "
    "fades toward the border.",
)
center = paths[3][6:9, 6:9].sum() / paths[3].sum()
record("architectures.field.center_share", center, "fraction")

# %% [markdown]
# The receptive field is a bell, not a box. Of all paths through three layers, 50 %<!--
# architectures.field.center_share --> come from the nine pixels in the middle of the 49, and the
# corners have a single path each. In a trained network the weights aren't all one, but a similar
# shape remains: the *effective* receptive field is a blob in the middle of the theoretical one,
# even if it grows during the training (Luo and others, 2016).
#
# And what does the stack cost? With $D$ channels in and out, one $F \times F$ window has $F^2
# D^2$ weights. The stack of $(F - 1) / 2$ layers has $9 D^2 (F - 1) / 2$. The first grows with
# the square of $F$, the second with $F$.


# %%
def weights_of(windows, channels=64):
    stack = keras.Sequential([keras.Input((32, 32, channels))])
    for window in windows:
        layer = layers.Conv2D(channels, window, padding="same", use_bias=False)
        stack.add(layer)
    return stack.count_params()


for window in (5, 7, 11):
    small = [3] * ((window - 1) // 2)
    large, stacked = weights_of([window]), weights_of(small)
    stack = f"{len(small)} times 3 x 3: {stacked:,}"
    print(f"{window} x {window}: {large:,} weights; {stack}")
    name = f"architectures.stack_over_single_{window}x{window}"
    record(name, stacked / large, "fraction")

# %% [markdown]
# Three layers of 3 x 3 need 55 %<!-- architectures.stack_over_single_7x7 --> of the weights of one
# 7 x 7, and five need 37 %<!-- architectures.stack_over_single_11x11 --> of those of one 11 x 11.
# On top of that, there is a ReLU between the layers, so the stack can compute things that no
# single window can.
#
# > **Predict.** That is VGG's argument. Does the stack also *learn* better? We train small
# > networks that differ only in this: one 5 x 5 window or two of 3 x 3, one 7 x 7 or three of 3
# > x 3, with equal channels and equal receptive fields.
# >
# > <details><summary>Think first, then open</summary>
# >
# > In the stored run yes, by a point or two in each of six comparisons. In other runs, no. What the
# > stack saves in weights is certain; whether it learns better, our trainings can't tell from luck.
# > </details>


# %%
def make_window_net(windows):
    x = inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = conv(x, width, 3, 2)
    for stage in range(2):
        for window in windows:
            x = conv(x, width * 2**stage, window)
        x = layers.MaxPooling2D(2)(x) if stage == 0 else x
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(10, activation="softmax")(x)
    return keras.Model(inputs, x, name="windows_" + "_".join(map(str, windows)))


# %% tags=["measured"]
WINDOWS = {"5 x 5": [5], "two 3 x 3": [3] * 2, "7 x 7": [7], "three 3 x 3": [3] * 3}
window_scores = {}
for name, windows in WINDOWS.items():
    make = partial(make_window_net, windows)
    _, runs, _ = train(make, window_images, epochs=2, validation_data=validation)
    window_scores[name] = [curve["val_accuracy"][-1] for curve in runs]

# %% tags=["measured", "hide-input"]
figure = architectures.draw_dots(
    window_scores,
    ["C3", "C0", "C3", "C0"],
    f"Equal receptive fields ({cifar10.label})",
)
for name, scores in window_scores.items():
    slug = name.replace(" x ", "x").replace(" ", "_")
    record(f"architectures.windows.{slug}.accuracy", np.mean(scores), "fraction")
plots.show(
    figure,
    "Validation accuracy with one 5x5 window, two of 3x3, one 7x7 and three of 3x3, "
    "one dot per seed and a line for the mean. Each stack of small windows is on "
    "average a little ahead of the large window with the same receptive field.",
)

# %% tags=["measured", "hide-input"]
scores = window_scores
for large, small in (("5 x 5", "two 3 x 3"), ("7 x 7", "three 3 x 3")):
    gains = np.subtract(scores[small], scores[large])
    slug = large.replace(" ", "")
    record(f"architectures.windows.gain_over_{slug}", np.mean(gains), "fraction")
    record(f"architectures.windows.smallest_gain_over_{slug}", min(gains), "fraction")
    record(f"architectures.windows.largest_gain_over_{slug}", max(gains), "fraction")

# %% [markdown]
# Two layers of 3 x 3 reach 43.2 %<!-- architectures.windows.two_3x3.accuracy -->, one of 5 x 5
# reaches 41.4 %<!-- architectures.windows.5x5.accuracy -->. Three layers of 3 x 3 reach 45.5 %<!--
# architectures.windows.three_3x3.accuracy -->, one of 7 x 7 44.1 %<!--
# architectures.windows.7x7.accuracy -->. For equal seeds the gain lies between 1.6 points<!--
# architectures.windows.smallest_gain_over_5x5 --> and 1.9 points<!--
# architectures.windows.largest_gain_over_5x5 --> over 5 x 5, and between 1.0 points<!--
# architectures.windows.smallest_gain_over_7x7 --> and 2.2 points<!--
# architectures.windows.largest_gain_over_7x7 --> over 7 x 7. So in this run the stack wins all six
# comparisons, each by little.<!-- min(architectures.windows.smallest_gain_over_5x5,
# architectures.windows.smallest_gain_over_7x7) > 0 and
# max(architectures.windows.largest_gain_over_5x5, architectures.windows.largest_gain_over_7x7) <
# 0.05 -->
#
# Six out of six: would you believe it? We almost did. Then we ran the chapter four<!--
# runs(architectures.windows.gain_over_7x7) - 1 --> more times, with three new seeds each. Over all
# runs the stack's lead is 0.4 points<!-- average(architectures.windows.gain_over_5x5) --> over 5 x
# 5 and 0.5 points<!-- average(architectures.windows.gain_over_7x7) --> over 7 x 7 on average. It
# lost some comparisons with either,<!-- max(lowest(architectures.windows.smallest_gain_over_5x5),
# lowest(architectures.windows.smallest_gain_over_7x7)) < 0 --> and in one run the window of 7 x 7
# won all three, by 1.2 points<!-- abs(lowest(architectures.windows.gain_over_7x7)) --> on
# average.<!-- lowest(architectures.windows.largest_gain_over_7x7) < 0 --> One point on 2,000 images
# is within luck, and three seeds that agree can be three lucky seeds. What is certain is that the
# stack has fewer weights, and on average over all runs it didn't pay for that in accuracy.<!--
# min(average(architectures.windows.gain_over_5x5), average(architectures.windows.gain_over_7x7)) >
# 0 -->

# %% [markdown]
# ## The Inception module: why choose?
#
# Which window is best: 1 x 1, 3 x 3 or 5 x 5? The **Inception module** of GoogLeNet (Szegedy and
# others, 2014) computes all of them side by side, adds a pooling branch, and joins the channels.
# That would be expensive without 1 x 1 bottlenecks. Take its 5 x 5 branch, which reads 192
# channels and writes 32:


# %%
def relu_conv(x, filters, window=3, strides=1, padding="same", **options):
    layer = layers.Conv2D(filters, window, strides, padding, **options)
    return layers.ReLU()(layer(x))


def macs(model):
    return sum(row.multiplications for row in arithmetic.count(model))


x = keras.Input((28, 28, 192))
direct = keras.Model(x, relu_conv(x, 32, 5))
squeezed = keras.Model(x, relu_conv(relu_conv(x, 16, 1), 32, 5))
for name, model in (("direct", direct), ("squeezed", squeezed)):
    print(f"{name}: {macs(model):,} MACs, {model.count_params():,} parameters")
record("architectures.squeezed_over_direct", macs(squeezed) / macs(direct), "fraction")

# %% [markdown]
# Squeezing the 192 channels into 16 first leaves
# 10 %<!-- architectures.squeezed_over_direct --> of the MACs. The price is that whatever the 5
# x 5 window learns has to fit through 16 channels. Here is the whole module, with the channels
# of the first one in GoogLeNet:


# %%
def inception(x, one, three_in, three, five_in, five, pooled):
    pool = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    branches = [
        relu_conv(x, one, 1),
        relu_conv(relu_conv(x, three_in, 1), three, 3),
        relu_conv(relu_conv(x, five_in, 1), five, 5),
        relu_conv(pool, pooled, 1),
    ]
    return layers.Concatenate()(branches)


def without_bottlenecks(x, one, three, five):
    branches = [relu_conv(x, one, 1), relu_conv(x, three), relu_conv(x, five, 5)]
    branches.append(layers.MaxPooling2D(3, strides=1, padding="same")(x))
    return layers.Concatenate()(branches)


# %% tags=["hide-input"]
x = keras.Input((28, 28, 192))
module = keras.Model(x, inception(x, 64, 96, 128, 16, 32, 32))
naive = keras.Model(x, without_bottlenecks(x, 64, 128, 32))
plots.show(
    architectures.draw_branches(
        "input: 28 x 28 x 192",
        [
            ["1 x 1, 64"],
            ["1 x 1, 96", "3 x 3, 128"],
            ["1 x 1, 16", "5 x 5, 32"],
            ["max pool 3 x 3", "1 x 1, 32"],
        ],
        "joined: 28 x 28 x 256",
    ),
    "Four branches from the same input: a 1x1 convolution; a 1x1 followed by a 3x3; a "
    "1x1 followed by a 5x5; a max pooling followed by a 1x1. Their outputs are joined.",
)
record("architectures.inception_3a.parameters", module.count_params(), "count")
record("architectures.inception_bottleneck_saving", macs(naive) / macs(module))
record("architectures.inception_naive.channels", naive.output_shape[-1], "count")

# %% [markdown]
# Without the bottlenecks the module would need
# 2.4<!-- architectures.inception_bottleneck_saving --> times as many MACs, and it would hand on
# 416<!-- architectures.inception_naive.channels --> channels instead of 256, because pooling keeps
# all channels of its input. After a few such modules the network would drown in channels.

# %% [markdown]
# ## Six networks that made history
#
# Now you know the blocks, and the famous networks are quickly built. Each function below is a whole
# network as its paper describes it, up to the changes that we name.
#
# *LeNet-5* (1998) set the pattern: convolve, pool, convolve, pool, then dense layers. In the paper
# all but one of the sixteen later kernels read only some of the six maps, the pooling has weights,
# and the last layer measures distances. As everyone does today, we let all kernels read all maps,
# and use plain averages and a softmax.
#
# *AlexNet* (2012) is LeNet made large, with ReLUs, dropout and a thousand classes. It was trained
# on two graphics cards, so three of its layers are split into two `groups` that don't see each
# other. With as many groups as channels it would be a depthwise convolution. (The paper speaks of
# images of 224 pixels. Its map sizes come out with 227 pixels, or with 224 and a little padding.)
# We leave out its local response normalization, which has no parameters and went out of use.


# %%
def lenet5():
    x = inputs = keras.Input((32, 32, 1))
    for filters in (6, 16):
        x = layers.Conv2D(filters, 5, activation="tanh")(x)
        x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    for units in (120, 84):
        x = layers.Dense(units, activation="tanh")(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def dense_head(x):
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dropout(0.5)(layers.Dense(4096, activation="relu")(x))
    return layers.Dense(1000, activation="softmax")(x)


# %%
def alexnet():
    x = inputs = keras.Input((227, 227, 3))
    x = relu_conv(x, 96, 11, 4, "valid")
    x = layers.MaxPooling2D(3, 2)(x)
    x = relu_conv(x, 256, 5, groups=2)
    x = layers.MaxPooling2D(3, 2)(x)
    x = relu_conv(x, 384)
    x = relu_conv(x, 384, groups=2)
    x = relu_conv(x, 256, groups=2)
    x = layers.MaxPooling2D(3, 2)(x)
    return keras.Model(inputs, dense_head(x))


# %% [markdown]
# *ZFNet* (2013) came from *looking* at AlexNet's first kernels, with methods like those of
# chapter 6, and finding them too coarse. It uses 7 x 7 with stride 2 in place of 11 x 11 with
# stride 4.
#
# *VGG* (2014) went all the way to 3 x 3. We build the variant with 16 layers: five groups of
# 3 x 3 convolutions, a pooling after each, and the channels double until they reach 512.


# %%
def zfnet():
    x = inputs = keras.Input((224, 224, 3))
    x = relu_conv(layers.ZeroPadding2D(1)(x), 96, 7, 2, "valid")
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = relu_conv(x, 256, 5, 2, "valid")
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for filters in (384, 384, 256):
        x = relu_conv(x, filters)
    x = layers.MaxPooling2D(3, 2)(x)
    return keras.Model(inputs, dense_head(x))


def vgg16():
    x = inputs = keras.Input((224, 224, 3))
    for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x = relu_conv(x, filters)
        x = layers.MaxPooling2D(2)(x)
    return keras.Model(inputs, dense_head(x))


# %% [markdown]
# *GoogLeNet* (2014) is a stack of nine Inception modules, in three groups with a pooling between
# them. It has no large dense layers: global average pooling hands 1,024 numbers to the classifier.
# (We leave out the two helper classifiers that the paper uses in training only. The local response
# normalization is missing here, too, and in ZFNet.)


# %%
MODULES = [
    [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
    [
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ],
    [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
]


# %%
def googlenet():
    x = inputs = keras.Input((224, 224, 3))
    x = layers.MaxPooling2D(3, 2, padding="same")(relu_conv(x, 64, 7, 2))
    x = relu_conv(relu_conv(x, 64, 1), 192)
    for modules in MODULES:
        x = layers.MaxPooling2D(3, 2, padding="same")(x)
        for channels in modules:
            x = inception(x, *channels)
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(1000, activation="softmax")(x))


# %% [markdown]
# *ResNet* (2015) is a stack of residual blocks. The variant with 50 layers uses the bottleneck that
# we defined above, so it takes a dozen lines. (Where the map shrinks, our stride is in the 3 x 3
# convolution, as in many libraries. In the paper it is in the 1 x 1 before it. That changes no
# weight, but it is why the paper counts `3.8 billion` MACs and we will count 4.1 billion<!--
# architectures.resnet50.multiplications -->.)


# %%
def resnet50():
    x = inputs = keras.Input((224, 224, 3))
    x = conv(x, 64, 7, 2)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for filters, count in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for number in range(count):
            strides = 2 if number == 0 and filters > 64 else 1
            x = bottleneck(x, filters, strides)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000, activation="softmax")(x))


# %% [markdown]
# Are these the networks of the papers? For five of them the exact number of parameters is known
# from independent sources, and ours must agree to the last one. And we *call* each of them: on
# photographs, of the size that the network expects. The weights are random, so the answers mean
# nothing yet, but shapes and costs are those of the real thing. The times are rough (the fastest of
# five calls with a single image), so don't compare those that are close.
#
# > **Predict.** Which of the six has the most parameters? And does that one also need the most
# > time per image?
# >
# > <details><summary>Think first, then open</summary>
# >
# > VGG-16, with 138 million. Nine tenths of them are in its three dense layers, though, and those
# > are cheap to compute, because each of their weights is used once per image. The work is in the
# > convolutions, and there VGG is in front as well: its first layers run on maps of 224 x 224. So
# > it does take the longest. But work isn't time: VGG has nearly four times the MACs of ResNet-50
# > and doesn't take nearly four times as long.
# > </details>

# %% tags=["measured"]
pets = datasets.load("cats_vs_dogs", profile, size=224, train=2, validation=2, test=200)
photographs = np.asarray(pets.test[0][:8], "float32")


def fitted(model):
    height, width, channels = model.input_shape[1:]
    resized = as_array(ops.image.resize(photographs, (height, width)))
    return resized[..., :channels]


def called(model):
    x = fitted(model)[:4]
    outputs = as_array(model(x))
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=0.02)  # probabilities
    passes = []
    for _ in range(6):  # the first one warms up
        began = time.perf_counter()
        as_array(model(x[:1]))
        passes.append(time.perf_counter() - began)
    return tuple(outputs.shape), min(passes[1:])


# %% tags=["measured"]
PUBLISHED = {
    "lenet5": 61_706,
    "alexnet": 60_965_224,
    "vgg16": 138_357_544,
    "googlenet": 6_998_552,
    "resnet50": 25_557_032,
}
counted, call_seconds = {}, {}
for build in (lenet5, alexnet, zfnet, vgg16, googlenet, resnet50):
    name, model = build.__name__, build()
    trainable = sum(int(np.prod(weights.shape)) for weights in model.trainable_weights)
    assert trainable == PUBLISHED.get(name, trainable)
    shape, call_seconds[name] = called(model)
    print(f"{name}: {model.input_shape[1:]} -> {shape}, {trainable:,} parameters")
    counted[name] = arithmetic.count(model)
    del model
    keras.backend.clear_session()

# %% tags=["measured", "hide-input"]
PAPERS = {
    "lenet5": ("LeNet-5", 1998, 7),
    "alexnet": ("AlexNet", 2012, 8),
    "zfnet": ("ZFNet", 2013, 8),
    "vgg16": ("VGG-16", 2014, 16),
    "googlenet": ("GoogLeNet", 2014, 22),
    "resnet50": ("ResNet-50", 2015, 50),
}
POOLINGS = ("MaxPooling2D", "AveragePooling2D")

# %% tags=["measured", "hide-input"]
for name, rows in counted.items():
    total = sum(row.parameters for row in rows)
    in_dense = sum(row.parameters for row in rows if row.kind == "Dense")
    poolings = sum(row.kind in POOLINGS for row in rows)
    record(f"architectures.{name}.parameters", total, "count")
    record(f"architectures.{name}.dense_share", in_dense / total, "fraction")
    record(
        f"architectures.{name}.multiplications",
        sum(row.multiplications for row in rows),
        "count",
    )
    record(f"architectures.{name}.poolings", poolings, "count")
    record(f"architectures.{name}.call_seconds", call_seconds[name], "seconds")

# %% tags=["measured", "hide-input"]
lines = []
for name, (title, year, depth) in PAPERS.items():
    rows = counted[name]
    total = sum(row.parameters for row in rows)
    in_dense = sum(row.parameters for row in rows if row.kind == "Dense")
    cost = sum(row.multiplications for row in rows)
    poolings = sum(row.kind in POOLINGS for row in rows)
    line = [title, year, depth, f"{total / 1e6:.2f} million", f"{in_dense / total:.0%}"]
    line += [f"{cost / 1e9:.3f} billion", poolings, f"{call_seconds[name]:.3f} s"]
    lines.append(line)
header = ["network", "year", "depth", "parameters", "of these in dense layers"]
header += ["MACs per image", "pooling layers", "one image takes"]
tables.show_table(header, lines, "Six networks, built and called here")

# %% [markdown]
# Read the table from top to bottom.
#
# * *The parameters* rise up to VGG-16 and then fall sharply. In VGG-16, 89 %<!--
#   architectures.vgg16.dense_share --> of them are in dense layers. GoogLeNet and ResNet replace
#   these by global average pooling and keep 15 %<!-- architectures.googlenet.dense_share --> and 8
#   %<!-- architectures.resnet50.dense_share --> there. (The table also counts the running means and
#   variances of batch norm, which aren't trained. So ResNet-50 has 25.61 million<!--
#   architectures.resnet50.parameters --> here, and a little less in the line printed above.)
# * *The MACs* tell another story. (LeNet-5's zero is rounded: it needs 416,520<!--
#   architectures.lenet5.multiplications -->.) VGG-16 needs 15.5 billion<!--
#   architectures.vgg16.multiplications --> per image, ResNet-50 only 4.1 billion<!--
#   architectures.resnet50.multiplications -->, with three times as many layers. AlexNet has more
#   than twice the parameters of ResNet-50 and less than a third of its MACs.<!--
#   architectures.alexnet.parameters > 2 * architectures.resnet50.parameters and
#   architectures.alexnet.multiplications < 0.33 * architectures.resnet50.multiplications -->
# * *The time* follows neither. VGG-16 takes 0.45 s<!-- architectures.vgg16.call_seconds --> per
#   image and ResNet-50 0.28 s<!-- architectures.resnet50.call_seconds -->, although it has about a
#   quarter of the MACs.<!-- architectures.vgg16.call_seconds < 3 *
#   architectures.resnet50.call_seconds --> (Over five<!--
#   runs(architectures.resnet50.call_seconds) --> runs ResNet-50 takes at least 0.19 s<!--
#   lowest(architectures.resnet50.call_seconds) -->, and VGG-16 at most 0.45 s<!--
#   highest(architectures.vgg16.call_seconds) -->: far more than a quarter of the time, each
#   time.)<!-- lowest(architectures.resnet50.call_seconds / architectures.vgg16.call_seconds) >
#   0.35 --> Probably its many small layers keep the processor less busy. And AlexNet takes longer
#   than ZFNet, although it has fewer MACs:<!-- architectures.alexnet.call_seconds >
#   architectures.zfnet.call_seconds and architectures.alexnet.multiplications <
#   architectures.zfnet.multiplications --> probably its convolutions in two groups are harder to
#   compute efficiently.
# * *Pooling* is still there, although you may read that these networks gave it up. GoogLeNet has
#   13<!-- architectures.googlenet.poolings --> pooling layers, more than any other here: four
#   between the stages and one in each of its nine modules. ResNet-50 has
#   1<!-- architectures.resnet50.poolings -->, and both end in a global one besides.
# * *The depth* counts layers with weights on the longest path. For LeNet-5 that includes the two
#   pooling layers, because in the paper they have weights. GoogLeNet has many more convolutions
#   than 22, because its branches lie side by side.

# %% [markdown]
# How good were they? The errors below are those of the papers, on ImageNet's thousand classes. As
# in chapter 2, the top-1 error counts the images whose first guess is wrong, the top-5 error those
# whose true class isn't even among the best five guesses. Contest entries average several networks,
# which is worth up to three points in this table, so single networks must be compared with single
# networks. (AlexNet's seven include two that had first been trained on a larger part of ImageNet.)

# %% tags=["hide-input"]
tables.show_table(
    ("network", "year", "single: top-1", "single: top-5", "best ensemble: top-5"),
    [
        ("AlexNet", 2012, "40.7 %", "18.2 %", "15.3 % (7 networks)"),
        ("ZFNet", 2013, "38.4 %", "16.5 %", "14.8 % (6 networks)"),
        ("VGG, 16 and 19 layers", 2014, "24.4 %", "7.1 %", "6.8 % (2 networks)"),
        ("GoogLeNet", 2014, "not given", "7.89 %", "6.67 % (7 networks)"),
        ("ResNet-50", 2015, "20.74 %", "5.25 %", "not given"),
        ("ResNet-152", 2015, "19.38 %", "4.49 %", "3.57 % (6, up to 152 layers)"),
    ],
    "Errors on ImageNet, as published (single: validation set; ensembles: test set)",
)

# %% [markdown]
# From AlexNet to ResNet the errors fall from row to row, with one exception: a single GoogLeNet is
# a little behind VGG, and its ensemble a little ahead. Be careful with the cause, though. Depth
# grew along with the years, and so did the data augmentation, the training tricks, the number of
# crops that are averaged per test image, and the computers. That is why we did experiments of our
# own. (For ZFNet you'll often find `11.7 %`, the winning figure of 2013. It belongs to larger
# networks that Zeiler entered for his company, Clarifai. And LeNet-5 isn't in the table because it
# read digits, ten classes of them.)

# %% [markdown]
# ### What a trained one answers
#
# With random weights all six answer nonsense. We can't train them here, but we do have one network
# that somebody else has trained on ImageNet: EfficientNet-Lite0, the base of chapters 4 and 5. It
# is built from inverted residual blocks, which come in the next section. Here are its five best
# guesses for photographs that it has never seen.

# %% tags=["measured"]
efficientnet = pretrained.load("efficientnet_lite0", 224, top=True)
class_names = pretrained.imagenet_classes()
probabilities = as_array(efficientnet(photographs))
best_five = np.argsort(-probabilities, axis=1)[:, :5]
efficientnet_macs = macs(efficientnet)
members = {"cat": pretrained.CATS, "dog": pretrained.DOGS}  # ImageNet's class numbers
right_animal = sum(
    int(five[0]) in members[pets.classes[label]]
    for five, label in zip(best_five, pets.test[1], strict=False)
)

# %% tags=["measured", "hide-input"]
titles = [
    "\n".join(f"{class_names[i]} {chances[i]:.0%}" for i in five)
    for five, chances in zip(best_five, probabilities, strict=True)
]
plots.show(
    plots.image_grid(
        photographs.astype("uint8"),
        titles,
        f"The five best guesses of EfficientNet-Lite0 ({pets.label})",
        columns=4,
        scale=2.1,
    ),
    "Eight photographs of cats and dogs, each with five names of ImageNet classes and "
    "their probabilities.",
)
record("architectures.efficientnet.parameters", efficientnet.count_params(), "count")
record("architectures.efficientnet.macs", efficientnet_macs, "count")
record("architectures.efficientnet.right_animal", right_animal, "count")

# %% [markdown]
# For 6<!-- architectures.efficientnet.right_animal --> of the eight photographs, the first guess is
# right as far as our labels can tell: a breed of dog where there is a dog, and a domestic cat where
# there is a cat.<!-- architectures.efficientnet.right_animal > 4 --> They don't tell the breed, so
# judge for yourself. The two misses are cats: the gray one in the ivy is taken for a Norwegian
# elkhound, which is a dog, and the one behind bars for a kit fox. (ImageNet has more than a hundred
# breeds of dogs and only five kinds of domestic cats.) In both, a cat is at least among the five
# guesses. The top-5 error forgives such near misses, though it was made for another case: many of
# ImageNet's photographs show more than the one thing that they are labeled with. EfficientNet-Lite0
# does this with 4.69 million<!-- architectures.efficientnet.parameters --> parameters and 0.39
# billion<!-- architectures.efficientnet.macs --> MACs, fewer MACs than AlexNet.<!--
# architectures.efficientnet.macs < architectures.alexnet.multiplications -->

# %% [markdown]
# ## What came after
#
# ResNet isn't the end of the story. Three later blocks show how it went on; again, each takes only
# a handful of lines.
#
# * *DenseNet* (Huang and others, 2016) doesn't add the input to the output but *concatenates*
#   the two. Within a block, every layer sees the maps of all layers before it, and adds a few of
#   its own.
# * *MobileNetV2* (Sandler and others, 2018) turns the bottleneck inside out. The **inverted
#   residual block** carries *few* channels along the shortcut, widens them inside with a 1 x 1,
#   looks around with a depthwise convolution, which is cheap even on many channels, and squeezes
#   again.
# * *ConvNeXt* (Liu and others, 2022) borrows from *transformers*, networks invented for text that
#   had overtaken convnets on images, too, if there were enough of them to train on (the *vision
#   transformer*, Dosovitskiy and others, 2020). It takes a depthwise window of 7 x 7, *layer
#   normalization* (over the channels of each position instead of over the batch), and a single
#   activation per block, GELU, a smooth relative of the ReLU.


# %%
def dense_block(x, growth=32, count=2):
    for _ in range(count):
        new = conv(conv(x, 4 * growth, 1), growth)
        x = layers.Concatenate()([x, new])
    return x


def inverted_residual(x, expansion=6):
    channels = x.shape[-1]
    y = conv(x, expansion * channels, 1)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = layers.ReLU(6)(layers.BatchNormalization()(y))
    return layers.Add()([x, conv(y, channels, 1, relu=False)])


# %%
def convnext(x):
    channels = x.shape[-1]
    y = layers.DepthwiseConv2D(7, padding="same")(x)
    y = layers.LayerNormalization(epsilon=1e-6)(y)
    y = layers.Dense(4 * channels, activation="gelu")(y)
    return layers.Add()([x, layers.Dense(channels)(y)])


# %% [markdown]
# > **Predict.** All these blocks read 14 x 14 maps of 128 channels. A ConvNeXt block has a window
# > of 7 x 7, larger than any other here. Is it the most expensive one?
# >
# > <details><summary>Think first, then open</summary>
# >
# > No. Its large window is depthwise, one kernel per channel, and that is cheap: $49 \cdot 128$
# > MACs per position. Nearly all of its cost is in the two dense layers (1 x 1 convolutions by
# > another name). Two ordinary 3 x 3 convolutions cost more than twice as much.
# > </details>

# %%
LATER = {
    "residual, 2015": lambda x: shortcuts(x, 128, 1),
    "bottleneck, 2015": lambda x: bottleneck(x, 32, 1),
    "dense block, 2016": dense_block,
    "squeeze-and-excitation, 2017": lambda x: squeeze_excitation(x, 128, 1),
    "separable with shortcut, 2017": lambda x: separable(x, 128, 1),
    "inverted residual, 2018": inverted_residual,
    "ConvNeXt, 2022": convnext,
}
later = {}
for name, block in LATER.items():
    x = keras.Input((14, 14, 128))
    model = keras.Model(x, block(x))
    later[name] = (model.output_shape[-1], model.count_params(), macs(model))

# %% tags=["hide-input"]
tables.show_table(
    ("block", "channels out", "parameters", "million MACs"),
    [
        (name, channels, f"{parameters:,}", f"{cost / 1e6:.1f}")
        for name, (channels, parameters, cost) in later.items()
    ],
    "One block on 14 x 14 maps of 128 channels",
)
slugs = ["residual", "bottleneck", "excitation", "separable", "dense", "inverted"]
slugs.append("convnext")
for slug, (_, parameters, cost) in zip(slugs, later.values(), strict=True):
    record(f"architectures.block.{slug}.parameters", parameters, "count")
    record(f"architectures.block.{slug}.macs", cost, "count")

# %% tags=["hide-input"]
x = keras.Input((14, 14, 128))
plots.show(
    diagrams.network(keras.Model(x, inverted_residual(x), name="inverted_residual")),
    "The inverted residual block: a 1x1 convolution to 768 channels, a depthwise "
    "convolution, a 1x1 convolution back to 128 channels, and an arc from the input to "
    "the addition.",
)

# %% [markdown]
# The residual block with its two ordinary convolutions needs 57.8 million<!--
# architectures.block.residual.macs --> MACs, ConvNeXt's 26.9 million<!--
# architectures.block.convnext.macs -->, less than half,<!-- architectures.block.convnext.macs <
# 0.5 * architectures.block.residual.macs --> in spite of its 7 x 7 window. The cheapest is the
# bottleneck with 3.4 million<!-- architectures.block.bottleneck.macs -->, which squeezes 128
# channels into 32. (The table is hard on the inverted residual block. It is meant to carry few
# channels outside, and our 128 become 768 inside.)
#
# *EfficientNet* (Tan and Le, 2019) added no new block. It takes the inverted residual block with
# squeeze-and-excitation inside, and enlarges depth, width and image size together. (The Lite
# variant of chapters 4 and 5 does without squeeze-and-excitation.)
#
# Most blocks since 2015 are variations of two moves: separate *looking around* from *mixing
# channels*, and keep a shortcut open.

# %% [markdown]
# ## A classifier that answers with a map
#
# All these networks, old and new, end in the same way: with a single answer for the whole image.
# Must that be so? Take our network with shortcuts. Everything before its global pooling is
# convolution, batch norm, ReLU, pooling or a sum, and none of these cares how large the image is.
# Nor does the dense layer have to: at a single position it is a 1 x 1 convolution. So we put the
# same weights into a **fully convolutional** network. It pools over windows of 4 x 4 positions,
# because that is all a small image has left at the end, and then applies the dense layer as a 1 x 1
# convolution, with ten kernels, one per class.
#
# > **Predict.** Such a network was trained on images of 32 x 32 pixels. What does it return for
# > one of 128 x 128?
# >
# > <details><summary>Think first, then open</summary>
# >
# > A map with ten channels: at every position the ten probabilities of the window of the image
# > below it, much as if we had slid the small classifier over the large image, in steps of 8
# > pixels. There is one difference: beyond its edges the small classifier saw only padding, and
# > these windows see their surroundings. In a network as deep as ours that can change an answer.
# > The map has 13 x 13 positions: 128 pixels give 16 positions before the pooling, and a window of
# > 4 takes 13 of them.
# > </details>


# %%
def fully_convolutional(weights):
    whole = make_net(shortcuts, size=None)
    whole.set_weights(weights)
    maps = layers.AveragePooling2D(4, strides=1)(whole.get_layer("pool").input)
    kernel, bias = whole.get_layer("classes").get_weights()
    classes = layers.Conv2D(10, 1, activation="softmax")
    answer = classes(maps)
    classes.set_weights([kernel[None, None], bias])
    return keras.Model(whole.input, answer)


# %% tags=["measured"]
classifier = nets["shortcuts"]
slider = fully_convolutional(classifier.get_weights())
sixteen = np.asarray(val_images[:16])
as_classifier = classifier.predict(sixteen, verbose=0)
as_map = slider.predict(sixteen, verbose=0)
np.testing.assert_allclose(as_map[:, 0, 0], as_classifier, atol=tolerance)
rows = [np.concatenate(sixteen[i : i + 4], axis=1) for i in (0, 4, 8, 12)]
mosaic = np.concatenate(rows)
answers = slider.predict(mosaic[None], verbose=0)[0]
print(f"{sixteen.shape[1:]} -> {as_map.shape[1:]}, the answers of the classifier")
print(f"{mosaic.shape} -> {answers.shape}")

# %% [markdown]
# On the small images the map has a single position, and it gives the classifier's own answers. The
# large image is a mosaic of sixteen photographs, and its answer is a map of 13 by 13:

# %% tags=["measured", "hide-input", "gallery"]
plots.show(
    architectures.draw_class_map(
        *(mosaic, answers.argmax(axis=-1), cifar10.classes),
        [cifar10.classes[label] for label in val_labels[:16]],
        f"One pass over a mosaic of sixteen images ({cifar10.label})",
    ),
    "A mosaic of sixteen small photographs, and beside it a map of 13 by 13 colored "
    "squares, the class that the network sees at each position. The true classes are "
    "written at the places of the photographs; at many of them the color is that of "
    "another class.",
)
one_pass = macs(make_net(shortcuts, size=128))
windows = answers.shape[0] * answers.shape[1]
record("architectures.sliding.positions", windows, "count")
record("architectures.sliding.saving", windows * costs["shortcuts"]["macs"] / one_pass)
named = answers[::4, ::4].argmax(axis=-1).ravel()  # a photograph is four positions wide
record("architectures.sliding.named_right", np.sum(named == val_labels[:16]), "count")
alone = as_classifier.argmax(axis=1)
record("architectures.sliding.alone_right", np.sum(alone == val_labels[:16]), "count")

# %% [markdown]
# The names are written where the window covers exactly one photograph, so there the color should be
# that of the name. In our stored map it is so for only 4<!-- architectures.sliding.named_right -->
# of the sixteen. Shown the photographs one at a time, the classifier gets 7<!--
# architectures.sliding.alone_right --> of them right, and no more than 48 %<!--
# architectures.shortcuts.validation_accuracy --> of all validation images.<!--
# architectures.sliding.named_right < architectures.sliding.alone_right --> So the map does a little
# worse than the classifier does alone. That is probably due to the receptive field: before the
# pooling it is 141 pixels wide, far wider than a photograph, so where the small classifier saw
# padding, the map sees the neighboring photographs. Between two photographs the window sees a part
# of each, as it never did in training, and the answer need not be either of the two: in our stored
# map a large area is called *horse*, although only two of the sixteen photographs show one. One
# pass over the mosaic gives 169<!-- architectures.sliding.positions --> answers. Cutting out each
# window and classifying it alone would take 11<!-- architectures.sliding.saving --> times as many
# MACs, because neighboring windows share most of their convolutions.<!--
# architectures.sliding.saving > 5 -->
#
# This is how convnets left classification: a map of answers is the beginning of **detection** (what
# is where?) and of **segmentation** (which pixel belongs to what?). For the latter the map is too
# coarse, so networks such as U-Net enlarge it again, with *transposed convolutions*, and bring back
# the finer maps of their first layers through skip connections.

# %% [markdown]
# ## The verdict on new images
#
# Nothing in this chapter was chosen by the test set. You have seen test results of the long run,
# and beside them some of those that follow; all other comparisons used validation images. Now, at
# the end, we ask on new images how sure we can be of the order. For each seed we compare two
# networks on the same test images with McNemar's test, as in chapter 2: how many standard
# deviations are they apart? More than two for every seed is our rule for *clearly better*.
#
# > **Predict.** Five changes are on trial: batch norm, shortcuts, bottleneck,
# > squeeze-and-excitation, separable. For which of them will the rule decide, and for which won't
# > it?
# >
# > <details><summary>Think first, then open</summary>
# >
# > The rule decides for four of them: batch norm and shortcuts are clearly better than what came
# > before, the bottleneck and the separable convolutions clearly worse. Squeeze-and-excitation is
# > ahead with every seed of the stored run, but not by enough with all three. That is a hint, and
# > no more.
# > </details>

# %% tags=["measured"]
test_images, test_labels = (array[:tested] for array in cifar10.test)
test_batches = training.batches(test_images, None, 256)
right = {}
for name, net in nets.items():
    for weights in trained[name]:
        net.set_weights(weights)
        predicted = net.predict(test_batches, verbose=0).argmax(axis=1)
        right.setdefault(name, []).append(predicted == test_labels)


# %%
def in_standard_deviations(first, second):
    only_first = np.sum(first & ~second)
    only_second = np.sum(second & ~first)
    return (only_first - only_second) / np.sqrt(max(only_first + only_second, 1))


# %% tags=["measured"]
PAIRS = [
    ("batch_norm", "plain"),
    ("shortcuts", "batch_norm"),
    ("bottleneck", "shortcuts"),
    ("squeeze_excitation", "shortcuts"),
    ("separable", "shortcuts"),
]
apart = {}
for better, worse in PAIRS:
    both = zip(right[better], right[worse], strict=True)
    apart[better, worse] = [in_standard_deviations(*pair) for pair in both]

# %% tags=["measured", "hide-input"]
tables.show_table(
    ("change", "test accuracy before", "after", "standard deviations, for each seed"),
    [
        (
            f"{worse} to {better}".replace("_", " "),
            f"{np.mean(right[worse]):.1%}",
            f"{np.mean(right[better]):.1%}",
            ", ".join(f"{value:+.1f}" for value in values),
        )
        for (better, worse), values in apart.items()
    ],
)
for name, runs in right.items():
    record(f"architectures.{name}.test_accuracy", np.mean(runs), "fraction")
for (better, worse), values in apart.items():
    record(f"architectures.{better}.least_ahead_of_{worse}", min(values))
    record(f"architectures.{better}.most_ahead_of_{worse}", max(values))

# %% [markdown]
# On new images, too, the plain network is last, at 30 %<!-- architectures.plain.test_accuracy -->.
# Batch norm reaches 41 %<!-- architectures.batch_norm.test_accuracy -->, shortcuts 48 %<!--
# architectures.shortcuts.test_accuracy -->, separable convolutions 42 %<!--
# architectures.separable.test_accuracy -->.<!-- architectures.plain.test_accuracy <
# min(architectures.batch_norm.test_accuracy, architectures.separable.test_accuracy) --> Batch norm
# is at least 11<!-- architectures.batch_norm.least_ahead_of_plain --> standard deviations ahead of
# plain for every seed, and shortcuts are at least 8.5<!--
# architectures.shortcuts.least_ahead_of_batch_norm --> ahead of batch norm alone. Both steps are
# real,<!-- architectures.batch_norm.least_ahead_of_plain > 2 and
# architectures.shortcuts.least_ahead_of_batch_norm > 2 --> and four<!--
# runs(architectures.batch_norm.least_ahead_of_plain) - 1 --> more runs with three new seeds each
# confirm them: over all of them, no lead is below 7.2<!--
# min(lowest(architectures.batch_norm.least_ahead_of_plain),
# lowest(architectures.shortcuts.least_ahead_of_batch_norm)) --> standard deviations.
#
# Squeeze-and-excitation gets 49 %<!-- architectures.squeeze_excitation.test_accuracy -->. But its
# lead over the network with shortcuts isn't above two standard deviations for every seed (the
# smallest is 0.9<!-- architectures.squeeze_excitation.least_ahead_of_shortcuts -->), so by our rule
# it is a hint.<!-- architectures.squeeze_excitation.least_ahead_of_shortcuts < 2 and
# architectures.squeeze_excitation.least_ahead_of_shortcuts > 0 --> In other runs it was behind with
# some seed, once by 1.2<!--
# abs(lowest(architectures.squeeze_excitation.least_ahead_of_shortcuts)) --> standard
# deviations.<!-- lowest(architectures.squeeze_excitation.least_ahead_of_shortcuts) < 0 --> But on
# average over its three seeds it was ahead in each of the five<!--
# runs(architectures.squeeze_excitation.test_accuracy) --> runs, by 0.6 points<!--
# lowest(architectures.squeeze_excitation.test_accuracy - architectures.shortcuts.test_accuracy) -->
# to 1.4 points<!-- highest(architectures.squeeze_excitation.test_accuracy -
# architectures.shortcuts.test_accuracy) -->.<!--
# lowest(architectures.squeeze_excitation.test_accuracy - architectures.shortcuts.test_accuracy) >
# 0 --> So there probably is a small gain, too small for three seeds to prove. The bottleneck and
# the separable network are clearly behind the one with ordinary convolutions.<!--
# max(architectures.bottleneck.most_ahead_of_shortcuts,
# architectures.separable.most_ahead_of_shortcuts) < -2 --> The separable network pays in accuracy
# for what it saves in arithmetic, after the short training as after the long one.<!--
# kept.architectures_longer.architectures.long.separable.test_accuracy <
# kept.architectures_longer.architectures.long.shortcuts.test_accuracy - 0.02 --> The bottleneck
# network saves no arithmetic at this width, so its loss in the short training buys nothing.<!--
# architectures.bottleneck.macs > architectures.shortcuts.macs -->

# %% [markdown]
# ## What to remember
#
# * Change one thing at a time, with equal data, equal epochs and several seeds. Otherwise you
#   compare recipes, not ideas.
# * **Batch normalization** was the largest single step here, early and late. **Shortcuts** came
#   second at 14 layers, and in our one long run little of their lead was left; at 34 layers they
#   made the difference between learning and hardly learning.
# * Who leads after a few hundred steps needn't lead in the end.
# * In a deep plain network the gradients need not vanish. What vanishes is the *difference* between
#   images: at its end they all look alike. Batch norm alone keeps them apart, but it tears similar
#   images apart, too, and its gradients grow toward the input. Shortcuts and batch norm together
#   keep both in order.
# * Small windows in a stack see as far as a large one, with fewer weights; their view is a bell.
# * A **1 x 1 convolution** is a dense layer at every position: it squeezes channels (bottleneck,
#   Inception) and mixes them (separable convolutions).
# * **MACs aren't seconds.** Separable convolutions save arithmetic, but not necessarily time.
# * A classifier that ends in global pooling is easily made **fully convolutional**: with its dense
#   layer as a 1 x 1 convolution it takes images of any size, and answers larger ones with a map.

# %% [markdown]
# ## What others report

# %% tags=["measured", "hide-input", "ledger"]
claims_table("08", profile)

# %% tags=["measured", "hide-input", "ledger"]
mistakes_table("08")

# %% [markdown]
# ## Exercises
#
# The questions are in [a notebook of their own](exercises/08_architectures.ipynb), where a check
# tells you whether your answer is right and, often, what went wrong. The book has the solutions.
#
# 1. *Nine pixels wide.* How many 3 x 3 layers see 9 x 9, and what do they save? (one star)
# 2. *Through the bottleneck.* Count the weights of a bottleneck block on paper. (one star)
# 3. *The price of a separable convolution.* Write the function that counts its MACs. (two stars)
# 4. *A block that begins by doing nothing.* Build a residual block that returns its input before
#    training. (two stars)
# 5. *Nineteen layers.* Build VGG-19. (two stars)
# 6. *How large is the answer?* The map of the fully convolutional classifier. (two stars)
# 7. *Deep, with and without.* Train a deep network with shortcuts and without, yourself. (three
#    stars)
#
# ## Where this leads
#
# This was the last chapter. You have trained networks from nothing, borrowed features, fine-tuned
# them, looked inside, read reviews, and taken the famous architectures apart. When you meet a new
# one, ask what it changed, whether anything else changed with it, and what it costs in seconds.

# %% [markdown]
# ## References
#
# * Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, [Gradient-based learning applied to document
#   recognition](http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf), 1998. LeNet-5.
# * A. Krizhevsky, I. Sutskever and G. Hinton, [ImageNet classification with deep convolutional
#   neural
#   networks](https://papers.nips.cc/paper/2012/hash/c399862d3b9d6b76c8436e924a68c45b-Abstract.html),
#   2012. AlexNet.
# * M. Zeiler and R. Fergus, [Visualizing and understanding convolutional
#   networks](https://arxiv.org/abs/1311.2901), 2013. ZFNet.
# * K. Simonyan and A. Zisserman, [Very deep convolutional networks for large-scale image
#   recognition](https://arxiv.org/abs/1409.1556), 2014. VGG.
# * C. Szegedy and others, [Going deeper with convolutions](https://arxiv.org/abs/1409.4842), 2014.
#   GoogLeNet.
# * S. Ioffe and C. Szegedy, [Batch normalization](https://arxiv.org/abs/1502.03167), 2015.
# * K. He, X. Zhang, S. Ren and J. Sun, [Deep residual learning for image
#   recognition](https://arxiv.org/abs/1512.03385), 2015. ResNet; section 4.1 doubts the vanishing
#   gradients. Their rule for the initial weights is in [Delving deep into
#   rectifiers](https://arxiv.org/abs/1502.01852), 2015.
# * D. Balduzzi and others, [The shattered gradients problem](https://arxiv.org/abs/1702.08591),
#   2017, and G. Yang and others, [A mean field theory of batch
#   normalization](https://arxiv.org/abs/1902.08129), 2019. Why signals and gradients behave as we
#   measured.
# * S. De and S. Smith, [Batch normalization biases residual blocks towards the identity function in
#   deep networks](https://arxiv.org/abs/2002.10444), 2020; H. Zhang, Y. Dauphin and T. Ma, [Fixup
#   initialization](https://arxiv.org/abs/1901.09321), 2019. Residual networks at the start, with
#   batch norm and without.
# * W. Luo and others, [Understanding the effective receptive
#   field](https://arxiv.org/abs/1701.04128), 2016.
# * F. Chollet, [Xception](https://arxiv.org/abs/1610.02357), 2016; A. Howard and others,
#   [MobileNets](https://arxiv.org/abs/1704.04861), 2017; J. Hu and others, [Squeeze-and-excitation
#   networks](https://arxiv.org/abs/1709.01507), 2017.
# * G. Huang and others, [Densely connected convolutional
#   networks](https://arxiv.org/abs/1608.06993), 2016; M. Sandler and others,
#   [MobileNetV2](https://arxiv.org/abs/1801.04381), 2018; M. Tan and Q. Le,
#   [EfficientNet](https://arxiv.org/abs/1905.11946), 2019; A. Dosovitskiy and others, [An image is
#   worth 16x16 words](https://arxiv.org/abs/2010.11929), 2020; Z. Liu and others, [A ConvNet for
#   the 2020s](https://arxiv.org/abs/2201.03545), 2022.
# * E. Shelhamer, J. Long and T. Darrell, [Fully convolutional networks for semantic
#   segmentation](https://arxiv.org/abs/1605.06211), 2016.
# * Sources of this course: the notes "Deep convnets for image recognition", and Subir Varma,
#   "Convolutional Neural Networks" (book chapter).
