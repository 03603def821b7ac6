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
# # 2. CIFAR-10: small colour pictures of ten kinds of things
#
# The digits of the first chapter were white on black, in the middle, and upright.
# Real pictures are not so kind.
# CIFAR-10 holds tiny photographs of aeroplanes, frogs, trucks and seven other things, in any
# colour, from any side, before any background.
#
# We climb a ladder of models in this chapter, and each rung answers a question.
#
# 1. A **linear** classifier: how far do whole-picture templates get?
# 2. A **dense** net: does it help to stack layers that know nothing of pictures?
# 3. A **simple** convnet: what does one convolution bring?
# 4. A **deeper** convnet: what do two modules of convolutions bring?
# 5. The deeper convnet with **augmentation**: what do changed copies of the pictures bring?
#
# On the way we find out where the parameters of a convnet sit, what a training step costs, and how
# to read the errors of a model.
# After this chapter you can build each of these nets, count its parameters before you train it, and
# judge it on pictures that played no part in its making.

# %% [markdown]
# We begin with the imports.

# %%
from helpers import arithmetic, datasets, plots, training
from helpers.backend import as_array
from helpers.records import claims_table, record
from itertools import pairwise
import time
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# Everything that can be changed stands in the next cell.
# The numbers of epochs are small, so that the chapter runs in minutes on a laptop.
# With the profile `full` the convnets train as long as in the source.

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: built-in, real, or the textbook's recipe
seed: int = 0  # 0 to 1000000: seed of the weights, the shuffling and the augmentation
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
pictures: int = 30000  # 100 to 45000: how many of the training pictures are used
batch_size: int = 64  # 8 to 1024: pictures a step
peak: float = 0.002  # 0.0001 to 0.02: highest learning rate of the one-cycle schedule
linear_epochs: int = 2  # 1 to 100: passes over the training pictures, linear classifier
dense_epochs: int = 4  # 1 to 100: passes over the training pictures, dense net
simple_epochs: int = 1  # 1 to 100: passes over the training pictures, simple convnet
head_epochs: int = 7  # 1 to 100: passes over some pictures, Flatten against GlobalMaxPooling
head_pictures: int = 8000  # 100 to 45000: how many pictures these two nets train on
head_batch_size: int = 32  # 8 to 1024: pictures a step for these two nets
deeper: str = "normalised"  # normalised | published: which deeper net is trained
deeper_peak: float = 0.008  # 0.0001 to 0.02: its highest learning rate
deeper_epochs: int = 2  # 1 to 100: passes over the training pictures, deeper convnet
augmented_epochs: int = 4  # 1 to 100: the same, with augmentation

# %% [markdown]
# ## Three parts, kept apart
#
# We load the pictures in three parts.
#
# * The **training** pictures are the only ones that change weights.
# * The **validation** pictures are watched while we train, and we choose by them.
# * The **test** pictures stay shut until the end of the chapter.
#   We open them once, when all choices have been made.
#
# Why so strict?
# Whoever looks at the test accuracy after each experiment and keeps the best one has trained on the
# test pictures, if only a little, by choosing.

# %% tags=["measured"]
training.start(seed, precision)
cifar = datasets.load("cifar10", profile)
images, labels = (np.asarray(array[:pictures]) for array in cifar.train)
for part in ("train", "validation", "test"):
    record(f"cifar10.pictures.{part}", len(cifar.arrays[f"{part}_y"]), "count")
record("cifar10.pictures.used", len(images), "count")

# %% [markdown]
# Before any model, we look at the data: one row for each class.
# They are small, but most can be recognised.
# Look for what makes a class hard: the many sides from which a thing can be seen.

# %%
chosen = np.concatenate([np.flatnonzero(labels == label)[:10] for label in range(10)])
figure, axes = plt.subplots(10, 10, figsize=(7.5, 7.5), layout="constrained")
for axis, index in zip(axes.flat, chosen, strict=False):
    axis.imshow(images[index])
    axis.set_xticks([])
    axis.set_yticks([])
for axis, name in zip(axes[:, 0], cifar.classes, strict=True):
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
figure.suptitle(f"Ten pictures of each class ({cifar.label})")
plots.show(
    figure,
    "A ten by ten grid of small colour pictures; each row shows one class: airplane, automobile, "
    "bird, cat, deer, dog, frog, horse, ship and truck.",
)

