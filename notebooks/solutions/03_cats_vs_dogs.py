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
# # Exercises for chapter 3: Cats against dogs
#
# Seven exercises. The first needs pencil and paper, the next five a few lines of NumPy each, and
# the last one trains two small networks. One star means that you can answer straight from the
# chapter, three stars that you have to go beyond it.
#
# Replace the three dots, or the line "your code goes here", with your answer, run the cell, and
# then run the `check` below it: it tells you whether you are right, and often what went wrong if
# you aren't. Each exercise stands on its own, so start where you like, but run the next cell first.
# The data are drawings of cats and dogs that come with the course, so everything runs offline and
# on two processor cores.

# %%
from helpers import datasets, plots, training
from helpers.exercises import check
import keras
from keras import layers
import matplotlib.pyplot as plt
import numpy as np

pets = datasets.load("cats_vs_dogs", "sample", size=48)
train_images, train_labels = (np.asarray(array) for array in pets.train)
test_images, test_labels = (np.asarray(array) for array in pets.test)

# %% [markdown]
# ## Exercise 03.1: From 150 pixels to one number
#
# ★☆☆ · about 10 minutes
#
# The published network for this task reads color images of 150x150 pixels:
#
#     Conv2D(32, 3) → MaxPooling2D(2) → Conv2D(64, 3) → MaxPooling2D(2) →
#     Conv2D(128, 3) → MaxPooling2D(2) → Conv2D(128, 3) → MaxPooling2D(2) →
#     Flatten → Dense(512) → Dense(1)
#
# There is no padding. Work out on paper
#
# * `last`: the side of the maps after the last pooling;
# * `features`: how many numbers `Flatten` passes on;
# * `dense`: how many parameters the layer of 512 units has, biases included.
#
# <details><summary>Hint</summary>
#
# A 3x3 window without padding takes two pixels away, and a 2x2 pooling halves, rounding down.
# A dense layer has a weight for every pair of input and unit, and one bias per unit.
# </details>

# %%
last = ...
features = ...
dense = ...
### BEGIN SOLUTION
last = 150
for _ in range(4):
    last = (last - 2) // 2
    print(f"after a convolution and a pooling: {last}x{last}")

features = last * last * 128
dense = (features + 1) * 512
### END SOLUTION

# %%
passed = check("03.1", last, features, dense)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** the whole network has 3,453,121 parameters. Where would you begin if it
# overfits?

# %% [markdown]
# ### BEGIN SOLUTION
# At the dense layer, which holds 93 % of them.
# A weight there belongs to one feature at one place, so it is easy to memorize with.
# Dropout before this layer, fewer units, or global average pooling in place of `Flatten` all
# attack it; the last network of the chapter does the third.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 03.2: The price of confidence
#
# ★☆☆ · about 10 minutes
#
# 1. Write the mean binary cross-entropy. `labels` holds 0 for a cat and 1 for a dog, `dog` the
#    probability of a dog that the network gave to each image.
# 2. How many `times` as much does a mistake cost when the network was 99 % sure of it, compared
#    with an undecided answer (50 %)?
#
# <details><summary>Hint</summary>
#
# What counts is the probability of the *true* class: `dog` for a dog, `1 - dog` for a cat.
# `np.where` chooses between the two. The loss is minus its natural logarithm, `np.log`.
# If a network is 99 % sure and wrong, the true class got 1 %.
# </details>


# %%
def cross_entropy(labels, dog):
    ...
    ### BEGIN SOLUTION
    of_true_class = np.where(labels == 1, dog, 1 - dog)
    return -np.log(of_true_class).mean()
    ### END SOLUTION


times = ...
### BEGIN SOLUTION
times = np.log(0.01) / np.log(0.5)  # both are negative; their ratio is not
### END SOLUTION

# %%
passed = check("03.2", cross_entropy, times)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** a network gets nine of ten images right. Could it still have a larger loss
# than a coin?

# %% [markdown]
# ### BEGIN SOLUTION
# Yes. A coin gives 50 % to every answer and pays 0.69 per image.
# If the network is very sure of everything, its nine right answers cost nearly nothing, but one
# mistake at 99.99 % costs 9.2, and shared among ten images that is 0.92.
# This is what happens to the naive network of the chapter after its loss has turned.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 03.3: When to stop
#
# ★★☆ · about 15 minutes
#
# Write early stopping.
# `losses` holds the validation loss after each epoch of a long training.
# Return two numbers: after how many epochs the training would end, and which epoch was the best,
# both counted from 1.
# The training ends as soon as `patience` epochs in a row were no better than the best epoch before
# them, or when the losses are used up.
#
# > **Predict.** The losses are 0.7, 0.6, 0.65, 0.62, 0.64, 0.5, and the patience is 3. Will the
# > training ever see the 0.5?
#
# <details><summary>Hint</summary>
#
# Go through the losses one by one, and remember the best loss so far and its epoch.
# Don't look at losses that the training hasn't reached yet.
# In the example 0.62 is better than the 0.65 before it, but not better than 0.6.
# </details>


