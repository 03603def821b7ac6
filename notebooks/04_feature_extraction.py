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
# # 4. Feature extraction
#
# **What can you learn from a hundred photographs?**
#
# In chapter 3 we fought for every point. Two thousand photographs, augmentation, dropout, batch
# normalization and minutes of training got us to 85.4 %<!-- cats_vs_dogs.augmented.test_accuracy
# -->. In this chapter we pass that mark with far fewer photographs and a fraction of a second of
# training, because we borrow the eyes of a network that has already seen a million images. Then we
# find out where borrowing stops working so well.
#
# > **What you'll be able to do**
# >
# > * load a network that was trained on ImageNet, cut off its head, and use the rest;
# > * tell **features**, **base**, **head** and **linear probe** apart;
# > * choose between extracting features once and training through a frozen base;
# > * say how many images you need, and measure it for your own task;
# > * recognize what wrong preprocessing costs, and why nobody notices;
# > * predict for which tasks borrowed features work, and which layer to borrow from.
# >
# > **What you should know:** chapters 1 to 3, or what a convolution, a dense layer, validation
# > and augmentation are.
# >
# > **Time:** about an hour and a half to read, with the questions; about ten minutes to run.
#
# Numbers in the text come from the stored run, made in November 2026 on one CPU core. Your own run
# prints its own numbers, and they may differ a little.

# %% tags=["parameters", "hide-input"]
seed: int = 0  # 0 to 1000000: seed of the weights, the draws and the augmentation
base: str = "efficientnet_lite0"  # efficientnet_lite0|mobilenet|vgg16|xception: eyes
size: int = 160  # 64 to 224: width and height of the photographs, in pixels
photographs: int = 2000  # 100 to 2000: training images
epochs: int = 3  # 1 to 100: passes over the extracted features
batch_size: int = 32  # 8 to 256: images per step
augmented_epochs: int = 3  # 1 to 50: passes through the whole model, with augmentation
copies: int = 8  # 2 to 50: augmented copies of each image in the small comparison
# What only the profiles need:
profile: str = "quick"  # sample | quick | full: built-in data, real data, long recipes
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
draws: int = 5  # 2 to 20: random choices of the training images
seeds: int = 3  # 1 to 10: trainings of each head
scratch_epochs: int = 20  # 1 to 500: passes of the small net that starts from nothing
far_images: int = 1500  # 100 to 5000: training images per task, layer by layer
far_size: int = 96  # 64 to 224: width and height of these images, in pixels

# %% [markdown]
# The photographs are those of chapter 3, in a larger version, because the networks that we borrow
# from were trained on large images. (The two near-duplicates of validation images that chapter 3
# removed are still in this training set. At most two of the thousand validation images have such a
# twin, so it can hardly flatter a score by more than two answers.) The validation images are for
# choosing. We'll use the test images once, at the end.

# %% tags=["measured"]
import re
import textwrap
import time

from helpers import datasets, kept, plots, pretrained, tables, training
from helpers.records import claims_table, mistakes_table, record
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

training.start(seed, precision)
pets = datasets.load("cats_vs_dogs", profile, size=size)
train_images, train_labels = (part[:photographs] for part in pets.train)
val_images, val_labels = pets.validation

# %% [markdown]
# ## No training at all
#
# **ImageNet** is a collection of photographs that people have sorted into classes. The version that
# networks are usually trained on has a thousand classes: tables, trucks, mushrooms, and also
# animals. A network that was trained on its 1.28 million training images can be downloaded by
# anyone. Ours is **EfficientNet-Lite0**, a small one with 4.7 million parameters, made for phones.
#
# We show it our validation photographs. Nobody has told it that this is about cats and dogs, so
# it answers in its thousand classes.

# %% tags=["measured"]
imagenet_net = pretrained.load(base, size, top=True)
val_batches = training.batches(val_images, None, 64)
probabilities = imagenet_net.predict(val_batches, verbose=0).astype("float32")
class_names = pretrained.imagenet_classes()
print(probabilities.shape[1], "classes; parameters:", imagenet_net.count_params())

# %% tags=["measured", "hide-input"]
shown = np.arange(16)
titles = []
for row in shown:
    best = probabilities[row].argmax()
    name = textwrap.fill(class_names[best], 15, max_lines=2, placeholder=" …")
    titles.append(f"{name}\n({probabilities[row, best]:.0%})")
title = f"What ImageNet's classes say ({pets.label})"
plots.show(
    plots.image_grid(val_images[shown], titles, title, 8, 1.35),
    "Sixteen validation images of cats and dogs, each with the ImageNet class that the "
    "network finds most likely and its probability. Most dogs are called by a breed.",
)

# %% [markdown]
# It names breeds: a Dalmatian, a pug, a Persian cat. Where it fails, the animal often isn't the
# only thing in the picture. The dog in the cage becomes a shopping cart, and the cat on the desk
# becomes a desk. And two black cats pass for breeds of dark dogs.
#
# > **Predict.** ImageNet has 118 classes of dogs and five of domestic cats. We add up the
# > probabilities of each group and take the larger sum as the answer. How many of the
# > photographs will it get right, without any training for this question? More or fewer than
# > chapter 3's network?
# >
# > <details><summary>Think first, then open</summary>
# >
# > About as many as chapter 3's network, with no training at all. It has learned to tell the breeds
# > apart, so telling a cat from a dog should be child's play. What probably holds it back is the
# > question: it was trained to name one class in a thousand. When it sees a cat in a basket,
# > "basket" is a fair answer, too. Then only crumbs are left for cats *and* dogs, and 118 classes
# > collect more crumbs than five.
# > </details>

# %% tags=["measured"]
CATS = slice(281, 286)  # ImageNet's domestic cats
DOGS = slice(151, 269)  # its breeds of dogs


def zero_training(probabilities):
    cats = probabilities[:, CATS].sum(axis=1)
    dogs = probabilities[:, DOGS].sum(axis=1)
    return (dogs > cats).astype(int)  # our labels: 0 for a cat, 1 for a dog


right_untrained = zero_training(probabilities) == val_labels
print(f"right without training: {right_untrained.mean():.1%}")

# %% tags=["measured", "hide-input"]
score = right_untrained.mean()
record("features.zero_training.validation_accuracy", score, "fraction")
answers = probabilities.argmax(axis=1)
for name, group, label in (("cats", CATS, 0), ("dogs", DOGS, 1)):
    among = (answers >= group.start) & (answers < group.stop)
    named = np.mean(among[val_labels == label])
    record(f"features.zero_training.{name}_named", named, "fraction")
    right_of_kind = right_untrained[val_labels == label].mean()
    record(f"features.zero_training.{name}_right", right_of_kind, "fraction")

# %% [markdown]
# Without any training it gets 85.2 %<!-- features.zero_training.validation_accuracy --> of the
# validation photographs right. That's in the same league as the network that we trained from
# nothing.<!-- abs(features.zero_training.validation_accuracy -
# cats_vs_dogs.augmented.test_accuracy) < 0.08 --> Which animal does it miss more often? It gets
# 100.0 %<!-- features.zero_training.dogs_right --> of the dogs right, but only 70.4 %<!--
# features.zero_training.cats_right --> of the cats.<!-- features.zero_training.cats_right <
# features.zero_training.dogs_right - 0.1 --> Nearly all its mistakes are cats that it takes for
# dogs.<!-- 1 - features.zero_training.dogs_right < 0.1 * (1 -
# features.zero_training.cats_right) --> Its *first* answers lean the same way: they name a breed of
# dog for 93.4 %<!-- features.zero_training.dogs_named --> of the dogs, but a domestic cat for only
# 65.6 %<!-- features.zero_training.cats_named --> of the cats.<!--
# features.zero_training.cats_named < features.zero_training.dogs_named - 0.1 --> With 118 classes
# for dogs and only five for cats, it has many more words for dogs, and that may be why. (Newer
# networks such as CLIP, trained on images with captions, are made to be questioned without
# training: you name the classes in words. That's called *zero-shot* classification.)
#
# Does it also *know* less about our cats, or does it only *say* less? To find out, we have to
# look behind its answers.

# %% [markdown]
# ## Reading out what it sees
#
# A convnet builds its answer in steps. Its last layer is an old friend: a dense layer with a
# softmax, a linear classifier as in chapter 1. But its inputs aren't pixels. They are 1,280 numbers
# that the layers below have computed, each the average of one feature map over all positions, and
# each says how strongly some **feature** is present: a texture, an ear, a snout, perhaps a whole
# face. (Many have no name in English. Chapter 6 looks at some.)
#
# So we cut the last layer off and keep the numbers. The part that we keep is called the
# **base**; what we put on top of it is called the **head**. Using what was learned on one task
# for another is called **transfer learning**.
#
# ### Bases in Keras
#
# Keras has dozens of pretrained networks in `keras.applications`. Three arguments matter:
#
# * `include_top=False` leaves out the *top*, which is Keras's name for the original head, with the
#   averaging before it: what comes out are maps;
# * `weights="imagenet"` downloads the weights, and `None` starts with random ones;
# * `input_shape` says how large your images are. Without the top, any size that isn't too small
#   will do.
#
# We build two of them, without downloading their weights, to see what comes out.

