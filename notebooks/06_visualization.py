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
# People say that a deep net is a black box.
# For a convnet this is not quite true.
# Its inner values are arranged like pictures, so we can look at them.
#
# This chapter opens the box in three ways.
#
# * **Intermediate activations**: what do the layers make of one picture?
# * **Filter patterns**: which picture would a filter like best?
# * **Class activation maps**: where in a picture does a decision come from?
#
# The pictures that come out are beautiful, and that is a danger.
# A picture that looks convincing may still be wrong.
# So whatever we see here, we also check: against drawings whose truth we know, against nets that
# have learned nothing, and against a second method that works in another way.
#
# After this chapter you can open up any convnet, explain one of its decisions, right or wrong, and
# tell an explanation that was tested from one that only looks good.

# %%
from helpers import artifacts, datasets, explain, explain_plots, plots, pretrained, training
from helpers.backend import as_array, gradient
from helpers.records import claims_table, record
import keras
from keras import layers, ops
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# Everything that can be changed stands here.
# With `model` set to `artifact` the first half of the chapter looks into the net that you trained
# in chapter 3, instead of a small net that is trained below.

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: drawn pictures, photographs, more of both
seed: int = 0  # 0 to 1000000: seed of the weights, the noise and the shuffling
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
model: str = "own"  # own | artifact: the small net of this chapter, or the one of chapter 3
drawn: int = 1000  # 100 to 4000: drawn pictures that the small net is trained on
epochs: int = 8  # 1 to 100: passes over them
batch_size: int = 32  # 4 to 256: drawings a step
random_nets: int = 3  # 1 to 20: nets with random weights to compare with
photographs: int = 200  # 20 to 1000: pictures shown to the pretrained net
filters: int = 8  # 2 to 16: filters of each layer whose patterns are made
steps: int = 64  # 4 to 500: steps uphill for a pattern
occluded: int = 40  # 2 to 200: pictures that are covered patch by patch
pairs: int = 60  # 2 to 400: pictures with both animals

# %% [markdown]
# ## Pictures whose truth is known
#
# To test an explanation we must know the right answer.
# Nobody knows why a net takes a photograph for a cat.
# But for a drawing we know at least where the animal is, to the pixel, because our own code drew
# it.
# Everything else in the picture is background: rooms, gardens, balls and planks.
#
# We draw cats and dogs in many poses and places.
# Both wear the same coats and sit in the same scenes, so only their shapes tell them apart.

# %% tags=["measured"]
training.start(seed, precision)
rounding = 1e-4 if precision == "exact" else 0.1  # largest difference that it may make
drawings = datasets.load("cats_vs_dogs", "sample", size=64, train=drawn, validation=2, test=200)
test_images, test_labels = (np.asarray(array) for array in drawings.test)
masks, parts = (np.asarray(drawings.extra[f"test_{name}"]) for name in ("mask", "parts"))

# %% [markdown]
# Here are some of them.
# The white line shows where the animal is, and the dots mark ears, eyes and snout.
# The net will see neither the line nor the dots.

# %% tags=["measured"]
figure, axes = plt.subplots(2, 6, figsize=(9.6, 3.5), layout="constrained")
for number, axis in enumerate(axes.flat):
    axis.imshow(test_images[number])
    axis.contour(masks[number], levels=[0.5], colors="white", linewidths=1)
    axis.plot(*parts[number].T, "o", color="cyan", markersize=3)
    axis.set_title(drawings.classes[test_labels[number]], fontsize=9)
    axis.set_axis_off()
figure.suptitle(f"The truth about each picture ({drawings.label})")
plots.show(
    figure,
    "Twelve drawn cats and dogs; a white outline surrounds each animal and dots mark the ears, "
    "eyes and snout.",
)

# %% [markdown]
# ### A small net
#
# The net has four convolutions.
# We keep convolution, normalisation and ReLU as layers of their own, with names, because we want
# to look at each of them.
# It ends in global average pooling and one score for each class.

# %%
pictures = keras.Input((64, 64, 3), name="pictures")
x = layers.Rescaling(1 / 127.5, offset=-1)(pictures)
for number, width in enumerate((16, 32, 64, 64), start=1):
    if number > 1:
        x = layers.MaxPooling2D(name=f"pooling_{number}")(x)
    x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"convolution_{number}")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"normalisation_{number}")(x)
    x = layers.ReLU(name=f"relu_{number}")(x)
