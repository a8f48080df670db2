"""A training that tests kill and start again: `training_to_kill.py BACKUP FREQUENCY RESULT`."""

import random
import sys

import numpy as np

import pyneuro as keras
from pyneuro import callbacks, layers

backup, frequency, result = sys.argv[1:]
keras.utils.set_random_seed(5)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(96, 6)).astype("float32"), rng.integers(0, 3, 96)

model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(16, activation="relu"),
        layers.Dropout(0.3),
        layers.GaussianNoise(0.1),
        layers.Dense(3),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])
history = model.fit(
    x,
    y,
    batch_size=8,
    epochs=4,
    validation_split=0.25,
    verbose=0,
    callbacks=[
        callbacks.BackupAndRestore(backup, "epoch" if frequency == "epoch" else int(frequency)),
        callbacks.ReduceLROnPlateau(patience=1, min_delta=1.0),
        callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: print(batch, flush=True)),
    ],
)
values = [*model.variables, *model.optimizer.variables]
np.savez(
    result,
    **{str(i): np.asarray(v) for i, v in enumerate(values)},
    **{f"history/{name}": np.array(values) for name, values in history.history.items()},
    chance=np.array([random.random(), np.random.rand()]),
)