# %%
bases = {}
for name in ("MobileNet", "VGG16"):
    make_base = getattr(keras.applications, name)
    net = make_base(include_top=False, weights=None, input_shape=(160, 160, 3))
    learned = sum(np.prod(weight.shape) for weight in net.trainable_weights)
    print(f"{name}: maps {net.output_shape[1:]}, {learned:,} trainable parameters")
    bases[name] = (*net.output_shape[1:], int(learned))

# %% tags=["hide-input"]
rows, columns, channels, learned = bases["MobileNet"]
record("features.mobilenet.positions", rows * columns, "count")
record("features.mobilenet.channels", channels, "count")
record("features.mobilenet.trainable_parameters", learned, "count")

# %% [markdown]
# Both halve the image five times, from 160 pixels to 5. At each of the
# 25<!-- features.mobilenet.positions --> positions there is one number per feature,
# 1,024<!-- features.mobilenet.channels --> of them in MobileNet.
#
# Every base also wants its pixels in a certain form, and its module has a function for that,
# `preprocess_input`. What would a white pixel look like to VGG16? Its authors kept the range
# from 0 to 255, put blue before red, and subtracted the mean color of ImageNet.

# %%
white = np.full((1, 1, 1, 3), 255.0, dtype="float32")
for name in ("mobilenet", "vgg16"):
    module = getattr(keras.applications, name)
    print(f"{name}: {module.preprocess_input(white.copy()).ravel()}")

# %% [markdown]
# The same white pixel is 1 in every channel for MobileNet, and up to
# 151<!-- features.vgg16.white_pixel --> for VGG16. Feed one network with the other's numbers, and
# it sees something quite unlike what it was trained on. It is easy to forget this step, and we'll
# see below what that costs. That is why this course's `pretrained.load` makes the preprocessing the
# first layer of the base, which then takes plain RGB values from 0 to 255. It also knows our
# EfficientNet-Lite0, which isn't in `keras.applications`. For the others it must give exactly what
# Keras gives:

# %%
random = np.random.default_rng(seed)
pixels = random.integers(0, 256, size=(2, 32, 32, 3)).astype("float32")
for name in ("mobilenet", "vgg16"):
    ours = pretrained.load(name, 32, weights="random")
    first = keras.Model(ours.input, ours.get_layer("preprocessing").output)
    expected = getattr(keras.applications, name).preprocess_input(pixels.copy())
    tolerance = 1e-3 if precision == "exact" else 2
    np.testing.assert_allclose(first.predict_on_batch(pixels), expected, atol=tolerance)
    print(f"{name}: the same preprocessing as keras.applications.{name}")

# %% tags=["hide-input"]
white_in_vgg16 = keras.applications.vgg16.preprocess_input(white.copy()).max()
record("features.vgg16.white_pixel", white_in_vgg16)

# %% [markdown]
# ### Method 1: extract the features once
#
# We load our base without its top and **freeze** it, which means that training won't change its
# weights. (In this method nothing trains it anyway, because we only predict with it. The setting
# matters in method 2.) A frozen base always gives the same numbers for the same image, so we run
# every image through it *once* and keep the result. Averaging each feature over all positions
# (**global average pooling**) leaves one number per feature and image.

# %% tags=["measured"]
extractor = pretrained.load(base, size)
extractor.trainable = False


def outputs_of(model, images):
    batches = training.batches(images, None, 64)
    return model.predict(batches, verbose=0).astype("float32")


began = time.perf_counter()
train_maps = outputs_of(extractor, train_images)
val_maps = outputs_of(extractor, val_images)
extraction_seconds = time.perf_counter() - began
train_features, val_features = train_maps.mean(axis=(1, 2)), val_maps.mean(axis=(1, 2))
print("maps:", train_maps.shape, "features:", train_features.shape)

# %% [markdown]
# Now the head. We take the simplest there is, a linear classifier with two classes, also known
# as **logistic regression**: a weighted sum of the features, squeezed into a probability by a
# sigmoid. In Keras that's one `Dense(1, activation="sigmoid")`. For so small a problem scikit-learn
# finds the best weights in one line, without epochs or a learning rate to choose. (`C` sets how
# freely the weights may grow; smaller is stricter. We keep it at `0.1` for any number of
# photographs; tuning it for each might gain a little more.) A linear classifier that is trained on
# the features of a network, to find out what they know, is called a **linear probe**.
#
# > **Predict.** The base is the same as before, and it learns nothing new. Two things change: the
# > question, which is now cat or dog, and a head that has seen our 2,000 labels. How much can that
# > help, if the eyes stay the same?
# >
# > <details><summary>Think first, then open</summary>
# >
# > A lot. The information was there all along; the original head just didn't ask for it. So the
# > network knew more about our cats than it said.
# > </details>

# %% tags=["measured"]
probe = LogisticRegression(C=0.1, max_iter=1000).fit(train_features, train_labels)
probed = probe.score(val_features, val_labels)
print(f"linear probe on {len(train_labels):,} images: {probed:.1%} right")

# %% tags=["measured", "hide-input"]
record("features.linear_probe.validation_accuracy", probed, "fraction")

# %% [markdown]
# The probe gets 97.1 %<!-- features.linear_probe.validation_accuracy --> of the validation
# photographs right. The same eyes, asked a better question and given our labels to learn from, make
# less than a quarter of the mistakes.<!-- 1 - features.linear_probe.validation_accuracy < 0.25 *
# (1 - features.zero_training.validation_accuracy) -->
#
# ### What is a feature?
#
# Each row of the next figure is one photograph, and each column is one feature. Out of more than a
# thousand features we show forty: the 20 that are strongest for cats compared with dogs, and the 20
# for which it is the other way around. We pick them on the training photographs and look at them on
# validation photographs, so what you see isn't built in.

# %% tags=["measured", "hide-input"]
difference = train_features[train_labels == 1].mean(axis=0)
difference = difference - train_features[train_labels == 0].mean(axis=0)
order = np.argsort(difference)
strongest = np.concatenate([order[:20], order[-20:]])
cat_rows = np.flatnonzero(val_labels == 0)[:12]
dog_rows = np.flatnonzero(val_labels == 1)[:12]
matrix = val_features[np.concatenate([cat_rows, dog_rows])][:, strongest]
figure, axis = plt.subplots(figsize=(8.5, 3.8), layout="constrained")
drawn = axis.imshow(matrix, aspect="auto", cmap="Blues", vmin=0, vmax=2.5)
axis.axhline(11.5, color="black", linewidth=1)
axis.axvline(19.5, color="black", linewidth=1)
axis.set_yticks([5.5, 17.5], ["twelve cats", "twelve dogs"])
axis.set_xticks([9.5, 29.5], ["features that speak for a cat", "for a dog"])
axis.set_title(f"Features of single photographs ({pets.label})")
figure.colorbar(drawn, ax=axis, label="strength")
plots.show(
    figure,
    "A table of blue fields: twelve cats above twelve dogs, twenty features for a cat "
    "beside twenty for a dog. The upper left is dark, the lower right paler.",
)

# %% [markdown]
# Two blocks are darker than the rest: the upper left one and, paler and with gaps, the lower right
# one. No single column is reliable, and a few dogs hardly light up any of their twenty. But the
# columns of the cats are pale for them, too, and the probe has more than a thousand others to go
# by. Together they leave little doubt. That is what a weighted sum is good at.
#
# Here is another way to look at it. For one photograph, we search the training set for the
# photographs that are *closest*: first by their pixels, then by their features.


# %%
def squared_distances(some, others):
    """From every row of one array to every row of the other, without a loop."""
    lengths = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    return lengths - 2 * some @ others.T


def thumbnails(images):
    return images[:, ::5, ::5].reshape(len(images), -1).astype("float32") / 255


# %% tags=["measured"]
by_pixels = squared_distances(thumbnails(val_images), thumbnails(train_images))
by_features = squared_distances(val_features, train_features)
nearest = {}
for name, distances in (("pixels", by_pixels), ("features", by_features)):
    nearest[name] = np.argsort(distances, axis=1)[:, :5]
    same = train_labels[nearest[name]] == val_labels[:, None]
    record(f"features.neighbors.{name}.same_class", same.mean(), "fraction")

# %% tags=["measured", "hide-input"]
questions = [cat_rows[3], dog_rows[3]]
gallery, titles = [], []
for row in questions:
    for name, closest in nearest.items():
        gallery.extend([val_images[row], *train_images[closest[row]]])
        titles.append(f"nearest by {name}:")
        titles.extend(pets.classes[k] for k in train_labels[closest[row]])
plots.show(
    plots.image_grid(gallery, titles, f"Who is closest? ({pets.label})", 6, 1.4),
    "Two photographs, a kitten and a Dalmatian, each at the left of two rows, "
    "followed by the five nearest training images. Those nearest by pixels share a "
    "large bright area, and most of the Dalmatian's are cats. Those nearest by "
    "features show the same kind of animal, and some of the Dalmatian's are spotted, "
    "too.",
)