x = layers.GlobalAveragePooling2D(name="mean")(x)
small = keras.Model(pictures, layers.Dense(2, "softmax", name="classes")(x), name="small")
for name, shape in explain.spatial_layers(small).items():
    print(f"{name:<16} {' x '.join(map(str, shape))}")

# %% [markdown]
# We train it on the drawings and measure it on drawings that it has not met.

# %% tags=["measured"]
rate = training.one_cycle(0.004, training.steps_in(drawn, batch_size, epochs))
small.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
_ = training.fit(small, *drawings.train, epochs=epochs, batch_size=batch_size, seed=seed)
record(
    "visualization.small.test_accuracy",
    training.evaluate(small, test_images, test_labels)["accuracy"],
    "fraction",
)

# %% [markdown]
# The net that we open in the next sections is this one, unless the parameters ask for the net of
# chapter 3.

# %% tags=["measured"]
net, looked_at = small, drawings
if model == "artifact":
    net, provenance = artifacts.load("cats_vs_dogs", profile)
    looked_at = datasets.load("cats_vs_dogs", profile, size=provenance["size"])
images, labels = (np.asarray(array[:200]) for array in looked_at.test)
stages = [name for name in explain.spatial_layers(net) if name.startswith(("relu", "conv"))]
stages = [name for name in stages if name.startswith("relu")] or stages

# %% [markdown]
# ## Tool one: intermediate activations
#
# A layer's output for one picture is a stack of feature maps, one for each filter.
# To see the stacks of several layers at once we need no new tool at all.
# A Keras model may have many outputs, so we build one that shares the layers of our net and
# returns what each of them computes.
#
# `explain.activations` does the same in batches, for nets inside nets too.
# We check that both agree.

# %% tags=["measured"]
many_outputs = keras.Model(net.inputs[0], [net.get_layer(name).output for name in stages])
by_hand = many_outputs(images[:1].astype("float32"), training=False)
maps = explain.activations(net, images[:1], stages)
for name, expected in zip(stages, by_hand, strict=True):
    assert np.allclose(maps[name], as_array(expected), atol=rounding)
print("The model with many outputs and the helper agree.")

# %% [markdown]
# Now we look.
# Each square is one feature map.
# Bright means that the filter found there what it looks for, dark that it did not.
# In the first rows you can still recognise the animal; watch what happens to it further down.

# %% tags=["measured"]
figure = explain_plots.feature_maps(
    images[0],
    {name: stack[0] for name, stack in maps.items()},
    f"One picture, layer after layer ({looked_at.label})",
)
plots.show(
    figure,
    "One picture and the feature maps of each layer; the first maps show outlines and surfaces, "
    "the last ones are coarse spots.",
)

# %% [markdown]
# The first layer is a collection of edges and patches of colour.
# Each of its maps is still a picture of the animal, as if drawn with another pencil.
# You may also find maps that are bright along the border of the picture: the zeros of the padding
# make an edge there, and some filters answer to it.
# The last layer is no picture any more.
# Its maps are coarse, and each says "here is something like this" rather than "this pixel has that
# colour".
#
# ## What is kept, and what is lost
#
# Two sentences stand in most books about this: the first layers keep nearly all of the picture,
# and the later ones become abstract and sparse.
# Let us not believe it but measure it.
# We ask four questions of every layer.
#
# * How many of its values are exactly zero?
# * How many of its channels are silent, zero all over the picture?
# * How much of the picture can be *read back*? A linear rule guesses the pixels under each position
#   from the channels there. It is fitted on some pictures and tried on others.
# * How well can the *class* be told, by a linear rule that sees only the mean of each channel?
#
# To keep the third question small, the pictures are first reduced to about thirty pixels a side.
# Whether finer detail could be read back is not asked.
#
# We ask them of the small net, and of a large one that has seen more than a million photographs:
# EfficientNet-Lite0, trained on ImageNet, which chapter 4 used as a base.
# This time it keeps its top, so it tells a thousand classes apart.

