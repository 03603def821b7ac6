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
# # 3. Cats against dogs: much to learn from few pictures
#
# Two thousand photographs are few.
# A person learns a new animal from one or two, but a network that starts from nothing has only its
# training pictures to learn from, and it can learn two thousand of them by heart.
# Then it knows its training pictures perfectly and other pictures badly.
# This is called **overfitting**, and it is the subject of this chapter.
#
# The story of the cats and dogs has four steps.
#
# 1. A naive convnet, trained from scratch: we watch it overfit.
# 2. Augmentation and dropout: we make it hard to learn by heart.
# 3. Feature extraction: we borrow what another network has learned. That is chapter 4.
# 4. Fine-tuning: we adapt what we borrowed. That is chapter 5.
#
# This chapter takes the first two steps.
# After it you can recognise overfitting from its curves, build augmentation into a model, choose
# among the remedies, and say whether a remedy helped or luck did.

# %%
from helpers import arithmetic, artifacts, datasets, plots, training
from helpers.backend import as_array
from helpers.records import claims_table, mistakes_table, record
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# Everything that can be changed stands in the next cell.
# With the profile `full` the pictures have the size of the book's and the training lasts as long.

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: built-in, real, or the textbook's recipe
seed: int = 0  # 0 to 1000000: seed of the weights, the shuffling and the augmentation
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
seeds: int = 1  # 1 to 10: how many seeds each experiment is run with, counted up from seed
size: int = 64  # 16 to 200: width and height of the pictures, in pixels
width: int = 16  # 8 to 64: filters of the first module; the later ones have two and four times that
batch_size: int = 32  # 8 to 256: pictures a step
peak: float = 0.002  # 0.0001 to 0.02: highest learning rate of the one-cycle schedule
dense_peak: float = 0.001  # 0.0001 to 0.02: the same for the dense net
dense_epochs: int = 8  # 1 to 200: passes over the training pictures, dense net
epochs: int = 16  # 1 to 200: the same for the naive net and for each remedy alone
together_epochs: int = 36  # 1 to 400: the same for all remedies together

# %% [markdown]
# ## The pictures
#
# The photographs come from a competition in which programs had to tell cats from dogs.
# Two thousand are for training, one thousand for validation and one thousand for the test, half of
# each part cats.
# No picture stands in two parts, and the seed of the choice is fixed, so that all readers train on
# the same ones.
#
# The data set is found in one of three ways.
#
# * Without any setting, it is downloaded once from its source, without an account.
# * `COURSE_MIRROR` may name a folder that holds the archive.
# * `COURSE_DATA` may name your own folder, such as an unpacked Kaggle download:
#   `~/dogs-vs-cats` or, on Windows, `D:\pictures\dogs-vs-cats`.
#   Folders `PetImages/Cat`, names like `train/cat.1.jpg`, and folders `cats` and `dogs` are all
#   understood.

# %% tags=["measured"]
training.start(seed, precision)
rounding = 1e-4 if precision == "exact" else 0.1  # largest difference that it may make
pets = datasets.load("cats_vs_dogs", profile, size=size)
images, labels = (np.asarray(array) for array in pets.train)
for part in ("train", "validation", "test"):
    record(f"cats_vs_dogs.pictures.{part}", len(pets.arrays[f"{part}_y"]), "count")

# %% [markdown]
# Pictures from the wild come with surprises: empty files, files that were cut off, a PNG that calls
# itself a JPEG, grey pictures among the coloured ones.
# While the archive was decoded, each such file was counted and named in a report.
# The report also lists near-duplicates: pairs of almost the same picture in two parts.
# A model could know such a test picture from its training, so one wants to know of them.

# %% tags=["measured"]
record("cats_vs_dogs.files_left_out", len(pets.report.get("left out", [])), "count")
record("cats_vs_dogs.near_duplicates", len(pets.report.get("near-duplicates", [])), "count")

# %% [markdown]
# Here are some of the training pictures.
# Look how different two cats can be: their place, their size, their light, what is in front of
# them and what behind.

# %%
kinds = [pets.classes[label] for label in labels[:32]]
figure = plots.image_grid(images[:32], kinds, f"Training pictures ({pets.label})", 8, 1.15)
plots.show(figure, "Thirty-two small pictures of cats and dogs in many poses, named by class.")