# %%
def stop(losses, patience):
    ...
    ### BEGIN SOLUTION
    best, best_epoch = np.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, best_epoch = loss, epoch
        if epoch - best_epoch == patience:
            return epoch, best_epoch
    return len(losses), best_epoch
    ### END SOLUTION


# %%
passed = check("03.3", stop)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once it passes, this cell shows what patience does to a bumpy curve.

# %%
if passed:
    random = np.random.default_rng(5)
    epochs = np.arange(1, 41)
    losses = 0.55 + 0.0005 * (epochs - 18) ** 2 + random.normal(0, 0.03, 40)
    figure, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    axis.plot(epochs, losses, "o-", ms=4, color="C0")
    for patience, color in ((1, "C1"), (3, "C3"), (8, "C2")):
        ended, best = stop(losses, patience)
        axis.axvline(ended, color=color, ls="--")
        axis.text(ended, losses.max(), f" {patience}", color=color)
        print(f"patience {patience}: ends after epoch {ended}, keeps epoch {best}")
    axis.set(xlabel="epoch", ylabel="validation loss")
    axis.set_title("Where three patiences end")
    plots.show(
        figure,
        "A bumpy curve with its lowest part in the middle, and three dashed lines "
        "where a patience of 1, 3 and 8 epochs ends the training.",
    )

# %% [markdown]
# **In your own words:** what does too little patience cost, and what does too much?

# %% [markdown]
# ### BEGIN SOLUTION
# Too little takes the first bump for the turn and ends while the network is still learning. Too
# much costs only time, if you ask for the weights of the best epoch back with
# `restore_best_weights=True`, as the chapter does; Keras's default keeps the last ones. So when in
# doubt be patient, and the bumpier the curve, the more patient.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 03.4: Dropout by hand
#
# ★☆☆ · about 10 minutes
#
# Write dropout as it works in training.
# `inputs` are numbers, `kept` holds a 1 where one stays and a 0 where it is switched off, and
# `rate` is the share that is switched off on average.
# Scale the others so that the expected sum stays what it was.
#
# <details><summary>Hint</summary>
#
# With a rate of 0.2, eight of ten numbers are left on average.
# By what must you multiply them so that they stand for ten?
# </details>


# %%
def dropout(inputs, kept, rate):
    ...
    ### BEGIN SOLUTION
    return inputs * kept / (1 - rate)
    ### END SOLUTION


# %%
passed = check("03.4", dropout)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Keras does the same. Look at the sums: single ones can be far off, but their mean is right.

# %%
if passed:
    keras.utils.set_random_seed(0)
    ones = np.ones((1, 10), dtype="float32")
    layer = layers.Dropout(0.2)
    sums = [float(np.sum(layer(ones, training=True))) for _ in range(200)]
    print("some sums:", sums[:6])
    print(f"mean of 200 sums: {np.mean(sums):.1f}; without dropout: {ones.sum():.1f}")

# %% [markdown]
# ## Exercise 03.5: Batch normalization by hand
#
# ★★☆ · about 15 minutes
#
# Write what batch normalization does in training, before its learned scale and shift: every
# channel gets mean 0 and variance 1.
# `maps` has the shape (images, rows, columns, channels).
# Add 0.001 to the variance before you take its root, as Keras does.
#
# <details><summary>Hint</summary>
#
# How many means are there in all? As many as there are channels.
# So the mean is taken over all the other axes at once: `maps.mean(axis=(...))`.
# </details>


# %%
def normalize(maps):
    ...
    ### BEGIN SOLUTION
    mean = maps.mean(axis=(0, 1, 2))
    variance = maps.var(axis=(0, 1, 2))
    return (maps - mean) / np.sqrt(variance + 0.001)
    ### END SOLUTION


# %%
passed = check("03.5", normalize)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %%
if passed:
    maps = np.random.default_rng(0).normal(3, 2, size=(4, 5, 5, 2)).astype("float32")
    from_keras = np.asarray(layers.BatchNormalization()(maps, training=True))
    print("the same as Keras:", np.allclose(from_keras, normalize(maps), atol=1e-3))

# %% [markdown]
# **In your own words:** why can't the layer do this when the network predicts a single image?

