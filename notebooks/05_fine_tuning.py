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
# # 5. Fine-tuning: adapting what we borrowed
#
# In chapter 4 the base stayed as it was, and only a new head learned.
# The base's last layers, however, were made for ImageNet's thousand classes.
# **Fine-tuning** trains these last layers on, together with the head, in very small steps.
#
# It is done in five steps, and their order matters.
#
# 1. Put a new head on the base.
# 2. Freeze the base.
# 3. Train the head.
# 4. Unfreeze the top of the base.
# 5. Train both together, at a learning rate well below that of the head.
#
# After this chapter you can
#
# * carry out these steps and check each of them;
# * say what happens when they are skipped, because you have seen it;
# * freeze batch normalisation and explain why;
# * choose how deep to unfreeze and at which rate;
# * compute the frozen part once, so that an epoch costs a fraction;
# * say honestly whether fine-tuning helped.

# %%
from helpers import datasets, frozen, plots, pretrained, training
from helpers.records import claims_table, mistakes_table, record
import time
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# Everything that can be changed stands in the next cell.

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: built-in data, real data, or larger real pictures
seed: int = 0  # 0 to 1000000: seed of the weights, the shuffling and the augmentation
precision: str = "exact"  # exact | fast: results that repeat, or bfloat16 for a GPU
seeds: int = 3  # 2 to 20: how many times the whole procedure is run, counted up from seed
last_frozen: str = "block6d_add"  # block5c_add | block6b_add | block6d_add: the base is cut here
size: int = 160  # 32 to 224: width and height of the pictures, in pixels
pictures: int = 2000  # 40 to 2000: training pictures
copies: int = 2  # 1 to 20: augmented copies of each training picture
batch_size: int = 32  # 8 to 256: pictures a step
head_rate: float = 0.002  # 0.00001 to 0.01: learning rate of the head alone
head_epochs: int = 4  # 1 to 100: passes over all copies with the base frozen
rate: float = 0.0005  # 0.000001 to 0.01: highest learning rate of base and head together
epochs: int = 3  # 1 to 100: passes over all copies while base and head learn together
reckless_rate: float = 0.02  # 0.001 to 1.0: the rate that is far too high, to show what it does
grid_pictures: int = 600  # 20 to 2000: training pictures for the grid of depths and rates
grid_epochs: int = 2  # 1 to 20: passes over them
grid_depths: int = 3  # 1 to 3: how many cuts the grid tries
grid_rates: int = 3  # 2 to 3: how many learning rates it tries

# %% tags=["measured"]
training.start(seed, precision)
rounding = 1e-4 if precision == "exact" else 0.5  # largest difference that it may make
pets = datasets.load("cats_vs_dogs", profile, size=size)
images, labels = (array[:pictures] for array in pets.train)
record("fine_tuning.training_pictures", len(images), "count")

# %% [markdown]
# ## The base in two parts
#
# A base with random weights would have nothing to tune.
# Ours comes with the weights that ImageNet gave it.
#
# We shall train its last layers only, for two reasons.
# The early layers find edges and textures, which are the same for every task.
# And the fewer weights we train on two thousand pictures, the less they can learn by heart.
#
# So the base falls into two parts: the **prefix**, which stays frozen, and the **rest**, which will
# be trained.
# The helper `frozen.cut` makes two models of one base.
# They share their layers with it, so what we train in the rest is trained in the base.

# %%
base = pretrained.load("efficientnet_lite0", size)
prefix, rest = frozen.cut(base, last_frozen)
print("frozen: from", prefix.layers[0].name, "to", prefix.layers[-1].name)
print("trained: from", rest.layers[1].name, "to", rest.layers[-1].name)

# %% [markdown]
# Not every layer is a place to cut.
# In a residual block the input runs around the convolutions and is added to their output.
# A cut inside such a block would have to cut two paths, so the helper refuses and names the nearest
# places where a single path can be cut.

# %%
try:
    frozen.cut(base, "block6d_depthwise_conv")
except ValueError as error:
    print(error)