# %% [markdown]
# The Dalmatian's nearest neighbors by pixels are mostly cats. What they share with the Dalmatian is
# a large bright area, be it fur or a wall, and pixels have little else to go by. By features they
# are dogs, and two of the five look like Dalmatians themselves. The kitten seems to do well by
# pixels, with four cats among five. But one photograph proves little.
#
# So we count over all validation photographs. Of the five nearest by pixels, 52.4 %<!--
# features.neighbors.pixels.same_class --> belong to the right class, hardly better than a coin.<!--
# features.neighbors.pixels.same_class < 0.65 --> Of the five nearest by features it's 95.8 %<!--
# features.neighbors.features.same_class -->.<!-- features.neighbors.features.same_class >
# features.neighbors.pixels.same_class + 0.25 --> The base has moved photographs of the same kind of
# animal close together. After that, a simple head has an easy task.

# %% [markdown]
# ## How many photographs do you need?
#
# The base is given and the head has only 1,281 parameters. How much of our data does it need?
#
# > **Predict.** We promised to pass chapter 3's network with far fewer photographs than its 2,000.
# > How few will do: a thousand, a hundred, or even ten, five cats and five dogs?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Ten will do. Telling cats from dogs takes hundreds of features: ears, fur, snouts, poses.
# > Chapter 3 had to learn all of them from 2,000 photographs. Here they're already there, and the
# > head only has to find out which of them speak for a dog. A handful of examples goes a long way.
# > </details>
#
# For every count we draw the photographs five times, as many cats as dogs, because with so few
# it matters *which* ones you happen to get.


# %%
def draw(count, seed):
    """Rows of the training set: half of them cats, half dogs."""
    random = np.random.default_rng(seed)
    rows = [random.permutation(np.flatnonzero(train_labels == k)) for k in (0, 1)]
    return np.concatenate([rows[0][: count // 2], rows[1][: count // 2]])


# %% tags=["measured"]
available = 2 * min(np.sum(train_labels == 0), np.sum(train_labels == 1))
counts = [n for n in (10, 20, 50, 100, 200, 500, 1000, 2000) if n <= available]
probes, by_count = {}, {}
for count in counts:
    for draw_seed in range(seed, seed + draws):
        rows = draw(count, draw_seed)
        model = LogisticRegression(C=0.1, max_iter=1000)
        model.fit(train_features[rows], train_labels[rows])
        probes[count, draw_seed] = model
        score = model.score(val_features, val_labels)
        by_count.setdefault(count, []).append(score)

# %% [markdown]
# For comparison we also train a small convnet from nothing, built with chapter 3's remedies: four
# convolutions with batch normalization, global pooling, dropout and augmentation. It gets the same
# photographs, at 64 pixels and for 20 epochs, because training from nothing takes long. (A hundred
# photographs make only 80 steps. That is too few for the slow averages of Keras's batch
# normalization, so we shorten its memory to a `momentum` of 0.9.)


# %%
def from_scratch(seed):
    stack = [keras.Input((64, 64, 3)), layers.Rescaling(1 / 127.5, offset=-1)]
    stack += [layers.RandomFlip("horizontal", seed=seed)]
    stack += [layers.RandomTranslation(0.1, 0.1, seed=seed)]
    stack += [layers.RandomZoom(0.1, seed=seed)]
    for filters, stride in ((16, 2), (32, 1), (64, 1), (128, 1)):
        stack += [layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)]
        stack += [layers.BatchNormalization(momentum=0.9), layers.ReLU()]
        if stride == 1:
            stack += [layers.MaxPooling2D(2)]
    stack += [layers.GlobalAveragePooling2D(), layers.Dropout(0.3)]
    return keras.Sequential([*stack, layers.Dense(1, activation="sigmoid")])


def smaller(images, side):
    images = np.asarray(images, dtype="float32")
    return np.asarray(keras.ops.image.resize(images, (side, side)))


# %% tags=["measured"]
small_train, small_val = smaller(train_images, 64), smaller(val_images, 64)
scratch = {}
for count, trainings in ((100, seeds), (500, 1)):
    for run in range(seed, seed + trainings):
        rows = draw(count, run)
        training.start(run)
        net = from_scratch(run)
        steps = training.steps_in(len(rows), batch_size, scratch_epochs)
        rate = training.one_cycle(0.004, steps)
        adam = keras.optimizers.Adam(rate)
        net.compile(adam, "binary_crossentropy", metrics=["accuracy"])
        x, y = small_train[rows], train_labels[rows]
        batches = training.batches(x, y, batch_size, seed=run)
        progress = [training.Progress()]
        net.fit(batches, epochs=scratch_epochs, callbacks=progress, verbose=0)
        _, score = net.evaluate(small_val, val_labels, verbose=0)
        scratch.setdefault(count, []).append(score)

# %% tags=["measured", "hide-input", "gallery"]
chapter_3 = kept.records("03-quick")["cats_vs_dogs.augmented.test_accuracy"]
figure, axis = plt.subplots(figsize=(7.6, 4.4), layout="constrained")
for values, color in ((by_count, "C0"), (scratch, "C1"), ({2000: [chapter_3]}, "C6")):
    axis.plot(list(values), [np.mean(each) for each in values.values()], color=color)
    for count, results in values.items():
        axis.plot([count] * len(results), results, "o", color=color, alpha=0.5)
axis.set(xscale="log", ylim=(0.48, 1.0), xlabel="training images", ylabel="accuracy")
axis.set_xticks(counts, [f"{count:,}" for count in counts])
axis.minorticks_off()
axis.yaxis.set_major_formatter("{x:.0%}")
axis.set_title(f"Borrowed eyes against a fresh start ({pets.label})")
axis.annotate("linear probe, borrowed features", (60, 0.975), color="C0", ha="center")
axis.annotate("small convnet from scratch", (250, 0.58), color="C1")
axis.annotate("chapter 3", (2000, chapter_3 - 0.045), color="C6", ha="right")
plots.show(
    figure,
    "Accuracy against the number of training images, logarithmic. The probe starts "
    "above nine tenths with ten. The convnet from scratch is far below, and even "
    "chapter 3's with 2,000 stays below the probe with ten.",
)

# %% tags=["measured", "hide-input"]
for count, scores in by_count.items():
    name = f"features.draws.at_{count}"
    record(f"{name}.validation_accuracy", np.mean(scores), "fraction")
    record(f"{name}.range", np.ptp(scores), "fraction")
for count, scores in scratch.items():
    name = f"features.scratch.at_{count}.validation_accuracy"
    record(name, np.mean(scores), "fraction")

# %% [markdown]
# **With 100 photographs the borrowed features reach 95.5 %<!--
# features.draws.at_100.validation_accuracy --> on the validation images. Chapter 3 needed 2,000
# photographs to reach 85.4 %<!-- cats_vs_dogs.augmented.test_accuracy -->.** If you remember one
# result of this course, let it be this one: a twentieth of the data, a fraction of a second of
# training once the features are there, instead of minutes, and far better results.<!--
# features.draws.at_100.validation_accuracy > cats_vs_dogs.augmented.test_accuracy + 0.05 --> A
# convnet that starts from nothing with the same 100 photographs reaches 62.2 %<!--
# features.scratch.at_100.validation_accuracy --> (over five<!--
# runs(features.scratch.at_100.validation_accuracy) --> runs between 56.6 %<!--
# lowest(features.scratch.at_100.validation_accuracy) --> and 62.2 %<!--
# highest(features.scratch.at_100.validation_accuracy) -->), and with 500 of them 69.8 %<!--
# features.scratch.at_500.validation_accuracy --> (between 66.2 %<!--
# lowest(features.scratch.at_500.validation_accuracy) --> and 69.8 %<!--
# highest(features.scratch.at_500.validation_accuracy) -->). Even *ten* photographs and borrowed
# features do better than chapter 3, with 92.6 %<!-- features.draws.at_10.validation_accuracy --> on
# average.<!-- features.draws.at_10.validation_accuracy > cats_vs_dogs.augmented.test_accuracy -->
#
# Look at the right end, too. From 100 to all 2,000 photographs the probe gains 1.6 points<!--
# features.draws.at_2000.validation_accuracy - features.draws.at_100.validation_accuracy -->. More
# data still helps, but the first hundred did most of the work. And look at the dots: with ten
# photographs the best and the worst of the five draws are 2.6 points<!--
# features.draws.at_10.range --> apart, with 500 only 1.3 points<!-- features.draws.at_500.range
# -->. (Part of that is built in: large draws share many photographs, and with all of them nothing
# is left to draw but their order.) If you compare two methods on a handful of images, a lucky draw
# can easily pass for a better method.
#
# A word on fairness. The hundred photographs aren't all that this classifier has seen: its base had
# more than a million before, with labels, and dogs and cats among them. We'll leave that comfort
# zone below. Also, chapter 3's dot is a single network, measured on test images, while all others
# are measured on validation images. Our own convnet from scratch was trained three times with 100
# photographs and only once with 500, each time for 20 epochs. With a hundred photographs that makes
# so few steps that it wasn't finished, and a longer training would probably do somewhat better. And
# networks from scratch see smaller images here than the base does. Part of the difference may be
# resolution, but hardly all of it: for a network from scratch, with 180 pixels and 2,000
# photographs, Chollet's book reports `83.5 %`, and chapter 3's is about as good.<!--
# abs(cats_vs_dogs.augmented.test_accuracy - 0.835) < 0.03 -->

# %% [markdown]
# ## Is there a better head?
#
# A linear probe is the smallest head. Courses and books usually train a larger one on top of such
# features. We try the three below, and as a yardstick the linear probe once more, now trained in
# Keras (*probe* in the table), all on the same features and for the same number of epochs:
#
# * *flat*: `Flatten` keeps all positions, then `Dense(256)`, dropout, and one sigmoid unit.
#   This is how one of our sources codes its head.
# * *max*: each feature's *maximum* over the positions, then the same layers. This is how that
#   source describes its head in words.
# * *ours*: the average over the positions, then a `Dense(256)` with a ReLU, and the same dropout
#   and sigmoid unit.
#
# The first two have no activation after `Dense(256)`, just as in the source. All get the same
# training, Adam with the one-cycle rate of chapter 1, so that we compare heads and not recipes.


# %%
def make_head(kind):
    stack = [keras.Input(train_maps.shape[1:])]
    if kind == "flat":
        stack += [layers.Flatten(), layers.Dense(256), layers.Dropout(0.5)]
    elif kind == "max":
        stack += [layers.GlobalMaxPooling2D(), layers.Dense(256), layers.Dropout(0.5)]
    elif kind == "ours":
        stack += [layers.GlobalAveragePooling2D(), layers.Dense(256, activation="relu")]
        stack += [layers.Dropout(0.5)]
    else:
        stack += [layers.GlobalAveragePooling2D()]  # the linear probe, in Keras
    return keras.Sequential([*stack, layers.Dense(1, activation="sigmoid")], name=kind)


def compile_for(model, passes):
    steps = training.steps_in(len(train_labels), batch_size, passes)
    adam = keras.optimizers.Adam(training.one_cycle(0.001, steps))
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])