# %% [markdown]
# ### From a JPEG to a tensor
#
# A JPEG file is compressed.
# Before a network can use it, four things must happen.
#
# 1. The file is read and decoded into red, green and blue values for each pixel.
# 2. The picture is resized, because all pictures of a batch need one size.
# 3. The pictures are put into one array, a *tensor* with the axes picture, row, column, channel.
# 4. The whole numbers from 0 to 255 become floating-point numbers from 0 to 1.
#
# The first three were done once, when the data were prepared, and their result lies in a file that
# is mapped into memory.
# So the second run of this chapter starts to train at once.
# The fourth is the first layer of each model.

# %%
batch = images[:8]
rescaled = layers.Rescaling(1 / 255)(batch)
print("a batch in memory:", batch.dtype, "after rescaling:", keras.backend.floatx())
assert batch.ndim == 4
assert batch.shape[1:] == (size, size, 3)
assert 0 <= float(keras.ops.min(rescaled)) <= float(keras.ops.max(rescaled)) <= 1

# %% [markdown]
# ## Something to compare with: a dense net
#
# A number means little alone.
# Guessing is right half of the time, because the classes are balanced.
# A dense net, which knows nothing of neighbourhoods, sets the next mark.
#
# There are only two classes, so one output is enough.
# It is the probability of *dog*, and the `sigmoid` function keeps it between 0 and 1.
# The loss that belongs to it is the binary cross-entropy: minus the logarithm of the probability
# that was given to the true class.


# %%
def dense_net():
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


# %% [markdown]
# All models are trained by the next function.
# It starts from a seed, builds the model, and trains it with RMSprop, an optimizer that divides
# each step by the recent size of the gradient.
# Every model meets the same pictures in the same order.
# The number of epochs and the highest learning rate may differ, and so do the first weights, which
# is why the training can be repeated with several seeds.