# %% [markdown]
# Each picture is an array of 32 rows, 32 columns and three channels: red, green and blue.
# The values are whole numbers from 0 to 255.
# They stay so in memory, where they take a quarter of the room of floating-point numbers.
# Each model begins with a layer that rescales them.

# %%
print("shape:", images.shape[1:], "type:", images.dtype, "classes:", len(cifar.classes))

# %% [markdown]
# ## One way to train them all
#
# All nets of this chapter are trained by the same function.
# Their epochs, highest learning rates, pictures and batches are set above and differ; mind this
# when you compare two of them.
# The function uses the Adam optimizer with a *one-cycle* learning rate: the rate rises to a peak
# while the weights find a good region, and then falls to zero while they settle.
# With so few epochs this matters more than any other setting.
# The learning rate does not depend on luck: it follows the curve below, step by step.

# %%
rate = training.one_cycle(peak, 1000)
figure, axis = plt.subplots(figsize=(5.5, 2.6), layout="constrained")
axis.plot([float(rate(step)) for step in range(1000)])
axis.set_xlabel("step of 1,000")
axis.set_ylabel("learning rate")
axis.set_title("One cycle of the learning rate")
axis.grid(alpha=0.3)
plots.show(figure, "A curve that rises to a peak in the first third and then falls to zero.")

# %% [markdown]
# The loss is the categorical cross-entropy: minus the logarithm of the probability that the model
# gave to the true class.
# *Sparse* only means that the labels are numbers from 0 to 9 and not vectors.

# %%
models, histories = {}, {}


def train(name, model, epochs, highest=peak, pictures=None, batch_size=batch_size):
    x, y = images[:pictures], labels[:pictures]
    steps = training.steps_in(len(x), batch_size, epochs)
    optimizer = keras.optimizers.Adam(training.one_cycle(highest, steps))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    histories[name] = training.fit(
        model,
        x,
        y,
        epochs=epochs,
        batch_size=batch_size,
        validation=cifar.validation,
        seed=seed,
    )
    models[name] = model


# %% [markdown]
# ## A linear classifier
#
# The simplest model has one template for each class.
# A template is a weight for each pixel and channel, so it is itself a picture.
# The score of a class is large where the picture resembles the template.

# %% tags=["measured"]
linear = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(10, "softmax", kernel_initializer="zeros", name="templates"),
    ]
)
train("linear", linear, linear_epochs)

# %% [markdown]
# We look at the templates, each stretched to the range of a picture.
# Expect colours rather than shapes: blue where sky or sea is likely, and hardly an outline.

# %%
templates = linear.get_layer("templates").kernel.numpy().T.reshape(10, 32, 32, 3)
limits = np.abs(templates).max(axis=(1, 2, 3), keepdims=True)
figure = plots.image_grid(
    0.5 + templates / (2 * limits), cifar.classes, f"Ten templates ({cifar.label})", 5, 1.5
)
plots.show(figure, "Ten blurred coloured squares, the templates of the ten classes.")

# %% [markdown]
# One template must serve for all cars, from the left and from the right, red and white.
# It can only be their average.
# That is why a linear classifier is not enough.

# %% [markdown]
# ## A dense net
#
# A dense net has hidden layers between the pixels and the classes, so it can hold many templates
# for each class.
# But it does not know that neighbouring pixels belong together.
# If we shuffled the pixels of all pictures in the same way, it would learn just as well.

# %% tags=["measured"]
dense = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
train("dense", dense, dense_epochs)

# %% [markdown]
# ## A simple convnet
#
# Now one convolution: 32 filters of 3x3 pixels, which slide over the whole picture.
# Pooling halves the maps, and a dense layer of 512 units judges what was found where.
#
# The two `Dropout` layers switch off a share of the numbers at random in each training step.
# No unit can then rely on one other unit, which works against learning by heart.
# When the model predicts, nothing is switched off.

# %% tags=["measured"]
simple = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
)
train("simple", simple, simple_epochs)

# %% [markdown]
# A picture of the three trainings so far.
# Hollow points stand for the training pictures, full points for the validation pictures.
# A model that was trained for one epoch has one point of each.

