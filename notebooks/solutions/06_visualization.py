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
# # Exercises for chapter 6: What a convnet sees
#
# Six exercises that need pencil and paper, or a few lines of NumPy. One star means that you can
# answer straight from the chapter, two stars that you have to think a little further.
#
# Replace the three dots, or the line "your code goes here", with your answer, run the cell, and
# then run the `check` below it: it tells you whether you are right, and often what went wrong if
# you aren't. Each exercise stands on its own, so start where you like, but run the next cell first.
# Everything runs offline.

# %%
from helpers import drawing
from helpers.exercises import check
import numpy as np

# %% [markdown]
# ## Exercise 06.1: Grad-CAM on paper
#
# ★☆☆ · about 10 minutes
#
# The last convolution of a tiny network has two channels of two by two positions. Here are its
# feature maps for one image, and the gradient of the class score with respect to each value.
# Work out the heat map `heat`, two by two numbers, before any enlarging.
#
# <details><summary>Hint</summary>
#
# Each channel gets *one* weight, the mean of its four slopes. Then add up the weighted maps and
# keep only what speaks for the class.
# </details>

# %%
maps = np.array([[[1, 0], [2, 3]], [[4, 1], [0, 2]]])
slopes = np.array([[[1, 1], [2, 0]], [[-2, 0], [-1, -1]]])

heat = ...
### BEGIN SOLUTION
weights = slopes.mean(axis=(1, 2))  # 1 and -1
heat = np.maximum(weights[0] * maps[0] + weights[1] * maps[1], 0)
### END SOLUTION

# %%
passed = check("06.1", heat)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 06.2: How many looks does occlusion take?
#
# ★☆☆ · about 5 minutes
#
# A patch of 64 by 64 pixels is laid over an image of 192 by 192 pixels, at every place that it
# reaches in steps of 32 pixels, always inside the image. How many covered images does the network
# have to look at (`covers`)? And how many with steps of 16 pixels (`finer`)?
#
# <details><summary>Hint</summary>
#
# It is the formula for the size of a feature map from chapter 1, without padding: the patch is a
# window, and the step is its stride.
# </details>

# %%
covers = ...
finer = ...
### BEGIN SOLUTION
covers = ((192 - 64) // 32 + 1) ** 2
finer = ((192 - 64) // 16 + 1) ** 2
print(covers, finer)
### END SOLUTION

# %%
passed = check("06.2", covers, finer)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 06.3: A fair pointing game
#
# ★★☆ · about 15 minutes
#
# Write the function `rivals(masks)`. It gets masks of the shape (images, height, width), `True`
# where the animal is, and returns three hit rates as an array, in this order: of a pixel chosen at
# random in each image, of the pixel at `[height // 2, width // 2]`, and of the best pixel that
# stays the same for all images.
#
# <details><summary>Hint</summary>
#
# A random pixel hits as often as the animal's share of the area. For the last one, ask of every
# pixel in how many of the images it lies on the animal.
# </details>


# %%
def rivals(masks):
    ...
    ### BEGIN SOLUTION
    height, width = masks.shape[1:]
    center = masks[:, height // 2, width // 2].mean()
    best = masks.mean(axis=0).max()
    return np.array([masks.mean(), center, best])
    ### END SOLUTION


# %%
passed = check("06.3", rivals)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# Once your function passes, this cell plays with a hundred drawings of the chapter.

# %%
if passed:
    arrays, _ = drawing.sample_cats_vs_dogs(64, train=2, validation=2, test=100)
    for name, rate in zip(
        ("random", "center", "best fixed"), rivals(arrays["test_mask"]), strict=True
    ):
        print(f"{name}: {rate:.0%}")

# %% [markdown]
# **In your own words:** the best fixed pixel was chosen on the same images on which it is judged.
# Is that fair to the heat map?

# %% [markdown]
# ### BEGIN SOLUTION
# It favors the rival a little: with few images some pixel does well by luck. The chapter therefore
# chooses the pixel on the training drawings and judges it on the test drawings. If a map beats even
# the favored rival, all the better for the map.
# ### END SOLUTION

# %% [markdown]
# ## Exercise 06.4: Shares that add up
#
# ★★☆ · about 15 minutes
#
# Take $f(x_1, x_2) = x_1^2 \, x_2$ for a network with two inputs. The input is $(2, 3)$, and the
# plain input to start from is $(0, 0)$. Work out the integrated gradients of both inputs,
# `shares`, two numbers, and their sum, `total`.
#
# <details><summary>Hint</summary>
#
# On the path the inputs are $(2t, 3t)$, with $t$ from 0 to 1. Write down both partial derivatives
# there, integrate them over $t$, and multiply each by how far its input has moved.
# </details>

# %%
shares = ...
total = ...
### BEGIN SOLUTION
# df/dx1 = 2 x1 x2 = 12 t^2, which integrates to 4; times 2 is 8.
# df/dx2 = x1^2 = 4 t^2, which integrates to 4/3; times 3 is 4.
shares = [8, 4]
total = 12  # f(2, 3) - f(0, 0)
### END SOLUTION

# %%
passed = check("06.4", shares, total)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 06.5: Convict the colors
#
# ★★☆ · about 10 minutes
#
# Accuracy needs labels. A suspicion can be tested without them: change one thing, and count how
# many answers change.
#
# Write `flips(predict, images, changed)`. `predict` takes images and returns one row of class
# probabilities per image. Return the share of images whose most likely class differs.
#
# <details><summary>Hint</summary>
#
# `argmax(axis=1)` turns probabilities into answers.
# </details>


# %%
def flips(predict, images, changed):
    ...
    ### BEGIN SOLUTION
    before = predict(images).argmax(axis=1)
    after = predict(changed).argmax(axis=1)
    return (before != after).mean()
    ### END SOLUTION


# %%
passed = check("06.5", flips)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 06.6: One step uphill
#
# ★★☆ · about 10 minutes
#
# Write `uphill(picture, slope, length)`: one step of gradient ascent in the pixels. The step points
# along the slope and has the given length (its L2 norm) whatever the length of the slope, and no
# pixel leaves the range from 0 to 255. If the slope is zero everywhere, there is no way uphill, and
# the picture stays as it is.
#
# <details><summary>Hint</summary>
#
# The L2 norm of an array is the square root of the sum of its squares. Add a tiny number such as
# `1e-12` before you divide by it, in case it is zero. `np.clip` does the rest.
# </details>


# %%
def uphill(picture, slope, length):
    ...
    ### BEGIN SOLUTION
    step = length * slope / (np.sqrt(np.sum(slope**2)) + 1e-12)
    return np.clip(picture + step, 0, 255)
    ### END SOLUTION


# %%
passed = check("06.6", uphill)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS

# %% [markdown]
# **In your own words:** why would steps without the division go wrong, even with a well-chosen
# learning rate?

# %% [markdown]
# ### BEGIN SOLUTION
# Gradients of two channels can differ in length by a factor of a thousand, and for one channel they
# also change along the way. A rate that is right for one channel makes another stand still or jump
# out of the range of pixels. With the division one length suits all of them.
# ### END SOLUTION