# %% [markdown]
# ### The frozen prefix is computed once
#
# Chapter 4 stored the output of the whole base.
# The same works for the prefix: for a given picture it always returns the same maps.
# We compute them once, and each epoch then runs through the rest alone.
#
# Augmentation seems to forbid this, because it makes each picture new in each epoch.
# The way out is to draw a few augmented copies of each picture and to store the maps of all.
# That is less variety than new copies in each epoch would give, and it costs far less time.

# %%
augmentation = keras.Sequential(
    [
        keras.Input((size, size, 3)),
        layers.RandomFlip("horizontal", seed=seed),
        layers.RandomRotation(0.05, seed=seed + 1),
        layers.RandomZoom(0.1, seed=seed + 2),
    ]
)

# %% tags=["measured"]
maps = frozen.features(prefix, images, augmentation=augmentation, copies=copies)
targets = np.tile(labels, copies)
validation = (frozen.features(prefix, pets.validation[0]), pets.validation[1])
test = (frozen.features(prefix, pets.test[0]), pets.test[1])
assert len(maps) == len(targets) == copies * len(images)

# %% [markdown]
# Do the two parts together compute what the base computes?
# They must, apart from rounding.

# %% tags=["measured"]
few = np.asarray(pets.test[0][:32])
difference = np.abs(base.predict_on_batch(few) - rest.predict_on_batch(np.asarray(test[0][:32])))
assert difference.max() <= rounding
print("Prefix and rest together return what the whole base returns.")

# %% [markdown]
# ## The five steps
#
# ### Step 1: a new head on the base
#
# The head is that of chapter 4.
# The model takes the prefix's maps, runs them through the rest of the base, averages over the
# positions, and asks the head.
#
# `rest` always starts from the weights of ImageNet: they are kept here and put back before each
# experiment.

# %%
imagenet = rest.get_weights()


def build(rest):
    start = keras.Input(rest.input_shape[1:])
    pooled = layers.GlobalAveragePooling2D()(rest(start))
    head = keras.Sequential(
        [
            keras.Input((rest.output_shape[-1],)),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="head",
    )
    return keras.Model(start, pooled), head, keras.Model(start, head(pooled))


# %% [markdown]
# ### Step 2: freeze the base
#
# Why freeze at all, if we unfreeze soon?
# The head begins with random weights, so its first gradients are large and point anywhere.
# If they reached the base, they would destroy what ImageNet taught it.
# We shall see this happen further below.
#
# Mind on what you set the flag.
# `model.trainable = True` sets the flag of every layer inside, batch normalisation included, and
# the same layers belong to several models here.
# So we set the flag layer by layer, and check what can learn.


# %%
def freeze(part):
    for layer in part.layers:
        layer.trainable = False


freeze(base)
trunk, head, model = build(rest)
assert len(rest.trainable_variables) == 0
assert len(model.trainable_variables) == len(head.trainable_variables) == 4
assert head.layers[-1].activation is keras.activations.sigmoid
print("Only the kernels and biases of the two dense layers can be trained.")

# %% [markdown]
# ### Step 3: train the head
#
# With the base frozen, this is feature extraction as in chapter 4.
# The rest is frozen too for the moment, so we run the maps through it once and train the head on
# what comes out.
# This does not depend on the head, so it serves all heads to come.


# %%
def train(model, x, y, rate, epochs, watched, seed):
    steps = training.steps_in(len(x), batch_size, epochs)
    optimizer = keras.optimizers.Adam(training.one_cycle(rate, steps))
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return training.fit(
        model, x, y, epochs=epochs, batch_size=batch_size, validation=watched, seed=seed
    )


def train_head(head, seed):
    watched = (pooled_validation, validation[1])
    return train(head, pooled_maps, targets, head_rate, head_epochs, watched, seed)


# %% tags=["measured"]
training.start(seed)
trunk, head, model = build(rest)
pooled_maps, pooled_validation = (training.predict(trunk, x) for x in (maps, validation[0]))
head_history = train_head(head, seed)
head_only = head.get_weights()

# %% [markdown]
# ### Step 4: unfreeze the top of the base
#
# Now the layers of the rest may learn, with one exception: batch normalisation stays frozen.
#
# A batch normalisation layer does two things that fine-tuning should not touch.
# In training it would normalise by the mean and variance of the small batch at hand, which are
# noisy.
# And it would pull its stored statistics, which come from a million pictures, towards ours.
# In Keras a frozen batch normalisation layer uses its stored statistics even in training.


# %%
def unfreeze(part):
    for layer in part.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)