# %%
figure = plots.learning_curves(histories, f"From templates to one convolution ({cifar.label})")
plots.show(
    figure,
    "Loss and accuracy over the epochs for the linear classifier, the dense net and the simple "
    "convnet, for training and validation pictures.",
)

# %% [markdown]
# ## Where the parameters sit
#
# How large are these nets?
# We can tell without training.
# The first convolution of the simple net has 32 filters of 3x3x3 weights and a bias each, and it
# is tiny.
# The dense layer behind the flattening is not: each of its 512 units looks at all 16x16x32 numbers.

# %%
for row in arithmetic.count(simple):
    if row.parameters:
        print(f"{row.kind:8s} {row.output_shape!s:22s} {row.parameters:>10,} parameters")

# %% [markdown]
# `Flatten` lays all feature maps side by side, so the dense layer behind it has a weight for each
# feature *at each place*.
# `GlobalMaxPooling2D` keeps only the strongest response of each feature map.
# It says *that* a feature was found, and no longer where.
#
# We put this to the test on a published net with five convolutions and a dense layer of 1,024
# units.
# The only difference between the two versions is the layer called `head`.


# %%
def five_convolutions(head):
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            head,
            layers.Dense(1024, activation="relu", name="judge"),
            layers.Dense(10, activation="softmax"),
        ]
    )


flat = five_convolutions(layers.Flatten())
pooled = five_convolutions(layers.GlobalMaxPooling2D())

# %% [markdown]
# The last feature maps have 3x3 positions and 64 channels.
# Flattened they are 576 numbers, and 1,024 units with a weight for each, plus a bias, make
# 590,848 parameters.
# Pooled they are 64 numbers.
# We count, and the assertions hold the counts to the published ones.

# %%
judge = flat.get_layer("judge").count_params()
assert judge == arithmetic.dense_parameters(3 * 3 * 64, 1024) == 590_848
assert flat.count_params() == 703_594
assert pooled.count_params() == 179_306
record("cifar10.flatten.parameters", flat.count_params(), "count")
record("cifar10.flatten.dense_parameters", judge, "count")
record("cifar10.flatten.dense_share", judge / flat.count_params(), "fraction")
record("cifar10.global_max_pooling.parameters", pooled.count_params(), "count")

# %% [markdown]
# One layer holds most of the net, and it is not a convolution.
# Does the net need it?
# We train both versions in the same way.
# To save time we give them few pictures and more epochs, and smaller batches, so that they take
# enough steps.
# The source found no appreciable loss of accuracy.

# %% tags=["measured"]
for name, net in (("flatten", flat), ("global max pooling", pooled)):
    train(name, net, head_epochs, pictures=head_pictures, batch_size=head_batch_size)

# %%
heads = {name: histories[name] for name in ("flatten", "global max pooling")}
figure = plots.learning_curves(heads, f"The same convolutions, two heads ({cifar.label})")
plots.show(
    figure,
    "Loss and accuracy over the epochs for the net with Flatten and the net with global max "
    "pooling; the curves lie close together.",
)

# %% [markdown]
# Watch the gap between dashed and solid lines, too.
# A net with fewer parameters has less room to learn its training pictures by heart.

# %% [markdown]
# ## A deeper convnet
#
# The published deeper net has two modules.
# Each is convolution, convolution, pooling, dropout; the first has 32 filters, the second 64.
# So depth rises while the maps shrink.
# Two small convolutions in a row see as much as one larger one, with fewer parameters and one
# nonlinearity more.


# %%
def published(augmentation=()):
    model = keras.Sequential([keras.Input((32, 32, 3)), *augmentation])
    model.add(layers.Rescaling(1 / 255))
    for filters in (32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(0.25))
    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(10, activation="softmax"))
    return model


# %% [markdown]
# It was trained for fifty epochs, and we want to see a result in minutes.
# So here is a second deeper net, built from what we know by now.
#
# * It has four modules of one convolution each, so the maps shrink sooner and the work is less.
# * It ends in global max pooling, so most parameters are gone.
# * Each module has *batch normalisation*: it brings the numbers of each channel to mean zero and
#   unit variance over the batch.
#   A much higher learning rate can then be used, and that saves epochs.
#
# We pool before we normalise.
# Then the normalisation has only a quarter of the numbers to work on.
# For prediction it keeps a running mean of what it saw in training; the *momentum* says how long
# its memory is, and for a short training a short memory is right.


