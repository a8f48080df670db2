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
from pyneuro import callbacks, layers, optimizers


def load(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and held-out digits, a quarter held out, all ten digits in equal shares."""
    digits = load_digits()
    images = digits.images.astype("float32")
    labels = digits.target.astype("int32")
    x, x_held_out, y, y_held_out = train_test_split(
        images, labels, test_size=0.25, stratify=labels, random_state=seed
    )
    return x, y, x_held_out, y_held_out


def build() -> pyneuro.Sequential:
    """A small perceptron: 64 grey values in, ten logits out."""
    model = pyneuro.Sequential(
        [
            pyneuro.Input((8, 8)),
            layers.Rescaling(1 / 16),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ],
        name="digits",
    )
    model.compile(
        optimizer=optimizers.Adam(learning_rate=2e-3),
        loss=pyneuro.losses.SparseCategoricalCrossentropy(from_logits=True),
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
    parser.add_argument("--epochs", type=int, default=60, help="at most this many")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    pyneuro.utils.set_random_seed(options.seed)
    x, y, x_held_out, y_held_out = load(options.seed)
    model = build()
    model.summary()
    history = model.fit(
        x,
        y,
        batch_size=32,
        epochs=options.epochs,
        validation_split=0.15,
        callbacks=[
            callbacks.EarlyStopping(monitor="val_loss", patience=8, restore_best_weights=True)
        ],
    )
    accuracy = model.evaluate(x_held_out, y_held_out, verbose=0, return_dict=True)["accuracy"]

    saved = options.out / "digits.pyneuro"
    curves = options.out / "digits.png"
    model.save(saved)
    loaded = pyneuro.models.load_model(saved)
    before = model.predict(x_held_out, verbose=0)
    after = loaded.predict(x_held_out, verbose=0)
    if before.tobytes() != after.tobytes():
        raise SystemExit("the loaded model predicts otherwise than the saved one")
    plot(history.history, curves)

    print(
        f"After {len(history.epoch)} epochs the network reads {accuracy:.1%} of "
        f"{len(y_held_out)} digits that it never saw; saved to {saved} and loaded again it "
        f"predicts the same to the last bit; the curves are in {curves}."
    )


if __name__ == "__main__":
    main()