unfreeze(rest)
assert not any(layer.trainable for layer in prefix.layers)
assert all(layer.trainable != isinstance(layer, layers.BatchNormalization) for layer in rest.layers)

# %% [markdown]
# How much can learn now?
# For several places to cut, the next table counts the weights of the convolutions that follow.
# The line of our own cut must agree with what Keras says it will train.


# %%
def convolution_weights(part):
    chosen = [
        layer for layer in part.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
    ]
    return sum(int(np.prod(layer.kernel.shape)) for layer in chosen)


after_cut = {}
for name in pretrained.BASES[base.name].cuts[::-1]:
    after_cut[name] = convolution_weights(frozen.cut(base, name)[1])
    share = after_cut[name] / base.count_params()
    print(f"after {name:20} {after_cut[name]:>10,} weights, {share:.2f} of the base")
unfrozen = sum(int(np.prod(weight.shape)) for weight in rest.trainable_variables)
assert unfrozen == after_cut[last_frozen]

# %% [markdown]
# The last blocks hold a large share of all weights, because channels are many where maps are small.
# The many early layers are few weights, but they work on large maps, so they take most of the time.
# Freezing them saves that time.
#
# ### Step 5: train both at a low rate
#
# A model must be compiled again after its flags have changed; our `train` always does.
# The rate is well below that of the head, so that the weights move a little way from where
# ImageNet left them.
# Before we train, we keep a copy of all weights.

# %% tags=["measured"]
before = {layer.name: layer.get_weights() for layer in base.layers}
tuned_history = train(model, maps, targets, rate, epochs, validation, seed)

# %% [markdown]
# Every promise is now checked.
# The prefix must be the same to the last bit, and so must all batch normalisation, statistics
# included.
# Every convolution of the rest must have moved.


# %%
def moved(layer):
    pairs = zip(before[layer.name], layer.get_weights(), strict=True)
    return any(not np.array_equal(old, new) for old, new in pairs)


assert not any(moved(layer) for layer in prefix.layers)
for layer in rest.layers:
    if layer.weights:
        assert moved(layer) != isinstance(layer, layers.BatchNormalization), layer.name
print("The prefix and batch normalisation stayed; the convolutions of the rest moved.")

# %% [markdown]
# Moved, but how far?
# For each layer of the rest we divide the length of the change by the length of the weights.

# %% tags=["measured"]
distance = {}
for layer in rest.layers:
    if moved(layer) if layer.weights else False:
        old, new = before[layer.name][0], layer.get_weights()[0]
        distance[layer.name] = np.linalg.norm(new - old) / np.linalg.norm(old)
figure, axis = plt.subplots(figsize=(7, 0.5 + 0.45 * len(distance)), layout="constrained")
axis.barh(list(distance), list(distance.values()), color="C0")
axis.invert_yaxis()
axis.set_xlabel("length of the change, relative to the length of the weights")
axis.set_title(f"How far fine-tuning moved each layer ({pets.label})")
plots.show(figure, "One bar for each unfrozen convolution: how far its weights moved.")

# %% [markdown]
# Read the axis: it shows fractions of the weights' own length.
# To stay close to ImageNet's weights is what *fine* in fine-tuning means.
#
# The next curves show both phases, one after the other.
# Do not expect a leap: the head alone reaches much of what can be reached.
# The loss may even rise for a moment behind the dotted line, when weights begin to move that the
# head had grown used to.