# %% [markdown]
# > **Predict.** With maps of 5 x 5 positions and 1,280 features, how many parameters does the
# > head with `Flatten` have? Will it be better, because it knows *where* each feature is?
# >
# > <details><summary>Think first, then open</summary>
# >
# > $(5 \cdot 5 \cdot 1280 + 1) \cdot 256 + 257$, more than eight million: more than the base
# > itself has, for 2,000 photographs. Where an ear is says little about whose ear it is, so
# > there is little to gain. And with so many weights it can become very sure of itself, right
# > or wrong.
# > </details>

# %% tags=["measured"]
heads, sizes, scores, losses = {}, {}, {}, {}
for kind in ("probe", "flat", "max", "ours"):
    for run in range(seed, seed + seeds):
        training.start(run)
        head = make_head(kind)
        compile_for(head, epochs)
        history = head.fit(
            training.batches(train_maps, train_labels, batch_size, seed=run),
            epochs=epochs,
            validation_data=training.batches(val_maps, val_labels, 256),
            callbacks=[training.Progress()],
            verbose=0,
        ).history
        scores.setdefault(kind, []).append(history["val_accuracy"][-1])
        losses.setdefault(kind, []).append(history["val_loss"][-1])
        sizes[kind] = head.count_params()
        if kind != "flat":  # too large to keep, and not needed again
            heads[kind, run] = head

# %% tags=["measured", "hide-input"]
rows = []
for kind in scores:
    size_of_head = sizes[kind]
    mean, loss = np.mean(scores[kind]), np.mean(losses[kind])
    spread = np.ptp(scores[kind])
    record(f"features.heads.{kind}.validation_accuracy", mean, "fraction")
    record(f"features.heads.{kind}.range", spread, "fraction")
    record(f"features.heads.{kind}.validation_loss", loss)
    record(f"features.heads.{kind}.parameters", size_of_head, "count")
    row = (kind, f"{size_of_head:,}", f"{mean:.1%}", f"{spread:.1%}", f"{loss:.2f}")
    rows.append(row)
record("features.head.validation_accuracy", np.mean(scores["ours"]), "fraction")
tables.show_table(
    ("head", "parameters", "accuracy", "best - worst seed", "loss"),
    rows,
    f"Four heads on the same features, validation, mean of {seeds} seeds",
)

# %% [markdown]
# Our head reaches 97.2 %<!-- features.heads.ours.validation_accuracy -->, the one with the maxima
# 96.4 %<!-- features.heads.max.validation_accuracy -->, the flat one 96.4 %<!--
# features.heads.flat.validation_accuracy --> and the probe 96.3 %<!--
# features.heads.probe.validation_accuracy -->. With its 8,192,513<!--
# features.heads.flat.parameters --> parameters, more than six thousand times as many as the
# probe's, the flat head gains hardly anything: over five<!--
# runs(features.heads.flat.validation_accuracy) --> runs between 0.1 points<!--
# lowest(features.heads.flat.validation_accuracy - features.heads.probe.validation_accuracy) --> and
# 0.5 points<!-- highest(features.heads.flat.validation_accuracy -
# features.heads.probe.validation_accuracy) -->.<!-- features.heads.flat.validation_accuracy <
# features.heads.probe.validation_accuracy + 0.005 and
# average(features.heads.flat.validation_accuracy - features.heads.probe.validation_accuracy) <
# 0.005 and features.heads.flat.parameters > 6000 * features.heads.probe.parameters --> And the
# probe isn't even finished after so few steps. The same kind of classifier, fitted by scikit-learn
# until nothing improves any more (and with its weights held back by `C`), reached 97.1 %<!--
# features.linear_probe.validation_accuracy -->, level with our head.<!--
# abs(features.linear_probe.validation_accuracy - features.heads.ours.validation_accuracy) <
# 0.005 --> So on these features a hidden layer doesn't seem to be needed. In so short a training
# our head only got there sooner. (Why it did so, and *max* and *flat* didn't, this table can't
# tell: *max* and *ours* differ in the pooling *and* in the ReLU.)
#
# The losses differ far more than the accuracies: 0.12<!-- features.heads.probe.validation_loss -->
# for the probe and 1.6<!-- features.heads.flat.validation_loss --> for the flat head. Both make a
# few mistakes, but a mean loss that high means that the flat head makes its mistakes with a
# probability very near 0 or 1. It's the overconfidence of chapter 3, after only three epochs, and
# dividing by a temperature would soften it here, too. If you only look at accuracy, you don't see
# it. If someone *acts* on those probabilities, they will.
#
# ### Two dense layers that are only one
#
# There is something odd about two of those heads. Without an activation between them, two dense
# layers are one: a product of two matrices is a matrix. So *flat* and *max* are linear classifiers
# in disguise, like the probe. (Dropout and the optimizer only make the road to that classifier a
# different one.) We check it for *max*:

# %% tags=["measured"]
_, wide, _, last = heads["max", seed].layers
first_kernel, first_bias = (np.asarray(w) for w in wide.get_weights())
last_kernel, last_bias = (np.asarray(w) for w in last.get_weights())
kernel = first_kernel @ last_kernel
bias = first_bias @ last_kernel + last_bias
logits = val_maps.max(axis=(1, 2)) @ kernel + bias
by_one_layer = np.asarray(keras.ops.sigmoid(logits))
by_two = heads["max", seed].predict(training.batches(val_maps, None, 256), verbose=0)
tolerance = 1e-3 if precision == "exact" else 0.1
np.testing.assert_allclose(by_one_layer, by_two, atol=tolerance)
print(f"One layer of {kernel.size + 1:,} parameters does the work of the two.")

# %% tags=["hide-input"]
shape = bases["MobileNet"][:3]
pools = {"flattened": layers.Flatten(), "pooled": layers.GlobalMaxPooling2D()}
for name, pool in pools.items():
    counted = keras.Sequential([keras.Input(shape), pool, layers.Dense(256)])
    counted.add(layers.Dense(1, activation="sigmoid"))
    record(f"features.classifier.{name}.parameters", counted.count_params(), "count")

# %% [markdown]
# For the source's own base, MobileNet, the same two heads have
# 6,554,113<!-- features.classifier.flattened.parameters --> and
# 262,657<!-- features.classifier.pooled.parameters --> parameters. What you write in words and
# what you write in code had better be the same head.

# %% [markdown]
# ## Method 2: through the frozen base
#
# Extracting features once is fast, but it has a price: the images are fixed. Augmentation
# changes them in every epoch, so it needs the base in the loop. **Method 2** puts everything
# into one model: augmentation, frozen base, head.
#
# Two settings protect the base. `trainable = False` keeps the optimizer away from its weights.
# `training=False` tells layers that behave differently in training, such as batch
# normalization, to behave as they do in prediction. (For a frozen batch normalization Keras does
# that by itself. It starts to matter when you unfreeze layers, in chapter 5.)


