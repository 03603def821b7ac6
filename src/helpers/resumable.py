"""Long trainings that survive interruption: an epoch is kept, and a killed training goes on there.

    kept = resumable.Kept("cifar10-deeper", epochs=50, seed=0, data=cifar.sha256)
    data = training.batches(images, labels, 128, seed=0)
    done = kept.restore(model, data)
    model.fit(data, initial_epoch=done, epochs=50, callbacks=[kept], verbose=0)

Kill the process at any time and run the same lines again: the training goes on after the last epoch
that was finished, and ends with the weights of an uninterrupted one. The order of the examples, the
optimizer and its place in a schedule, dropout and augmentation layers continue where they were.
Randomness outside of the model and of ``training.batches``, such as augmentation in a ``tf.data``
pipeline, isn't kept, and neither is the state of other callbacks.
"""

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from helpers import training
from helpers.backend import keras
from helpers.files import write_atomically
from helpers.places import cache_folder


class Kept(training.Progress):
    """Train with progress, and keep the model, its optimizer and the curves after every epoch.

    The curves in the output of the cell are those of the whole training, whatever interrupted it.

    Attributes:
        path: the file, below ``trainings`` in the cache. Its name holds a digest of the settings,
            the model's layers, the optimizer, the loss and the backend, so that another recipe
            never continues this one. Delete the file to train anew.

    >>> x, y = np.zeros((8, 1), "float32"), np.zeros(8, "float32")
    >>> def train(epochs):
    ...     training.start(0)
    ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    ...     model.compile("sgd", "mean_squared_error")
    ...     kept, data = Kept("doctest", seed=0), training.batches(x, y, 4, seed=0)
    ...     done = kept.restore(model, data)
    ...     _ = model.fit(data, initial_epoch=done, epochs=epochs, verbose=0, callbacks=[kept])
    ...     return done, len(kept.curves["loss"]), kept.path
    >>> _, after_two, path = train(2)
    epoch 2 of 2: training loss 0.000
    >>> done, after_three, _ = train(3)
    epoch 3 of 3: training loss 0.000
    >>> done, after_two, after_three
    (2, 2, 3)
    >>> path.unlink()
    """

    def __init__(self, name: str, **settings: Any) -> None:
        """Name a training.

        Args:
            name: letters, digits, full stops, hyphens and underscores.
            settings: whatever else decides the result, as values that JSON can hold: the number of
                epochs if a schedule depends on it, the batch size, the seed, a hash of the data.

        Raises:
            ValueError: the name has other characters.
        """
        super().__init__()
        if not re.fullmatch(r"[\w.-]+", name):
            raise ValueError(
                f'The training\'s name must be letters, digits, ".", "-" and "_", not "{name}".'
            )
        self.name, self.settings = name, settings
        self.path = Path()
        self.done = 0
        self._before: dict[str, Any] = {"curves": {}, "seconds": []}

    def restore(self, model: Any, data: Any) -> int:
        """Bring a compiled model and its batches to where an interrupted training stopped.

        Args:
            model: built, compiled, and seeded as in the interrupted run (``training.start``).
            data: what ``training.batches`` made with a seed, not yet iterated.

        Returns:
            The number of finished epochs, for ``initial_epoch``; 0 if nothing is kept.

        Raises:
            ValueError: the kept file cannot be read.
        """
        recipe = json.dumps([_recipe(model), self.settings], sort_keys=True)
        digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
        self.path = cache_folder() / "trainings" / f"{self.name}-{digest}.npz"
        if not self.path.exists():
            return 0
        try:
            with np.load(self.path, allow_pickle=False) as file:
                state = json.loads(str(file["state"]))
                values = [file[f"variable_{n}"] for n in range(len(_variables(model)))]
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"The kept training {self.path} cannot be read ({error}): delete it to train anew."
            ) from error
        for variable, value in zip(_variables(model), values, strict=True):
            variable.assign(value)
        self.done = state["epochs"]
        self._before = state
        for _ in range(self.done):
            _skip_a_pass(data)
        return self.done

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Begin the line with the curves of the epochs that are done.

        Raises:
            ValueError: ``restore`` was not called, so nobody knows where the training is kept.
        """
        if self.path == Path():
            raise ValueError(
                "Call `restore(model, data)` before `model.fit`: it says where a training is kept."
            )
        super().on_train_begin(logs)
        self.epoch = self.done
        self.curves = {name: list(values) for name, values in self._before["curves"].items()}
        self.seconds = list(self._before["seconds"])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep everything that the next epoch depends on, in one step."""
        super().on_epoch_end(epoch, logs)
        state = {"epochs": epoch + 1, "curves": self.curves, "seconds": self.seconds}
        arrays = {
            f"variable_{n}": keras.ops.convert_to_numpy(variable)
            for n, variable in enumerate(_variables(self.model))
        }
        held = io.BytesIO()
        np.savez(held, state=np.array(json.dumps(state)), **arrays)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, held.getvalue())


def _variables(model: Any) -> list[Any]:
    """Return the weights, the states of random layers and the optimizer's variables."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    measures = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in measures]
    return [*own, *model.optimizer.variables]


def _recipe(model: Any) -> list[Any]:
    """Describe the model and how it learns, without the names of its layers.

    The connections of a functional model do name them, which ``training.start`` makes the same.
    """
    described = json.loads(model.to_json())["config"]
    optimizer = keras.saving.serialize_keras_object(model.optimizer)
    loss = model.loss
    # The text of a loss object holds its address, which is another one in the next process.
    loss = repr(loss) if isinstance(loss, str) else keras.saving.serialize_keras_object(loss)
    parts = [described, optimizer, loss, keras.backend.backend()]
    return [_without_names(part) for part in (*parts, keras.config.dtype_policy().name)]


def _without_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_names(each) for key, each in value.items() if key != "name"}
    return [_without_names(each) for each in value] if isinstance(value, list) else value


def _skip_a_pass(data: Any) -> None:
    """Let shuffled batches draw the order of one epoch, which is thrown away."""
    if isinstance(data, keras.utils.PyDataset):
        for _ in data:
            pass
    else:
        next(iter(data))