# %% tags=["measured"]
joined = {name: head_history[name] + tuned_history[name] for name in head_history}
figure = plots.learning_curves(
    {"head, then both": joined}, f"First the head, then both ({pets.label})"
)
for axis in figure.axes:
    axis.axvline(head_epochs + 0.5, color="black", linestyle=":", linewidth=1)
plots.show(figure, "Loss and accuracy; a dotted line marks where the base was unfrozen.")

# %% [markdown]
# ## What happens when steps are skipped
#
# Impatient people unfreeze everything at once, with a new head, at a rate that would suit a network
# with random weights.
# We do this with the same part of the base: no step 2, no step 3, batch normalisation unfrozen, and
# a high rate.
# Expect a loss that begins far higher.
# Mind that the five steps have trained their head before, so the comparison is one of two recipes,
# and not of equally long trainings.

# %% tags=["measured"]
training.start(seed)
rest.set_weights(imagenet)
for layer in rest.layers:
    layer.trainable = True
_, _, reckless = build(rest)
skipped = train(reckless, maps, targets, reckless_rate, epochs, validation, seed)

# %% tags=["measured"]
figure = plots.learning_curves(
    {"five steps": tuned_history, "all at once": skipped},
    f"With and without patience ({pets.label})",
)
figure.axes[0].set_yscale("log")
plots.show(figure, "Loss and accuracy over the epochs: in five steps, and all at once.")
best, worse = (max(history["val_accuracy"]) for history in (tuned_history, skipped))
error = np.sqrt((best * (1 - best) + worse * (1 - worse)) / len(validation[1]))
clear = best - worse > 2 * error
print("Skipping the steps", "cost" if clear else "did not clearly cost", "accuracy.")
raised = skipped["val_loss"][-1] > tuned_history["val_loss"][-1]
print("The validation loss ended", "higher" if raised else "no higher", "than after five steps.")
record("fine_tuning.reckless.validation_accuracy", skipped["val_accuracy"][-1], "fraction")

# %% [markdown]
# The five steps begin where the head had brought them.
# The other way begins with random gradients at full strength in a trained base.
# What they wreck has to be mended with two thousand pictures in place of a million.
#
# ### Batch normalisation, frozen or not
#
# Now we skip only one thing.
# All steps are taken and the rate is low, but batch normalisation is unfrozen with the rest.

# %% tags=["measured"]
training.start(seed)
rest.set_weights(imagenet)
for layer in rest.layers:
    layer.trainable = True
trunk, head, model = build(rest)
head.set_weights(head_only)
drifting = train(model, maps, targets, rate, epochs, validation, seed)
last = [layer for layer in rest.layers if isinstance(layer, layers.BatchNormalization)][-1]
drift = last.moving_variance.numpy() / before[last.name][3] - 1
assert np.any(drift != 0)

# %% tags=["measured"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
left.hist(drift, bins=50, color="C1")
left.axvline(0, color="black", linewidth=1)
left.set_xlabel("relative change of a channel's variance")
left.set_ylabel("channels")
left.set_title(f"Statistics of {last.name}")
for name, history in (("frozen", tuned_history), ("unfrozen", drifting)):
    right.plot(range(1, epochs + 1), history["val_loss"], marker="o", label=name)
right.set_xticks(range(1, epochs + 1))
right.set_xlabel("epoch")
right.set_ylabel("validation loss")
right.set_title("batch normalisation")
right.legend()
right.grid(alpha=0.3)
figure.suptitle(f"What unfrozen batch normalisation does ({pets.label})")
plots.show(
    figure, "Left the drift of the stored variances, right the validation loss of both ways."
)

# %% [markdown]
# The left picture shows the last batch normalisation layer, one count a channel.
# Frozen, all these changes are zero: that was asserted above.
# Unfrozen, the stored statistics leave those of ImageNet, though no gradient asked them to: they
# follow our pictures, and convolutions that have moved themselves.
# Scale and shift of the layers learn as well, so the right picture shows the effect of both.
# That may help where the new pictures are many and different.
# What did it do here?