# %%
def augmentation(seed):
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal", seed=seed),
            layers.RandomRotation(0.05, seed=seed + 1),
            layers.RandomZoom(0.2, seed=seed + 2),
        ]
    )


def through_the_base(seed):
    inputs = keras.Input((size, size, 3))
    maps = extractor(augmentation(seed)(inputs), training=False)
    return keras.Model(inputs, make_head("ours")(maps), name="end_to_end")


# %% [markdown]
# > **Predict.** Same frozen base, same head, same seed, same number of epochs. Which method would
# > give the better classifier without augmentation? And with it: what does method 2 gain, and what
# > does it cost?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Neither: they compute the same thing. A frozen base is a fixed function, and it doesn't matter
# > whether you apply it now or earlier. All that method 2 can add is augmentation, and for a base
# > that has seen a million images that turns out to be little. All that method 1 saves is time, but
# > a lot of it: method 2 sends every image through the base again in every epoch.
# > </details>
#
# Now give method 2 its augmentation. Both methods train the same head from the same seed, for the
# same number of epochs. (The code and the last section call method 2 *end to end*, because images
# go in at one end and answers come out at the other. Elsewhere the term often means that all
# weights learn; here the base stays frozen.)

# %% tags=["measured"]
weights_before = extractor.get_weights()
both, seconds = {}, {}
for name in ("features once", "end to end"):
    training.start(seed)
    if name == "features once":
        model, inputs = make_head("ours"), train_maps
    else:
        model, inputs = through_the_base(seed), train_images
    compile_for(model, augmented_epochs)
    batches = training.batches(inputs, train_labels, batch_size, seed=seed)
    progress = [training.Progress()]
    began = time.perf_counter()
    model.fit(batches, epochs=augmented_epochs, callbacks=progress, verbose=0)
    seconds[name] = time.perf_counter() - began
    both[name] = model

# %% tags=["measured"]
weights_after = extractor.get_weights()
for old, new in zip(weights_before, weights_after, strict=True):
    np.testing.assert_array_equal(old, new)
print("Not one weight of the base has moved.")

# %% tags=["measured", "hide-input"]
for name, inputs in (("features once", val_maps), ("end to end", val_images)):
    key = "once" if name == "features once" else "end_to_end"
    batches = training.batches(inputs, val_labels, 64)
    _, score = both[name].evaluate(batches, verbose=0)
    record(f"features.{key}.validation_accuracy", score, "fraction")
    record(f"features.{key}.seconds", seconds[name], "seconds")
record("features.extraction.seconds", extraction_seconds, "seconds")

# %% [markdown]
# On the validation images method 1 gets 97.1 %<!-- features.once.validation_accuracy --> right and
# method 2 gets 97.3 %<!-- features.end_to_end.validation_accuracy -->. On a thousand images so
# small a difference means nothing.<!-- abs(features.once.validation_accuracy -
# features.end_to_end.validation_accuracy) < 0.012 --> (Runs with other seeds say the same. Over all
# five<!-- runs(features.once.validation_accuracy) -->, method 1 gets 97.3 %<!--
# average(features.once.validation_accuracy) --> on average and method 2 gets 97.3 %<!--
# average(features.end_to_end.validation_accuracy) -->.<!--
# abs(average(features.once.validation_accuracy - features.end_to_end.validation_accuracy)) <
# 0.003 -->) We trained each of them only once per run, because method 2 is slow, so a small effect
# of augmentation could hide here. The time, though, differs a lot. Method 2 took 91 s<!--
# features.end_to_end.seconds --> for three epochs. Method 1 took 1.6 s<!--
# features.once.seconds -->, after 29 s<!-- features.extraction.seconds --> for extracting the
# features of the training and the validation images, and you pay for that only once, however many
# heads you try.<!-- features.end_to_end.seconds > 5 * features.once.seconds -->
#
# ### What does augmentation add?
#
# With 2,000 photographs, apparently nothing that we could measure. Perhaps it helps when there are
# few? Take 50 photographs. We make several augmented copies of each, extract the features of all
# copies once, and let the probe learn from the copies instead of the originals. That shows the
# probe what method 2 would show it in as many epochs as there are copies. The base has to process
# every copy, but only once, so afterwards we can try any head we like.

# %% tags=["measured"]
with_copies = {"originals": [], "copies": []}
for run in range(seed, seed + draws):
    rows = draw(50, run)
    originals = np.asarray(train_images[rows], dtype="float32")
    augment = augmentation(run)
    copied = [augment(originals, training=True) for _ in range(copies)]
    copied_maps = outputs_of(extractor, np.concatenate(copied))
    labels = train_labels[rows]
    for name, x, y in (
        ("originals", train_features[rows], labels),
        ("copies", copied_maps.mean(axis=(1, 2)), np.tile(labels, copies)),
    ):
        model = LogisticRegression(C=0.1, max_iter=1000).fit(x, y)
        with_copies[name].append(model.score(val_features, val_labels))

# %% tags=["measured", "hide-input"]
gains = np.subtract(with_copies["copies"], with_copies["originals"])
record("features.augmentation.gain", gains.mean(), "fraction")
gain_error = gains.std(ddof=1) / np.sqrt(len(gains))
record("features.augmentation.gain_error", gain_error, "fraction")
figure, axis = plt.subplots(figsize=(6.4, 2.6), layout="constrained")
for place, values in enumerate(with_copies.values()):
    axis.plot(values, [place] * len(values), "o", color=f"C{place}", alpha=0.6)
    axis.plot(np.mean(values), place, "|", color="black", markersize=22)
for pair in zip(*with_copies.values(), strict=True):
    axis.plot(pair, (0, 1), "-", color="#999999", linewidth=0.8, zorder=0)
axis.set_yticks((0, 1), ("50 originals", f"50 x {copies} augmented copies"))
axis.set(xlim=(0.9, 1), ylim=(-0.5, 1.5), xlabel="validation accuracy")
axis.xaxis.set_major_formatter("{x:.0%}")
axis.set_title(f"What augmentation adds to 50 photographs ({pets.label})")
plots.show(
    figure,
    "Validation accuracy of probes trained on fifty originals and on augmented copies, "
    "one dot per draw, the two dots of a draw joined by a line, and the means as bars. "
    "The lines cross, and the means lie close together.",
)

# %% [markdown]
# On average over the draws, the copies change the accuracy by +0.1 points<!--
# features.augmentation.gain -->, with a standard error of 0.3 points<!--
# features.augmentation.gain_error -->. So even here it adds little or nothing that we could
# measure.<!-- abs(features.augmentation.gain) < 0.015 --> (With eight times as many rows the same
# `C` also holds the weights back less, so the images aren't the only thing that changed.) In
# chapter 3, where the network started from nothing, augmentation alone left the smallest gap
# between training and validation accuracy of all remedies,<!-- cats_vs_dogs.augmentation.gap <
# min(cats_vs_dogs.dropout.gap, cats_vs_dogs.batch_norm.gap, cats_vs_dogs.all_three.gap) --> though
# in so short a training we couldn't show that it made the network more accurate. Why should it do
# even less here? Augmentation teaches a network that a flipped, tilted or enlarged cat is still a
# cat. A likely reason is that our base learned this long ago, from a million images. Then the
# features of a photograph and of its mirror image are much alike already, and the copies bring
# little that is new.
#
# Which method should you use, then? Features once, as long as the base stays frozen: it lets you
# try heads, subsets and seeds in seconds, and if you want augmentation, you can extract a few
# copies of each image, as we just did. Through the base when you want to fine-tune it afterwards,
# which is the subject of chapter 5.

# %% [markdown]
# ## The mistake that nobody notices
#
# We said that each base wants its own preprocessing. What if you forget it? Many tutorials
# divide every image by 255, whatever the network. Nothing crashes and no warning appears.
#
# > **Predict.** We load the same base *without* its preprocessing and feed it images that are
# > divided by 255. Then, worse, images that are left as they are, from 0 to 255. The base
# > expects values from -1 to 1. What happens to the accuracy of the probe?
# >
# > <details><summary>Think first, then open</summary>
# >
# > Dividing by 255 shows the base a pale, gray version of every image: values from 0 to 1
# > instead of -1 to 1. It copes surprisingly well, and that's the trap. Values up to 255 drive
# > its units far outside the range that they know, and much of what it could see is lost.
# > </details>


# %%
def wrongly_fed(scale):
    bare = pretrained.load(base, size, preprocessing=False)
    stack = [keras.Input((size, size, 3)), layers.Rescaling(scale), bare]
    return keras.Sequential([*stack, layers.GlobalAveragePooling2D()])


# %% tags=["measured"]
picked = slice(0, 500)
feature_sets = {"its own": (train_features[picked], val_features)}
for name, scale in (("divided by 255", 1 / 255), ("none", 1.0)):
    wrong = wrongly_fed(scale)
    wrongly = outputs_of(wrong, train_images[picked]), outputs_of(wrong, val_images)
    feature_sets[name] = wrongly