# %% [markdown]
# ### BEGIN SOLUTION
# Because then the answer for one image would depend on which others happen to be in its batch, and
# a batch of one would lose its own brightness and contrast altogether.
# So in training the layer keeps running averages of mean and variance, and uses these to predict.
# If they lag behind the weights, as they do while the learning rate is high, validation curves
# jump.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 03.6: Find the twin
#
# ★★☆ · about 15 minutes
#
# 1. Write a `fingerprint` of an image that has been shrunk to 8x8 gray `cells`: for each cell but
#    the first of its row, a 1 if it is brighter than its neighbor on the left and a 0 if not. That
#    makes 56 zeros and ones in one row.
# 2. How many `pairs` are there to compare if you look for twins *within* 2,000 images?
#
# <details><summary>Hint</summary>
#
# `cells[:, 1:]` are all cells but the first of each row, and `cells[:, :-1]` their left neighbors.
# A comparison gives True and False; `.astype(int)` makes numbers of them and `.ravel()` one row.
# For the pairs: each image has 1,999 partners, and A with B is the same pair as B with A.
# </details>


# %%
def fingerprint(cells):
    ...
    ### BEGIN SOLUTION
    brighter = cells[:, 1:] > cells[:, :-1]
    return brighter.astype(int).ravel()
    ### END SOLUTION


pairs = ...
### BEGIN SOLUTION
pairs = 2_000 * 1_999 // 2
### END SOLUTION

# %%
passed = check("03.6", fingerprint, pairs)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once it passes, try what your fingerprint survives.

# %%
if passed:
    cells = train_images[0].reshape(8, 6, 8, 6, 3).mean(axis=(1, 3, 4))
    others = {
        "brighter": cells + 30,
        "with less contrast": 0.5 * cells + 60,
        "mirrored": cells[:, ::-1],
        "another drawing": train_images[2].reshape(8, 6, 8, 6, 3).mean(axis=(1, 3, 4)),
    }
    for name, other in others.items():
        differ = np.sum(fingerprint(cells) != fingerprint(other))
        print(f"{name}: {differ} of 56 answers differ")

# %% [markdown]
# **In your own words:** the mirror image differs even more than another drawing. Why, and how
# would you find mirrored twins?

# %% [markdown]
# ### BEGIN SOLUTION
# In the mirror each row is read backward, so every answer moves to the other end of its row and
# turns into its opposite. Most of this drawing's answers are 0, because it mostly gets darker from
# left to right; in the mirror most of them are 1. Two unrelated images agree by chance in about
# half of their answers. To find mirrored twins, compare each fingerprint with those of the mirrored
# images as well.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 03.7: Is more data better?
#
# ★★★ · about 20 minutes, of which one minute is training
#
# Augmentation delays overfitting. What would more images do? Train the network below twice, from
# the same seed, with `batch_size=20` and so for the same number of steps: once on the first 40
# drawings for 100 epochs, and once on all 400 for 10 epochs. Put the accuracies into a table
# `accuracies` of two rows and two columns: first the training with 40 drawings, then the one with
# 400; first the accuracy on the images that it was trained on, then on the test images.
#
# > **Predict.** Which of the four numbers will be the largest, and which the smallest?
#
# <details><summary>Hint</summary>
#
# Call `training.start(0)` and build a new network before each training.
# `_, accuracy = model.evaluate(images, labels, verbose=0)` measures.
# </details>


# %%
def make_network():
    model = keras.Sequential(
        [
            keras.Input((48, 48, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


accuracies = ...
### BEGIN SOLUTION
accuracies = []
for count, epochs in ((40, 100), (400, 10)):
    training.start(0)
    model = make_network()
    images, labels = train_images[:count], train_labels[:count]
    model.fit(images, labels, batch_size=20, epochs=epochs, verbose=0)
    _, on_training = model.evaluate(images, labels, verbose=0)
    _, on_test = model.evaluate(test_images, test_labels, verbose=0)
    print(f"{count} drawings: {on_training:.1%} on these, {on_test:.1%} on new ones")
    accuracies.append([on_training, on_test])
### END SOLUTION

# %%
passed = check("03.7", accuracies)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** why did both trainings get the same number of steps?

# %% [markdown]
# ### BEGIN SOLUTION
# So that the two differ in one thing only, the number of images. The largest of the four numbers is
# the training accuracy on 40 drawings, which the network knows by heart; the smallest is its test
# accuracy, no better than a coin's. With 400 drawings it knows a smaller share of its own and gets
# more new ones right. With the same number of *epochs* the larger training would also have had ten
# times as many steps, and nobody could say whether the images or the steps made it better.
# ### END SOLUTION
