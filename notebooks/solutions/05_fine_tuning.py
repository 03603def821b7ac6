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
# # Exercises for chapter 5: Fine-tuning
#
# Seven exercises, in the order of the chapter. 05.2, 05.5 and 05.6 ask for a short function, the
# last trains a network of your own, and the others need a pencil and perhaps a few lines of Python.
# One star means that you can answer straight from the chapter, three stars that you have to go
# beyond it.
#
# Replace the three dots, or the line "your code goes here", with your answer, run the cell, and
# then run the `check` below it: it tells you whether you are right, and often what went wrong if
# you aren't. Each exercise stands on its own, so start where you like, but run the next cell first.
# The data are a sample of 5,000 digits that comes with the course, so everything runs offline and
# on two processor cores.

# %%
from helpers import datasets, training
from helpers.exercises import check
import keras
from keras import layers
import numpy as np

digits = datasets.load("mnist", "sample")


def small_network():
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(16, 3, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.Conv2D(32, 3, name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(10, activation="softmax", name="head"),
        ]
    )


# %% [markdown]
# ## Exercise 05.1: What is trained?
#
# ★☆☆ · about 10 minutes
#
# Look at `small_network` above: two convolutions with 3x3 kernels, each followed by batch
# normalization, and a head.
# How many numbers does the gradient train
#
# * `head_only`: if only the head is trainable;
# * `top`: if the second convolution and the head are trainable, and all batch normalization is
#   frozen;
# * `everything`: if every layer is trainable, batch normalization included?
#
# <details><summary>Hint</summary>
#
# A convolution has a kernel of height x width x channels in x channels out, and a bias per channel
# out.
# Batch normalization holds four numbers per channel: a scale and a shift, which gradients train,
# and a moving mean and variance, which only follow the batches.
# </details>

# %%
head_only = ...
top = ...
everything = ...
### BEGIN SOLUTION
head_only = 32 * 10 + 10
second_convolution = 3 * 3 * 16 * 32 + 32
top = second_convolution + head_only
first_convolution = 3 * 3 * 3 * 16 + 16
everything = first_convolution + 2 * 16 + second_convolution + 2 * 32 + head_only
print(head_only, top, everything)
### END SOLUTION

# %%
passed = check("05.1", head_only, top, everything)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 05.2: Unfreeze from here on
#
# ★★☆ · about 15 minutes
#
# Write `open_top(model, last_frozen)`. Afterwards all layers after the one named `last_frozen` are
# trainable, except batch normalization; `last_frozen` itself and all layers before it are frozen.
# It must work on a model that somebody has frozen as a whole.
#
# <details><summary>Hint</summary>
#
# `model.trainable = True` also sets the flag of every layer inside, so do it first.
# Then go through `model.layers` in their order, and remember whether you have passed the layer
# named `last_frozen`.
# `isinstance(layer, layers.BatchNormalization)` tells batch normalization from the others.
# </details>


# %%
def open_top(model, last_frozen):
    ### BEGIN SOLUTION
    model.trainable = True
    passed_it = False
    for layer in model.layers:
        is_batch_norm = isinstance(layer, layers.BatchNormalization)
        layer.trainable = passed_it and not is_batch_norm
        if layer.name == last_frozen:
            passed_it = True
    ### END SOLUTION


# %%
first = layers.Conv2D(3, 3, name="conv0")
model = keras.Sequential([keras.Input((34, 34, 3)), first, *small_network().layers])
model.trainable = False
open_top(model, "conv1")
passed = check("05.2", model)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 05.3: What free batch normalization forgets
#
# ★☆☆ · about 10 minutes
#
# While it isn't frozen, a batch normalization layer replaces its stored mean after every batch by
# `0.99 * stored + 0.01 * mean_of_the_batch`, and its variance likewise.
#
# * `survives`: what share of the original stored mean is still in it after 100 batches?
# * `half`: after how many batches is less than half of it left?
#
# <details><summary>Hint</summary>
#
# What happens to the share of the original in one step?
# It is multiplied by the same number every time.
# </details>