# %%
def normalised(augmentation=()):
    model = keras.Sequential([keras.Input((32, 32, 3)), *augmentation])
    model.add(layers.Rescaling(1 / 255))
    for filters in (32, 64, 128, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.MaxPooling2D())
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
    model.add(layers.GlobalMaxPooling2D())
    model.add(layers.Dense(10, activation="softmax"))
    return model


# %% [markdown]
# The convolutions have no bias, because the normalisation subtracts the mean, and a bias would go
# with it.
# We compare the two nets before we train: their parameters and their multiplications.

# %%
NETS = {"published": published, "normalised": normalised}
for name, build in NETS.items():
    counts = arithmetic.count(build())
    parameters = sum(row.parameters for row in counts)
    multiplications = sum(row.multiplications for row in counts)
    print(f"{name:10s} {parameters:>9,} parameters {multiplications:>10,} multiplications")

# %% [markdown]
# The parameter `deeper` chooses which of the two is trained.

# %% tags=["measured"]
train("deeper", NETS[deeper](), deeper_epochs, highest=deeper_peak)

# %% [markdown]
# ## Augmentation: more pictures from the same pictures
#
# A truck that is turned a little, moved a little or seen in a mirror is still a truck.
# So we can show the net such changed copies, new ones in every epoch, and it will never see exactly
# the same picture twice.
# It must learn what the copies share, and that is the truck.
#
# Older code did this with a class called `ImageDataGenerator`, outside of the model.
# Today's Keras has layers for it.
# Here are four of them.
# Pixels that come in from beyond the border are filled with the nearest pixel.
# Where a changed picture needs a value between pixels, it takes the nearest pixel as well: mixing
# neighbours would blur the picture anew in each layer.

# %%
AS = {"fill_mode": "nearest", "interpolation": "nearest"}
changes = {
    "flip": layers.RandomFlip("horizontal"),
    "rotation": layers.RandomRotation(0.03, **AS),
    "shift": layers.RandomTranslation(0.08, 0.08, **AS),
    "zoom": layers.RandomZoom(0.08, **AS),
}

# %% [markdown]
# We let each layer change one picture seven times, and then all four together.
# The changes are small, because the pictures are small.

# %%
original = images[np.flatnonzero(labels == 9)[3]]
copies = np.repeat(original[None], 7, axis=0)
together = keras.Sequential(list(changes.values()))
rows = [layer(copies, training=True) for layer in (*changes.values(), together)]
figure, axes = plt.subplots(5, 8, figsize=(8.2, 5.4), layout="constrained")
for row, (name, changed) in enumerate(zip((*changes, "together"), rows, strict=True)):
    shown = [original, *np.clip(as_array(changed), 0, 255).astype(np.uint8)]
    for axis, picture in zip(axes[row], shown, strict=True):
        axis.imshow(picture)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[row, 0].set_ylabel(name, rotation=0, ha="right", va="center")
axes[0, 0].set_title("original", fontsize=9)
figure.suptitle(f"One truck, changed by each layer and by all ({cifar.label})")
plots.show(
    figure,
    "Five rows of small pictures of the same truck: mirrored, turned, shifted, zoomed, and all of "
    "these together; the first column is the original.",
)

# %% [markdown]
# These layers stand inside the model, so they run where the model runs.
# They must work in training only.
# When we predict, the picture must pass unchanged, and we check that it does.

# %%
unchanged = as_array(together(copies, training=False))
assert np.array_equal(unchanged, copies)
changed = as_array(together(copies, training=True))
assert not np.array_equal(changed, copies)
print("Augmentation changes pictures in training and leaves them alone in prediction.")

# %% [markdown]
# Now we train the deeper net with augmentation.
# The net is the same to the last layer; only its training pictures differ.

# %% tags=["measured"]
train("augmented", NETS[deeper](changes.values()), augmented_epochs, highest=deeper_peak)

# %%
two = {name: histories[name] for name in ("deeper", "augmented")}
figure = plots.learning_curves(two, f"With and without augmentation ({cifar.label})")
plots.show(
    figure,
    "Loss and accuracy over the epochs for the deeper net without and with augmentation; with so "
    "few epochs the training and validation curves of both nets stay close together.",
)