# %%
def train(build, epochs, seed, highest=peak):
    training.start(seed)
    model = build()
    steps = training.steps_in(len(images), batch_size, epochs)
    model.compile(
        keras.optimizers.RMSprop(training.one_cycle(highest, steps)),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    history = training.fit(
        model,
        images,
        labels,
        epochs=epochs,
        batch_size=batch_size,
        validation=pets.validation,
        seed=seed,
    )
    return model, history


# %% [markdown]
# The number of seeds is a parameter.
# One seed shows what happens; several show how much of it is luck.

# %% tags=["measured"]
runs = {"dense": [train(dense_net, dense_epochs, seed + k, dense_peak) for k in range(seeds)]}

# %% [markdown]
# ## Step one: the naive convnet
#
# The convnet of this chapter is a tower of modules: a 3x3 convolution, then 2x2 pooling.
# From module to module the maps shrink, because pooling halves them and each convolution without
# padding trims a border.
# At the same time their number rises, so that the space that is lost in width is won in depth.
#
# We work the sizes out before we build anything.
# If the pictures are too small for one of the layers, this function says for which.

# %%
DEPTHS = (width, 2 * width, 4 * width, 4 * width)


def sizes(size):
    rows = [("input", size, 3)]
    for number, depth in enumerate(DEPTHS, start=1):
        if size < 4:
            raise ValueError(
                f"The layer convolution_{number} gets maps of {size}x{size}, but a 3x3 window and "
                "2x2 pooling need 4x4: use larger pictures."
            )
        size = arithmetic.output_size(size, 3)
        rows.append((f"convolution_{number}", size, depth))
        size = arithmetic.output_size(size, 2, stride=2)
        rows.append((f"pooling_{number}", size, depth))
    return rows


# %% [markdown]
# One source follows pictures of 150x150 pixels through this tower: the first maps have 148x148
# positions, the last 7x7.
# We check that, and then look at our own size.

# %%
published = sizes(150)
record("cats_vs_dogs.published.first_map", published[1][1], "count")
record("cats_vs_dogs.published.last_map", published[-1][1], "count")
for name, side, depth in sizes(size):
    print(f"{name:14s} {side:3d} x {side:3d} positions, {depth:3d} channels")

# %%
stages, widths, depths = zip(*sizes(size), strict=True)
figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
axis.plot(stages, widths, "o-", label="width of the maps, in pixels")
axis.plot(stages, depths, "s-", label="depth: number of maps")
axis.tick_params(axis="x", rotation=30)
axis.set_xlabel("layer")
axis.set_ylabel("number")
axis.set_title("Depth rises while the maps shrink")
axis.legend()
axis.grid(alpha=0.3)
plots.show(figure, "Two curves over the layers: the width of the maps falls, their number rises.")

# %% [markdown]
# Now the model itself.
# The remedies of step two are built in as options, and the naive net uses none of them.


# %%
def convnet(augmentation=(), dropout=0.0, normalisation=False):
    model = keras.Sequential([keras.Input((size, size, 3)), *augmentation])
    model.add(layers.Rescaling(1 / 255))
    for number, depth in enumerate(DEPTHS, start=1):
        model.add(layers.Conv2D(depth, 3, activation="relu", name=f"convolution_{number}"))
        model.add(layers.MaxPooling2D(name=f"pooling_{number}"))
        if normalisation:
            model.add(layers.BatchNormalization(momentum=0.9, name=f"normalisation_{number}"))
    model.add(layers.Flatten())
    if dropout:
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    return model


built = convnet()
for name, side, depth in sizes(size)[1:]:
    assert built.get_layer(name).output.shape[1:] == (side, side, depth)
print(f"parameters: {built.count_params():,}")

# %% [markdown]
# The assertions hold the built model to the sizes that we worked out.
# We train the naive net.

# %% tags=["measured"]
runs["naive"] = [train(convnet, epochs, seed + k) for k in range(seeds)]

# %% [markdown]
# Look at its curves.
# First both losses fall.
# Then the training loss goes on falling, while the validation loss turns and rises: from there on
# the net learns its training pictures by heart.
# The gap between the dashed and the solid line is the overfitting.

# %%
first = {name: runs[name][0][1] for name in ("dense", "naive")}
figure = plots.learning_curves(first, f"The naive net overfits ({pets.label})")
plots.show(
    figure,
    "Loss and accuracy over the epochs for the dense and the naive net; the naive net's training "
    "accuracy runs far ahead of its validation accuracy.",
)

# %% [markdown]
# We keep the gap as a number: training accuracy minus validation accuracy after the last epoch,
# as a mean over the seeds.


# %%
def final(name, measure):
    return np.array([history[measure][-1] for _, history in runs[name]])


def gap(name):
    return float(np.mean(final(name, "accuracy") - final(name, "val_accuracy")))


# %% tags=["measured"]
record("cats_vs_dogs.naive.gap", gap("naive"), "fraction")

# %% [markdown]
# ## Step two: remedies against learning by heart
#
# ### Augmentation
#
# A cat that is mirrored, turned a little, moved, sheared or seen from nearer is still a cat.
# Augmentation shows the net a freshly changed copy of each picture in each epoch.
#
# The sources do this with a class called `ImageDataGenerator`, which is gone from today's Keras.
# We look for it, and find layers in its place.

# %%
found = hasattr(keras, "preprocessing") and hasattr(
    getattr(keras.preprocessing, "image", None), "ImageDataGenerator"
)
record("cats_vs_dogs.image_data_generator.found", int(found), "count")
mistakes_table("03")

# %% [markdown]
# Each kind of change is one layer, and each has a strength.
# A rotation of 0.06 means up to that share of a full turn to either side.
# A shift of 0.12 means up to that share of the width or height.
# In training, one layer does both shifts.

#
# A turned picture needs values between its pixels.
# Usually these are mixed from the four nearest pixels, which blurs a little.
# But here one change follows the other, and after four of them the training pictures would be
# blurred while the test pictures are sharp.
# So we take the nearest pixel instead.
# Exercise 3 shows how much this matters.

# %%
AS = {"fill_mode": "reflect", "interpolation": "nearest"}
CHANGES = {
    "flip": lambda: layers.RandomFlip("horizontal"),
    "rotation": lambda: layers.RandomRotation(0.06, **AS),
    "width shift": lambda: layers.RandomTranslation(0.0, 0.12, **AS),
    "height shift": lambda: layers.RandomTranslation(0.12, 0.0, **AS),
    "shear": lambda: layers.RandomShear(0.1, 0.1, **AS),
    "zoom": lambda: layers.RandomZoom(0.15, **AS),
}


def changes():
    shift = layers.RandomTranslation(0.12, 0.12, **AS)
    return [CHANGES["flip"](), CHANGES["rotation"](), shift, CHANGES["shear"](), CHANGES["zoom"]()]


# %% [markdown]
# We show each change on one picture, in seven random strengths, and then all of them together.

# %%
original = images[np.flatnonzero(labels == 0)[4]]
copies = np.repeat(original[None], 7, axis=0)


def changed_by(*stack):
    changed = keras.Sequential(list(stack))(copies, training=True)
    return np.clip(as_array(changed), 0, 255).astype(np.uint8)


def show_rows(rows, title, alt):
    figure, axes = plt.subplots(
        len(rows), 8, figsize=(8.4, 1.05 * len(rows) + 0.5), layout="constrained"
    )
    for row, (name, changed) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, (original, *changed), strict=True):
            axis.imshow(picture)
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    axes[0, 0].set_title("original", fontsize=9)
    figure.suptitle(f"{title} ({pets.label})")
    plots.show(figure, alt)


