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
# # 6. What a convnet sees
#
# **Your network is right. But is it right for the right reason?**
#
# A network can be right nearly every time and know nothing of what you wanted to teach it. To
# find out, you have to open it. The values inside a convnet are arranged like images, so we can
# look at them, ask which pixels an answer depends on, and even ask what a single channel would
# like to see best. The pictures that come out are persuasive, and that is their danger. In this
# chapter we look, form a suspicion, and then do what is usually left out: we test it.
#
# > **What you'll be able to do**
# >
# > * show the feature maps of any layer with a Keras model that has many outputs;
# > * write Grad-CAM, occlusion, integrated gradients and gradient ascent, each in a few lines;
# > * turn a suspicion into an experiment, and find a shortcut in a data set;
# > * judge a heat map against fair rivals: the center of the image, a network that has learned
# >   nothing, the map of another image;
# > * say what each method can tell you, and what it can't.
# >
# > **What you should know:** convolutions, training in Keras, and networks that were trained on
# > ImageNet (chapters 1 to 4).
# >
# > **Time:** an hour and a half to read, with the questions; seven minutes to run on one core.
#
# Numbers in the text come from the stored run, made in November 2026 on one CPU core. Your own
# run prints its own numbers, and they may differ a little.

# %% tags=["parameters", "hide-input"]
seed: int = 0  # 0 to 1000000: seed of the weights, the noise and the shuffling
base: str = "efficientnet_lite0"  # efficientnet_lite0|mobilenet|vgg16|xception: base
network: str = "own"  # own | artifact: profile this chapter's small net, or chapter 3's
drawn: int = 1000  # 100 to 4000: drawings that a small net is trained on
epochs: int = 10  # 1 to 100: passes over them
seeds: int = 3  # 1 to 10: trainings with the shortcut, and as many without
photographs: int = 300  # 20 to 1000: photographs shown to the pretrained network
steps: int = 120  # 2 to 1000: steps uphill for a pattern
# What only the profiles need:
profile: str = "quick"  # sample | quick | full: drawings, photographs, more
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
size: int = 224  # 112 to 448: pixels of a photograph, a multiple of 112
batch_size: int = 16  # 4 to 256: drawings per step
tested: int = 400  # 40 to 2000: drawings for the tests
explained: int = 32  # 2 to 200: photographs whose answers are explained in four ways
pairs: int = 60  # 2 to 400: images with both animals
channels: int = 2  # 2 to 16: channels of each layer whose patterns are made

# %% tags=["measured"]
from helpers import artifacts, datasets, drawing, plots, pretrained, training
from helpers import explain, explain_checks, explain_depth, explain_models
from helpers import explain_patterns, explain_plots, live_maps, sliders
from helpers.backend import as_array, gradient
from helpers.records import claims_table, mistakes_table, record
import keras
from keras import layers, ops
import matplotlib.pyplot as plt
import numpy as np

training.start(seed, precision)
tolerance = 1e-4 if precision == "exact" else 0.1  # what rounding may change
counts = {"train": drawn, "validation": 2, "test": tested}
drawings = datasets.load("cats_vs_dogs", "sample", size=64, **counts)
train_images, train_labels = (np.asarray(array) for array in drawings.train)
test_images, test_labels = (np.asarray(array) for array in drawings.test)

# %% [markdown]
# ## The perfect student
#
# We begin with images about which we know everything: cats and dogs that our own code has drawn,
# in many poses and places, in front of rooms and gardens, half hidden behind planks and leaves.
# Coats and scenes are the same for both animals. The network is as plain as can be: four
# convolutions, a global average, one score per class, and a softmax.


# %%
def make_net(name):
    pixels = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for number, width in enumerate((16, 32, 64, 64), start=1):
        if number > 1:
            x = layers.MaxPooling2D()(x)
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name=f"relu_{number}")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(2, name="scores")(x)
    return keras.Model(pixels, layers.Softmax()(x), name=name)


# %%
def train(model, images, labels, seed):
    rate = training.one_cycle(0.004, training.steps_in(len(images), batch_size, epochs))
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        training.batches(images, labels, batch_size, seed=seed),
        epochs=epochs,
        callbacks=[training.Progress()],
        verbose=0,
    )


def is_right(model, images, labels):
    probabilities = model.predict(training.batches(images, None, 256), verbose=0)
    return probabilities.argmax(axis=1) == labels


# %% tags=["measured"]
suspect = make_net("suspect")
train(suspect, train_images, train_labels, seed)
right = is_right(suspect, test_images, test_labels)
print(f"{right.mean():.1%} of {tested} new drawings are right.")

# %% [markdown]
# On drawings that it has never met, the network is right in 99.0 %<!--
# shortcut.with.test_accuracy --> of cases. It looks as if it had learned what a cat is.
#
# Now we take the same test drawings and change something small in each of them. The animals
# stay where they are, with the same shapes, and you'll still name every one. Don't open the
# folded cell yet: it says what we changed.

# %% tags=["measured", "hide-input"]
altered = drawing.sample_cats_vs_dogs(
    64, train=2, validation=2, test=tested, nose="other", eyes="other"
)[0]["test_x"]
predicted = suspect.predict(training.batches(altered, None, 256), verbose=0).argmax(1)
altered_right = predicted == test_labels
record("shortcut.with.test_accuracy", right.mean(), "fraction")
record("shortcut.recolored.test_accuracy", altered_right.mean(), "fraction")
print(f"After the change {altered_right.mean():.1%} are right.")
chosen = np.flatnonzero(right)[:12]  # the first twelve that were right before
plots.show(
    plots.image_grid(
        altered[chosen],
        [f"read as {drawings.classes[answer]}" for answer in predicted[chosen]],
        f"Something has changed: what? ({drawings.label})",
        columns=6,
        scale=0.85,
    ),
    "Twelve drawings of cats and dogs that are easy to name, each with the answer of "
    "the network. Many answers are wrong.",
)

# %% [markdown]
# The network that was right in 99.0 %<!-- shortcut.with.test_accuracy --> of cases is now right in
# 42 %<!-- shortcut.recolored.test_accuracy -->, no better than a coin.<!--
# max(shortcut.recolored.test_accuracy, shortcut.with.mean.both_recolored) < 0.6 --> (Over three
# such networks, which we train further down, it is 47 %<!-- shortcut.with.mean.both_recolored -->,
# on half of the drawings.) Somewhere in these images is something that the network relies on and
# you don't. Our case is open: *what did it really learn?*
#
# ## First lead: what the layers make of an image
#
# A layer's output for one image is a stack of **feature maps**, one per channel. To see several
# stacks at once we need no new tool. A Keras model may have many outputs, so we build one that
# shares the layers of our network and returns what each ReLU lets through, its **activations**.

# %% tags=["measured"]
stages = ["relu_1", "relu_2", "relu_3", "relu_4"]
all_stages = keras.Model(suspect.input, [suspect.get_layer(s).output for s in stages])
stacks = all_stages(test_images[:1].astype("float32"), training=False)
for stage, stack in zip(stages, stacks, strict=True):
    print(stage, tuple(stack.shape))

# %% tags=["measured", "hide-input"]
fast = explain.activations(suspect, test_images[:1], stages)
for stage, stack in zip(stages, stacks, strict=True):
    assert np.allclose(fast[stage], as_array(stack), atol=tolerance)
figure = explain_plots.feature_maps(
    test_images[0],
    {stage: maps[0] for stage, maps in fast.items()},
    f"One drawing, layer after layer ({drawings.label})",
    channels=6,
    columns=6,
)
plots.show(
    figure,
    "One drawing and the first six feature maps of each layer. The first maps show "
    "outlines and surfaces, the last ones are a few coarse cells.",
)

# %% [markdown]
# Bright means that a channel found what it looks for. (Each map is scaled to its own maximum, so
# don't compare the strength of two maps by their brightness.) In the first layer the six maps that
# we show are still drawings of the animal, each as if made with another pencil: edges, and patches
# of one color. By the last layer a map is eight by eight coarse cells, each saying "something like
# this, roughly here". (The bright rims of some maps probably come from the zeros of the padding.)
# That is beautiful, and for our case it is useless: there are 64 maps in the last layer, and
# nothing says which of them the answer depends on.
#
# ## Second lead: where does the answer come from?
#
# **Grad-CAM**, *gradient-weighted class activation mapping*, asks two questions.
#
# 1. Where did each channel $k$ of the last convolution find something? That is its feature map
#    $A^k$.
# 2. How much does the channel matter for class $c$? Nudge the map a little and see how the
#    class score $s_c$ reacts. That is a gradient; averaged over the map's $Z$ positions it
#    becomes the channel's weight, $w_k = \frac{1}{Z}\sum_{i,j} \partial s_c / \partial
#    A^k_{ij}$.
#
# The heat map is the weighted sum of the maps. Only what speaks *for* the class is kept:
# $\max(0, \sum_k w_k A^k)$. The score is taken *before* the softmax. Where a network is sure, the
# softmax is so flat that its gradient would say next to nothing.
#
# We cut the network in two, from the pixels to the maps and from the maps to the scores.
# `gradient(f, x)` returns the value and the gradient of `f` at `x`; in TensorFlow it is a
# `GradientTape` of four lines.


# %%
def grad_cam(model, layer, images, label):
    maps_layer = model.get_layer(layer).output
    to_maps = keras.Model(model.input, maps_layer)
    to_scores = keras.Model(maps_layer, model.get_layer("scores").output)
    maps = to_maps(images.astype("float32"), training=False)

    def score(values):
        return ops.sum(to_scores(values, training=False)[:, label])

    _, slope = gradient(score, maps)
    weights = ops.mean(slope, axis=(1, 2), keepdims=True)
    heat = ops.relu(ops.sum(weights * maps, axis=-1, keepdims=True))
    return as_array(ops.image.resize(heat, images.shape[1:3]))[..., 0]


# %% [markdown]
# Our network gives us a second way, and so a check. It ends in an average and a dense layer, so
# the gradient of a score is the same at every position, and the weights are those of the dense
# layer, divided by the number of positions. This special case is older than Grad-CAM and is
# called **CAM**. The helper that we use from here on does Grad-CAM in compiled batches. All
# three must agree.

# %% tags=["measured"]
by_hand = grad_cam(suspect, "relu_4", test_images[:8], label=1)
helper = explain.grad_cam(suspect, test_images[:8], 1)
maps = explain.activations(suspect, test_images[:8], ["relu_4"])["relu_4"]
dense_weights = as_array(suspect.get_layer("scores").kernel)[:, 1]
cam = np.maximum(maps @ dense_weights, 0)[..., None] / 64
cam = as_array(ops.image.resize(cam, (64, 64)))[..., 0]
for other in (helper, cam):
    assert np.allclose(by_hand, other, atol=tolerance)
print("By hand, by the helper and by the dense weights: the same maps.")

# %% [markdown]
# > **Predict.** Which part of the animal will the maps of our suspect point at: the whole body,
# > its outline, or something smaller?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Something smaller. A classifier needs only what tells the classes apart, and the two bodies look
# > much alike. In the next figure, watch the head.
# > </details>

