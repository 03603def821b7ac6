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
# # 4. Feature extraction: borrowing what another network has learned
#
# In chapter 3 a network learned about cats and dogs from two thousand photographs and nothing else.
# It had to discover edges, fur, ears and faces, all from those few pictures.
#
# Other networks have discovered them already.
# ImageNet is a collection of more than a million photographs in a thousand classes, and networks
# trained on it for days are free to download.
# In this chapter we take such a network, cut off its last layer, and put a small one of our own in
# its place.
#
# After this chapter you can
#
# * say why features learned on one task serve another;
# * take a pretrained base by name, and say what it expects and what it returns;
# * extract features once and train a small head on them;
# * train the same head end to end behind a frozen base, with augmentation;
# * choose between the two methods, and tell how few pictures suffice;
# * recognise what wrong preprocessing costs.

# %%
from helpers import arithmetic, datasets, frozen, plots, pretrained, training
from helpers.backend import as_array
from helpers.records import claims_table, mistakes_table, record
import time
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

# %% [markdown]
# Everything that can be changed stands in the next cell.

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: built-in data, real data, or larger real pictures
seed: int = 0  # 0 to 1000000: seed of the weights, the shuffling and the augmentation
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
seeds: int = 5  # 2 to 20: how many heads are trained for each experiment, counted up from seed
base_name: str = "efficientnet_lite0"  # efficientnet_lite0 | mobilenet | vgg16: pretrained base
size: int = 160  # 32 to 224: width and height of the pictures, in pixels
pictures: int = 2000  # 40 to 2000: training pictures
units: int = 256  # 8 to 1024: units of the hidden layer of the head
batch_size: int = 32  # 8 to 256: pictures a step
rate: float = 0.0005  # 0.00001 to 0.01: learning rate of the head on extracted features
epochs: int = 15  # 1 to 100: passes over the extracted features
end_to_end_rate: float = 0.001  # 0.00001 to 0.01: highest learning rate of the head, end to end
end_to_end_epochs: int = 3  # 1 to 100: passes over the augmented pictures, end to end
wrong_pictures: int = 500  # 20 to 2000: training pictures that meet the wrong preprocessing

# %% [markdown]
# ## Why features transfer
#
# A convnet builds its answer in steps.
# The first layers find edges and spots of colour, the next ones find textures, then come parts such
# as eyes and wheels, and only the last layers know about whole things.
#
# Edges and textures occur in every photograph, so the early layers are **generic**.
# They would come out much the same whatever the classes were.
# The last layers are **specific**: they answer the question that the network was asked.
#
# The closer a new question is to the old one, the more of the network can be kept.
# A thousand classes of everyday things, a good hundred of them breeds of dogs, are close to our
# question.
# If the new pictures were X-rays or star maps, less would be of use, and one would cut earlier.
#
# Keep two more words in mind.
# The **base** is the part that we keep, and the **head** is the small new part on top of it.

# %% [markdown]
# ## The pictures
#
# They are the cats and dogs of chapter 3, now somewhat larger, because the bases were trained on
# large pictures.
# The validation pictures are there to watch the training, and the test pictures to measure once.

# %% tags=["measured"]
training.start(seed, precision)
rounding = 1e-4 if precision == "exact" else 0.5  # largest difference that it may make
pets = datasets.load("cats_vs_dogs", profile, size=size)
images, labels = (array[:pictures] for array in pets.train)
record("features.training_pictures", len(images), "count")

# %% [markdown]
# ## The bases
#
# Three bases stand in one table of the helpers.
# Each brings its own preprocessing, a smallest size of pictures, the name of its last convolution,
# and places where it can sensibly be cut.
#
# * **VGG16** is a tower of 3x3 convolutions, simple and heavy.
# * **MobileNet** splits each convolution into a spatial and a 1x1 part, which makes it light.
# * **EfficientNet-Lite0** goes further along that way and adds residual connections.
#
# We build all three with random weights first, for pictures of 160 pixels, to see what comes out.
# The part that named the thousand classes is left out; this is what *without top* means.