# %% [markdown]
# Compare the gaps between training and validation.
# The training accuracy may lie *below* the validation accuracy, and that is no mistake.
# It is a mean over the epoch, taken while the net still learns and some units are switched off; the
# validation accuracy is taken at the end, with all units.
# With augmentation it is also measured on harder pictures.
# A net that learns by heart would show the opposite: a training curve that runs away from the
# validation curve.
# In a few epochs augmentation has little to add, because no picture has been seen often enough to
# be known by heart.
# The longer the training, the more it is worth.

# %% [markdown]
# ## What a step costs
#
# A convolution uses each weight at many positions, so it multiplies far more often than it has
# weights.
# We count the multiplications for one picture, in the dense net and in the net with five
# convolutions.
# The source of the latter says that a convnet costs about two orders of magnitude more time a step
# than a dense net, and in multiplications that is about what we find.

# %%
work = {
    name: sum(row.multiplications for row in arithmetic.count(models[name]))
    for name in ("dense", "flatten")
}
for name, number in work.items():
    print(f"{name}: {number:,} multiplications a picture")
record("cifar10.convnet.multiplications_ratio", work["flatten"] / work["dense"])

# %% [markdown]
# Is it so in time as well?
# We train fresh copies of both nets on the same batch, and take the median of several steps.
# Expect the ratio of the times to be smaller.
# Each step has fixed costs, such as handing over the batch, starting each layer and updating the
# weights, and they weigh most on the smallest net.


# %% tags=["measured", "nbval-ignore-output"]
def seconds_a_step(model, steps=12):
    model.compile("adam", "sparse_categorical_crossentropy")
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        model.train_on_batch(images[:batch_size], labels[:batch_size])
        times.append(time.perf_counter() - began)
    return float(np.median(times[2:]))


cost = {name: seconds_a_step(keras.models.clone_model(models[name])) for name in work}
for name, seconds in cost.items():
    record(f"cifar10.{name}.seconds_a_step", seconds, "seconds")
slower = cost["flatten"] / cost["dense"]
record("cifar10.convnet.time_ratio", slower)
print(f"Two orders of magnitude in time, too? {'Yes' if slower > 30 else 'No'}, on this machine.")

# %% [markdown]
# ## The test set, opened once
#
# All choices are made.
# Now, and only now, we ask each model for its answers on the test pictures.

# %% tags=["measured"]
test_images, test_labels = cifar.test
answers = {name: training.predict(model, test_images, batch_size) for name, model in models.items()}
accuracy = {
    name: float(np.mean(probabilities.argmax(axis=1) == test_labels))
    for name, probabilities in answers.items()
}
for name, value in accuracy.items():
    record(f"cifar10.{name.replace(' ', '_')}.test_accuracy", value, "fraction")
lost = accuracy["flatten"] - accuracy["global max pooling"]
record("cifar10.global_max_pooling.lost_accuracy", lost, "fraction")

# %% [markdown]
# A test accuracy is itself an estimate: with other test pictures it would be a little different.
# Its *standard error* is the root of $p(1-p)/n$ for an accuracy $p$ on $n$ pictures.
# The bars below show twice the standard error to either side.
# Bars that do not overlap tell two models apart.
# Where they overlap, we must look at the difference itself and its standard error, as we do at the
# end of the chapter.

# %%
names = sorted(accuracy, key=accuracy.get)
values = np.array([accuracy[name] for name in names])
errors = np.sqrt(values * (1 - values) / len(test_labels))
figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
axis.barh(names, values, xerr=2 * errors, color="C0", alpha=0.8, capsize=3)
axis.axvline(0.1, color="grey", linestyle=":", label="guessing")
axis.set_xlabel("test accuracy")
axis.set_xlim(0, 1)
axis.set_title(f"Seven models on the test pictures ({cifar.label})")
axis.legend()
plots.show(
    figure,
    "Horizontal bars of the test accuracy of the seven models in rising order, with their "
    "uncertainty; the linear classifier is near the bottom.",
)