# %% tags=["measured", "hide-input", "gallery"]
shown = np.flatnonzero(right)[:6]
before = explain.grad_cam(suspect, test_images[shown], test_labels[shown])
figure = explain_plots.heat_maps(
    test_images[shown],
    {"for the\nanswer": before},
    [drawings.classes[label] for label in test_labels[shown]],
    f"Where the suspect's answers come from ({drawings.label})",
    scale=0.9,
)
plots.show(
    figure,
    "Six drawings, and below each the heat map of the right class. Most maps glow on "
    "the head, around the eyes, and leave the body dark.",
)

# %% [markdown]
# The maps glow on the head, most of them around the eyes. Body and tail stay dark. That is a lead,
# and it isn't proof. A cell of the last layer is eight pixels wide, so eyes, nose and mouth of a
# small animal fall into one or two cells. And each cell has seen more than its own place: its
# receptive field (chapter 1) is 38 pixels wide. So the map can't tell them apart. Nor does it
# say *what* the network finds there, a shape or a color. A heat map raises a suspicion. To settle
# it, we need an experiment.
#
# ## Questioning the parts, one by one
#
# It is hard to take the nose off a photograph and leave everything else as it was. With drawings it
# is easy. Our code draws the same animal in the same pose without its ears, without its eyes,
# without its nose or tongue, or with its nose and eyes in the colors of the other animal. Shapes
# stay as they are. If changing a part, and nothing else, changes an answer, then that answer
# depends on the part.
#
# > **Predict.** Which change will hurt most: no ears, no eyes, no nose, a recolored nose, or
# > nose and eyes recolored together?
# >
# > <details><summary>Think first, then open</summary>
# >
# > The last one, by far. A missing part is a witness who says nothing, and the network can ask
# > the others. Two recolored parts are witnesses who tell the same lie.
# > </details>

# %%
LOOKS = {
    "as drawn": {},
    "no ears": {"ears": "none"},
    "no tongue": {"tongue": "none"},
    "no nose": {"nose": "none"},
    "no eyes": {"eyes": "none"},
    "nose recolored": {"nose": "other"},
    "eyes recolored": {"eyes": "other"},
    "both recolored": {"nose": "other", "eyes": "other"},
}


def draw(count, **look):
    sample = {"train": 2, "validation": 2, "test": count}
    return drawing.sample_cats_vs_dogs(64, **sample, **look)[0]["test_x"]