fed_right = {}
for name, (x, x_val) in feature_sets.items():
    model = LogisticRegression(C=0.1, max_iter=5000).fit(x, train_labels[picked])
    fed_right[name] = model.predict(x_val) == val_labels

# %% tags=["measured", "hide-input"]
for name, key in (("its own", "own"), ("divided by 255", "divided"), ("none", "none")):
    score = fed_right[name].mean()
    record(f"features.preprocessing.{key}.validation_accuracy", score, "fraction")
rows = [(name, f"{right.mean():.1%}") for name, right in fed_right.items()]
tables.show_table(
    ("preprocessing", "validation accuracy"),
    rows,
    f"The same base, the same 500 photographs, fed in three ways ({pets.label})",
)

# %% [markdown]
# With its own preprocessing the probe reaches 96.5 %<!--
# features.preprocessing.own.validation_accuracy -->. With a division by 255 it's 95.2 %<!--
# features.preprocessing.divided.validation_accuracy -->, and without any 74.9 %<!--
# features.preprocessing.none.validation_accuracy -->. The last number would make you look for a
# bug.<!-- features.preprocessing.none.validation_accuracy <
# features.preprocessing.own.validation_accuracy - 0.08 --> The middle one wouldn't: it looks like a
# success, and yet here the probe makes over a fifth more mistakes.<!-- 1 -
# features.preprocessing.divided.validation_accuracy > 1.2 * (1 -
# features.preprocessing.own.validation_accuracy) --> (Each probe was fitted once, to the same 500
# photographs, so take the size of that difference as a hint.) A gross mistake gives itself away; a
# mild one can cost you points in silence. Build the preprocessing into the model, and you can't
# forget it.

# %% [markdown]
# ## Out of the comfort zone
#
# So far, everything worked wonderfully. Too wonderfully. ImageNet contains 118 breeds of dogs
# and five kinds of domestic cats, with their names. Our base had met our animals before. That's
# the most important caveat about every result in this chapter, so let's leave home:
#
# * *cats and dogs*, as before: close to ImageNet;
# * *CIFAR-10* from chapter 2: familiar things, but tiny images of 32 pixels, blown up;
# * *handwritten digits* from chapter 1: strokes on black, which are nothing like a photograph.
#
# All three tasks get the same number of training images and the same image size, and each is judged
# by a linear probe on 1,000 validation images. As a yardstick, we also give a linear classifier the
# raw pixels, at 32 x 32. (Small images are enlarged with Keras's default, bilinear interpolation.
# Chapter 5 uses the slightly sharper bicubic kind, so don't compare its CIFAR-10 figures with these
# point by point. All inputs are brought to a common scale first, so the probes' `C` can't be
# compared with the one above.)
#
# And we ask one more question. We've always taken the *last* feature maps of the base. Is that
# the best place? The early layers of a convnet find edges and colors, which every image has:
# they are **generic**. The late ones find whole objects, the ones that the network was trained
# to name: they are **specific**. So we attach a probe at several depths.
#
# > **Predict.** A linear classifier on raw pixels makes mistakes. For which of the three tasks do
# > the borrowed features remove the largest share of them, and for which the smallest? And for
# > which task is the last layer *not* the best place to borrow from?
# >
# > <details><summary>Think first, then open</summary>
# >
# > The largest share for cats and dogs and the smallest for digits, where the end of the base
# > removes next to nothing. On these validation images the very last maps aren't the best place for
# > any of the three, but for cats and dogs the difference is a few images. For the digits, the
# > second half of the network is a plateau that falls off at the end. A likely reason: the strokes
# > have been found by the middle, and the last layers drop what doesn't help to tell a terrier from
# > a teapot. CIFAR-10 falls off at the end, too. The test will say which of these differences last.
# > </details>

# %% tags=["measured"]
cifar10 = datasets.load("cifar10", profile)
mnist = datasets.load("mnist", profile)
digits = (mnist.train[0][:-1000], mnist.train[1][:-1000])
digits_held_out = (mnist.train[0][-1000:], mnist.train[1][-1000:])
tasks = {
    "cats and dogs": (pets.train, pets.validation, pets.test),
    "CIFAR-10": (cifar10.train, cifar10.validation, cifar10.test),
    "digits": (digits, digits_held_out, mnist.test),
}


def prepared(images, side):
    images = smaller(images, side)
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


# %% [markdown]
# One model with many outputs gives the features of all depths in a single pass.

# %%
depths = [*pretrained.BASES[base].cuts, pretrained.BASES[base].last_convolution]


def features_at_depths(weights):
    net = pretrained.load(base, far_size, weights=weights)
    outputs = [net.get_layer(name).output for name in depths[:-1]] + [net.output]
    pooled = [layers.GlobalAveragePooling2D()(output) for output in outputs]
    return keras.Model(net.input, pooled)


def all_features(net, images):
    outputs = net.predict(training.batches(images, None, 64), verbose=0)
    return [output.astype("float32") for output in outputs]


def linear_probe(x, y):
    scaler = StandardScaler()  # depths differ in the size of their numbers
    model = LogisticRegression(C=0.01, max_iter=1000)
    return make_pipeline(scaler, model).fit(x, y)


# %% tags=["measured"]
curves, pixel_scores, depth_probes = {}, {}, {}
for weights in ("random", "imagenet"):
    training.start(seed)
    deep = features_at_depths(weights)
    for task, (train, validation, _) in tasks.items():
        x, y = prepared(train[0][:far_images], far_size), train[1][:far_images]
        x_val, y_val = prepared(validation[0][:1000], far_size), validation[1][:1000]
        at_depths, val_at_depths = all_features(deep, x), all_features(deep, x_val)
        fitted = [linear_probe(each, y) for each in at_depths]
        scored = zip(fitted, val_at_depths, strict=True)
        curves[weights, task] = [model.score(each, y_val) for model, each in scored]
        if weights == "imagenet":
            depth_probes[task] = fitted
            raw, raw_val = smaller(x, 32), smaller(x_val, 32)
            model = linear_probe(raw.reshape(len(x), -1), y)
            pixel_scores[task] = model.score(raw_val.reshape(len(x_val), -1), y_val)

# %% tags=["measured", "hide-input"]
ENDINGS = r"^block|_(activation|project_bn|add|pool|relu|conv)$"
names = [re.sub(ENDINGS, "", name) for name in depths]


def draw_curves(axis, task):
    learned = curves["imagenet", task]
    best = int(np.argmax(learned))
    axis.plot(learned, "o-", color="C0", label="trained on ImageNet")
    axis.plot(curves["random", task], "o--", color="C2", label="random weights")
    axis.axhline(pixel_scores[task], color="C3", linestyle=":", label="raw pixels")
    axis.plot(best, learned[best], "o", color="C0", markersize=12, fillstyle="none")
    offset = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center"}
    axis.annotate(f"{learned[best]:.0%}", (best, learned[best]), color="C0", **offset)
    axis.set_xticks(range(len(depths)), names, rotation=60)
    axis.set(title=task, xlabel="depth: after this block", ylim=(0.15, 1.05))


# %% tags=["measured", "hide-input"]
figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained", sharey=True)
for axis, task in zip(axes, tasks, strict=True):
    draw_curves(axis, task)
axes[0].set_ylabel("validation accuracy")
axes[0].yaxis.set_major_formatter("{x:.0%}")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plots.show(
    figure,
    "Three panels, validation accuracy of linear probes against the depth of the "
    "features. For cats and dogs the trained base starts level with random weights, "
    "rises far above them and stays nearly level at the end; for CIFAR-10 it rises as "
    "well, and falls off a little. For digits it reaches a plateau in the second half "
    "and falls back to the level of raw pixels, which random weights nearly reach as "
    "well.",
)

# %% tags=["measured", "hide-input"]
KEYS = {"cats and dogs": "pets", "CIFAR-10": "cifar10", "digits": "digits"}
best_depth = {}
for task, key in KEYS.items():
    curve = curves["imagenet", task]
    best_depth[task] = int(np.argmax(curve))
    record(f"features.depth.{key}.best", max(curve), "fraction")
    record(f"features.depth.{key}.best_place", best_depth[task] + 1, "count")
    record(f"features.depth.{key}.last", curve[-1], "fraction")
    record(f"features.depth.{key}.random", max(curves["random", task]), "fraction")
    record(f"features.depth.{key}.pixels", pixel_scores[task], "fraction")
    removed = (curve[-1] - pixel_scores[task]) / (1 - pixel_scores[task])
    record(f"features.depth.{key}.removed", removed, "fraction")
record("features.depth.places", len(depths), "count")