# %% [markdown]
# ### Top-1 and top-5 error
#
# Competitions report two measures.
# The **top-1 error** is the share of pictures whose most probable class is wrong.
# The **top-5 error** is the share whose true class is not even among the five most probable.
# With a thousand classes, where a picture may show several things, the second is the fairer one.
# With ten classes it is an easy test: guessing alone would be right half of the time.

# %% tags=["measured"]
probabilities = answers["augmented"]
order = np.argsort(-probabilities, axis=1)
truth = np.asarray(test_labels)
for k in (1, 5):
    missed = 1 - np.mean((order[:, :k] == truth[:, None]).any(axis=1))
    record(f"cifar10.augmented.top_{k}_error", missed, "fraction")

# %% [markdown]
# ### Which classes are confused?
#
# The confusion matrix shows for each true class what it was taken for.
# Expect cats and dogs to be mixed up, and cars and trucks.

# %% tags=["measured"]
predicted = order[:, 0]
figure = plots.confusion_matrix(
    truth, predicted, cifar.classes, f"The augmented net on the test pictures ({cifar.label})"
)
plots.show(
    figure,
    "A ten by ten table of true against predicted classes; most counts lie on the diagonal, and "
    "the largest of the others are between similar classes.",
)

# %% [markdown]
# ### The most confident mistakes
#
# A wrong answer with a low probability is an honest doubt.
# A wrong answer with a high probability is worth a look.
# Here are the sixteen mistakes of which the net was most certain.
# Ask of each: would I have known better, and what may have misled the net?
# Now and then it is the label that is wrong, and the net is right.

# %% tags=["measured"]
wrong = np.flatnonzero(predicted != truth)
worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]])][:16]
titles = [f"{cifar.classes[truth[i]]}\nread as {cifar.classes[predicted[i]]}" for i in worst]
figure = plots.image_grid(
    test_images[worst], titles, f"The most confident mistakes ({cifar.label})", 8, 1.2
)
plots.show(
    figure, "Sixteen test pictures, each with its true class and the class it was taken for."
)

# %% [markdown]
# ## What this run says
#
# The sentences below are computed from the values of this run.
# A difference counts only if it is larger than twice its standard error.
# Mind what else differs between two models: the augmented net has also trained longer than the
# deeper net, so the sentence about these two speaks of both.
# Mind also that each model was trained once.
# The standard error covers the luck of the test pictures, and not that of the first weights.

# %% tags=["measured"]
spread = dict(zip(names, errors, strict=True))


def compare(first, second):
    difference = accuracy[first] - accuracy[second]
    error = np.hypot(spread[first], spread[second])
    if abs(difference) <= 2 * error:
        return f"The {first} net and the {second} net are not told apart by this test."
    better, worse = (first, second) if difference > 0 else (second, first)
    return f"The {better} net is better than the {worse} net."


ladder = ["linear", "dense", "simple", "deeper", "augmented"]
for lower, upper in pairwise(ladder):
    print(compare(upper, lower))
print(compare("flatten", "global max pooling"))

# %% [markdown]
# ## What to remember
#
# * Keep three parts apart: train on one, choose by one, and open the last one once.
# * A dense net is blind to neighbourhood. One convolution already beats it.
# * Most parameters of a classical convnet sit in the first dense layer behind `Flatten`. Global
#   pooling saves nearly all of them.
# * A convolution has few weights and much work: it costs more time a step than a dense layer.
# * Augmentation layers stand inside the model, act in training only, and keep a net from learning
#   its pictures by heart.
# * A test accuracy has a standard error. Do not praise differences that are smaller.
#
# Here is what the sources claim, beside what this run measured.
# The claim on augmentation is checked in the profile `full`, which trains as long as the source.

# %% tags=["measured"]
claims_table("02", profile)

# %% [markdown]
# ## Exercises
#
# 1. Shuffle the pixels of all pictures by the same permutation and train the dense net and the
#    simple net again. Which one suffers, and why?
# 2. Replace `GlobalMaxPooling2D` by `GlobalAveragePooling2D`. Do the numbers of parameters change?
#    Does the accuracy?
# 3. Work out the parameters of the deeper net on paper, layer by layer, and check them with
#    `arithmetic.count`.
# 4. Make the augmentation stronger: a rotation of a quarter turn, shifts of a third. When does it
#    begin to hurt?
# 5. Flip pictures upside down as well. For which classes is that a bad idea?