# %% tags=["measured"]
photos = datasets.load("cats_vs_dogs", profile, size=224, train=2, validation=2, test=photographs)
photo_images, photo_labels = (np.asarray(array) for array in photos.test)
large = pretrained.load("efficientnet_lite0", 224, top=True)
class_names = pretrained.imagenet_classes()

# %% tags=["measured"]
blocks = ("block2b_expand", "block3b_expand", "block4c_expand", "block5c_expand")
deep = [f"{name}_activation" for name in ("stem", *blocks, "block6d_expand", "head")]
profiles = {
    f"The small net ({looked_at.label})": explain.depth_profile(
        net, images, labels, stages, fitted=len(images) * 3 // 5
    ),
    f"EfficientNet-Lite0 ({photos.label})": explain.depth_profile(
        large, photo_images, photo_labels, deep, fitted=photographs * 3 // 5, detail=28
    ),
}
figure = explain_plots.depth_curves(profiles, "From the picture to the class")
plots.show(
    figure,
    "Two panels, layer by layer: in both nets the share of the picture that can be read back falls "
    "and the share of classes told by a linear rule rises; two more curves show the shares of "
    "zeros and of silent channels.",
)

# %% tags=["measured"]
for name, profile_of in zip(("small", "pretrained"), profiles.values(), strict=True):
    for what in ("zeros", "silent", "kept", "told"):
        values = getattr(profile_of, what)
        record(f"visualization.{name}.{what}.first", values[0], "fraction")
        record(f"visualization.{name}.{what}.last", values[-1], "fraction")
    record(f"visualization.{name}.zeros.rise", profile_of.zeros[-1] - profile_of.zeros[0])
    record(f"visualization.{name}.kept.fall", profile_of.kept[0] - profile_of.kept[-1])
    assert profile_of.kept[0] > profile_of.kept[-1]
    clearly = profile_of.zeros[-1] - profile_of.zeros[0] > 0.1
    print(f"The {name} net is {'clearly' if clearly else 'not clearly'} sparser at its end.")

# %% [markdown]
# The lines cross.
# On the way through the layers the picture fades, and the class comes to light.
# This is what a classifier must do: it throws away what does not matter, such as place, light and
# background, and keeps what does.
#
# With sparsity it is less simple: not every net grows sparse.
# Batch normalisation right before a ReLU centres every channel, and in the small net about half of
# the values are cut off, in early and late layers alike.
# The large net has it, too, but there the learned shift of each channel has moved away from zero.
# It has learned a thousand classes, and many of its last channels stand for something that is not
# in the picture.
# Compare the share of zeros in its last layer, and the share of silent channels, with those of its
# first.
#
# The next picture shows what a number cannot.
# These are photographs as a linear rule reads them back from the layers of the large net.
# The second row is the best that it could do: the photographs at the size that was asked for.

# %% tags=["measured"]
depth = profiles[f"EfficientNet-Lite0 ({photos.label})"]
fitted = photographs * 3 // 5
originals = photo_images[fitted : fitted + 5]
reduced = originals.reshape(-1, 28, 8, 28, 8, 3).mean(axis=(2, 4)) / 255
shown = {"picture": originals, "28 x 28 pixels": reduced}
for name in deep[::2]:
    shown[name.removesuffix("_activation")] = depth.read[name][:5]
figure = explain_plots.picture_rows(shown, f"Read back from the layers ({photos.label})", None, 1.5)
plots.show(
    figure,
    "Rows of the same pictures: the original, the original in 28 by 28 pixels, then as read back "
    "from deeper and deeper layers, until only patches of light and dark remain.",
)

# %% [markdown]
# ## Tool two: what would a filter like to see?
#
# A feature map shows what a filter found in *one* picture.
# We can also turn the question round and ask for the picture that the filter likes best.
#
# The trick is to train the picture instead of the weights.
# We start from grey noise.
# The gradient of the filter's mean activation, with respect to the *pixels*, says how to change
# each pixel so that the activation grows.
# We take a step in this direction, and another one, and so on: **gradient ascent**.
#
# Gradients of different filters have very different lengths.
# So the gradient is divided by its L2 norm, and every step is of the same length.
# By hand this takes a few lines.