# %%
survives = ...
half = ...
### BEGIN SOLUTION
survives = 0.99**100
half = int(np.ceil(np.log(0.5) / np.log(0.99)))
print(f"{survives:.3f}, {half}")
### END SOLUTION

# %%
passed = check("05.3", survives, half)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** with 500 images in batches of 64, is that much or little? And with
# 50,000?

# %% [markdown]
# ### BEGIN SOLUTION
# With 500 images an epoch has 8 batches, so after three epochs 0.99 to the power of 24, about
# four fifths, of the original is left.
# That is an odd mixture: the layers have been trained with the statistics of the batches, and are
# then used with statistics that are mostly still those of ImageNet.
# In the chapter, where such a set was trained for six epochs, this did no harm that we could see,
# but nobody promises that.
# With 50,000 images three epochs are more than 2,000 batches.
# Nothing of the original is left then, and the statistics of our images have taken its place, which
# is fine if there are many images.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 05.4: What the stored maps save
#
# ★☆☆ · about 10 minutes
#
# A prefix takes 3 ms per image.
# The rest takes 5 ms per image, forward and backward together.
# You train on 2,000 images for three epochs.
#
# * `whole`: seconds if every epoch runs the whole model;
# * `stored`: seconds if the prefix runs once and its maps are stored (reading them costs nothing);
# * `limit`: by what factor are stored maps faster if you train for very many epochs?
#
# <details><summary>Hint</summary>
#
# 2,000 images at 3 ms are 6 s.
# For the limit, forget everything that is paid only once.
# </details>

# %%
whole = ...
stored = ...
limit = ...
### BEGIN SOLUTION
prefix_seconds, rest_seconds = 2000 * 0.003, 2000 * 0.005
whole = 3 * (prefix_seconds + rest_seconds)
stored = prefix_seconds + 3 * rest_seconds
limit = (prefix_seconds + rest_seconds) / rest_seconds
print(f"{whole:g} s, {stored:g} s, {limit:g}")
### END SOLUTION

# %%
passed = check("05.4", whole, stored, limit)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 05.5: A rate for each layer
#
# ★★☆ · about 10 minutes
#
# Instead of freezing early layers altogether, you can let them take smaller steps.
# J. Howard and S. Ruder, who proposed it for language models, divide the rate by 2.6 from each
# layer to the one before.
#
# Write `layer_rates(count, top, factor)`: it returns one rate per layer, from the first layer to
# the last, as an array of length `count`. The last layer gets `top`, and each layer before gets
# the rate of its successor divided by `factor`.
#
# <details><summary>Hint</summary>
#
# The last layer is divided by `factor` zero times, the one before it once, and so on.
# </details>


# %%
def layer_rates(count, top, factor):
    ### BEGIN SOLUTION
    steps_from_the_top = np.arange(count)[::-1]
    return top / factor**steps_from_the_top
    ### END SOLUTION


# %%
passed = check("05.5", layer_rates)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 05.6: Is it a gain?
#
# ★★☆ · about 15 minutes
#
# On 1,000 photographs the frozen model is right 952 times and the fine-tuned one 970 times.
# On 30 of them only the fine-tuned model is right, on 12 only the frozen one.
#
# Write `ratio(first, second)`. It takes two arrays of booleans, which say for each photograph
# whether the first and the second model were right, and returns by how many standard deviations
# the first is ahead, by McNemar's test. It is negative if the second is ahead.
#
# <details><summary>Hint</summary>
#
# `first & ~second` is true where only the first model is right.
# With $b$ and $c$ photographs on which only one of them is right, the ratio is
# $(b - c) / \sqrt{b + c}$.
# </details>