# %% [markdown]
# What share of the mistakes that a linear classifier makes on raw pixels do the last features
# remove? For cats and dogs 83 %<!-- features.depth.pets.removed -->, for CIFAR-10 58 %<!--
# features.depth.cifar10.removed -->. For the digits it's 1 %<!-- abs(features.depth.digits.removed)
# -->, next to nothing.<!-- features.depth.pets.removed > features.depth.cifar10.removed and
# features.depth.cifar10.removed > features.depth.digits.removed + 0.2 and
# abs(features.depth.digits.removed) < 0.2 --> Plain pixels get 92.3 %<!--
# features.depth.digits.pixels --> of the digits right, and the last features of a network that has
# seen a million photographs get 92.4 %<!-- features.depth.digits.last -->. Counted like this, the
# further from ImageNet, the less ImageNet helps. (In plain accuracy CIFAR-10 gains even more than
# cats and dogs, 39.7 points<!-- features.depth.cifar10.last - features.depth.cifar10.pixels -->
# against 36.8 points<!-- features.depth.pets.last - features.depth.pets.pixels -->,<!--
# features.depth.cifar10.last - features.depth.cifar10.pixels > features.depth.pets.last -
# features.depth.pets.pixels --> because among ten classes raw pixels have much further to go.
# That's why we count mistakes.)
#
# Now the depth. (The figure uses the base's own names for its blocks. What it calls *head* is the
# base's last convolution, place 10, and has nothing to do with the heads that we train. *7a* is
# place 9, and *6d* is place 8.) For cats and dogs the features get better almost to the end: the
# best place is number 9<!-- features.depth.pets.best_place --> of 10<!-- features.depth.places -->,
# with 92.6 %<!-- features.depth.pets.best -->, only 4<!-- 1000 * (features.depth.pets.best -
# features.depth.pets.last) --> of 1,000 images ahead of the end. (That is less than before, because
# here the base sees fewer photographs, and smaller ones.) For CIFAR-10 it is number 9<!--
# features.depth.cifar10.best_place -->, too: 73.9 %<!-- features.depth.cifar10.best -->, against
# 71.4 %<!-- features.depth.cifar10.last --> at the end. For the digits the best is number 8<!--
# features.depth.digits.best_place -->, with 95.1 %<!-- features.depth.digits.best -->, and from
# there it goes down.<!-- features.depth.digits.best > features.depth.digits.last + 0.01 and
# features.depth.digits.best_place < features.depth.pets.best_place --> (The places just before it
# do about as well. Whether the drop at the end is more than luck, the test will say.)
#
# The likely explanation is that the last layers have specialized: what tells a terrier from a
# teapot isn't what tells a 4 from a 9. A lack of features can't be the reason, because their number
# grows toward the end, from 16 after the first block to 1,280. But a probe with so many features
# and only 1,500 images also overfits more easily, and we haven't ruled that out. So if your images
# look nothing like photographs, try earlier layers, too, and let validation decide which. That is
# half of a well-known rule of thumb: with few images and a similar task, borrow the last features;
# with few images and a distant task, borrow earlier ones. The other half, what to do when you have
# many images, is the subject of chapter 5.
#
# But if early layers are generic, why do they do worst of all, for CIFAR-10 and the digits even
# worse than raw pixels? Probably because they offer at most a few dozen features, and because we
# average each of them over the whole image. That there is a slanted edge *somewhere* says little
# about whether this is a 4 or a 9, and raw pixels at least know where. Generic means useful for
# every task, not sufficient for any.
#
# One more line in the figure deserves a look: the same network with *random* weights. It has the
# same architecture and has learned nothing. For cats and dogs its best features reach 60.8 %<!--
# features.depth.pets.random -->, not much better than raw pixels with 55.4 %<!--
# features.depth.pets.pixels -->.<!-- features.depth.pets.random < features.depth.pets.pixels +
# 0.1 --> So it isn't the architecture that we borrow. It's what the weights have learned. (On
# CIFAR-10 they don't get far, either: 31.9 %<!-- features.depth.cifar10.random --> in this run, and
# no more than 36.2 %<!-- highest(features.depth.cifar10.random) --> with other random weights.) For
# the digits, though, even random weights reach 88.6 %<!-- features.depth.digits.random -->.<!--
# features.depth.digits.random > features.depth.pets.random + 0.2 --> (Over five<!--
# runs(features.depth.digits.random) --> runs, each with random weights of its own, it was between
# 86.9 %<!-- lowest(features.depth.digits.random) --> and 91.6 %<!--
# highest(features.depth.digits.random) -->.) Where even a random mixture of pixels does so well,
# less is left for ImageNet to add. Less isn't nothing: at the best of the ten places it removes 36
# %<!-- (features.depth.digits.best - features.depth.digits.pixels) / (1 -
# features.depth.digits.pixels) --> of the mistakes that raw pixels make, and only at the end next
# to none.

# %% [markdown]
# ## The test
#
# All choices are made, and it's time for the 1,000 test photographs that nothing in this chapter
# has touched.

# %% tags=["measured"]
test_images, test_labels = pets.test
test_batches = training.batches(test_images, None, 64)
test_maps = outputs_of(extractor, test_images)
test_features = test_maps.mean(axis=(1, 2))


def says_dog(model, inputs):
    batches = training.batches(inputs, None, 64)
    return model.predict(batches, verbose=0)[:, 0] > 0.5


# %% tags=["measured"]
answers = {
    "no training": zero_training(imagenet_net.predict(test_batches, verbose=0)),
    "probe, all images": probe.predict(test_features),
    "our head, all images": says_dog(heads["ours", seed], test_maps),
    "end to end, augmented": says_dog(both["end to end"], test_images),
}
right = {name: answer == test_labels for name, answer in answers.items()}
hundred, of_seeds = [], []
for run in range(seed, seed + draws):
    hundred.append(probes[100, run].score(test_features, test_labels))
for run in range(seed, seed + seeds):
    is_dog = says_dog(heads["ours", run], test_maps)
    of_seeds.append(np.mean(is_dog == test_labels))

# %% tags=["measured", "hide-input"]
end_to_end = right["end to end, augmented"].mean()
standard_error = (end_to_end * (1 - end_to_end) / len(test_labels)) ** 0.5
for name, value in (
    ("zero_training", right["no training"].mean()),
    ("hundred", np.mean(hundred)),
    ("linear_probe", right["probe, all images"].mean()),
    ("head", np.mean(of_seeds)),
    ("end_to_end", end_to_end),
):
    record(f"features.{name}.test_accuracy", value, "fraction")
record("features.head.spread", np.ptp(of_seeds), "fraction")
record("features.test.standard_error", standard_error, "fraction")

# %% tags=["measured", "hide-input"]
ladder = [
    ("chapter 3: from scratch, 2,000 images", chapter_3, "C6"),
    ("no training", right["no training"].mean(), "C4"),
    ("linear probe, 100 images", np.mean(hundred), "C0"),
    ("linear probe, all images", right["probe, all images"].mean(), "C0"),
    ("our head, features once", np.mean(of_seeds), "C2"),
    ("our head, end to end", right["end to end, augmented"].mean(), "C2"),
]
figure, axis = plt.subplots(figsize=(7.6, 3.4), layout="constrained")
for place, (_, score, color) in enumerate(ladder):
    error = 2 * np.sqrt(score * (1 - score) / len(test_labels))
    axis.errorbar(score, place, xerr=error, fmt="o", color=color, capsize=3)
    axis.text(score, place - 0.2, f"{score:.1%}", ha="center", va="bottom", color=color)
axis.set_yticks(range(len(ladder)), [name for name, _, _ in ladder])
axis.set(xlim=(0.5, 1.0), ylim=(len(ladder) - 0.5, -0.8), xlabel="test accuracy")
axis.set_title(f"The ladder, with two standard errors ({pets.label})")
axis.xaxis.set_major_formatter("{x:.0%}")
spoken = "; ".join(f"{name}, {score:.0%}" for name, score, _ in ladder)
plots.show(figure, f"Test accuracies with two standard errors: {spoken}.")


# %% [markdown]
# We compare in pairs, as in chapter 1: only the photographs on which two models disagree count, and
# between two equally good models a difference of more than two standard deviations comes up only
# about once in twenty times (McNemar's test).


# %%
def in_standard_deviations(first, second):
    only_first = np.sum(first & ~second)
    only_second = np.sum(second & ~first)
    return (only_first - only_second) / np.sqrt(max(1, only_first + only_second))


# %% tags=["measured", "hide-input"]
probe_right, head_right = right["probe, all images"], right["our head, all images"]
for name, first, second in (
    ("linear_probe.against_zero_training", probe_right, right["no training"]),
    ("head.against_probe", head_right, probe_right),
    ("end_to_end.against_head", right["end to end, augmented"], head_right),
):
    record(f"features.{name}", in_standard_deviations(first, second))