# %%
rows = {name: changed_by(make()) for name, make in CHANGES.items()}
show_rows(
    rows | {"together": changed_by(*changes())},
    "One cat, changed",
    "Seven rows of pictures of one cat: mirrored, turned, moved sideways, moved up and down, "
    "sheared, zoomed, and all together; the first column is the original.",
)

# %% [markdown]
# When a picture is moved or turned, pixels come in that were never photographed.
# The *fill mode* says what they become: a constant colour, the nearest pixel, the picture mirrored
# at its edge, or the picture wrapped around.
# To see it well we move the cat much further than we would in training.

# %%
modes = ("constant", "nearest", "reflect", "wrap")
rows = {mode: changed_by(layers.RandomTranslation(0.4, 0.4, fill_mode=mode)) for mode in modes}
show_rows(
    rows,
    "Four fill modes",
    "Four rows of one cat moved far: black borders, streaks of the edge pixels, mirrored borders, "
    "and the other side of the picture.",
)

# %% [markdown]
# Mirroring looks the most natural, so we use it.
#
# Augmentation must act in training only.
# The layers stand inside the model, so they run on the same processor and travel with the model
# when it is saved.
# When the model predicts, they must let the picture pass unchanged, and we check that.

# %%
stack = keras.Sequential(changes())
assert np.array_equal(as_array(stack(copies, training=False)), copies)
assert not np.array_equal(as_array(stack(copies, training=True)), copies)
regularised = convnet(changes(), dropout=0.5, normalisation=True)
twice = [training.predict(regularised, images[:16]) for _ in range(2)]
assert np.array_equal(*twice)
print("Augmentation, dropout and batch statistics are at rest when the model predicts.")

# %% [markdown]
# Does augmentation make new pictures, then?
# Not quite.
# The copies of one cat resemble each other much more than two different cats do, because they are
# made from the same light, fur and background.
# We measure it: the correlation of the pixels of a copy with its original, and of two different
# training pictures.
# So the samples are correlated, and overfitting is put off rather than made impossible.


# %% tags=["measured"]
def correlation(some, others):
    some, others = (array.reshape(len(array), -1).astype(float) for array in (some, others))
    pairs = zip(some, others, strict=True)
    return float(np.mean([np.corrcoef(one, other)[0, 1] for one, other in pairs]))


few = images[:100]
changed = as_array(stack(few, training=True))
record("cats_vs_dogs.correlation.copy", correlation(changed, few))
record("cats_vs_dogs.correlation.other", correlation(few[1:], few[:-1]))

# %% [markdown]
# ### Dropout and batch normalisation
#
# **Dropout** switches off half of the inputs of the dense layer at random in each training step.
# No unit can rely on one other unit, so the net must find several reasons for each answer.
#
# **Batch normalisation** brings each channel to mean zero and unit variance over the batch.
# Its first use is to make training faster and steadier.
# The statistics change from batch to batch, and this noise might work against learning by heart,
# too; we shall see whether it does.
# For prediction the layer keeps a running mean of the statistics, and the *momentum* says how long
# its memory is.
# We train for few steps, so we give it a short one.
#
# We try each remedy alone, on the naive net, with the same number of epochs and the same seeds.

# %% tags=["measured"]
remedies = {
    "dropout": lambda: convnet(dropout=0.5),
    "batch normalisation": lambda: convnet(normalisation=True),
    "augmentation": lambda: convnet(changes()),
}
for name, build in remedies.items():
    runs[name] = [train(build, epochs, seed + k) for k in range(seeds)]