# %% tags=["measured"]
grown = "grew" if np.median(drift) > 0 else "shrank"
print(f"The variance of most channels {grown}.")
frozen_loss, unfrozen_loss = (history["val_loss"][-1] for history in (tuned_history, drifting))
print("Unfrozen, the validation loss ended", "lower." if unfrozen_loss < frozen_loss else "higher.")

# %% [markdown]
# ### A fine-tuning that never was
#
# One widely read notebook freezes its base, trains the head, and then has a cell named
# *fine-tuning* that lowers the rate and trains on, but never unfreezes anything.
# It runs, it prints an accuracy, and the base learns nothing.
# We repeat it in small and count the weights of the base that moved.

# %%
freeze(rest)
trunk, head, model = build(rest)
model.compile(keras.optimizers.Adam(1e-5), "binary_crossentropy")
kept = base.get_weights()
chance = np.random.default_rng(0).normal(size=(8, *rest.input_shape[1:])).astype("float32")
model.train_on_batch(chance, np.array([[0], [1]] * 4))
pairs = zip(kept, base.get_weights(), strict=True)
changed = sum(not np.array_equal(old, new) for old, new in pairs)
record("fine_tuning.never_unfrozen.weights_moved", changed, "count")
assert changed == 0

# %% [markdown]
# The check of step 5 would have found it.
# Whenever you fine-tune, compare the weights before and after.

# %% [markdown]
# ## How deep, and at which rate?
#
# Two choices remain: where to cut, and how fast to learn.
# A small grid tells more than a rule.
# It uses part of the pictures, and it is judged on the validation pictures, because the test is
# kept for the end.
#
# Each cell starts afresh from ImageNet's weights and trains the head first.
#
# What should we expect?
# A rate that is too high harms, and it can harm more where more layers are open to it.
# Among careful rates the differences may be smaller than so many validation pictures can tell
# apart.
# Then the cheapest choice is the best one: cut late.


# %%
depths = ("block7a_project_bn", "block6d_add", "block6b_add")[:grid_depths]
rates = (0.005, 0.0005, 0.00005)[:grid_rates]


def cell(part, start, x, watched, rate):
    training.start(seed)
    part.set_weights(start)
    freeze(part)
    trunk, head, model = build(part)
    y = labels[: len(x)]
    train(head, training.predict(trunk, x), y, head_rate, head_epochs, None, seed)
    unfreeze(part)
    train(model, x, y, rate, grid_epochs, None, seed)
    return training.evaluate(model, *watched)["accuracy"]


# %% tags=["measured"]
rest.set_weights(imagenet)
grid = np.zeros((len(depths), len(rates)))
for row, name in enumerate(depths):
    first, part = frozen.cut(base, name)
    start = part.get_weights()
    x = frozen.features(first, images[:grid_pictures])
    watched = (frozen.features(first, pets.validation[0]), pets.validation[1])
    for column, tried in enumerate(rates):
        grid[row, column] = cell(part, start, x, watched, tried)
    part.set_weights(start)

# %% tags=["measured"]
figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
shown = axis.imshow(grid, cmap="viridis", aspect="auto")
for (row, column), value in np.ndenumerate(grid):
    dark = value < (grid.min() + grid.max()) / 2
    axis.text(column, row, f"{value:.3f}", ha="center", color="white" if dark else "black")
axis.set_xticks(range(len(rates)), [f"{tried:g}" for tried in rates])
axis.set_yticks(range(len(depths)), depths)
axis.set_xlabel("highest learning rate")
axis.set_ylabel("last frozen layer")
axis.set_title(f"Validation accuracy by depth and rate ({pets.label})")
figure.colorbar(shown, ax=axis, label="validation accuracy")
plots.show(figure, "A grid of validation accuracies: three depths of the cut by three rates.")