# %%
shapes = {}
for name, entry in pretrained.BASES.items():
    model = pretrained.load(name, 160, weights="random")
    shapes[name] = (*model.output_shape[1:], model.count_params())
    height, width, channels, parameters = shapes[name]
    print(f"{name:19} ({height}, {width}, {channels:4}) {parameters:>11,} parameters")
    print(f"{'':19} expects {entry.preprocessing}")

# %% [markdown]
# Every base returns maps of five by five positions.
# The picture was halved five times, from 160 pixels to 5.
# At each position stand hundreds of numbers, the channels, and each channel says how strongly its
# feature is present there.
#
# The sources give these figures for MobileNet, so we keep ours for the table at the end.

# %%
record("features.mobilenet.positions", shapes["mobilenet"][0] * shapes["mobilenet"][1], "count")
record("features.mobilenet.channels", shapes["mobilenet"][2], "count")
record("features.mobilenet.parameters", shapes["mobilenet"][3], "count")

# %% [markdown]
# Note the preprocessing in the list.
# What comes out of it for a white pixel?
# VGG16 does not see ones there, as it would after a division by 255, but numbers above a hundred.

# %%
white = np.full((1, 32, 32, 3), 255, "float32")
vgg16 = pretrained.load("vgg16", 32, weights="random")
prepared = keras.Model(vgg16.input, vgg16.get_layer("preprocessing").output)
record("features.vgg16.white_pixel", prepared.predict_on_batch(white).max())

# %% [markdown]
# Each base wants its numbers as its authors fed them: VGG16 wants blue before red, MobileNet wants
# values from -1 to 1.
# A base does not complain about other numbers; it only sees badly.
# So our bases carry their preprocessing as their first layer and take pictures from 0 to 255.
# Later we leave it out on purpose.

# %%
base = pretrained.load(base_name, size)
print("takes", base.input_shape[-1], "channels; the first layers are:")
print([layer.name for layer in base.layers[:2]])
assert base.get_layer("preprocessing") in base.layers

# %% [markdown]
# ### What the base already sees
#
# Before we cut the top off, let us ask it.
# We load EfficientNet-Lite0 with its top and show it some of our pictures.
# It has never seen them, and it answers in the thousand classes of ImageNet.

# %% tags=["measured"]
whole = pretrained.load("efficientnet_lite0", size, top=True)
names = pretrained.imagenet_classes()
answers = whole.predict_on_batch(np.asarray(images[:16])).argmax(axis=1)
titles = [names[answer].replace(" ", "\n", 1) for answer in answers]
figure = plots.image_grid(
    images[:16], titles, f"What ImageNet's classes say of our pictures ({pets.label})", 8, 1.4
)
plots.show(figure, "Sixteen pictures of cats and dogs, each with the class ImageNet's top names.")

# %% [markdown]
# It names breeds.
# Sometimes it is far off: it takes a cat for another animal, or names a thing that is not there.
# Nobody told it about our two classes, but what it needs to tell them apart is there.
# We only have to read it out.

# %% [markdown]
# ## Method 1: features once, then a small head
#
# The base is **frozen**: its weights do not change.
# So for a given picture it always returns the same numbers, and there is no reason to compute them
# more than once.
# We run all pictures through the base one time and keep what comes out.
#
# First we average each channel over the positions.
# *Global average pooling* turns the maps into one number a channel: how strongly the feature is
# present in the whole picture.

# %%
base.trainable = False
pooled = layers.GlobalAveragePooling2D(name="pool")(base.output)
extractor = keras.Model(base.input, pooled, name=f"{base.name}_pooled")
assert extractor.output_shape == (None, base.output_shape[-1])

# %% [markdown]
# The helper `frozen.features` runs the extractor and stores the result in a file.
# The name of the file is a hash of everything that the result depends on: the pictures, the base
# and its weights, the size and the preprocessing.
# A second run of this chapter finds the file and starts at once.
# If you change any of these, the name is another one, and the features are computed anew.

# %% tags=["measured"]
features = {
    part: frozen.features(extractor, x)
    for part, x in (("train", images), ("validation", pets.validation[0]), ("test", pets.test[0]))
}
targets = {"train": labels, "validation": pets.validation[1], "test": pets.test[1]}
assert features["train"].shape == (len(images), base.output_shape[-1])