# %% [markdown]
# ### All together
#
# Now all three at once.
# A net that cannot learn by heart needs more epochs: every epoch brings new pictures, and the
# validation accuracy goes on rising where the naive net had long stopped.

# %% tags=["measured"]
runs["augmented"] = [
    train(lambda: convnet(changes(), 0.5, True), together_epochs, seed + k) for k in range(seeds)
]

# %% [markdown]
# The curves side by side tell the story.
# Watch how far the dashed line of each net runs ahead of its solid line.

# %%
parts = {"naive": "naive", "augmentation alone": "augmentation", "all together": "augmented"}
curves = {title: runs[name][0][1] for title, name in parts.items()}
figure = plots.learning_curves(curves, f"Learning by heart, put off ({pets.label})")
plots.show(
    figure,
    "Loss and accuracy over the epochs for the naive net, the net with augmentation alone and the "
    "net with all remedies; the last trains longest, its validation curve jumps at first and then "
    "runs close to its training curve.",
)

# %% [markdown]
# The validation curve of all remedies together may jump while the learning rate is high, and it
# settles when the rate falls.
# The likely reason is batch normalisation: its running statistics lag behind weights that change
# fast.

# %% [markdown]
# What did each remedy do?
# On the left the gap between training and validation accuracy, on the right the best validation
# accuracy.
# Each dot is one seed.
# With a single dot one cannot tell a small effect from luck; raise `seeds` to see the spread.
#
# A smaller gap is not yet a better net: compare the two panels row by row.
#
# Look at batch normalisation alone.
# It makes training faster, and whoever learns faster may also learn by heart sooner.
# What it is worth beside the other two remedies this run cannot say, because all together have also
# trained longer; the exercises come back to this.

# %%
shown = ["naive", "dropout", "batch normalisation", "augmentation", "augmented"]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
for place, name in enumerate(shown):
    gaps = final(name, "accuracy") - final(name, "val_accuracy")
    best = [max(history["val_accuracy"]) for _, history in runs[name]]
    axes[0].plot(gaps, [place] * seeds, "o", color=f"C{place}")
    axes[1].plot(best, [place] * seeds, "o", color=f"C{place}")
axes[0].set_yticks(range(len(shown)), [*shown[:-1], "all together"])
axes[0].invert_yaxis()
axes[0].set_xlabel("training minus validation accuracy")
axes[1].set_xlabel("best validation accuracy")
for axis in axes:
    axis.grid(alpha=0.3)
figure.suptitle(f"What each remedy did ({pets.label})")
plots.show(
    figure,
    "Two panels of dots, one row for the naive net and for each remedy: the gap between training "
    "and validation accuracy, and the best validation accuracy.",
)

# %% tags=["measured"]
for name in shown[1:]:
    record(f"cats_vs_dogs.{name.replace(' ', '_')}.gap", gap(name), "fraction")
    value = float(np.mean(final(name, "val_accuracy")))
    record(f"cats_vs_dogs.{name.replace(' ', '_')}.validation_accuracy", value, "fraction")

# %% [markdown]
# ## The test pictures, opened once
#
# Up to now we have looked at validation pictures only.
# For the last word we take pictures that no choice has touched.

# %% tags=["measured"]
test_images, test_labels = pets.test
tested = {}
for name in ("dense", *shown):
    answers = [training.predict(model, test_images, batch_size)[:, 0] for model, _ in runs[name]]
    tested[name] = [float(np.mean((answer > 0.5) == test_labels)) for answer in answers]
    record(
        f"cats_vs_dogs.{name.replace(' ', '_')}.test_accuracy", np.mean(tested[name]), "fraction"
    )
if seeds > 1:
    spread = np.std(tested["augmented"], ddof=1)
    record("cats_vs_dogs.augmented.test_spread", spread, "fraction")
margin = np.mean(tested["augmented"]) - np.mean(tested["naive"])
record("cats_vs_dogs.augmented.margin", margin, "fraction")

# %% [markdown]
# The sentences below are computed from this run.
# The standard error of an accuracy $p$ on $n$ pictures is the root of $p(1-p)/n$, and a difference
# counts if it is larger than twice the standard error of the difference.