# %% [markdown]
# On the test set, with **100 photographs the probe gets
# 95.2 %<!-- features.hundred.test_accuracy --> right**, the mean of five draws. Chapter 3's
# best network, with all 2,000, got 85.4 %<!-- cats_vs_dogs.augmented.test_accuracy -->. What
# validation promised holds for new photographs: a twentieth of the data, and far fewer
# mistakes.<!-- 1 - features.hundred.test_accuracy < 0.5 * (1 -
# cats_vs_dogs.augmented.test_accuracy) -->
#
# With all 2,000 photographs the probe reaches 96.9 %<!-- features.linear_probe.test_accuracy -->,
# our head 97.0 %<!-- features.head.test_accuracy --> on average over its seeds, and the head that
# was trained through the base with augmentation 97.5 %<!-- features.end_to_end.test_accuracy -->
# (over five<!-- runs(features.end_to_end.test_accuracy) --> runs between 96.7 %<!--
# lowest(features.end_to_end.test_accuracy) --> and 97.5 %<!--
# highest(features.end_to_end.test_accuracy) -->). The standard error of such a number is 0.5
# points<!-- features.test.standard_error -->, so we can't tell these three apart. Our head and the
# probe are less than two standard deviations apart in a paired comparison, and so are our two
# heads.<!-- abs(features.head.against_probe) < 2 and abs(features.end_to_end.against_head) < 2 -->
#
# The base without training is at 84.2 %<!-- features.zero_training.test_accuracy -->, and the
# probe is 10.5<!-- features.linear_probe.against_zero_training --> standard deviations ahead of
# it.<!-- features.linear_probe.against_zero_training > 4 --> That is not luck.
#
# And far from home? We chose a depth for each of the other tasks by validation. Here are 1,000
# test images of each, at the chosen depth and at the last.

# %% tags=["measured"]
far_right = {}
for task in ("CIFAR-10", "digits"):
    x, y = prepared(tasks[task][2][0][:1000], far_size), tasks[task][2][1][:1000]
    at_depths = all_features(deep, x)
    for place in (best_depth[task], -1):
        predicted = depth_probes[task][place].predict(at_depths[place])
        far_right[task, place] = predicted == y

# %% tags=["measured", "hide-input"]
rows = []
for task in ("CIFAR-10", "digits"):
    chosen, last = far_right[task, best_depth[task]], far_right[task, -1]
    ahead = in_standard_deviations(chosen, last)
    record(f"features.far.{KEYS[task]}.chosen.test_accuracy", chosen.mean(), "fraction")
    record(f"features.far.{KEYS[task]}.last.test_accuracy", last.mean(), "fraction")
    record(f"features.far.{KEYS[task]}.ahead", ahead)
    numbers = (f"{chosen.mean():.1%}", f"{last.mean():.1%}", f"{ahead:.1f}")
    rows.append((task, names[best_depth[task]], *numbers))
tables.show_table(
    ("task", "chosen depth", "accuracy", "at the end", "standard deviations apart"),
    rows,
    "Linear probes on 1,000 test images",
)

# %% [markdown]
# The digits are read better before the end: 90.9 %<!-- features.far.digits.chosen.test_accuracy -->
# at the chosen depth, 89.0 %<!-- features.far.digits.last.test_accuracy --> at the last,
# 2.3<!-- features.far.digits.ahead --> standard deviations apart.<!-- features.far.digits.ahead >
# 2 --> That is a little more than luck on these images, but we fitted each probe once, so by the
# rule of chapter 2 it's a hint. (Both are a few points lower than in validation, perhaps because
# the test digits were written by other people.) For CIFAR-10 it's 73.4 %<!--
# features.far.cifar10.chosen.test_accuracy --> and 72.6 %<!--
# features.far.cifar10.last.test_accuracy -->, which is too close to call.<!--
# abs(features.far.cifar10.ahead) < 2 --> Chapter 2's network, trained from scratch, reached 81.6
# %<!-- cifar10.augmented.test_accuracy -->.<!-- cifar10.augmented.test_accuracy >
# features.far.cifar10.chosen.test_accuracy + 0.05 --> But it had 45,000 images and our probe only
# 1,500, so this isn't a fair contest. It does show that with plenty of data a network from scratch
# can pass a probe that was trained on little. Whether the base should learn, too, is the question
# of chapter 5.
#
# ### The last mistakes
#
# These are the test photographs on which the probe was wrong and most sure of itself.

# %% tags=["measured", "hide-input"]
dog_probability = probe.predict_proba(test_features)[:, 1]
wrongness = np.abs(dog_probability - test_labels)
worst = np.argsort(-wrongness)[:8]
titles = [
    f"{pets.classes[test_labels[row]]}, read as {pets.classes[1 - test_labels[row]]}\n"
    f"({wrongness[row]:.0%} sure)"
    for row in worst
]
plots.show(
    plots.image_grid(test_images[worst], titles, f"Wrong and sure ({pets.label})", 4),
    "Eight test photographs that the linear probe takes for the other animal, with the "
    "probability that it gives to the wrong class.",
)

# %% [markdown]
# In most of them you can see why. The animal is half hidden, blurred, small, or lost in the dark.
# Two are in plain view, the brindled dog and the red cat that turns its head away. Perhaps the
# dog's stripes look like a tabby's fur; networks trained on ImageNet are known to lean on texture.
# A better head will hardly solve such mistakes. They need better features, larger images, or more
# luck with the camera.

# %% [markdown]
# ## What to remember
#
# * A network that was trained on ImageNet has learned **features** that serve other
#   photographs, too. Keep its **base**, replace its **head**: that's **transfer learning**.
# * Start with a **linear probe**. Once the features are extracted it takes one line and little
#   time, and larger heads may gain nothing.
# * With borrowed features a hundred images beat two thousand from scratch, if the task is close
#   to what the base has learned.
# * The base is **frozen**, so its output has to be computed only once per image. Going through
#   the base in training buys augmentation and costs a lot of time.
# * Every base needs its own **preprocessing**. A gross mistake gives itself away. A mild one can
#   cost accuracy, and nothing tells you.
# * Early layers are **generic**, late layers **specific**. In our three tasks the features helped
#   less the further the task was from ImageNet. Far from it, try earlier layers, too, and let
#   validation decide.
# * Look at the loss and not only at the accuracy: a head can be wrong with far too much
#   confidence.

# %% [markdown]
# ## What others report
#
# This chapter retells what other courses and books teach about feature extraction. Here are their
# figures beside ours, and two mistakes that are easy to make. Most of these figures come from other
# bases, which weren't run here. With an internet connection, `course run 04 -p base=vgg16` repeats
# the chapter with VGG16. The results page of the book has the whole list.

# %% tags=["measured", "hide-input", "ledger"]
claims_table("04", profile)

# %% tags=["hide-input", "ledger"]
mistakes_table("04")

# %% [markdown]
# ## Exercises
#
# The questions are in [a notebook of their own](exercises/04_feature_extraction.ipynb), where a
# check tells you whether your answer is right and, often, what went wrong. The book has the
# solutions.
#
# 1. *The price of `Flatten`.* Count the parameters of three heads on VGG16's maps. (one star)
# 2. *Asking the thousand classes.* Write the classifier that needs no training. (one star)
# 3. *What VGG16 wants to see.* Write its preprocessing in NumPy. (two stars)
# 4. *Two layers that are only one.* Merge two dense layers, biases included. (two stars)
# 5. *Once or every time?* Work out what the two methods cost. (one star)
# 6. *Your nearest neighbors.* Write a classifier that has nothing to train. (two stars)
# 7. *Which layer would you borrow?* Probe the depths of the base for handwritten digits. (three
#    stars)
#
# ## Where this leads
#
# All this time the base has stayed as it was. In **chapter 5** we let its last layers learn from
# our images. For cats and dogs that will hardly matter, as you can guess from the ladder above. For
# a task far from ImageNet it can buy several points, if it's done with care.
#
# ## References
#
# * J. Yosinski, J. Clune, Y. Bengio and H. Lipson, [How transferable are features in deep
#   neural networks?](https://arxiv.org/abs/1411.1792), 2014. Generic and specific layers,
#   measured layer by layer.
# * A. S. Razavian, H. Azizpour, J. Sullivan and S. Carlsson, [CNN features off-the-shelf: an
#   astounding baseline for recognition](https://arxiv.org/abs/1403.6382), 2014. A linear
#   classifier on borrowed features beats the specialized methods of its day.
# * G. Alain and Y. Bengio, [Understanding intermediate layers using linear classifier
#   probes](https://arxiv.org/abs/1610.01644), 2016.
# * S. Kornblith, J. Shlens and Q. V. Le, [Do better ImageNet models transfer
#   better?](https://arxiv.org/abs/1805.08974), 2018.
# * M. Raghu, C. Zhang, J. Kleinberg and S. Bengio, [Transfusion: understanding transfer learning
#   for medical imaging](https://arxiv.org/abs/1902.07208), 2019. Where the task is far from
#   ImageNet.
# * A. Radford and others, [Learning transferable visual models from natural language
#   supervision](https://arxiv.org/abs/2103.00020), 2021. CLIP, which is asked without training.
# * O. Russakovsky and others, [ImageNet large scale visual recognition
#   challenge](https://arxiv.org/abs/1409.0575), 2014.
# * M. Tan and Q. V. Le, [EfficientNet: rethinking model scaling for convolutional neural
#   networks](https://arxiv.org/abs/1905.11946), 2019. The family that our base belongs to.
# * F. Chollet, *Deep Learning with Python*, whose recipe for cats and dogs two of our sources
#   follow: Subir Varma, "Convolutional Neural Networks" (book chapter), and a set of handwritten
#   notes on convnets.
