"""Handwritten digits, end to end: train, stop early, save, load, compare, plot.

The data are the 1,797 real digits that come with scikit-learn (8 x 8 grey values, no download).
`make demo` runs this file.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import pyneuro
from pyneuro import callbacks, layers, losses, optimizers


def load(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images and labels to train on, to validate with, and to hold out: 64, 11 and 25 % of all.

    Each holds the ten digits in equal shares. What is trained on is also shown moved by one pixel
    up, down, left and right: a digit stays the same digit.
    """
    digits = load_digits()
    images, labels = digits.images.astype("float32"), digits.target.astype("int32")
    x, x_held_out, y, y_held_out = train_test_split(
        images, labels, test_size=0.25, stratify=labels, random_state=seed
    )
    x, x_validation, y, y_validation = train_test_split(
        x, y, test_size=0.15, stratify=y, random_state=seed
    )
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    corners = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    moved = np.concatenate([padded[:, i : i + 8, j : j + 8] for i, j in corners])
    return {
        "train": (moved, np.tile(y, len(corners))),
        "validation": (x_validation, y_validation),
        "held out": (x_held_out, y_held_out),
    }


def build() -> pyneuro.Sequential:
    """A small perceptron: 64 grey values in, ten logits out."""
    model = pyneuro.Sequential(
        [
            pyneuro.Input((8, 8)),
            layers.Rescaling(1 / 16),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10),
        ],
        name="digits",
    )
    model.compile(
        optimizer=optimizers.Adam(learning_rate=1e-3),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def plot(history: dict[str, list[float]], path: Path) -> None:
    """Loss and accuracy over the epochs, training and validation, as a PNG file."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for panel, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        epochs = range(1, len(history[name]) + 1)
        panel.plot(epochs, history[name], label="training")
        panel.plot(epochs, history[f"val_{name}"], label="validation")
        panel.set(xlabel="epoch", ylabel=name)
        panel.grid(alpha=0.3)
        panel.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """The whole way, as the command line asks for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder for results")
    parser.add_argument("--epochs", type=int, default=40, help="at most this many")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    pyneuro.utils.set_random_seed(options.seed)
    data = load(options.seed)
    model = build()
    model.summary()
    history = model.fit(
        *data["train"],
        batch_size=32,
        epochs=options.epochs,
        validation_data=data["validation"],
        callbacks=[
            callbacks.EarlyStopping(monitor="val_loss", patience=6, restore_best_weights=True)
        ],
    )
    x, y = data["held out"]
    accuracy = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]

    saved = options.out / "digits.pyneuro"
    curves = options.out / "digits.png"
    model.save(saved)
    loaded = pyneuro.models.load_model(saved)
    before = model.predict(x, verbose=0)
    after = loaded.predict(x, verbose=0)
    if before.tobytes() != after.tobytes():
        raise SystemExit("the loaded model predicts otherwise than the saved one")
    plot(history.history, curves)

    print(
        f"After {len(history.epoch)} epochs the network reads {accuracy:.1%} of "
        f"{len(y)} digits that it never saw; saved to {saved} and loaded again it "
        f"predicts the same to the last bit; the curves are in {curves}."
    )


if __name__ == "__main__":
    main()