variants = {name: draw(tested // 2, **look) for name, look in LOOKS.items()}
variant_labels = test_labels[: tested // 2]  # the same animals in every variant

# %% tags=["measured"]
questioned = {}
for name, images in variants.items():
    questioned[name] = is_right(suspect, images, variant_labels).mean()

# %% tags=["measured", "hide-input"]
for name, value in questioned.items():
    record(f"shortcut.with.{name.replace(' ', '_')}", value, "fraction")
figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
places = np.arange(len(questioned))[::-1]
bars = axis.barh(places, list(questioned.values()), color="C3")
axis.axvline(0.5, color="#444444", linestyle="--", linewidth=1)
white = {"facecolor": "white", "linewidth": 0, "pad": 0.5}
percent = [f"{value:.1%}" for value in questioned.values()]
axis.bar_label(bars, percent, padding=4, bbox=white)
axis.set_yticks(places, list(questioned))
axis.set(xlim=(0, 1.15), xlabel="share of answers that are right (dashed: a coin)")
axis.xaxis.set_major_formatter("{x:.0%}")
axis.set_title(f"What the suspect needs ({drawings.label})")
plots.show(
    figure,
    "Bars for eight variants of the same drawings. Without ears or tongue nearly all "
    "answers stay right; without a nose, or with only the nose or only the eyes "
    "recolored, fewer do. With nose and eyes recolored together, about as many are "
    "right as a coin would get right.",
)

# %% tags=["hide-input"]
pair = np.concatenate([variants["as drawn"][:6], variants["both recolored"][:6]])
plots.show(
    plots.image_grid(
        pair,
        None,
        "Above: as drawn. Below: nose and eyes in the other animal's colors",
        columns=6,
        scale=0.85,
    ),
    "Six drawings and, below them, the same six with recolored noses and eyes: cats "
    "with black noses and dark eyes, and dogs with the pink or brown noses and the "
    "colorful eyes of cats.",
)

# %% [markdown]
# Here is the confession, on the first half of the test drawings. Take the ears away, and 99.0 %<!--
# shortcut.with.no_ears --> of the answers are still right. Recolor the nose, and it is 89.5 %<!--
# shortcut.with.nose_recolored -->; recolor the eyes instead, and it is 76.0 %<!--
# shortcut.with.eyes_recolored -->. (Without any eyes it is 95.0 %<!-- shortcut.with.no_eyes -->:
# the wrong color does more harm than no color.<!-- shortcut.with.no_eyes >
# shortcut.with.eyes_recolored + 0.1 and lowest(shortcut.with.no_eyes -
# shortcut.with.eyes_recolored) > 0 -->) Each color can still be outvoted by the other. Recolor
# both, and only 42.0 %<!-- shortcut.with.both_recolored --> are right.<!--
# shortcut.with.both_recolored < min(shortcut.with.nose_recolored, shortcut.with.eyes_recolored) -
# 0.2 --> The network doesn't miss the ears,<!-- shortcut.with.no_ears >
# shortcut.with.both_recolored + 0.3 --> but it believes the colors. Not blindly, though: a network
# that went by these colors alone would now be wrong nearly every time, and ours is right in two
# cases of five.<!-- lowest(shortcut.with.mean.both_recolored) > 0.3 --> Something else, probably
# shape, still has a say. One bar is a surprise. With no nose at all, 86.5 %<!--
# shortcut.with.no_nose --> are right, fewer than with a nose of the wrong color.<!--
# shortcut.with.no_nose < shortcut.with.nose_recolored --> An animal without a nose is something
# that the network has never met, and nobody can say in advance what it makes of that. (This is one
# network. Over the three that we train below, the two come closer: 87.2 %<!--
# shortcut.with.mean.no_nose --> and 89.5 %<!-- shortcut.with.mean.nose_recolored -->.)
#
# Look at the drawings again, and you see why colors matter. Our cats have pink or brown noses and
# bright eyes; our dogs have black noses and dark eyes. We never meant to teach that. But it is in
# nearly every training image, it is easy to learn, and it is enough. Such a feature, which predicts
# the label in the data and not in the world, is called a **shortcut feature**. Real data sets have
# them, too: cows that always stand on grass, X-rays that carry the mark of a hospital where
# pneumonia is common (both are among the cases that Geirhos and others collect), skin lesions
# photographed beside a ruler. And a test set drawn from the same source has the same shortcut, so
# test accuracy can't reveal it.
#
# ## Closing the case
#
# What would prove that the shortcut is to blame? Remove it from the data, leave everything else as
# it was, and train again. We draw the same thousand animals, but every animal gets the nose and the
# eyes of either kind, at random. One more giveaway has to go: the tongues, because only dogs show
# one. (Our suspect didn't need them: without tongues 99.5 %<!-- shortcut.with.no_tongue --> of its
# answers are right, as many as before.<!-- shortcut.with.no_tongue > shortcut.with.as_drawn -
# 0.01 -->) Now the colors of noses and eyes say nothing about the class, and what is left is mostly
# shape. To see more than luck, we train three networks with the shortcut and three without.

# %% tags=["measured"]
no_clue = {"nose": "shared", "eyes": "shared", "tongue": "none"}
honest_data = datasets.load("cats_vs_dogs", "sample", size=64, **counts, **no_clue)
honest_images, honest_labels = (np.asarray(array) for array in honest_data.train)
suspects, honest_nets = [suspect], []
for number in range(seeds):
    if number > 0:
        keras.utils.set_random_seed(seed + number)
        suspects.append(make_net(f"suspect_{number}"))
        train(suspects[-1], train_images, train_labels, seed + number)
    keras.utils.set_random_seed(seed + number)
    honest_nets.append(make_net(f"honest_{number}"))
    train(honest_nets[-1], honest_images, honest_labels, seed + number)

# %% tags=["measured"]
clean_images = np.asarray(honest_data.test[0])
variants["colors at random"] = clean_images[: tested // 2]
answers = {
    kind: {
        name: [is_right(net, images, variant_labels) for net in nets]
        for name, images in variants.items()
    }
    for kind, nets in (("with", suspects), ("retrained", honest_nets))
}

# %% tags=["measured", "hide-input"]
clean_right = []
for net in honest_nets:
    clean_right.append(is_right(net, clean_images, test_labels).mean())
record("shortcut.retrained.test_accuracy", np.mean(clean_right), "fraction")
record("shortcut.retrained.lowest", min(clean_right), "fraction")
for kind, by_look in answers.items():
    for name, per_net in by_look.items():
        value = np.mean([each.mean() for each in per_net])
        record(f"shortcut.{kind}.mean.{name.replace(' ', '_')}", value, "fraction")

# %% tags=["measured", "hide-input"]
figure, axis = plt.subplots(figsize=(6.8, 4.2), layout="constrained")
places = np.arange(len(variants))[::-1]
for kind, color, lift in (("with", "C3", 0.12), ("retrained", "C2", -0.12)):
    for place, per_net in zip(places, answers[kind].values(), strict=True):
        values = [each.mean() for each in per_net]
        axis.plot(values, [place + lift] * len(values), "o", color=color, alpha=0.8)
axis.plot([], [], "o", color="C3", label="trained with the shortcut")
axis.plot([], [], "o", color="C2", label="trained without it")
axis.axvline(0.5, color="#444444", linestyle="--", linewidth=1)
axis.set_yticks(places, list(variants))
axis.set(xlim=(0, 1.03), xlabel="share of answers that are right, one dot per training")
axis.xaxis.set_major_formatter("{x:.0%}")
figure.legend(loc="outside lower center", ncols=2)
axis.set_title(f"The shortcut is to blame ({drawings.label})")
plots.show(
    figure,
    "Dots for nine variants of the drawings, one per training. Networks trained with "
    "the shortcut fall to about one half when nose and eyes are recolored. Those "
    "trained without it lose little there; on average they lose most without eyes.",
)

# %% [markdown]
# Trained without the shortcut, the networks get 94.4 %<!-- shortcut.retrained.test_accuracy --> of
# the new drawings right, the worst of the three 90.3 %<!-- shortcut.retrained.lowest -->. That is
# less than the suspects had,<!-- shortcut.retrained.test_accuracy < shortcut.with.mean.as_drawn -->
# probably because shapes are harder to learn than colors, and the budget of epochs was the same.
# But recoloring costs them only 2.5 points<!-- shortcut.retrained.mean.as_drawn -
# shortcut.retrained.mean.both_recolored -->: 94.7 %<!-- shortcut.retrained.mean.both_recolored -->
# are still right, against 47.3 %<!-- shortcut.with.mean.both_recolored --> for the networks with
# the shortcut.<!-- shortcut.retrained.mean.both_recolored > shortcut.with.mean.both_recolored +
# 0.25 --> Do they look at the ears instead? Without them the honest networks fall from 97.2 %<!--
# shortcut.retrained.mean.as_drawn --> to 92.5 %<!-- shortcut.retrained.mean.no_ears -->; the
# suspects hardly notice, and keep 98.3 %<!-- shortcut.with.mean.no_ears -->. It would make a nice
# end to the story, but it is built on little: over five<!-- runs(shortcut.with.mean.no_ears) -->
# runs, with three new networks of each kind, the honest ones lost anything from 1.0 points<!--
# lowest(shortcut.retrained.mean.as_drawn - shortcut.retrained.mean.no_ears) --> to 4.7 points<!--
# highest(shortcut.retrained.mean.as_drawn - shortcut.retrained.mean.no_ears) -->, where the
# suspects never lost more than 1.3 points<!-- highest(shortcut.with.mean.as_drawn -
# shortcut.with.mean.no_ears) -->. The eyes matter more to them than the ears: without eyes they
# lost 7.2 points<!-- average(shortcut.retrained.mean.as_drawn -
# shortcut.retrained.mean.no_eyes) --> on average.<!-- lowest(shortcut.retrained.mean.no_ears -
# shortcut.retrained.mean.no_eyes) > 0 --> But that doesn't set them apart: without eyes the
# suspects lost 5.7 points<!-- average(shortcut.with.mean.as_drawn -
# shortcut.with.mean.no_eyes) -->. (A face without eyes is as new to a network as one without a
# nose.)
#
# So the shapes had been there to be learned all along. The shortcut was simply easier. Case
# closed, and did you notice what closed it? The maps told us where to look. The
# *interventions*, changing one part and watching the answer, told us what was true.
#
# > **Predict.** We put the same drawings before the suspect and before an honest network. Could
# > you tell from their heat maps which is which?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Hardly. The honest network reads shapes in the place where the suspect goes mostly by colors: on
# > the head. The place is the same, and a heat map shows places.
# > </details>
#
# The scores of two networks aren't on a common scale, so each map is scaled to its own maximum.

# %% tags=["measured", "hide-input"]
honest = honest_nets[0]
after = explain.grad_cam(honest, test_images[shown], test_labels[shown])
figure = explain_plots.heat_maps(
    test_images[shown],
    {"with the\nshortcut": before, "without": after},
    [drawings.classes[label] for label in test_labels[shown]],
    f"Before and after ({drawings.label})",
    scale=0.85,
)
plots.show(
    figure,
    "Six drawings with the heat maps of two networks, one trained with the shortcut "
    "and one without. Nearly all glow on the head, and most pairs look alike.",
)

# %% tags=["measured"]
parts = np.asarray(drawings.extra["test_parts"])  # ears, ears, eyes, eyes, snout: x, y
rows, columns = np.indices((64, 64))


def share_near(heat, points, reach=5):
    across = columns[None, None] - points[..., 0, None, None]
    down = rows[None, None] - points[..., 1, None, None]
    near = (across**2 + down**2 <= reach**2).any(axis=1)
    return (heat * near).sum() / heat.sum()


for kind, net in (("with", suspect), ("retrained", honest)):
    heat = explain.grad_cam(net, test_images, test_labels)
    ears, middle = share_near(heat, parts[:, :2]), share_near(heat, parts[:, 2:])
    record(f"shortcut.{kind}.heat_at_ears", ears, "fraction")
    record(f"shortcut.{kind}.heat_at_eyes_and_nose", middle, "fraction")
    print(f"{net.name}: {ears:.0%} of the heat at ears, {middle:.0%} at eyes and nose")

# %% [markdown]
# Within five pixels of the ears lie 9.6 %<!-- shortcut.with.heat_at_ears --> of the suspect's heat
# and 9.8 %<!-- shortcut.retrained.heat_at_ears --> of the honest network's; around eyes and nose it
# is 20.9 %<!-- shortcut.with.heat_at_eyes_and_nose --> and 21.3 %<!--
# shortcut.retrained.heat_at_eyes_and_nose -->. For this pair of networks the differences are
# small,<!-- abs(shortcut.with.heat_at_ears - shortcut.retrained.heat_at_ears) < 0.03 and
# abs(shortcut.with.heat_at_eyes_and_nose - shortcut.retrained.heat_at_eyes_and_nose) < 0.03 -->
# although one of the two networks collapses when we repaint the faces and the other doesn't.
# Remember these two rows of maps when somebody shows you a heat map in the right place as proof
# that a network has learned the right thing. *Where* isn't *what*.
#
# ## Does a heat map point at the animal? Ask for rivals first
#
# A common use of Grad-CAM is to *locate* objects: the network was told only "cat", and the map
# says where. To measure that, there is the **pointing game**: the hottest pixel of the map
# points, and we look whether it lies on the animal. With drawings we know every pixel of the
# animal.
#
# > **Predict.** The maps of the honest networks hit the animal in more than eight out of ten
# > drawings. How often would a blind pointer hit that always picks the center of the image?
# >
# > <details><summary>Think first, then open</summary>
# >
# > In nearly eight out of ten. Animals are usually in the middle, in drawings as in photographs. A
# > hit rate means nothing until you know what such a blind pointer gets. It is the first rival to
# > ask for.
# > </details>
#
# So we let the maps compete: with the center, with the one pixel that lies on the animal in the
# most training drawings, with the map of *another* drawing, and with maps of networks that have
# learned nothing. And because hits are cheap where the animal covers the center, we also count only
# the drawings in which the center is *not* on the animal.

# %% tags=["measured"]
masks = np.asarray(honest_data.extra["test_mask"])
off_center = ~masks[:, 32, 32]
heats = [explain.grad_cam(net, clean_images) for net in honest_nets]
hits = [explain_checks.pointing_game(heat, masks) for heat in heats]
suspect_hits = []
for net in suspects:
    heat = explain.grad_cam(net, clean_images)
    suspect_hits.append(explain_checks.pointing_game(heat, masks))
others = explain_checks.pointing_game(np.roll(heats[0], 1, axis=0), masks)
usual = np.asarray(honest_data.extra["train_mask"]).mean(axis=0)
row, column = np.unravel_index(usual.argmax(), usual.shape)
blank_hits = []
for number in range(seeds):
    keras.utils.set_random_seed(1000 + number)
    blank = make_net(f"blank_{number}")
    blank_heat = explain.grad_cam(blank, clean_images)
    blank_hits.append(explain_checks.pointing_game(blank_heat, masks))

# %% tags=["measured", "hide-input"]
pointers = {
    "Grad-CAM": hits,
    "Grad-CAM, suspects": suspect_hits,
    "random weights": blank_hits,
    "another drawing's map": [others],
    "best fixed pixel": [masks[:, row, column]],
    "center": [masks[:, 32, 32]],
    "random pixel": [masks.mean(axis=(1, 2))],
}
rates = {name: np.mean(of_pointer) for name, of_pointer in pointers.items()}
off = {}
for name, of_pointer in pointers.items():
    off[name] = np.mean([each[off_center] for each in of_pointer])
record("gradcam.pointing_game", rates["Grad-CAM"], "fraction")
record("gradcam.pointing_game.center", rates["center"], "fraction")
record("gradcam.pointing_game.fixed", rates["best fixed pixel"], "fraction")
record("gradcam.pointing_game.other", rates["another drawing's map"], "fraction")
record("gradcam.pointing_game.random_weights", rates["random weights"], "fraction")
record("gradcam.pointing_game.off_center", off["Grad-CAM"], "fraction")
record("gradcam.pointing_game.off_center.random", off["random weights"], "fraction")

# %% tags=["measured", "hide-input"]
record("gradcam.pointing_game.off_center.fixed", off["best fixed pixel"], "fraction")
record("gradcam.pointing_game.random_pixel", rates["random pixel"], "fraction")
record("gradcam.pointing_game.off_center.drawings", off_center.sum(), "count")
suspect_name = "Grad-CAM, suspects"
record("gradcam.pointing_game.suspects", rates[suspect_name], "fraction")
record("gradcam.pointing_game.off_center.suspects", off[suspect_name], "fraction")
only_map, only_center = hits[0] & off_center, ~hits[0] & ~off_center
discordant = np.sum(only_map) + np.sum(only_center)
ahead = (np.sum(only_map) - np.sum(only_center)) / np.sqrt(max(1, discordant))
record("gradcam.pointing_game.against_center", ahead)

# %% tags=["measured", "hide-input"]
figure, axis = plt.subplots(figsize=(6.8, 4.6), layout="constrained")
places = np.arange(len(pointers))[::-1]
for kind, by_name, lift, color in (
    ("all drawings", rates, 0.19, "C0"),
    ("center not on the animal", off, -0.19, "C1"),
):
    values = list(by_name.values())
    bars = axis.barh(places + lift, values, 0.36, color=color, label=kind)
    axis.bar_label(bars, [f"{value:.0%}" for value in values], padding=4, fontsize=9)
axis.set_yticks(places, list(pointers))
axis.set(xlim=(0, 1.12), xlabel="hit rate")
axis.xaxis.set_major_formatter("{x:.0%}")
axis.set_title(f"Who points at the animal? ({honest_data.label})")
figure.legend(loc="outside lower center", ncols=2)
plots.show(
    figure,
    "Hit rates of seven pointers. Over all drawings the center and the best fixed "
    "pixel come close to the maps, and the other three blind ones stay far below; "
    "where the center is not on the animal, all five blind ones fall far behind.",
)

# %% [markdown]
# The maps hit in 87.6 %<!-- gradcam.pointing_game --> of the drawings, and that sounds like a
# success until you look at the bottom of the figure: the center, which sees nothing, hits in 77.0
# %<!-- gradcam.pointing_game.center -->. Over all drawings the maps are ahead of it by only 10.6
# points<!-- gradcam.pointing_game - gradcam.pointing_game.center -->, and for the first of our
# three networks McNemar's test puts them 1.8<!-- gradcam.pointing_game.against_center --> standard
# deviations ahead, which alone might be luck.<!-- gradcam.pointing_game.against_center < 2 --> (It
# is our unluckiest run:<!-- lowest(gradcam.pointing_game.against_center) ==
# gradcam.pointing_game.against_center --> over five<!--
# runs(gradcam.pointing_game.against_center) --> runs the first network is 5.4<!--
# average(gradcam.pointing_game.against_center) --> ahead on average, and the maps' lead over all
# drawings is between 10.6 points<!-- lowest(gradcam.pointing_game -
# gradcam.pointing_game.center) --> and 16.9 points<!-- highest(gradcam.pointing_game -
# gradcam.pointing_game.center) -->.<!-- average(gradcam.pointing_game.against_center) > 3 -->) So
# the lead is real, but much smaller than the bare hit rate suggests. The best fixed pixel comes
# closer still, with 79.0 %<!-- gradcam.pointing_game.fixed -->. Keep that in mind when you read the
# table at the end, where a hit rate of $80\,\%$ counts as locating the object: the threshold is
# ours, and a pointer that never looks misses it by no more than two points.<!--
# gradcam.pointing_game.fixed < 0.8 and gradcam.pointing_game.fixed > 0.78 -->
#
# The harder test is the 92<!-- gradcam.pointing_game.off_center.drawings --> drawings in which
# the center misses. There the maps still hit in 77.5 %<!-- gradcam.pointing_game.off_center -->,
# the best fixed pixel in 41.3 %<!-- gradcam.pointing_game.off_center.fixed --> and random networks
# in 31.9 %<!-- gradcam.pointing_game.off_center.random -->.<!--
# min(gradcam.pointing_game.off_center - gradcam.pointing_game.off_center.fixed,
# gradcam.pointing_game.off_center - gradcam.pointing_game.off_center.random) > 0.1 --> So the maps
# do find the animal. (We picked these drawings because the center misses, and that is hard on any
# pixel near it, so here the random networks are the fairer rival.)
#
# And the suspects? Their maps hit in 84.4 %<!-- gradcam.pointing_game.suspects --> of all drawings
# and in 73.2 %<!-- gradcam.pointing_game.off_center.suspects --> of the harder ones, not much less
# often than those of the honest networks: over five<!-- runs(gradcam.pointing_game.suspects) -->
# runs the suspects' maps are 3.2 points<!-- lowest(gradcam.pointing_game -
# gradcam.pointing_game.suspects) --> to 7.8 points<!-- highest(gradcam.pointing_game -
# gradcam.pointing_game.suspects) --> behind.<!-- highest(gradcam.pointing_game -
# gradcam.pointing_game.suspects) < 0.08 --> A map that finds the animal doesn't prove that the
# network has learned the animal.
#
# Two rivals are left. The map of *another* drawing hits in 54.5 %<!--
# gradcam.pointing_game.other -->: it knows where animals usually are, and nothing about this one.
# Networks with random weights reach 44.1 %<!-- gradcam.pointing_game.random_weights --> over all
# drawings, although they know nothing. Some of that is mere luck: the animal covers 34 %<!--
# gradcam.pointing_game.random_pixel --> of a drawing on average, so a pixel drawn at random hits it
# that often.<!-- gradcam.pointing_game.random_pixel < gradcam.pointing_game.random_weights --> The
# rest may come from edges and contrast, to which even random filters react and of which an animal
# has plenty. That is why a map must also be compared with that of an untrained network before it is
# called an explanation.
#
# ## Photographs: nobody knows the truth
#
# Now a large network and real images. The network was trained on ImageNet and keeps its classifier
# of a thousand classes, among them 118 breeds of dogs and five kinds of domestic cat. We count an
# answer as right if it names any breed of the animal in the photograph. (Chapter 4 asked the same
# network in another way: it added up the probabilities of all cats and of all dogs, and its
# photographs had 160 pixels per side. Don't expect the same error rate here.)

# %% tags=["measured"]
counts = {"train": 2, "validation": 2, "test": photographs}
photos = datasets.load("cats_vs_dogs", profile, size=size, **counts)
photo_images, photo_labels = (np.asarray(array) for array in photos.test)
entry = pretrained.BASES[base]
large = pretrained.load(base, size, top=True)
class_names = pretrained.imagenet_classes()
scores = explain.class_scores(large, photo_images)
best = scores.argmax(axis=1)
kinds = {0: pretrained.CATS, 1: pretrained.DOGS}
best_of = {kind: scores[:, group].argmax(1) + group[0] for kind, group in kinds.items()}
best_right = np.where(photo_labels == 0, best_of[0], best_of[1])
wrong = best != best_right
record("visualization.pretrained.wrong", wrong.mean(), "fraction")
mistaken = np.flatnonzero(wrong)[:4]

# %% [markdown]
# It gets 11.0 %<!-- visualization.pretrained.wrong --> of the photographs wrong. Wrong answers are
# where explanations are most useful. Here are the first four of them, each with two maps on one
# common scale: what spoke for the answer, and what spoke for the best class of the right animal.

# %% tags=["measured", "hide-input"]
seen, titles = photo_images[mistaken], []
for i in mistaken:
    names = class_names[best[i]], class_names[best_right[i]]
    titles.append("predicted:\n{}\nbest right:\n{}".format(*names))
figure = explain_plots.heat_maps(
    seen,
    {
        "for the\nanswer": explain.grad_cam(large, seen, best[mistaken]),
        "for the\nanimal": explain.grad_cam(large, seen, best_right[mistaken]),
    },
    titles,
    f"Wrong answers ({photos.label})",
    common=True,
    scale=1.15,
)
plots.show(
    figure,
    "Four misread cats, each with the map of its answer above that of the best cat "
    "class. The first answer's heat is below the cats, that of the others on them.",
)

# %% [markdown]
# Ask of each: is the heat of the answer on the animal, or on something else? Heat on the animal
# suggests that the network saw it and took it for another kind. Heat somewhere else suggests that
# the network answered a different question from ours, because the photograph shows more than one
# thing. The heat for "frying pan" is brightest at the lower edge, on the vessel that the cats sit
# in. In the other three photographs it is on the cats. The lower row has something to say, too. In
# the first photograph the heat for "tabby" lies higher up, on the cats, and is brightest beside the
# head of the right-hand one. In the third, which was taken for a Cardigan (a Welsh corgi), next to
# nothing speaks for a tabby.
#
# These, too, are suspicions, and we know how to test them. If the hot place really led to the
# answer, then covering it should lower the score more than covering some other place does. We cover
# a square, a third as wide and high as the photograph: once at the hottest place, once at the
# center, once at random.
#
# > **Predict.** Which of the three covers lowers the score most?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Not clearly the hottest place. It beats the random one easily. But whoever takes a photograph
# > puts the subject in the middle, and covering that costs just as much.
# > </details>

# %% tags=["measured"]
tried = np.flatnonzero(wrong)
hot = explain_checks.peaks(explain.grad_cam(large, photo_images[tried], best[tried]))
places = {
    "hot": hot,
    "center": np.full_like(hot, size // 2),
    "random": np.random.default_rng(seed).integers(0, size, hot.shape),
}
falls = {}
for name, points in places.items():
    after_cover = explain_checks.covered(photo_images[tried], points, size // 3)
    covered_scores = explain.class_scores(large, after_cover)
    lost = scores[tried] - covered_scores
    falls[name] = lost[np.arange(len(tried)), best[tried]]
    print(f"{name}: the score falls by {falls[name].mean():.2f} on average")

# %% tags=["measured", "hide-input"]
for name, fall in falls.items():
    record(f"gradcam.wrong.fall_of_score.{name}", fall.mean())
record("gradcam.wrong.images", len(tried), "count")
gap = falls["hot"] - falls["center"]
error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else 1.0
record("gradcam.wrong.hot_against_center", gap.mean() / max(error, 1e-9))

# %% [markdown]
# Over the 33<!-- gradcam.wrong.images --> wrong answers, covering the hottest place lowers the
# score by 1.84<!-- gradcam.wrong.fall_of_score.hot -->, and covering a random place by 0.56<!--
# gradcam.wrong.fall_of_score.random -->.<!-- gradcam.wrong.fall_of_score.hot > 2 *
# gradcam.wrong.fall_of_score.random --> If we stopped here, we would call it a clear success. But
# covering the center costs 2.21<!-- gradcam.wrong.fall_of_score.center -->, so the hot place isn't
# ahead of it: the difference is −0.37<!-- gradcam.wrong.fall_of_score.hot -
# gradcam.wrong.fall_of_score.center -->.<!-- gradcam.wrong.fall_of_score.hot <
# gradcam.wrong.fall_of_score.center --> Pairing the covers photograph by photograph, that is
# −1.0<!-- gradcam.wrong.hot_against_center --> standard errors, which is within the noise: we can't
# tell the two places apart.<!-- abs(gradcam.wrong.hot_against_center) < 2 --> The table at the end
# has a row for each rival: against a random place the claim is reproduced, against the center it
# isn't. As long as what matters is in the middle of the photograph, this experiment can't show that
# the map knows more than that. The next one can.
#
# ### A cat and a dog in one image
#
# There is a case in which we do know what a map ought to show, even in photographs. We cut the
# middle out of a photograph of a cat and out of one of a dog and set them side by side, the cat on
# the left in every other image and on the right in the rest. We take the photographs in the order
# in which they come, without choosing. Then we ask for the best cat class and for the best dog
# class. A map that only shows what is striking would point to the same place twice, and be right
# half of the time.

# %% tags=["measured"]
count = min(pairs, *(int(np.sum(photo_labels == kind)) for kind in kinds))
middle = slice(size // 4, size // 4 + size // 2)
halves = {kind: photo_images[photo_labels == kind][:count, :, middle] for kind in kinds}
mosaics = np.empty((count, size, size, 3), "uint8")
cat_here = np.zeros((count, size, size), bool)
for number in range(count):
    order = (0, 1) if number % 2 == 0 else (1, 0)  # where the cat is
    mosaics[number] = np.concatenate([halves[kind][number] for kind in order], axis=1)
    cat_here[number, :, : size // 2] = order[0] == 0
    cat_here[number, :, size // 2 :] = order[1] == 0
mosaic_scores = explain.class_scores(large, mosaics)
asked = {k: mosaic_scores[:, group].argmax(1) + group[0] for k, group in kinds.items()}
heat_for = {kind: explain.grad_cam(large, mosaics, asked[kind]) for kind in kinds}
for_cat = explain_checks.pointing_game(heat_for[0], cat_here)
for_dog = explain_checks.pointing_game(heat_for[1], ~cat_here)

# %% tags=["measured", "hide-input"]
record("gradcam.both.right_half", np.mean([for_cat, for_dog]), "fraction")
record("gradcam.both.both_right", np.mean(for_cat & for_dog), "fraction")
record("gradcam.both.images", count, "count")
halfway = []  # the same question to the fourth of seven layers
for kind, right_half in ((0, cat_here), (1, ~cat_here)):
    heat = explain.grad_cam(large, mosaics, asked[kind], entry.activations[3])
    halfway.append(explain_checks.pointing_game(heat, right_half))
record("gradcam.both.right_half.halfway", np.mean(halfway), "fraction")

# %% tags=["measured", "hide-input"]
titles = []
for cat, dog in zip(asked[0][:4], asked[1][:4], strict=True):
    names = [class_names[each].replace(" ", "\n", 1) for each in (cat, dog)]
    titles.append("\n+ ".join(names))
last_layer = explain_models.last_spatial_layer(large)
layers_offered = list(dict.fromkeys([*entry.activations, last_layer]))

# %% [markdown]
# In JupyterLab you can run the next cell and choose the layer whose maps Grad-CAM weighs, with a
# slider. Move it from the last layer toward the first: the maps gain detail. Do they still answer
# the question?


# %% tags=["measured", "hide-input", "gallery"]
def both_answers(layer=last_layer):
    shown_heat = {}
    for kind, name in enumerate(("for cat", "for dog")):
        question = mosaics[:4], asked[kind][:4]
        shown_heat[name] = explain.grad_cam(large, *question, layer)
    figure = explain_plots.heat_maps(
        mosaics[:4],
        shown_heat,
        titles,
        f"One image, two questions ({photos.label})\n{layer}",
        points={name: explain_checks.peaks(heat) for name, heat in shown_heat.items()},
        common=True,
        scale=0.95,
    )
    alt = "Four images, each half a cat and half a dog, with the heat maps for the "
    alt += "best cat class and the best dog class on a common scale; a dot marks each "
    return figure, alt + "peak."


sliders.explore(both_answers, layer=layers_offered)

# %% [markdown]
# The peak is in the right half for 90.0 %<!-- gradcam.both.right_half --> of the questions, and
# in 80.0 %<!-- gradcam.both.both_right --> of the 60<!-- gradcam.both.images --> images it is
# right for both animals. A blind map would be right half of the time.<!--
# gradcam.both.right_half > 0.5 + 1 / gradcam.both.images --> So Grad-CAM answers the question that
# it is asked, mostly. The second of
# these four images is a miss: asked for the dog, the map has its peak on the cat's side. Look at
# it again before you trust a single map.
#
# And the layers before? Halfway up the network the maps are finer, but their peak is in the right
# half for only 41.7 %<!-- gradcam.both.right_half.halfway --> of the questions, no better than a
# blind map.<!-- gradcam.both.right_half.halfway < 0.5 --> A likely reason: Grad-CAM gives each
# channel one weight for the whole image. Right before the global average that is exact; in earlier
# layers, what a channel counts for depends on the place. A finer map needn't be a truer one.
#
# ## Three more witnesses
#
# Grad-CAM is one method of **attribution**, of saying how much each part of the input
# contributed to an output. Others look at the same network in other ways. If they agree, that
# is worth something.
#
# **Occlusion** needs no gradient. Cover a patch, see how far the score falls, and do that
# everywhere.


# %%
def occlusion(model, image, label, patch):
    score = keras.Model(model.input, model.get_layer("scores").output)
    fall = np.zeros(image.shape[:2], "float32")
    for row in range(0, len(image), patch):
        for column in range(0, len(image), patch):
            covered = image.astype("float32")
            here = slice(row, row + patch), slice(column, column + patch)
            covered[here] = image.mean(axis=(0, 1))
            both = score(np.stack([image, covered]).astype("float32"), training=False)
            fall[here] = both[0, label] - both[1, label]
    return fall


# %% [markdown]
# **Integrated gradients** asks each pixel for its share of the score. A single gradient says only
# how the score would react to a tiny change. So we walk from a plain image of the mean color,
# the *baseline*, to the real one, average the gradients along the way, and multiply by how far each
# pixel has moved. With enough steps the shares add up to the difference between the two scores. (Of
# the other methods here only CAM comes close: before its negative values are cut, its map adds up
# to the score less the bias.) They are shares of what sets the image apart from *this* baseline;
# another one, black for instance, gives others.


# %%
def integrated_gradients(model, image, label, steps=16):
    scores = keras.Model(model.input, model.get_layer("scores").output)

    def score(values):
        return scores(values[None], training=False)[0, label]

    image = image.astype("float32")
    plain = np.broadcast_to(image.mean(axis=(0, 1)), image.shape)
    slopes = np.zeros_like(image)
    for share in (np.arange(steps) + 0.5) / steps:
        _, slope = gradient(score, plain + share * (image - plain))
        slopes += as_array(slope) / steps
    return ((image - plain) * slopes).sum(axis=-1)


# %% tags=["measured"]
image, label = clean_images[0], int(test_labels[0])
for by_hand, helper in (
    (
        occlusion(honest, image, label, patch=16),
        explain.occlusion(honest, image, label, patch=16, stride=16)[0],
    ),
    (
        integrated_gradients(honest, image, label),
        explain.integrated_gradients(honest, image, label)[0],
    ),
):
    assert np.allclose(by_hand, helper, atol=10 * tolerance)
plain = np.broadcast_to(image.mean(axis=(0, 1)), image.shape)
difference = explain.class_scores(honest, np.stack([image, plain]))[:, label]
total = integrated_gradients(honest, image, label).sum()
record("attribution.completeness.sum", total)
record("attribution.completeness.difference", difference[0] - difference[1])
print("Both agree with the fast helpers.")

# %% [markdown]
# On our drawing the shares add up to 3.22<!-- attribution.completeness.sum -->; the score rises
# by 3.25<!-- attribution.completeness.difference --> from the plain image to the drawing.<!--
# abs(attribution.completeness.sum - attribution.completeness.difference) < 0.5 -->
#
# The fourth witness is the simplest: the plain gradient of the score with respect to the pixels,
# a **saliency map**. It is very noisy, so **SmoothGrad** averages it over copies of the image with
# noise added. Of the three colors we then take the largest value, whatever its sign.
#
# > **Predict.** Four methods explain the same answers of the same network. Will the maps agree?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Roughly where, often; in detail, hardly. They measure different things: what the last layer
# > found, what happens when a region disappears, how a sum divides among pixels, how sensitive
# > the score is. "The explanation" of an answer doesn't exist.
# > </details>

# %% tags=["measured"]
looked_at = photo_images[:explained]
named = best[:explained]
question = (large, looked_at, named)
attributions = {
    "Grad-CAM": explain.grad_cam(*question),
    "occlusion": explain.occlusion(*question, patch=2 * size // 7, stride=size // 7),
    "integrated gradients": explain.integrated_gradients(*question, steps=8),
    "SmoothGrad": explain.smooth_grad(*question, samples=8, seed=seed),
}

# %% tags=["measured", "hide-input"]
averaged = {}  # over squares of eight pixels, or the fine maps would look black
for name, maps in attributions.items():
    squares = np.clip(maps[:4], 0, None).reshape(4, size // 8, 8, size // 8, 8)
    means = squares.mean(axis=(2, 4))
    averaged[name.replace(" ", "\n")] = means.repeat(8, axis=1).repeat(8, axis=2)
figure = explain_plots.heat_maps(
    looked_at[:4],
    averaged,
    [class_names[index].replace(" ", "\n", 1) for index in named[:4]],
    f"Four witnesses ({photos.label})",
    scale=0.85,
)
plots.show(
    figure,
    "Four photographs, each with the maps of Grad-CAM, occlusion, integrated "
    "gradients and SmoothGrad, averaged over small squares. Grad-CAM and the two fine "
    "maps lie on the animal. Occlusion does in the two middle photographs, but it is "
    "hottest in the lower right corner of the first and near both lower corners of "
    "the last.",
)

# %% [markdown]
# The units of the four maps differ, so each map is scaled to its own maximum, and the average over
# small squares keeps the two fine ones from looking black. (Shown is only what speaks *for* the
# answer; what speaks against it stays dark. SmoothGrad has no sign.) The maps often meet on the
# animal, but look at occlusion in the first and the last photograph. It is hottest in the lower
# right corner of the first and near both lower corners of the last, where the other three show
# little. Which of them is right? Looking can't settle it. In a moment we'll put all four to a test,
# though it will judge them over many photographs, and not on these four.
#
# Go back to the images with two animals, and ask three of the witnesses yourself. Point at a
# class, and see what speaks for it. Both classes of an image share one scale per method, so a
# dark map means that the method finds little for this class, compared with the other one.

# %% tags=["measured"]
both_classes = np.stack([asked[0][:3], asked[1][:3]], axis=1)  # a cat and a dog each
about = large, np.repeat(mosaics[:3], 2, axis=0), both_classes.ravel()
evidence = {
    "Grad-CAM": explain.grad_cam(*about),
    "occlusion": explain.occlusion(*about, patch=2 * size // 7, stride=size // 7),
    "integrated gradients": explain.integrated_gradients(*about, steps=8),
}

# %% tags=["measured", "hide-input"]
live_maps.where_it_looks(
    mosaics[:3],
    [[class_names[index] for index in row] for row in both_classes],
    {name: maps.reshape(-1, 2, size, size) for name, maps in evidence.items()},
    f"Where does it look? ({photos.label})",
    "An image, half a cat and half a dog, twice, and below it the maps of Grad-CAM, "
    "occlusion and integrated gradients, on the left for the best cat class and on the "
    "right for the best dog class.",
)

# %% [markdown]
# In the image that is shown first, all three put the Doberman in the right half, and that is worth
# something: they got there in different ways. For the Siamese cat they part: occlusion is bright on
# the cat, Grad-CAM only faint, and integrated gradients show hardly anything there. No picture
# tells you whom to believe.
#
# ### Which map deserves to be believed?
#
# A map claims that its hot places matter. So we take it at its word: we cover the hottest cells of
# the photograph first, and see how much of the answer's probability is left. This is the
# **deletion** test; **insertion** begins with the plain image and shows the hottest cells first. We
# cover (or show) $10\,\%$, $20\,\%$, $40\,\%$ and $60\,\%$ of the cells and average the four
# results. All maps are averaged over the same cells of 16 pixels, so that fine and coarse ones
# compete fairly. Two rivals know nothing of the photograph: one takes the center first, the other
# takes cells at random.
#
# > **Predict.** Will all four maps beat both blind rivals, in deletion and in insertion?
# >
# > <details><summary>Think first, then open</summary>
# >
# > In deletion, yes. In insertion one of them loses even to the center: a map can be good at naming
# > what spoils the answer and bad at naming what is enough for it.
# > </details>

# %% tags=["measured"]
down, across = np.indices((size, size))
closeness = -np.hypot(down - size / 2, across - size / 2)
random = np.random.default_rng(seed)
attributions["center first"] = np.broadcast_to(closeness, looked_at.shape[:3])
attributions["at random"] = random.random((len(looked_at), size, size))
begun = explain_checks.probabilities(explain.class_scores(large, looked_at))
begun = begun[np.arange(len(named)), named]
left, shown_again = {}, {}
for name, maps in attributions.items():
    kept = explain_checks.deletion(*question, maps, cells=size // 16)
    back = explain_checks.deletion(*question, maps, cells=size // 16, insert=True)
    left[name] = kept.mean(axis=1) / begun
    shown_again[name] = back.mean(axis=1) / begun

# %% tags=["measured", "hide-input"]
for name in attributions:
    key = f"attribution.{name.lower().replace('-', '_').replace(' ', '_')}"
    record(f"{key}.deletion", left[name].mean(), "fraction")
    record(f"{key}.insertion", shown_again[name].mean(), "fraction")
    gap = left["center first"] - left[name]
    error = gap.std(ddof=1) / np.sqrt(len(gap))
    record(f"{key}.ahead_of_center", gap.mean() / max(error, 1e-9))
record("attribution.images", len(named), "count")

# %% tags=["measured", "hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.3), sharey=True, layout="constrained")
places = np.arange(len(attributions))[::-1]
for axis, shares, title in (
    (axes[0], left, "deletion: lower is better"),
    (axes[1], shown_again, "insertion: higher is better"),
):
    for place, values in zip(places, shares.values(), strict=True):
        error = values.std(ddof=1) / np.sqrt(len(values))
        axis.errorbar(values.mean(), place, xerr=error, fmt="o", capsize=4, color="C0")
    axis.set(xlabel="share of the probability", title=title)
    axis.xaxis.set_major_formatter("{x:.0%}")
axes[0].set_yticks(places, list(attributions))
figure.suptitle(f"What covering and showing the hot places does ({photos.label})")
plots.show(
    figure,
    "Mean share of the answer's probability, with standard errors. In deletion all "
    "four maps leave less than the two blind rivals. In insertion three maps bring "
    "back more than the center does, and integrated gradients far less.",
)

# %% [markdown]
# Deletion leaves 18.9 %<!-- attribution.grad_cam.deletion --> of the probability if Grad-CAM
# says what to cover, 17.2 %<!-- attribution.occlusion.deletion --> with occlusion, 14.1 %<!--
# attribution.integrated_gradients.deletion --> with integrated gradients and 20.6 %<!--
# attribution.smoothgrad.deletion --> with SmoothGrad. Covering cells at random leaves 45.1
# %<!-- attribution.at_random.deletion -->, and covering the center first 30.6 %<!--
# attribution.center_first.deletion -->. On average all four maps beat both blind rivals.<!--
# max(attribution.grad_cam.deletion, attribution.occlusion.deletion,
# attribution.integrated_gradients.deletion, attribution.smoothgrad.deletion) <
# min(attribution.center_first.deletion, attribution.at_random.deletion) --> Paired over the
# 32<!-- attribution.images --> photographs, Grad-CAM is 2.8<!--
# attribution.grad_cam.ahead_of_center --> standard errors ahead of the center.<!--
# attribution.grad_cam.ahead_of_center > 2 -->
#
# Insertion ranks them differently. Grad-CAM brings back 64.2 %<!--
# attribution.grad_cam.insertion -->, occlusion 63.7 %<!-- attribution.occlusion.insertion -->
# and SmoothGrad 62.3 %<!-- attribution.smoothgrad.insertion -->, but integrated gradients, the
# best in deletion, only 13.6 %<!-- attribution.integrated_gradients.insertion -->.<!--
# attribution.integrated_gradients.insertion < 0.5 * attribution.grad_cam.insertion --> Here it
# loses even to the blind center, which brings back 50.6 %<!--
# attribution.center_first.insertion -->.<!-- attribution.integrated_gradients.insertion <
# attribution.center_first.insertion - 0.2 --> A likely reason, which we haven't tested, is that its
# hottest cells are scattered over the animal. Covering them spoils the whole animal at once;
# showing them gives the network nothing whole to see. (Being scattered isn't enough in deletion:
# cells covered at random are scattered, too, and leave the most.<!--
# attribution.center_first.deletion < attribution.at_random.deletion -->) Cells shown at random, the
# most scattered of all, bring back even less: 6.6 %<!-- attribution.at_random.insertion -->.<!--
# attribution.at_random.insertion < attribution.integrated_gradients.insertion --> So which method
# is best depends on the question, and one score doesn't settle it.
#
# One caution. A photograph with plain squares is an image that the network has never met, so part
# of what we measure is its surprise. All contestants have to live with that, which is why the
# comparison with the rivals matters more than any single number.
#
# ### Would a broken network draw the same map?
#
# Here is a test that some published methods failed. We go back to the drawings, take the first
# honest network, and destroy it layer by layer, from the last to the first, by shuffling the
# weights of each layer. An explanation of what was *learned* must fall apart along with the
# network. A map that stays the same explains the image and not the network. The test is due to
# Adebayo and others.

# %% tags=["measured"]
broken = keras.models.clone_model(honest)
broken.set_weights(honest.get_weights())
sane_images, sane_labels = clean_images[:32], test_labels[:32]
methods = {
    "Grad-CAM": explain.grad_cam,
    "integrated gradients": explain.integrated_gradients,
    "SmoothGrad": explain.smooth_grad,
}
intact = {name: f(honest, sane_images, sane_labels) for name, f in methods.items()}
agreement = {name: [1.0] for name in methods}
random = np.random.default_rng(seed)
for layer in [layer for layer in broken.layers if layer.weights][::-1]:
    shuffled = []
    for weights in layer.get_weights():
        shuffled.append(random.permutation(weights.ravel()).reshape(weights.shape))
    layer.set_weights(shuffled)
    for name, method in methods.items():
        maps = method(broken, sane_images, sane_labels)
        alike = explain_checks.correlation(np.abs(intact[name]), np.abs(maps))
        agreement[name].append(alike.mean())

# %% tags=["measured", "hide-input"]
figure, axis = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for number, (name, curve) in enumerate(agreement.items()):
    axis.plot(range(len(curve)), curve, "o-", color=f"C{number}")
    key = name.lower().replace("-", "_").replace(" ", "_")
    record(f"sanity.{key}.all_layers", curve[-1])
    record(f"sanity.{key}.last_layer", curve[1])
axis.set(xlabel="layers with shuffled weights, from the last to the first")
axis.set(ylabel="correlation with the intact map", ylim=(-0.4, 1.05))
plots.label_ends(axis, axis.lines, list(agreement))
axis.set_title(f"Do the maps fall with the network? ({honest_data.label})")
plots.show(
    figure,
    "Correlation of the maps of a broken network with those of the intact one, "
    "against the number of shuffled layers. Shuffling the last layer alone hurts "
    "Grad-CAM's maps most; integrated gradients and SmoothGrad fall step by step. "
    "With every layer shuffled, all three are still above zero.",
)

# %% [markdown]
# We ignore signs and compare how strong the maps are at each place. Shuffle only the last layer,
# and the maps of Grad-CAM have a correlation of −0.17<!-- sanity.grad_cam.last_layer --> with those
# of the intact network: in this run they tend to glow where those are dark.<!--
# sanity.grad_cam.last_layer < 0 --> The other two notice much less, and stay at 0.78<!--
# sanity.integrated_gradients.last_layer --> and 0.76<!-- sanity.smoothgrad.last_layer -->. But
# which weight lands where is chance, so we ran the chapter four<!--
# runs(sanity.grad_cam.last_layer) - 1 --> more times, with other shuffles, and with other networks.
# Over all five<!-- runs(sanity.grad_cam.last_layer) --> runs Grad-CAM keeps anything from −0.17<!--
# lowest(sanity.grad_cam.last_layer) --> to 0.63<!-- highest(sanity.grad_cam.last_layer) -->. It is
# the lowest of the three methods each time,<!-- highest(sanity.grad_cam.last_layer -
# min(sanity.integrated_gradients.last_layer, sanity.smoothgrad.last_layer)) < 0 --> so it probably
# does depend most on the last layer. But how much, and with which sign, is chance.
#
# And with every layer shuffled? Grad-CAM is back at 0.18<!-- sanity.grad_cam.all_layers --> in this
# run, and ends between 0.03<!-- lowest(sanity.grad_cam.all_layers) --> and 0.26<!--
# highest(sanity.grad_cam.all_layers) --> over all of them. Integrated gradients end at 0.23<!--
# lowest(sanity.integrated_gradients.all_layers) --> or above, and SmoothGrad at 0.13<!--
# lowest(sanity.smoothgrad.all_layers) --> or above, though all that is left of what the network had
# learned is the values of its weights, without their places. So did they pass? None of them
# reliably. Grad-CAM comes close to zero in some runs, but in this one it keeps even more than
# SmoothGrad;<!-- sanity.grad_cam.all_layers > sanity.smoothgrad.all_layers and
# lowest(sanity.grad_cam.all_layers) < 0.05 --> the two others keep something each time.<!--
# min(lowest(sanity.integrated_gradients.all_layers), lowest(sanity.smoothgrad.all_layers)) >
# 0.1 --> Part of such a map can't come from what the network has learned. It comes from the image,
# or from what all our drawings have in common, such as an animal near the middle. (To tell these
# two apart we'd have to compare the maps of different drawings as well, and we haven't.) For
# integrated gradients a likely reason, which we haven't tested, is the factor (image minus plain
# image) that it multiplies by: it outlines whatever stands out from the background, whether or not
# the network cares. Where Grad-CAM keeps something, we have met a possible reason in the pointing
# game: even random filters react to edges and contrast.

# %% [markdown]
# ## What the map doesn't show: one small step
#
# Let's turn the question around: how *small* a change makes the network change its mind? The
# gradient with respect to the pixels tells us in which direction to go. We move every pixel by
# one fixed small amount, up or down, whichever lowers the score of the answer. This is the fast
# gradient sign method of Goodfellow and others (they raise the loss, where we lower the score), and
# the image that it makes is called an **adversarial example**.
#
# > **Predict.** We move each of the three values of every pixel by 2 of 255 gray levels, which
# > you can't see. How many answers change? And where does the change have to be: where the heat
# > map glows?
# >
# > <details><summary>Think first, then open</summary>
# >
# > All of our 32 answers change. And in most photographs the change needn't touch the hot half at
# > all: tens of thousands of tiny changes add up, wherever they are. At best a heat map shows where
# > the evidence for an answer is. It doesn't show where the answer can be attacked.
# > </details>

# %% tags=["measured"]
slopes = explain.pixel_slopes(large, looked_at, named)
heat = attributions["Grad-CAM"]
half = np.median(heat, axis=(1, 2), keepdims=True)
directions = {
    "everywhere": np.sign(slopes),
    "hotter half": np.sign(slopes) * (heat > half)[..., None],
    "colder half": np.sign(slopes) * (heat <= half)[..., None],
    "random signs": np.random.default_rng(seed).choice((-1, 1), slopes.shape),
}
changed = {}
for name, direction in directions.items():
    for levels in (1, 2, 4):
        attacked = np.clip(looked_at - levels * direction, 0, 255).astype("float32")
        answer = explain.class_scores(large, attacked).argmax(axis=1)
        changed[name, levels] = np.mean(answer != named)

# %% tags=["measured", "hide-input"]
for (name, levels), value in changed.items():
    record(f"adversarial.{name.split()[0]}.levels_{levels}", value, "fraction")
step = 2 * np.sign(slopes[:1])
attacked = np.clip(looked_at[:1] - step, 0, 255)
answer = explain.class_scores(large, attacked.astype("float32")).argmax(axis=1)

# %% tags=["measured", "hide-input"]
panels, titles = [], []
for number in range(1):
    panels += [looked_at[number], (128 - 32 * step[number]).astype("uint8")]
    panels.append(attacked[number].round().astype("uint8"))
    names = class_names[named[number]], class_names[answer[number]]
    titles += [names[0], "the change, 32 times", names[1]]
plots.show(
    plots.image_grid(
        panels,
        titles,
        f"Two gray levels per pixel ({photos.label})",
        columns=3,
        scale=1.2,
    ),
    "A photograph, colorful noise, which is the change made 32 times "
    "stronger, and the photograph after the change: it looks the same, but its class "
    "has changed.",
)

# %% [markdown]
# A single gray level changes 96.9 %<!-- adversarial.everywhere.levels_1 --> of the answers, and two
# change 100.0 %<!-- adversarial.everywhere.levels_2 -->. In the figure, two levels turn a "Siamese
# cat" into an "Arctic fox", and you can't tell the two photographs apart. It isn't that any noise
# would do: where a coin decides for each value whether it goes up or down, even four levels change
# only 28.1 %<!-- adversarial.random.levels_4 --> (over five<!--
# runs(adversarial.random.levels_4) --> runs at most 40.6 %<!--
# highest(adversarial.random.levels_4) -->).<!-- highest(adversarial.random.levels_4) < 0.5 *
# lowest(adversarial.everywhere.levels_1) --> Now restrict the change to one half of the pixels. In
# the hotter half one level changes 96.9 %<!-- adversarial.hotter.levels_1 -->, in the *colder*
# half, where the map shows least, still 75.0 %<!-- adversarial.colder.levels_1 -->.<!--
# adversarial.colder.levels_1 > 0.4 --> (Where a map is zero over more than half of a photograph,
# all of these pixels count as colder.) The map isn't worthless here, since the hotter half is the
# more vulnerable one.<!-- adversarial.hotter.levels_1 > adversarial.colder.levels_1 --> But most
# answers can be changed without it. So "the network looks at the head" can be true in one sense and
# false in another.
#
# ## What is kept, and what is lost
#
# So far we have asked about single answers. But what happens to an image in general, on its way
# from pixels to class? Books say that the first layers keep nearly all of the image, and that
# later ones grow abstract and sparse. Let's measure it, layer by layer:
#
# * What share of the values is exactly zero, and how many channels are silent, zero all over an
#   image?
# * How much of the image can be *read back*? A linear map, the same at every position, guesses
#   the pixels from the channels; it is fitted on some images and judged on others.
# * How well does a **linear probe** (chapter 4) predict the class, here from the means of a layer's
#   channels? If it does well, the layer has made the class easy to read.
#
# > **Predict.** From layer to layer, two of these measures should run in opposite directions.
# > Which, and why?
# >
# > <details><summary>Think first, then open</summary>
# >
# > What can be read back falls, and the probe rises. A classifier has to throw away what
# > doesn't matter, such as place, light and background, to make what matters easy to read.
# > </details>

# %% tags=["measured"]
opened, opened_images, opened_labels = honest, clean_images, test_labels
opened_label = honest_data.label
if network == "artifact":
    opened, _ = artifacts.load("cats_vs_dogs", profile)
    side = opened.input_shape[1]
    own_photos = datasets.load("cats_vs_dogs", profile, size=side)
    opened_images, opened_labels = (np.asarray(a[:400]) for a in own_photos.test)
    opened_label = own_photos.label
spatial = list(explain_models.spatial_layers(opened))
layer_names = [name for name in spatial if "relu" in name.lower()] or spatial

# %% tags=["measured"]
small_profile = explain_depth.depth_profile(
    opened,
    opened_images,
    opened_labels,
    layer_names,
    fitted=len(opened_images) * 3 // 5,
)
fitted = photographs * 3 // 5
large_profile = explain_depth.depth_profile(
    large, photo_images, photo_labels, entry.activations, fitted=fitted, detail=28
)
profiles = {
    f"The small net ({opened_label})": small_profile,
    f"{base} ({photos.label})": large_profile,
}

# %% tags=["measured", "hide-input"]
for name, depth in (("small", small_profile), ("pretrained", large_profile)):
    for what in ("zeros", "silent", "kept", "probe"):
        values = getattr(depth, what)
        record(f"visualization.{name}.{what}.first", values[0], "fraction")
        record(f"visualization.{name}.{what}.last", values[-1], "fraction")
    record(f"visualization.{name}.silent.early", max(depth.silent[1:5]), "fraction")
    record(f"visualization.{name}.probe.error", depth.probe_errors[-1], "fraction")
    record(f"visualization.{name}.zeros.rise", depth.zeros[-1] - depth.zeros[0])
    record(f"visualization.{name}.kept.fall", depth.kept[0] - depth.kept[-1])
figure = explain_plots.depth_curves(profiles, "From the image to the class")
plots.show(
    figure,
    "Two panels, layer by layer, with error bars: in both networks the share of the "
    "image that can be read back falls and the accuracy of a linear probe rises; two "
    "more curves show the shares of zeros and of silent channels.",
)

# %% [markdown]
# The image fades, and the class appears. We compare at 28 by 28 pixels. At that size, 99.9 %<!--
# visualization.pretrained.kept.first --> of the variance of the pixels can be read back from the
# first layer of the pretrained network, and from the last 21.5 %<!--
# visualization.pretrained.kept.last -->.<!-- visualization.pretrained.kept.fall > 0.5 --> The probe
# goes the other way, from 52.5 %<!-- visualization.pretrained.probe.first --> to 100.0 %<!--
# visualization.pretrained.probe.last --> of the photographs that it wasn't fitted on,<!--
# visualization.pretrained.probe.last > visualization.pretrained.probe.first + 0.2 --> without a
# single weight of the network being trained for it, though ImageNet's breeds had prepared it well.
# (They are two fifths of 300 photographs, too few to rule out one mistake in fifty.) This rise is
# why chapter 4 worked. Our small network does the same on its drawings: what can be read back falls
# from 97.4 %<!-- visualization.small.kept.first --> to 24.1 %<!--
# visualization.small.kept.last -->, and the probe rises from 55.0 %<!--
# visualization.small.probe.first --> to 92.5 %<!-- visualization.small.probe.last -->.<!--
# visualization.small.kept.last < visualization.small.kept.first - 0.3 and
# visualization.small.probe.last > visualization.small.probe.first + 0.2 -->
#
# Sparsity is less simple. In the pretrained network the share of zeros rises from 26.0 %<!--
# visualization.pretrained.zeros.first --> to 90.4 %<!--
# visualization.pretrained.zeros.last -->.<!-- visualization.pretrained.zeros.rise > 0.3 --> The
# share of silent channels goes down before it goes up: it is 12.6 %<!--
# visualization.pretrained.silent.first --> in the first layer, at most 2.0 %<!--
# visualization.pretrained.silent.early --> in the next four, and 41.6 %<!--
# visualization.pretrained.silent.last --> in the last.<!-- visualization.pretrained.silent.early <
# visualization.pretrained.silent.first < visualization.pretrained.silent.last --> A likely reason
# for the end of both curves is that the last channels have to serve a thousand classes, most of
# which aren't in the image. In our small network it rises as well, but far less: from 55.4 %<!--
# visualization.small.zeros.first --> to 58.1 %<!-- visualization.small.zeros.last --> here, and by
# at most 8.6 points<!-- highest(visualization.small.zeros.rise) --> over five<!--
# runs(visualization.small.zeros.rise) --> runs.<!-- lowest(visualization.small.zeros.rise) > 0 -->
# With two classes there may be little to be silent about. So how much sparser the later layers are
# depends on the network.
#
# Be careful with the word "lost", too. What a *linear* map can't read back, a deeper decoder might
# still recover. The curve shows what is easy to read, not what exists.
#
# Numbers convince; images explain. Here is what the linear map reads back.

# %% tags=["measured", "hide-input", "gallery"]
originals = photo_images[fitted : fitted + 3]
cell = size // 28
reduced = originals.reshape(-1, 28, cell, 28, cell, 3).mean(axis=(2, 4)) / 255
read_rows = {"photograph": originals, "28 x 28\npixels": reduced}
for name in entry.activations[::2]:
    short = name.removesuffix("_activation").replace("_", "\n", 1)
    read_rows[short] = large_profile.read[name][:3]
figure = explain_plots.picture_rows(
    read_rows, f"Read back from the layers ({photos.label})", None, 0.8
)
plots.show(
    figure,
    "Rows of the same three photographs: the original, the original in 28 by 28 "
    "pixels, then as read back from deeper and deeper layers, until only patches of "
    "light and dark remain.",
)

# %% [markdown]
# The deeper the layer, the less comes back, until only patches of light and dark remain. Keep in
# mind who is drawing here: it is the linear map, and not the network.
#
# ## What would a channel like to see?
#
# All maps so far showed what a network found in *our* images. Now we let the network make the
# image: which one would a channel like best? This is **feature visualization**. For the first layer
# it is easy: its kernels are small color images themselves.

# %% tags=["measured", "hide-input"]
kernels = next(
    as_array(layer.kernel)
    for layer in large.layers
    if isinstance(layer, keras.layers.Conv2D) and layer.kernel.shape[2] == 3
)
kernels = np.moveaxis(kernels, 3, 0)[:32]
largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
plots.show(
    plots.image_grid(
        0.5 + 0.5 * kernels / largest,
        None,
        f"The first kernels of {base}, each scaled to its own maximum",
        columns=16,
        scale=0.6,
    ),
    "Thirty-two kernels of three by three pixels: edges at several angles, color "
    "contrasts, and some that are nearly plain.",
)

# %% [markdown]
# Edges at several angles, contrasts of two colors, a few plain blobs: the alphabet. Deeper kernels
# read channels instead of colors, so we can't simply look at them. For a deep channel we have to
# search for its favorite image. The trick is to train the image instead of the weights. Start from
# gray noise, compute the gradient of the channel's mean activation with respect to the *pixels*,
# take a step in its direction, and repeat: **gradient ascent**. Gradients of different channels
# differ in length by orders of magnitude, so we divide by the L2 norm, and every step has the same
# length. (We read the channel just before its ReLU, because where a ReLU has silenced it there is
# no slope to climb. Start from a photograph instead of noise, and much the same climb makes
# the *DeepDream* pictures of 2015.)

# %% tags=["measured"]
climber = pretrained.load(base, 128, top=True)
middle_layer = entry.patterns[2]
up_to_layer = keras.Model(climber.input, climber.get_layer(middle_layer).output)


def ascend(picture, channel):
    def activation(pixels):
        maps = up_to_layer(pixels[None], training=False)
        return ops.mean(maps[..., channel])

    _, slope = gradient(activation, picture)
    slope = as_array(slope)
    length = 5 * np.sqrt(slope.size)  # pixels change by 5 on average (root mean square)
    norm = np.sqrt(np.sum(slope**2)) + 1e-12  # a silent channel has no slope at all
    step = length * slope / norm
    return np.clip(picture + step, 0, 255).astype("float32")


# %% tags=["measured"]
random = np.random.default_rng(seed)
noise = random.normal(127.5, 5, (128, 128, 3)).astype("float32")
picture = noise
for _ in range(3):
    picture = ascend(picture, channel=1)
helper = explain_patterns.pixel_ascent(climber, middle_layer, [1], noise, steps=3)
assert np.abs(picture - helper.pictures[0]).mean() < 0.5
assert helper.after[0] >= helper.before[0]  # equal where the channel is silent
print("Three steps by hand and by the helper lead to the same image.")

# %% [markdown]
# Left to itself, gradient ascent produces loud grain, as the first column of the next figure shows.
# The grain does excite the channel, but no photograph contains anything like it. Olah and others
# brought together what it takes to get images that people can read, and each ingredient is a few
# lines:
#
# 1. **Fourier space.** Describe the image as a sum of waves and climb in their strengths, with
#    coarse waves strong and fine ones weak ("1/f"), as in photographs. Every image is still
#    possible, but a small step now changes large forms first.
# 2. **Decorrelated colors.** In photographs red, green and blue rise and fall together. Climb
#    along the directions in which real colors vary.
# 3. **Small moves.** Before each step rotate, zoom and shift the image a little. What excites
#    the channel must do so wherever it is, and grains of single pixels don't survive that.
#
# > **Predict.** Which of the three turns the grain into a pattern?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Mostly the first: in Fourier space large forms take the place of the grain. The second makes
# > the colors believable. The third works against whatever grain remains, and in our two channels
# > little remains. Check in the figure whether you agree.
# > </details>

# %% tags=["measured"]
compared = [1, 2]
options = {"steps": max(2, steps // 3), "size": 128, "seed": seed}


def fourier(**switches):
    chosen = {**options, **switches}
    return explain_patterns.fourier_patterns(climber, middle_layer, compared, **chosen)


ingredients = {
    "pixels": explain_patterns.pixel_ascent(
        climber, middle_layer, compared, noise, steps=options["steps"]
    ),
    "+ Fourier": fourier(colors=False, moves=False),
    "+ colors": fourier(moves=False),
    "+ moves": fourier(),
}

# %% tags=["measured", "hide-input"]
for name, pattern in ingredients.items():
    key = name.removeprefix("+ ").lower()
    record(f"visualization.ingredients.{key}", pattern.after.mean())
columns_of = {}
for place, channel in enumerate(compared):
    tiles = [pattern.pictures[place] / 255 for pattern in ingredients.values()]
    columns_of[f"channel {channel}"] = tiles
figure = explain_plots.picture_rows(
    columns_of,
    f"One ingredient after the other ({middle_layer})",
    list(ingredients),
    1.0,
)
plots.show(
    figure,
    "Two channels in four columns: loud grain from ascent in the pixels, larger forms "
    "in Fourier space, calmer colors, and a little less grain with small moves.",
)

# %% [markdown]
# Each takes the same number of steps. From the second column on, each adds a single ingredient to
# the one before. (Between the first two columns more changes: in the pixels we take steps of fixed
# length, in Fourier space those of Adam.) In these two channels (1 and 2 of one layer; others may
# differ) Fourier space and the colors change most of what you see, and the small moves little.
# There is an irony in the numbers. The mean activation is 8.84<!--
# visualization.ingredients.pixels --> for the climb in the pixels, 7.51<!--
# visualization.ingredients.fourier --> in Fourier space, 6.67<!--
# visualization.ingredients.colors --> with colors and 4.35<!-- visualization.ingredients.moves -->
# for the pattern with all three ingredients: each of them costs something, and the moves, which you
# hardly see, cost most.<!-- visualization.ingredients.pixels > visualization.ingredients.fourier
# and visualization.ingredients.fourier > visualization.ingredients.colors and
# visualization.ingredients.colors > visualization.ingredients.moves --> The channel isn't
# choosy; *we* are. The ingredients restrict the search to images that look like something. Such an
# assumption is called a **prior**, and it says as much about what we want to see as about the
# channel.
#
# Now for several depths, without favorites: the first channels of each layer, whatever they are.
# Beside each pattern are the three patches that excite the same channel most, out of 128
# photographs of cats and dogs.

# %% tags=["measured"]
gallery, patches = {}, {}
searched = photo_images[:128]
for layer in (entry.patterns[1], entry.patterns[3], entry.patterns[4]):
    gallery[layer] = explain_patterns.fourier_patterns(
        climber, layer, range(channels), steps=steps, seed=seed
    )
    patches[layer] = explain_patterns.exciting_patches(
        large, layer, range(channels), searched, count=3, side=64
    )
raised = [pattern.after > pattern.before for pattern in gallery.values()]
record("visualization.patterns.made", np.size(raised), "count")
record("visualization.patterns.raised", np.sum(raised), "count")

# %% tags=["measured", "hide-input", "gallery"]
shown_rows = {}
for layer, pattern in gallery.items():
    for channel in range(2):
        tiles = [pattern.pictures[channel] / 255, *patches[layer][channel] / 255]
        shown_rows[f"{layer}\nchannel {channel}"] = tiles
figure = explain_plots.picture_rows(
    shown_rows,
    f"What channels like best, and where they find it ({photos.label})",
    ["pattern", "photographs", "", ""],
    0.8,
)
plots.show(
    figure,
    "Six rows from shallow to deep: a synthetic pattern and three patches of "
    "photographs. One shallow channel likes horizontal lines and finds edges; one "
    "deeper channel likes curls and finds eyes.",
)

# %% [markdown]
# We chose none of the 6<!-- visualization.patterns.made --> patterns, and each of them excites its
# channel more than the gray that it started from.<!-- visualization.patterns.raised ==
# visualization.patterns.made --> Compare each pattern with its photographs. In the shallow layer,
# channel 1 likes horizontal lines, and in the photographs it finds horizontal edges, whatever they
# belong to. In the middle layer, channel 1 likes curls and whorls, and what it finds in the
# photographs are eyes. It is tempting to call it an eye detector. But we searched only 128
# photographs of cats and dogs, and showed the best three: that is a suspicion, and you know by now
# what to do with one. Where pattern and photographs have little in common, either what the channel
# likes best isn't in our photographs, or it answers to more than one thing (such channels are
# called **polysemantic**), and a single pattern hides that.
#
# Finally, the classes themselves. We climb in the *score*, before the softmax, because a
# probability can also rise when merely the other classes fall, and then the image goes nowhere.

# %% tags=["measured"]
wanted = [285, 260] if steps > 10 else [285]  # Egyptian cat, chow
dreams = explain_patterns.fourier_patterns(
    climber, None, wanted, steps=2 * steps, seed=seed, size=128
)
dream_scores = explain.class_scores(climber, dreams.pictures)
probabilities = explain_checks.probabilities(dream_scores)
for place, index in enumerate(wanted):
    print(f"{class_names[index]}: probability {probabilities[place, index]:.1%}")

# %% tags=["measured", "hide-input"]
record(
    "visualization.dreams.lowest_probability",
    min(probabilities[place, index] for place, index in enumerate(wanted)),
    "fraction",
)
plots.show(
    plots.image_grid(
        dreams.pictures / 255,
        [class_names[index] for index in wanted],
        f"The ideal cat and the ideal dog, according to {base}",
        columns=2,
        scale=1.6,
    ),
    "Two textures, one for Egyptian cat and one for chow, with fur and its markings "
    "and no whole animal.",
)

# %% [markdown]
# The network is 100.0 %<!-- visualization.dreams.lowest_probability --> sure of each. You wouldn't
# call them animals. The network, which was never asked to draw, is content with fur and its
# markings: the score rewards every place where such a texture occurs, and nothing demands one head
# and four legs. That doesn't prove that shapes don't count in photographs: what excites a class
# most needn't be what it meets there. (Geirhos and others [tested
# it](https://arxiv.org/abs/1811.12231) with images that have the shape of one thing and the texture
# of another. Networks trained on ImageNet mostly went by the texture.) But remember these two
# images when someone says that a network "knows what a cat looks like".
#
# ## What each method can tell you
#
# | method | answers | doesn't answer |
# | --- | --- | --- |
# | feature maps | what a layer finds in this image | whether the answer depends on it |
# | Grad-CAM | roughly where the evidence for a class is | which of several features there it is |
# | occlusion | what the score needs, region by region | what several regions do together |
# | integrated gradients | a pixel's share of the score, given a baseline | the score without it |
# | saliency, SmoothGrad | to which pixels the score is sensitive | what the evidence is |
# | changing one part | whether the answer depends on it | what you didn't think of changing |
# | linear probe | what a layer makes easy to read | whether the network uses it |
# | feature visualization | an extreme of what a channel likes | its response to ordinary images |
#
# ## What to remember
#
# * High test accuracy doesn't say *why* a network is right. A shortcut in the data is in the
#   test set, too.
# * A heat map raises a suspicion; an intervention settles it. Change one thing, and see whether
#   the answer changes. Two networks that look at the same place may see different things there.
# * Judge a map against rivals that know nothing: the center, random weights, another image's
#   map.
# * **Grad-CAM** weighs the last feature maps with the mean gradient of the class score, taken
#   before the softmax. **Occlusion** covers, **integrated gradients** divides the score among
#   pixels.
# * On the way through the layers the image fades and the class becomes easy to read.
# * **Feature visualization** must restrict its search to images that look natural (a prior), or you
#   can't read them. What you see is partly that prior.
#
# ## What others report
#
# The handwritten notes that this chapter follows (the last entry of the references) give no
# numbers, so the thresholds are ours.

# %% tags=["measured", "hide-input", "ledger"]
claims_table("06", profile)

# %% tags=["hide-input", "ledger"]
mistakes_table("06")

# %% [markdown]
# ## Exercises
#
# The questions are in [a notebook of their own](exercises/06_visualization.ipynb), where a check
# tells you whether your answer is right and, often, what went wrong. The book has the
# solutions.
#
# 1. *Grad-CAM on paper.* Two maps, two gradients, one heat map. (one star)
# 2. *How many looks does occlusion take?* Count the network's predictions. (one star)
# 3. *A fair pointing game.* Compute the rivals from the masks. (two stars)
# 4. *Shares that add up.* Integrated gradients of a function that you can differentiate by
#    hand. (two stars)
# 5. *Convict the colors.* Count how many answers change when a suspect is recolored. (two
#    stars)
# 6. *One step uphill.* Write a normalized step of gradient ascent. (two stars)
#
# ## Where this leads
#
# We have seen what a convnet finds in two dimensions. In **chapter 7** the same convolution
# slides along a line of words, where attribution is easier: you can simply take a word away.
#
# ## References
#
# * R. R. Selvaraju and others, [Grad-CAM](https://arxiv.org/abs/1610.02391), 2017; B. Zhou and
#   others, [Learning deep features for discriminative
#   localization](https://arxiv.org/abs/1512.04150), 2016, the special case CAM.
# * M. D. Zeiler and R. Fergus, [Visualizing and understanding convolutional
#   networks](https://arxiv.org/abs/1311.2901), 2014. Occlusion.
# * M. Sundararajan, A. Taly and Q. Yan, [Axiomatic attribution for deep
#   networks](https://arxiv.org/abs/1703.01365), 2017. Integrated gradients.
# * K. Simonyan, A. Vedaldi and A. Zisserman, [Deep inside convolutional
#   networks](https://arxiv.org/abs/1312.6034), 2013, saliency maps; D. Smilkov and others,
#   [SmoothGrad](https://arxiv.org/abs/1706.03825), 2017.
# * J. Adebayo and others, [Sanity checks for saliency maps](https://arxiv.org/abs/1810.03292),
#   2018.
# * J. Zhang and others, [Top-down neural attention by excitation
#   backprop](https://arxiv.org/abs/1608.00507), 2016. The pointing game.
# * V. Petsiuk, A. Das and K. Saenko, [RISE](https://arxiv.org/abs/1806.07421), 2018. Deletion
#   and insertion.
# * R. Geirhos and others, [Shortcut learning in deep neural
#   networks](https://arxiv.org/abs/2004.07780), 2020.
# * I. Goodfellow, J. Shlens and C. Szegedy, [Explaining and harnessing adversarial
#   examples](https://arxiv.org/abs/1412.6572), 2015.
# * G. Alain and Y. Bengio, [Understanding intermediate layers using linear classifier
#   probes](https://arxiv.org/abs/1610.01644), 2016.
# * C. Olah, A. Mordvintsev and L. Schubert, [Feature
#   visualization](https://distill.pub/2017/feature-visualization/), 2017.
# * F. Chollet, *Deep Learning with Python*, whose sections on visualization a set of handwritten
#   notes on convnets follows. The claims that we check above are those of the notes.