# %% tags=["measured"]
base = pretrained.load("efficientnet_lite0", 128)
layer, number = "block4b_expand_bn", 1
up_to_layer = keras.Model(base.input, base.get_layer(layer).output)


def mean_activation(picture):
    return ops.mean(up_to_layer(picture, training=False)[..., number])


noise = np.random.default_rng(seed).normal(127.5, 5, (1, 128, 128, 3)).astype("float32")
picture, climbed = noise, []
for _ in range(max(2, steps // 4)):
    activation, slope = gradient(mean_activation, picture)
    climbed.append(float(activation))
    slope = as_array(slope)
    picture = np.clip(picture + 1400 * slope / np.sqrt(np.sum(slope**2)), 0, 255)
assert climbed[-1] > climbed[0]

# %% [markdown]
# It works, but the result is noisy, and it is slow to do this for one filter after the other.
# The helper makes three changes.
#
# * All filters of a layer climb together in one batch, in a function that is compiled once.
# * Before each step the picture is shifted at random by a few pixels. This *jitter* keeps the
#   pattern from clinging to the grid of the strides.
# * The gradient is blurred, much at first and little at the end, so that large forms come before
#   fine ones.
#
# As it is fast, it also takes four times as many steps.

# %% tags=["measured"]
patterns = explain.filter_patterns(base, layer, range(filters), steps=steps, seed=seed)
figure = plots.image_grid(
    [noise[0] / 255, picture[0] / 255, patterns.pictures[number] / 255],
    ["noise", "by hand", "with jitter and blur"],
    f"Filter {number} of {layer}",
    3,
    2.6,
)
plots.show(
    figure,
    "Three squares: grey noise, a noisy pattern, and the same pattern with clear forms.",
)

# %% [markdown]
# Now several depths side by side.
# We take the first filters of each layer as they come and pick no favourites.
# Each pattern must raise the activation of its filter above what it was on noise; otherwise it
# would be a picture of nothing.
# A few filters of this net have hardly any weights left, and nothing raises those.
# So we ask it of nine in ten.

# %% tags=["measured"]
climbing = ("stem_bn", "block3b_expand_bn", layer, "block5b_expand_bn", "block6b_expand_bn")
found = {
    name: patterns
    if name == layer
    else explain.filter_patterns(base, name, range(filters), steps=steps, seed=seed)
    for name in climbing
}
raised = [shown.after > shown.before for shown in found.values()]
record("visualization.patterns.made", np.size(raised), "count")
record("visualization.patterns.raised", np.sum(raised), "count")
assert np.mean(raised) > 0.9
figure = explain_plots.picture_rows(
    {name: shown.pictures / 255 for name, shown in found.items()},
    "What the filters of five layers like best",
    [f"filter {number}" for number in range(filters)],
)
plots.show(
    figure,
    "Five rows of patterns: plain colours and fine lines; stripes, dots and checks; weaves and "
    "scales; curls and arches; and in the deepest row forms that resemble parts of things.",
)

# %% [markdown]
# Read the rows from top to bottom.
#
# * The **first layer** likes plain colours and fine lines.
# * Then come **textures**: stripes at one angle, dots, checks.
# * In the middle the textures are made of smaller textures: weaves, scales, ripples.
# * Deeper rows show **parts**: curls, arches, bars, round things that look like eyes.
#
# No one told the net to sort its filters like this.
# Each layer can only combine what the layer before it offers, and so a hierarchy grows, from edges
# to textures to parts.
#
# Remember what such a picture is: the extreme of what a filter likes, not what it meets every day.
# A filter may answer to other things as well.
#
# ## Tool three: where does a decision come from?
#
# The third tool explains a decision.
# It is called **Grad-CAM**, for *gradient-weighted class activation map*, and it asks two
# questions.
#
# 1. Where in the picture did each channel of the last convolution find something? That is its
#    feature map $A^k$.
# 2. How much does each channel matter for class $c$? That is the gradient of the class score $s_c$
#    with respect to the map, averaged over its $Z$ positions:
#    $$w_k = \frac{1}{Z}\sum_{i,j} \frac{\partial s_c}{\partial A^k_{ij}}$$
#
# The heat map is the sum of the maps with these weights, and only what speaks *for* the class is
# kept: $\max(0, \sum_k w_k A^k)$.
#
# Two details matter.
# The score is taken *before* the softmax or sigmoid, which is flat where a net is sure.
# And a net with a single sigmoid unit has two classes all the same: the score $s$ speaks for class
# 1, and $-s$ for class 0.
#
# Our small net ends in a mean over the positions and a dense layer.
# So the gradient of the score is the same at all positions, and the weights $w_k$ are the weights
# of the dense layer, up to a constant factor.
# That gives us a way to compute the heat map without any gradient, and to check the helper.

# %% tags=["measured"]
last = explain.last_spatial_layer(small)
maps = explain.activations(small, test_images[:4], [last])[last]
dense_weights = small.get_layer("classes").kernel.numpy()
for label in (0, 1):
    coarse = np.maximum(maps @ dense_weights[:, label], 0) / np.prod(maps.shape[1:3])
    expected = ops.image.resize(coarse[..., None], (64, 64))[..., 0]
    heat = explain.grad_cam(small, test_images[:4], label)
    assert np.allclose(heat, as_array(expected), atol=rounding)
print("Grad-CAM of the small net is its last layer's maps, weighted by the dense layer.")

# %% [markdown]
# Here are the heat maps of both classes for six drawings.
# Both maps of a drawing share one colour scale, so a map that stays dark found little or nothing
# for its class.
# Ask of each picture: what speaks for a cat here, and what for a dog?

# %% tags=["measured"]
chosen = np.arange(6)
both = {
    f"for {kind}": explain.grad_cam(small, test_images[chosen], label)
    for label, kind in enumerate(drawings.classes)
}
figure = explain_plots.heat_maps(
    test_images[chosen],
    both,
    [drawings.classes[label] for label in test_labels[chosen]],
    f"What speaks for a cat, what for a dog? ({drawings.label})",
    common=True,
)
plots.show(
    figure,
    "Six drawings; below each its heat map for cat and for dog. In most of them the map of the "
    "right class glows on the animal's head.",
)

# %% [markdown]
# The common scale matters.
# Most heat maps that you meet are scaled to their own largest value, and then the map of a class
# that found next to nothing glows as brightly as any other.
#
# ### The pointing game
#
# These maps look right.
# But a map that always glows in the middle would look right too, because animals are often in the
# middle.
# So we play a game with all test drawings.
# The net decides, its heat map points with its hottest pixel, and we look whether this pixel lies
# on the animal, inside the white line.
#
# The result needs something to compare with.
#
# * *Chance*: a random pixel hits the animal as often as the animal's share of the area.
# * *Random weights*: the same net before it learned anything. If its maps point as well as those of
#   the trained net, then the maps do not show what was learned. Some published methods failed this
#   sanity check.

# %% tags=["measured"]
heat = explain.grad_cam(small, test_images)
hits = explain.pointing_game(heat, masks)
untrained_hits = []
for _ in range(random_nets):
    untrained = keras.models.clone_model(small)
    untrained_heat = explain.grad_cam(untrained, test_images)
    untrained_hits.append(explain.pointing_game(untrained_heat, masks).mean())
record("gradcam.pointing_game", hits.mean(), "fraction")
record("gradcam.pointing_game.chance", masks.mean(), "fraction")
record("gradcam.pointing_game.random_weights", np.mean(untrained_hits), "fraction")
record("gradcam.pointing_game.margin", hits.mean() - np.mean(untrained_hits), "fraction")
assert hits.mean() > masks.mean()
assert hits.mean() > np.mean(untrained_hits)

# %% [markdown]
# The next picture shows the game: three hits, three misses if there are that many, and below them
# the same drawings seen by a net with random weights.
# The dot is the hottest pixel.

# %% tags=["measured"]
misses = np.flatnonzero(~hits)[:3]
chosen = np.concatenate([np.flatnonzero(hits)[: 6 - len(misses)], misses])
untrained_heat = explain.grad_cam(untrained, test_images[chosen])
rows = {"trained": heat[chosen], "random\nweights": untrained_heat}
figure = explain_plots.heat_maps(
    test_images[chosen],
    rows,
    ["hit" if hit else "miss" for hit in hits[chosen]],
    f"The pointing game ({drawings.label})",
    points={name: explain.peaks(maps) for name, maps in rows.items()},
    outlines=masks[chosen],
)
plots.show(
    figure,
    "Six drawings with their outlines. The dots of the trained net lie on the animals, except in "
    "the misses; those of the net with random weights lie anywhere.",
)

# %% [markdown]
# We know more about the drawings than the outline: we know where the ears, eyes and snout are.
# So we can ask which part convinced the net, by taking the part nearest to the hottest pixel.
# A cell of the last layer is eight pixels wide, so a part counts if it is no further away than
# that.

# %% tags=["measured"]
distance = np.linalg.norm(parts - explain.peaks(heat)[:, None], axis=-1)
nearest = np.where(distance.min(axis=1) <= 8, distance.argmin(axis=1) // 2, 3)
nearest[~hits & (nearest == 3)] = 4
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
for label, kind in enumerate(drawings.classes):
    share = np.bincount(nearest[test_labels == label], minlength=5) / np.sum(test_labels == label)
    axis.bar(np.arange(5) + 0.4 * label - 0.2, share, 0.4, label=kind)
axis.set_xticks(range(5), ["ears", "eyes", "snout", "rest of\nthe animal", "background"])
axis.set_ylabel("share of the pictures")
axis.set_title(f"Where the heat map of the decision peaks ({drawings.label})")
axis.legend()
plots.show(
    figure,
    "Bars for cats and dogs: how often the heat map peaks at the ears, the eyes, the snout, the "
    "rest of the animal or the background.",
)

# %% [markdown]
# Ears, eyes and snout are what the two animals differ in, and the net found this out from class
# labels alone.
# Nobody ever told it where an animal is.
# This is why heat maps are also used to *locate* objects.
#
# ## Photographs, and a net with a thousand answers
#
# Now the large net and real decisions.
# Its thousand classes include more than a hundred breeds of dogs and a handful of cats.
# For each photograph we show its most likely class and where the decision comes from.

# %% tags=["measured"]
scores = explain.class_scores(large, photo_images)
best = scores.argmax(axis=1)
chosen = np.arange(6)
figure = explain_plots.heat_maps(
    photo_images[chosen],
    {"heat map": explain.grad_cam(large, photo_images[chosen])},
    [class_names[index].replace(" ", "\n", 1) for index in best[chosen]],
    f"What the large net sees, and where ({photos.label})",
)
plots.show(
    figure,
    "Six pictures, each with its most likely ImageNet class and a heat map that glows on what the "
    "decision rests on.",
)

# %% [markdown]
# ### A wrong decision, explained
#
# Heat maps are most useful where a net is wrong.
# The net never says just "cat" or "dog", so we count an answer as right if it is any breed of the
# animal in the picture.
# From the wrong answers we take those of which the net was most certain.
#
# For each we draw two maps: what spoke for the answer that it gave, and what spoke for the best
# class of the right animal.

# %% tags=["measured"]
groups = {0: range(281, 286), 1: range(151, 269)}
in_group = {label: scores[:, group.start : group.stop] for label, group in groups.items()}
best_of = {label: groups[label].start + part.argmax(axis=1) for label, part in in_group.items()}
right_class = np.where(photo_labels == 0, best_of[0], best_of[1])
wrong = best != right_class
certainty = 1 / np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1)
worst = np.argsort(np.where(wrong, -certainty, 1 - certainty))[: max(1, min(5, wrong.sum()))]
record("visualization.pretrained.wrong", wrong.mean(), "fraction")

# %% tags=["measured"]
answers = explain.grad_cam(large, photo_images[worst], best[worst])
figure = explain_plots.heat_maps(
    photo_images[worst],
    {
        "for the\nanswer": answers,
        "for the\nanimal": explain.grad_cam(large, photo_images[worst], right_class[worst]),
    },
    [f"answer: {class_names[best[i]]}\nnot: {class_names[right_class[i]]}" for i in worst],
    f"Certain and wrong ({photos.label})",
    scale=1.8,
)
plots.show(
    figure,
    "Pictures that the net got wrong, with the heat map of its answer and that of the best class "
    "of the right animal.",
)

# %% [markdown]
# Compare the two rows of maps with the names above the pictures.
# There are two kinds of mistakes, and only the map can tell them apart.
#
# * The heat is on the *animal*: the net saw it and took it for another kind. On the photographs
#   these are near relatives, such as a dingo for a dog, or a black cat that is taken for a black
#   dog. Such a net needs more pictures of what it confuses.
# * The heat is on *something else*, such as a sign or a cage: the net answered another question
#   than the one we asked. Such a picture needs another label, or should be left out.
#
# An explanation is worth more if it predicts something.
# If the hot place is really what led to the answer, then covering it must lower the score of the
# answer more than covering another place.
# We try it on all wrong answers: once we cover the hottest place, once a place at random.


# %% tags=["measured"]
def covered(images, points, side=72):
    images = images.copy()
    for image, (x, y) in zip(images, points, strict=True):
        left, top = np.clip([x - side // 2, y - side // 2], 0, 224 - side)
        image[top : top + side, left : left + side] = image.mean(axis=(0, 1))
    return images


tried = np.flatnonzero(wrong) if wrong.any() else worst
hot = explain.peaks(explain.grad_cam(large, photo_images[tried], best[tried]))
anywhere = np.random.default_rng(seed).integers(0, 224, hot.shape)
fall = {}
for name, points in (("hot", hot), ("random", anywhere)):
    after = explain.class_scores(large, covered(photo_images[tried], points))
    fall[name] = (scores[tried, best[tried]] - after[np.arange(len(tried)), best[tried]]).mean()
    record(f"gradcam.wrong.fall_of_score.{name}", fall[name])
record("gradcam.wrong.fall_of_score.margin", fall["hot"] - fall["random"])

# %% [markdown]
# ## A second opinion: cover and see
#
# Covering one place was a test of one point of the map.
# **Occlusion** does it everywhere.
# A patch of the picture's mean colour slides over the picture, and at each place we note how far
# the score falls.
# This needs no gradient and no inside knowledge, only patience: one prediction for each place.
# So it is an independent check of Grad-CAM.

# %% tags=["measured"]
checked = photo_images[:occluded]
heat = explain.grad_cam(large, checked, best[:occluded])
fall = explain.occlusion(large, checked, best[:occluded], patch=56, stride=28)
agreement = explain.correlation(heat, fall)
strangers = explain.correlation(heat, np.roll(fall, 1, axis=0))
record("gradcam.occlusion_correlation", agreement.mean())
record("gradcam.occlusion_correlation.strangers", strangers.mean())
record("gradcam.occlusion_correlation.margin", agreement.mean() - strangers.mean())

# %% tags=["measured"]
figure = explain_plots.heat_maps(
    checked[:6],
    {"Grad-CAM": heat[:6], "occlusion": fall[:6]},
    [class_names[index].replace(" ", "\n", 1) for index in best[: len(checked[:6])]],
    f"Two methods, one question ({photos.label})",
)
plots.show(
    figure,
    "Six pictures with their Grad-CAM map and their occlusion map; in some both glow in the same "
    "place, in others they do not.",
)

# %% [markdown]
# Where the two agree, both gain trust.
# Where they differ, trust neither without a third test.

# %% [markdown]
# The correlation of the two maps would be 1 if they agreed in all places.
# Part of any agreement is cheap, because animals are in the middle of most pictures.
# Therefore we also correlate each heat map with the occlusion map of *another* picture.
# Only the difference shows that a map belongs to its picture: dots above the diagonal.

# %% tags=["measured"]
figure, axis = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
axis.plot([-1, 1], [-1, 1], "--", color="grey", label="no better than another picture's")
axis.plot(strangers, agreement, "o", label="one picture")
axis.set_xticks(np.arange(-1, 1.1, 0.5))
axis.set_yticks(np.arange(-1, 1.1, 0.5))
axis.set_xlabel("correlation with another picture's occlusion map")
axis.set_ylabel("correlation with its own occlusion map")
axis.set_title(f"Does a heat map agree with occlusion?\n({photos.label})", fontsize=11)
axis.legend(fontsize=8, loc="lower left")
axis.grid(alpha=0.3)
plots.show(
    figure,
    "One dot a picture, with its correlation to its own occlusion map upwards and to another "
    "picture's sideways; the diagonal separates better agreement from worse.",
)
gap = agreement - strangers
clear = gap.mean() > 2 * gap.std(ddof=1) / np.sqrt(len(gap))
verdict = "agree" if clear else "do not clearly agree"
print(f"Grad-CAM and occlusion of one picture {verdict} better than those of two pictures.")

# %% [markdown]
# ## A picture with both animals
#
# What does a net do with a cat *and* a dog?
# It has to settle for one answer, but Grad-CAM can be asked for any class.
# We cut the middle out of a cat's and a dog's picture and set the halves side by side, the cat now
# on the left, now on the right.
# Then we ask for the best cat class and for the best dog class.
#
# Here we know the truth again, and on photographs this time: the cat's map must point to the cat.
# A map that only shows what is striking in a picture would point to the same place for both
# classes, and be right half of the time.

# %% tags=["measured"]
ranked = {
    label: np.argsort(np.where(photo_labels == label, -in_group[label].max(axis=1), np.inf))
    for label in groups
}
count = min(pairs, *(int(np.sum(photo_labels == label)) for label in groups))
halves = [photo_images[ranked[label][:count], :, 56:168] for label in groups]
cat_left = np.arange(count) % 2 == 0
turned = cat_left[:, None, None, None]
mosaics = np.concatenate([np.where(turned, *halves), np.where(turned, *halves[::-1])], axis=2)
is_cat = np.repeat([[True, False]], 112, axis=1).reshape(1, 1, 224) == cat_left[:, None, None]
is_cat = np.broadcast_to(is_cat, mosaics.shape[:3])

# %% tags=["measured"]
mosaic_scores = explain.class_scores(large, mosaics)
asked = [
    group.start + mosaic_scores[:, group.start : group.stop].argmax(1) for group in groups.values()
]
cat_heat, dog_heat = (explain.grad_cam(large, mosaics, classes) for classes in asked)
right = [explain.pointing_game(cat_heat, is_cat), explain.pointing_game(dog_heat, ~is_cat)]
record("gradcam.both.right_half", np.mean(right), "fraction")
record("gradcam.both.both_right", np.mean(right[0] & right[1]), "fraction")

# %% tags=["measured"]
figure = explain_plots.heat_maps(
    mosaics[:6],
    {"for cat": cat_heat[:6], "for dog": dog_heat[:6]},
    [
        f"{class_names[a]}\n{class_names[b]}"
        for a, b in zip(*(part[:6] for part in asked), strict=True)
    ],
    f"One picture, two questions ({photos.label})",
    points={"for cat": explain.peaks(cat_heat[:6]), "for dog": explain.peaks(dog_heat[:6])},
)
plots.show(
    figure,
    "Six pictures, each half a cat and half a dog. The heat map for the cat class mostly glows on "
    "the cat's half, that for the dog class mostly on the dog's half.",
)

# %% [markdown]
# ## What to remember
#
# * A model with many outputs shows what each layer makes of a picture. First layers keep the
#   picture; later ones hold the class, and in the large net they are sparse.
# * Gradient ascent in the *pixels* shows what a filter likes: edges, then textures, then parts.
#   Divide the gradient by its norm, shift and blur.
# * Grad-CAM weighs the last maps by the mean gradient of the class score, taken before the softmax
#   or sigmoid. It locates objects without having been taught where they are.
# * A heat map is a claim about a net. Test it: against known truth, against random weights, against
#   occlusion, and by asking for another class.
# * The last layer is coarse. A heat map says roughly *where*, never exactly, and never *why*.
#
# Here is what the sources say, beside what this run measured.

# %% tags=["measured"]
claims_table("06", profile)

# %% [markdown]
# ## Exercises
#
# 1. Run the pointing game with an earlier layer, such as `layer="relu_2"`. The maps are finer. Do
#    they point better?
# 2. Make the patterns of the last layer, `head_bn`, with three times the steps. What do you
#    recognise?
# 3. Train the small net for one epoch only. How do its accuracy and its pointing game change
#    together?
# 4. Change the patch of the occlusion from a quarter of the picture's width to an eighth. What
#    happens to the agreement with Grad-CAM, and why?
# 5. Train chapter 3 first, then run this chapter with `model` set to `artifact`. Its last
#    convolution has few positions. What does this mean for its heat maps?