# %% [markdown]
# What do such features look like?
# We draw them for a few pictures of each class, one row a picture.
# Only the channels that differ most between the classes are shown.
# The stronger the feature, the darker the field.

# %% tags=["measured"]
means = [features["train"][labels == kind].mean(axis=0) for kind in (0, 1)]
telling = np.argsort(means[1] - means[0])[np.r_[:30, -30:0]]
rows = np.r_[np.flatnonzero(labels == 0)[:12], np.flatnonzero(labels == 1)[:12]]
figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
shown = axis.imshow(features["train"][rows][:, telling], aspect="auto", cmap="Greys", vmax=3)
axis.axhline(11.5, color="C3")
axis.set_yticks([5.5, 17.5], [f"twelve {kind}s" for kind in pets.classes])
axis.set_xlabel("channels, from those that speak for a cat to those that speak for a dog")
axis.set_title(f"Features of single pictures ({pets.label})")
figure.colorbar(shown, ax=axis, label="strength of the feature")
plots.show(
    figure,
    "A grey field for each of sixty channels, twelve rows of cats above twelve rows of dogs.",
)

# %% [markdown]
# Where single channels already tell cats from dogs, two blocks stand out: one at the upper left
# and one at the lower right.
# The clearer they are, the less is left for a head to do.
#
# ### The head
#
# Ours is the one the sources use: a dense layer, dropout, and one sigmoid unit.
# The sigmoid returns the probability of *dog*, and the loss that fits it is the binary
# cross-entropy.
# These two belong together.
# A head without the sigmoid would need a loss that is told so (`from_logits=True`).