# %%
def ratio(first, second):
    ### BEGIN SOLUTION
    only_first = np.sum(first & ~second)
    only_second = np.sum(second & ~first)
    return (only_first - only_second) / np.sqrt(only_first + only_second)
    ### END SOLUTION


# %%
passed = check("05.6", ratio)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once it passes, this cell tells you about the photographs above.

# %%
if passed:
    tuned = np.repeat([True, True, False, False], [940, 30, 12, 18])
    still = np.repeat([True, False, True, False], [940, 30, 12, 18])
    print(f"{ratio(tuned, still):.1f} standard deviations")

# %% [markdown]
# **In your own words:** is 1.8 points a gain?

# %% [markdown]
# ### BEGIN SOLUTION
# In this one comparison it is more than two standard deviations, so luck is an unlikely
# explanation. By the rule of chapter 2 it takes two more trainings that say the same before we call
# it clearly better.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 05.7: From five digits to the other five
#
# ★★★ · about 25 minutes, of which one minute is training
#
# Fine-tuning needs no ImageNet. The next cell trains a small convnet on the digits 0 to 4, from
# the sample of 5,000. Borrow it for the digits 5 to 9, of which you get only 100 images:
#
# 1. keep its layers up to `"borrowed"`, and put a new `Dense(5, activation="softmax")` on top;
# 2. freeze what you borrowed, train the head for 40 epochs with `Adam(0.003)` and `batch_size=20`,
#    and measure the test accuracy;
# 3. unfreeze everything, compile again with `Adam(0.001)`, train for 20 epochs more, and measure
#    again.
#
# Store both test accuracies in `accuracies`, the frozen one first.
#
# > **Predict.** Will fine-tuning gain something with so few images?
#
# <details><summary>Hint</summary>
#
# `base = keras.Model(first_five.inputs, first_five.get_layer("borrowed").output)` is the borrowed
# part. The new model is `keras.Sequential([base, layers.Dense(5, activation="softmax")])`.
# `model.evaluate(images, labels, verbose=0)` returns loss and accuracy.
# </details>

# %% tags=["measured"]
training.start(seed=0)
images, labels = digits.train
test_images, test_labels = digits.test
first_five = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(32, activation="relu", name="borrowed"),
        layers.Dense(5, activation="softmax"),
    ]
)
first_five.compile("adam", "sparse_categorical_crossentropy")
low = labels < 5
first_five.fit(images[low], labels[low], epochs=6, batch_size=64, verbose=0)
new_images, new_labels = images[~low][:100], labels[~low][:100] - 5
high = test_labels >= 5
new_test_images, new_test_labels = test_images[high], test_labels[high] - 5

# %% tags=["measured"]
accuracies = ...
### BEGIN SOLUTION
base = keras.Model(first_five.inputs, first_five.get_layer("borrowed").output)
second_five = keras.Sequential([base, layers.Dense(5, activation="softmax")])
accuracies = []
for trainable, rate, epochs in ((False, 0.003, 40), (True, 0.001, 20)):
    base.trainable = trainable
    second_five.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    second_five.fit(new_images, new_labels, epochs=epochs, batch_size=20, verbose=0)
    _, accuracy = second_five.evaluate(new_test_images, new_test_labels, verbose=0)
    accuracies.append(accuracy)
print(f"frozen {accuracies[0]:.1%}, fine-tuned {accuracies[1]:.1%}")
### END SOLUTION

# %%
passed = check("05.7", accuracies)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** chapter 5 expects fine-tuning to pay most where your images are far from
# those that the base was trained on. What is far here, and are a hundred images enough to gain from
# it?

# %% [markdown]
# ### BEGIN SOLUTION
# The images look like the base's own, but the task is far: the borrowed layers have only ever had
# to tell 0 to 4 apart, and their last dense layer probably kept what serves that purpose and threw
# away much of the rest.
# A head on it can't get back what is lost.
# The data are few, but the images are simple and the network is small, and in our run a hundred
# digits were enough to gain a good deal.
# ### END SOLUTION