# %% tags=["measured"]
spread = np.sqrt(grid.max() * (1 - grid.max()) / len(pets.validation[1]))
near = int(np.sum(grid >= grid.max() - 2 * spread))
worst = np.unravel_index(grid.argmin(), grid.shape)
record("fine_tuning.grid.best", grid.max(), "fraction")
record("fine_tuning.grid.worst", grid.min(), "fraction")
print("The worst cell has", "the highest rate." if worst[1] == 0 else "a lower rate.")
by_rate, by_depth = np.ptp(grid.mean(axis=0)), np.ptp(grid.mean(axis=1))
if abs(by_rate - by_depth) > 2 * spread:
    print("The", "rate" if by_rate > by_depth else "depth", "makes the larger difference.")
else:
    print("Whether depth or rate matters more, so few pictures cannot tell.")
print("Other cells come as close as chance." if near > 1 else "The best cell stands out.")

# %% [markdown]
# ## Did fine-tuning help?
#
# One run proves little.
# So we run all five steps with several seeds, and beside them the method of chapter 4: a head on
# the features of the unchanged pictures.
# If you have run chapter 4, its features are found in their file.
#
# The five steps differ from chapter 4 in two things: they see augmented copies, and they fine-tune.
# To tell these apart we also measure each model after step 3, before anything is unfrozen.

# %%
pooled = layers.GlobalAveragePooling2D(name="pool")(base.output)
extractor = keras.Model(base.input, pooled, name=f"{base.name}_pooled")


def chapter_4(found, seed):
    training.start(seed)
    _, head, _ = build(rest)
    head.compile(keras.optimizers.Adam(0.0005), "binary_crossentropy", metrics=["accuracy"])
    training.fit(head, found[0], labels, epochs=15, batch_size=batch_size, seed=seed)
    return training.evaluate(head, found[1], test[1])["accuracy"]


def five_steps(seed):
    training.start(seed)
    rest.set_weights(imagenet)
    freeze(base)
    _, head, model = build(rest)
    train_head(head, seed)
    halfway = np.mean((training.predict(model, test[0])[:, 0] > 0.5) == test[1])
    unfreeze(rest)
    train(model, maps, targets, rate, epochs, None, seed)
    return model, halfway, training.evaluate(model, *test)["accuracy"]


# %% tags=["measured"]
rest.set_weights(imagenet)
found = [frozen.features(extractor, x) for x in (images, pets.test[0])]
frozen_accuracy = np.array([chapter_4(found, seed + number) for number in range(seeds)])
measured = []
for number in range(seeds):
    model, halfway, accuracy = five_steps(seed + number)
    measured.append((halfway, accuracy))
head_accuracy, tuned_accuracy = np.array(measured).T
record("fine_tuning.chapter_4.test_accuracy", frozen_accuracy.mean(), "fraction")
record("fine_tuning.step_3.test_accuracy", head_accuracy.mean(), "fraction")
record("fine_tuning.test_accuracy", tuned_accuracy.mean(), "fraction")
record("fine_tuning.spread", tuned_accuracy.std(ddof=1), "fraction")

# %% tags=["measured"]
figure, axis = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
results = {
    "frozen, as in chapter 4": frozen_accuracy,
    "after step 3, still frozen": head_accuracy,
    "after step 5, fine-tuned": tuned_accuracy,
}
for place, values in enumerate(results.values()):
    axis.plot(values, [place] * seeds, "o", color=f"C{place}", alpha=0.6)
    centre = values.mean()
    error = np.sqrt(centre * (1 - centre) / len(test[1]))
    axis.errorbar(centre, place + 0.2, xerr=error, fmt="|", color="black", capsize=4)
axis.set_yticks(range(3), list(results))
axis.set_ylim(-0.5, 2.6)
axis.set_xlabel("test accuracy")
axis.set_title(f"Frozen and fine-tuned, one dot a seed ({pets.label})")
axis.grid(alpha=0.3)
plots.show(
    figure,
    "Dots of test accuracies of the method of chapter 4 and of the five steps before and after "
    "unfreezing; bars show the test's standard error.",
)

# %% [markdown]
# The bars above the dots show the standard error of a test with so many pictures.
# The sentences below are computed from the numbers.
# A gain counts if it is larger than twice its noise, which comes from the seeds and from the test.