# %% tags=["measured"]
for better, worse in (("naive", "dense"), ("augmented", "naive")):
    p, q = np.mean(tested[better]), np.mean(tested[worse])
    error = np.sqrt((p * (1 - p) + q * (1 - q)) / len(test_labels))
    verdict = "better than" if p - q > 2 * error else "not clearly better than"
    title = "net with all remedies" if better == "augmented" else f"{better} net"
    print(f"On the test pictures the {title} is {verdict} the {worse} net.")

# %% [markdown]
# ### A gallery of errors
#
# Numbers do not say *how* a model errs.
# We look at the test pictures on which the best net was most certain, and wrong.
# Some are hard for people, too; in others you may see what misled it, such as the colour of the
# background or a hidden face.

# %% tags=["measured"]
best = int(np.argmax([history["val_accuracy"][-1] for _, history in runs["augmented"]]))
model = runs["augmented"][best][0]
dog = training.predict(model, test_images, batch_size)[:, 0]
predicted = (dog > 0.5).astype(int)
truth = np.asarray(test_labels)
wrong = np.flatnonzero(predicted != truth)
worst = wrong[np.argsort(-np.abs(dog[wrong] - 0.5))][:16]
titles = [f"{pets.classes[truth[i]]}, read as {pets.classes[predicted[i]]}" for i in worst]
figure = plots.image_grid(
    test_images[worst], titles, f"The most confident mistakes ({pets.label})", 8, 1.25
)
plots.show(figure, "Sixteen test pictures with their true class and the class they were taken for.")

# %% [markdown]
# And the two kinds of error side by side: cats taken for dogs, and dogs taken for cats.

# %% tags=["measured"]
figure = plots.confusion_matrix(
    truth, predicted, pets.classes, f"All remedies together, test pictures\n({pets.label})"
)
plots.show(figure, "A two by two table of true against predicted classes.")

# %% [markdown]
# ## Keeping the model
#
# Chapter 6 asks what this model looks at.
# So we save it under a name, together with where it comes from: the data and their hash, the size
# of the pictures, the seed and what was measured.
#
# What we save has the same weights and no augmentation layers, since these are at rest when a model
# predicts.
# We check that the answers stay the same without these layers, but for rounding, and that they are
# the same to the last bit after loading.

# %% tags=["measured"]
plain = convnet(dropout=0.5, normalisation=True)
plain.set_weights(model.get_weights())
answers = training.predict(plain, test_images, batch_size)[:, 0]
assert np.allclose(answers, dog, atol=rounding)
provenance = {
    "data": pets.label,
    "data_sha256": pets.sha256,
    "size": size,
    "seed": seed + best,
    "epochs": together_epochs,
    "test_accuracy": tested["augmented"][best],
}
artifacts.save("cats_vs_dogs", profile, plain, provenance)
loaded, described = artifacts.load("cats_vs_dogs", profile)
assert np.array_equal(training.predict(loaded, test_images, batch_size)[:, 0], answers)
print("Saved and loaded again, with the same answers. The provenance names:")
print(", ".join(described))

# %% [markdown]
# ## What to remember
#
# * Overfitting shows in the curves: the training loss falls while the validation loss rises.
# * Depth rises while the maps shrink; work the sizes out before you build.
# * One sigmoid output and binary cross-entropy belong together.
# * Augmentation shows changed copies, in training only, inside the model. The copies are
#   correlated, so overfitting is put off, not abolished.
# * Dropout and batch normalisation act differently in training and in prediction.
# * One run can be luck. Compare with the same seeds, and look at the spread of several.
#
# Here is what the sources claim, beside what this run measured.
# Claims on long training are checked in the profile `full`.

# %% tags=["measured"]
claims_table("03", profile)

# %% [markdown]
# ## Exercises
#
# 1. Where should the naive net have stopped? Read it from its curve, and train again with that
#    number of epochs.
# 2. Leave out one change of the augmentation at a time. Which one matters most?
# 3. Set the interpolation to `"bilinear"`, look at the picture of all changes together, and train
#    again. What happens to the validation accuracy, and why?
# 4. Train with five hundred pictures, then with one thousand. How does the gap change?
# 5. Set `size` to 24. Which layer cannot work, and why that one?
# 6. Train `convnet(changes(), 0.5)`, without batch normalisation, for `together_epochs`. What was
#    batch normalisation worth?