# %%
def make_head(channels):
    return keras.Sequential(
        [
            keras.Input((channels,)),
            layers.Dense(units, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="head",
    )


# %% [markdown]
# We count its parameters by hand and let Keras confirm the count.
# The base does not appear in it: the head is all that learns.

# %%
channels = base.output_shape[-1]
head = make_head(channels)
by_hand = arithmetic.dense_parameters(channels, units) + arithmetic.dense_parameters(units, 1)
assert head.count_params() == by_hand
assert head.layers[-1].activation is keras.activations.sigmoid
print("The head has the parameters that we counted, and a sigmoid at its end.")

# %% [markdown]
# The next function trains a head from a seed and measures it on the test pictures.
# It can be given part of the training features, which we shall use in a moment, and it can watch
# the validation pictures.


# %%
def train_head(found, chosen, seed, watched=None):
    training.start(seed)
    head = make_head(channels)
    head.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    x, y = np.asarray(found["train"])[chosen], targets["train"][chosen]
    history = training.fit(
        head, x, y, epochs=epochs, batch_size=batch_size, validation=watched, seed=seed
    )
    says_dog = training.predict(head, found["test"])[:, 0] > 0.5
    return head, history, np.mean(says_dog == targets["test"])


# %% [markdown]
# We train several heads that differ in their seed only.
# Their spread tells how much of a result is luck.

# %% tags=["measured"]
everything = np.arange(len(images))
watched = (features["validation"], targets["validation"])
heads = [train_head(features, everything, seed + k, watched) for k in range(seeds)]
head_accuracy = np.array([accuracy for _, _, accuracy in heads])
record("features.head.test_accuracy", head_accuracy.mean(), "fraction")
record("features.head.spread", head_accuracy.std(ddof=1), "fraction")
record("features.head.validation_accuracy", heads[0][1]["val_accuracy"][-1], "fraction")

# %% tags=["measured"]
figure = plots.learning_curves({"head": heads[0][1]}, f"A head on frozen features ({pets.label})")
plots.show(figure, "Loss and accuracy of the head, training and validation, over the epochs.")

# %% [markdown]
# Compare this with chapter 3.
# There a network fought for every point, over many passes through the pictures.
# Look where the curve of the head begins: most of its learning was done by others.
#
# Look at the loss too.
# If the validation loss rises while the accuracy stays, the head grows too sure of itself: a few
# pictures that it gets wrong, it gets wrong with more and more conviction.
#
# ## How few pictures suffice?
#
# If the head has little to learn, few pictures should teach it.
# We train heads on a twentieth of the pictures, on a few more, on half, and on all.
# Each seed draws its own pictures, so the spread holds the luck of the draw too.
# Expect the fewest pictures to give the widest spread.


# %%
def few(number, seed):
    """Row numbers of the same number of pictures of each class, drawn at random."""
    chance = np.random.default_rng(seed)
    each = [chance.permutation(np.flatnonzero(labels == kind)) for kind in (0, 1)]
    return np.sort(np.concatenate([rows[: number // 2] for rows in each]))


# %% tags=["measured"]
counts = [len(images) // 20, 3 * len(images) // 20, len(images) // 2]
by_count = {
    count: [train_head(features, few(count, seed + k), seed + k)[2] for k in range(seeds)]
    for count in counts
}
by_count[len(images)] = list(head_accuracy)
for number, accuracies in enumerate(by_count.values(), start=1):
    record(f"features.few.step_{number}.test_accuracy", np.mean(accuracies), "fraction")

# %% tags=["measured"]
figure, axis = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
spread = [np.std(values, ddof=1) for values in by_count.values()]
centre = [np.mean(values) for values in by_count.values()]
axis.errorbar(list(by_count), centre, yerr=spread, capsize=4, marker="o", color="C0")
for count, values in by_count.items():
    axis.plot([count] * len(values), values, ".", color="C0", alpha=0.35)
axis.set_xscale("log")
axis.set_xticks(list(by_count), [f"{count:,}" for count in by_count])
axis.minorticks_off()
axis.set_xlabel("training pictures")
axis.set_ylabel("test accuracy")
axis.set_title(f"How few pictures suffice ({pets.label})")
axis.grid(alpha=0.3)
plots.show(figure, "Test accuracy over the number of training pictures, with spread over seeds.")

# %% [markdown]
# Each dot is one head, and the bars show one standard deviation to either side.
# Where such a curve has become flat, more of the same pictures would not help; better features
# would.

# %% tags=["measured"]
gain = centre[-1] - centre[0]
noise = np.hypot(spread[0], spread[-1])
verdict = "more than the spread over seeds" if gain > noise else "within the spread over seeds"
print(f"What all pictures gain over the fewest is {verdict}.")

# %% [markdown]
# ## A map of the features
#
# Each test picture is a point in a space of many dimensions, one a channel.
# *t-SNE* lays such points on a plane so that neighbours stay neighbours.
# Distances between far points mean nothing in such a map; who lies beside whom does.
# To save time the points are first projected on the fifty directions in which they vary most.

# %% tags=["measured"]
components = min(50, len(features["test"]) - 1)
narrow = PCA(components, random_state=seed).fit_transform(features["test"])
plane = TSNE(perplexity=30, init="pca", random_state=seed).fit_transform(narrow)
probability = training.predict(heads[0][0], features["test"])[:, 0]
wrong = (probability > 0.5) != (targets["test"] == 1)

# %% tags=["measured"]
figure, axis = plt.subplots(figsize=(6.5, 5), layout="constrained")
for kind, name in enumerate(pets.classes):
    axis.scatter(*plane[targets["test"] == kind].T, s=9, color=f"C{kind}", label=name, alpha=0.7)
axis.scatter(*plane[wrong].T, s=90, facecolors="none", edgecolors="black", label="the head errs")
axis.set_xticks([])
axis.set_yticks([])
axis.set_xlabel("first direction of the map")
axis.set_ylabel("second direction of the map")
axis.set_title(f"Test pictures by their features ({pets.label})")
axis.legend()
plots.show(
    figure, "Test pictures as points in two colours, cats and dogs; circles mark the head's errors."
)

# %% [markdown]
# The features were never told which pictures are cats, and neither was t-SNE.
# If the two colours lie apart all the same, it is the base that tells them apart.
# The circles mark the pictures that the head gets wrong: a point of one colour among those of the
# other, or on the border.
#
# Let us look at the worst of them, those where the head was most sure of the wrong class.

# %% tags=["measured"]
sure = np.abs(probability - (targets["test"] == 1))
worst = np.argsort(-sure)[:8]
titles = [f"a {pets.classes[targets['test'][row]]}\nby label" for row in worst]
figure = plots.image_grid(
    pets.test[0][worst], titles, f"Taken for the other class, surest first ({pets.label})", 8, 1.4
)
plots.show(figure, "Eight test pictures which the head is surest of, and wrong or least right.")

# %% [markdown]
# Ask of each whether the pose, the light or a hidden face explains the error.
# The collection is also known to hold a few pictures that show neither animal.
# No head can get those right, except by luck.

# %% [markdown]
# ## What wrong preprocessing costs
#
# Now we feed the base what it does not expect.
# Many courses scale pictures to 0 to 1 and pass them to any base; the first edition of a well-known
# book did so with VGG16.
# Nothing fails and no warning appears.
#
# We load the base without its own preprocessing and put two wrong ones in its place: a division by
# 255, and nothing at all.
# The weights are the same.


# %%
def wrongly_fed(scale, name):
    bare = pretrained.load(base_name, size, preprocessing=False)
    raw = keras.Input((size, size, 3), name="pictures")
    maps = bare(layers.Rescaling(scale, name="preprocessing")(raw))
    return keras.Model(raw, layers.GlobalAveragePooling2D()(maps), name=f"{base_name}_{name}")


# %% [markdown]
# Part of the training pictures is enough to see the difference.
# The right features of the same pictures stand beside.

# %% tags=["measured"]
short = np.arange(min(wrong_pictures, len(images)))
parts = {"train": images[: len(short)], "test": pets.test[0]}
by_feeding = {"its own": features}
for name, scale in (("divided by 255", 1 / 255), ("none", 1.0)):
    model = wrongly_fed(scale, name.replace(" ", "_"))
    by_feeding[name] = {part: frozen.features(model, x) for part, x in parts.items()}

# %% tags=["measured"]
fed = {
    name: [train_head(found, short, seed + k)[2] for k in range(seeds)]
    for name, found in by_feeding.items()
}
own, divided, unscaled = (np.mean(values) for values in fed.values())
record("features.preprocessing.own.test_accuracy", own, "fraction")
record("features.preprocessing.divided.test_accuracy", divided, "fraction")
record("features.preprocessing.none.test_accuracy", unscaled, "fraction")

# %% tags=["measured"]
figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
for place, values in enumerate(fed.values()):
    axis.plot(values, [place] * len(values), "o", color=f"C{place}", alpha=0.5)
    axis.plot(np.mean(values), place, "|", color="black", markersize=22)
axis.set_yticks(range(len(fed)), list(fed))
axis.set_ylim(-0.5, len(fed) - 0.5)
axis.set_xlabel("test accuracy")
axis.set_ylabel("preprocessing")
axis.set_title(f"The same base, fed in three ways ({pets.label})")
axis.grid(alpha=0.3)
plots.show(figure, "Test accuracy of heads under three kinds of preprocessing, one dot a seed.")

# %% tags=["measured"]
for name, values in list(fed.items())[1:]:
    gap = np.mean(fed["its own"]) - np.mean(values)
    noise = np.hypot(np.std(fed["its own"], ddof=1), np.std(values, ddof=1))
    outcome = "costs accuracy" if gap > noise else "costs no more than the spread over seeds"
    print(f"Preprocessing {name!r} {outcome}.")

# %% [markdown]
# The head adapts to the bad features as well as it can, which hides part of the damage.
# A gross mistake shows at once.
# A mild one is the more dangerous: the result is worse, but not so bad that one looks for a reason.
# So we do not rely on memory: a test of the helpers checks for each base that its preprocessing is
# the one its authors used.

# %% [markdown]
# ## Method 2: the frozen base, end to end
#
# Method 1 cannot augment: its features were computed from the pictures as they are.
# Method 2 puts everything into one model.
# Pictures are augmented, pass through the frozen base, and reach the head, in every epoch anew.
#
# One setting freezes the base, and a second keeps it safe later.
# `base.trainable = False` keeps the optimizer away from its weights.
# For batch normalisation this is enough, too: in Keras a frozen normalisation works with its stored
# statistics and does not change them.
# `training=False` says so in the model itself, and holds even when layers are unfrozen for
# fine-tuning; without it the statistics would then drift towards our pictures.


# %%
def end_to_end():
    base.trainable = False
    raw = keras.Input((size, size, 3))
    x = layers.RandomFlip("horizontal", seed=seed)(raw)
    x = layers.RandomRotation(0.05, seed=seed)(x)
    x = layers.RandomZoom(0.1, seed=seed)(x)
    x = base(x, training=False)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(raw, make_head(channels)(x), name="end_to_end")


# %% [markdown]
# Before we train, we keep a copy of all weights of the base.
# And we check that only those of the head can be trained.

# %% tags=["measured"]
training.start(seed)
model = end_to_end()
before = base.get_weights()
assert sum(np.prod(weight.shape) for weight in model.trainable_variables) == by_hand
steps = training.steps_in(len(images), batch_size, end_to_end_epochs)
model.compile(
    keras.optimizers.Adam(training.one_cycle(end_to_end_rate, steps)),
    "binary_crossentropy",
    metrics=["accuracy"],
)

# %% tags=["measured"]
began = time.perf_counter()
history = training.fit(
    model,
    images,
    labels,
    epochs=end_to_end_epochs,
    batch_size=batch_size,
    validation=pets.validation,
    seed=seed,
)
end_to_end_seconds = time.perf_counter() - began
end_to_end_accuracy = training.evaluate(model, *pets.test)["accuracy"]
record("features.end_to_end.test_accuracy", end_to_end_accuracy, "fraction")

# %% [markdown]
# Did the freezing hold?
# Every weight of the base must be the same to the last bit, the statistics of its batch
# normalisation among them.
# If not, the next cell would stop the chapter.

# %% tags=["measured"]
after = base.get_weights()
assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
print("No weight of the base has moved.")
figure = plots.learning_curves(
    {"end to end": history}, f"A head behind the frozen base, with augmentation ({pets.label})"
)
plots.show(figure, "Loss and accuracy of the end-to-end model over its epochs.")

# %% [markdown]
# ## The two methods compared
#
# Both methods train the same head on the same base, so we expect accuracies close together.
# Their times differ, so we measure them.
# A head's epoch on stored features is timed against an epoch of the end-to-end model, and both look
# at the validation pictures after each epoch.
# Method 1 pays once for one pass of the training and validation pictures through the base, which we
# measure on a few batches, because the features may have come from the file.

# %% tags=["nbval-ignore-output", "measured"]
timed = np.asarray(images[: min(256, len(images))])
extractor.predict_on_batch(timed[:64])
began = time.perf_counter()
for start in range(0, len(timed), 64):
    extractor.predict_on_batch(timed[start : start + 64])
passed = len(images) + len(pets.validation[0])
extraction_seconds = (time.perf_counter() - began) * passed / len(timed)
began = time.perf_counter()
train_head(features, everything, seed, watched)
head_seconds = time.perf_counter() - began
record("features.head.seconds_an_epoch", head_seconds / epochs, "seconds")
record("features.extraction.seconds", extraction_seconds, "seconds")
record("features.end_to_end.seconds_an_epoch", end_to_end_seconds / end_to_end_epochs, "seconds")

# %% tags=["nbval-ignore-output", "measured"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
left.barh(["end to end"], [end_to_end_seconds], color="C1", label="end to end, all epochs")
left.barh(["features once"], [extraction_seconds], color="C2", label="extraction, once")
left.barh(
    ["features once"], [head_seconds], left=extraction_seconds, color="C0", label="head, all epochs"
)
left.set_xlabel("seconds")
left.set_title("time")
left.legend(fontsize=8)
right.plot(head_accuracy, ["features once"] * seeds, "o", color="C0", alpha=0.5)
right.plot([end_to_end_accuracy], ["end to end"], "o", color="C1")
right.set_ylim(-0.6, 1.6)
right.set_xlabel("test accuracy")
right.set_title("accuracy, one dot a seed")
right.grid(alpha=0.3)
figure.suptitle(f"Two ways to train a head ({pets.label})")
plots.show(figure, "Left the seconds of both methods as bars, right their test accuracies as dots.")

# %% tags=["measured"]
error = np.sqrt(head_accuracy.mean() * (1 - head_accuracy.mean()) / len(targets["test"]))
gap = end_to_end_accuracy - head_accuracy.mean()
if abs(gap) <= 2 * np.hypot(error, head_accuracy.std(ddof=1)):
    print("The two methods differ by no more than the size of the test and the seeds can explain.")
else:
    print(f"Method {2 if gap > 0 else 1} is better by more than chance explains.")

# %% [markdown]
# Which one should you use?
#
# * Features once, when the data are as they are and you want to try many heads, many subsets or
#   many seeds. Everything in this chapter with several seeds was done this way.
# * End to end, when augmentation matters, or as the first step of fine-tuning.
#
# There is a way between the two: pass several augmented copies of each picture through the base and
# store the features of all copies.
# Chapter 5 does that.

# %% [markdown]
# ## A head in two descriptions
#
# One of the sources describes its head as *global max pooling, then a dense layer*, but its code
# flattens the maps, and its hidden dense layer has no activation.
# Both matter.
#
# Flattening keeps the positions, and so each unit needs a weight for every position and channel.
# Pooling needs one a channel.


# %%
maps = keras.Input(shapes["mobilenet"][:3])
score = keras.Sequential([layers.Dense(256), layers.Dense(1, activation="sigmoid")])
flat = keras.Model(maps, score(layers.Flatten()(maps)))
wide = keras.Sequential([layers.Dense(256), layers.Dense(1, activation="sigmoid")])
pooled_max = keras.Model(maps, wide(layers.GlobalMaxPooling2D()(maps)))
record("features.classifier.flattened.parameters", flat.count_params(), "count")
record("features.classifier.pooled.parameters", pooled_max.count_params(), "count")

# %% [markdown]
# And two dense layers without an activation between them are one dense layer.
# A product of two matrices is a matrix: we multiply them and get the same logits from one layer.

# %%
inner, outer = wide.layers
example = np.random.default_rng(0).normal(size=(4, 1024)).astype("float32")
one_matrix = inner.kernel.numpy() @ outer.kernel.numpy()
logits = as_array(inner(example)) @ outer.kernel.numpy()
assert np.allclose(example @ one_matrix, logits, atol=rounding)
print("One layer does the work of the two.")

# %% [markdown]
# The sources' mistakes that belong to this chapter:

# %% tags=["measured"]
mistakes_table("04")

# %% [markdown]
# ## What to remember
#
# * A network trained on a million pictures has learned features that serve other pictures too.
# * The base is frozen, so its output need be computed only once for each picture.
# * A small head on such features learns within seconds, from few pictures.
# * The base wants the preprocessing of its authors, and it does not complain about another.
# * End to end allows augmentation, at the price of running the base in every epoch.
# * Several seeds, or the size of the test, tell whether a difference is one.
#
# What the sources say, and what this run measured.
# Two sources used other bases, MobileNet and VGG16.
# Their rows say whether the method reaches the figure with the base of this run, which is the one
# that `base_name` names.

# %% tags=["measured"]
claims_table("04", profile)

# %% [markdown]
# ## Exercises
#
# 1. Replace global average pooling by global max pooling in the extractor. Which features change
#    most, and does the head care?
# 2. Give the head no hidden layer at all. How much accuracy does the hidden layer bring, compared
#    with the spread over seeds?
# 3. Cut the base earlier with `frozen.cut` and train a head on the features of that layer. Plot the
#    accuracy against the depth of the cut. Where do cats and dogs become separable?
# 4. Run the chapter with pictures of 96 and of 200 pixels. What does the larger size gain, and what
#    does it cost?
# 5. With a network at hand, set `base_name` to `"vgg16"`. Why does wrong preprocessing cost this
#    base a different amount?