# %% tags=["measured"]
def squared_noise(values):
    return values.mean() * (1 - values.mean()) / len(test[1]) + values.var(ddof=1) / seeds


record("fine_tuning.gain", tuned_accuracy.mean() - frozen_accuracy.mean())
for name, values in list(results.items())[:2]:
    gain = tuned_accuracy.mean() - values.mean()
    noise = np.sqrt(squared_noise(tuned_accuracy) + squared_noise(values))
    outcome = "ahead" if gain > 0 else "behind or level"
    clear = "more" if abs(gain) > 2 * noise else "no more"
    print(f"Against '{name}': {outcome}, by {clear} than test and seeds explain.")

# %% [markdown]
# ## The finished model
#
# The head and the rest have learned behind a prefix that ran only once.
# To use the model on a new picture, we put the parts together again.
# Nothing has to be copied, because the rest shares its layers with the base.

# %% tags=["measured"]
finished = keras.Model(base.input, model.layers[-1](extractor(base.input)), name="cat_or_dog")
direct = finished.predict_on_batch(few)
through_maps = model.predict_on_batch(np.asarray(test[0][:32]))
assert np.abs(direct - through_maps).max() <= rounding
titles = [f"dog {100 * float(p):.0f} of 100" for p in direct[:16, 0]]
figure = plots.image_grid(few[:16], titles, f"Probability of a dog ({pets.label})", 8, 1.3)
plots.show(figure, "Sixteen test pictures, each with the probability that it shows a dog.")

# %% [markdown]
# And what did the stored prefix save?
# We time an epoch on a few pictures both ways, through the whole model and through the rest.
# Both train the same weights.

# %% tags=["nbval-ignore-output", "measured"]
timed = slice(0, min(256, len(images)))
seconds = {}
for name, candidate, x in (("whole model", finished, images), ("rest only", model, maps)):
    candidate.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
    few, few_labels = np.asarray(x[timed]), labels[timed]
    for _ in range(2):  # the first time builds the graph of operations
        began = time.perf_counter()
        training.fit(candidate, few, few_labels, epochs=1, batch_size=batch_size)
        seconds[name] = (time.perf_counter() - began) * len(images) / len(few)
record("fine_tuning.seconds_an_epoch.whole", seconds["whole model"], "seconds")
record("fine_tuning.seconds_an_epoch.rest", seconds["rest only"], "seconds")

# %% tags=["nbval-ignore-output", "measured"]
figure, axis = plt.subplots(figsize=(6, 2), layout="constrained")
axis.barh(list(seconds), list(seconds.values()), color=["C1", "C0"])
axis.set_xlabel("seconds for a pass over the training pictures")
axis.set_title(f"An epoch with and without the stored prefix ({pets.label})")
plots.show(figure, "Two bars: the seconds of an epoch through the whole model and the rest.")

# %% [markdown]
# The sources' mistakes that belong to this chapter:

# %% tags=["measured"]
mistakes_table("05")

# %% [markdown]
# ## What to remember
#
# * Five steps: head on, base frozen, head trained, top unfrozen, both trained slowly.
# * A random head must not send its gradients into a trained base.
# * Batch normalisation stays frozen, or its statistics drift.
# * Set the flags layer by layer, compile again, and compare the weights before and after.
# * Unfreeze late layers only: they are specific, and the frozen ones need be computed once.
# * A gain smaller than the noise of the test is no gain; say so.
#
# What the sources say, and what this run measured:

# %% tags=["measured"]
claims_table("05", profile)

# %% [markdown]
# ## Exercises
#
# 1. Take more augmented copies. At what number do further copies stop to help?
# 2. Move the cut to `block5c_add`. What happens to the accuracy, and what to the time of an epoch?
# 3. Fine-tune with plain stochastic gradient descent in place of Adam. Which rate is right now?
# 4. Skip step 3 only: unfreeze at once, and train head and rest together at the low rate. How many
#    epochs does the loss need to come down?
# 5. Write down, before you run it, what you expect of fine-tuning with 100 pictures. Then run it
#    with five seeds and compare.
