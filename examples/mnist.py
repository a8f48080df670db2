"""A convolutional network on MNIST, through `fit` and through a loop of one's own.

python examples/mnist.py                       # downloads MNIST (11 MB), or takes PYNEURO_HOME's
python examples/mnist.py --data mnist.npz --epochs 6
python examples/mnist.py --loop both           # both ways, and compares the weights' bits
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np

import pyneuro
from pyneuro import datasets, layers, losses, optimizers

BATCH = 128


def load(file: Path | None, samples: int | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pictures (N, 28, 28, 1) of grey values up to 1, and labels: to train on, and to test with."""
    train, test = datasets.mnist.load_data(str(file.resolve()) if file else "mnist.npz")
    parts = {"train": train, "test": test}
    return {
        name: (x[:samples, ..., None].astype("float32") / 255, y[:samples].astype("int32"))
        for name, (x, y) in parts.items()
    }


def build() -> pyneuro.Sequential:
    """Two convolutions with pooling, and a small perceptron on top."""
    return pyneuro.Sequential(
        [
            pyneuro.Input((28, 28, 1)),
            layers.Conv2D(32, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ],
        name="mnist",
    )


def by_fit(model: pyneuro.Model, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """The way of Keras."""
    model.compile(
        optimizer=optimizers.Adam(),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False)


def by_hand(model: pyneuro.Model, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """The way of PyTorch: the same steps, written out."""
    loss_of = losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizers.Adam()
    variables = model.trainable_variables
    for epoch in range(epochs):
        total = 0.0
        for start in range(0, len(x), BATCH):
            batch = slice(start, start + BATCH)
            loss = loss_of(y[batch], model(x[batch], training=True))
            model.zero_grad()
            loss.backward()
            optimizer.apply([v.grad for v in variables], variables)
            total += loss.item() * len(x[batch])
        print(f"epoch {epoch + 1}/{epochs}: loss {total / len(x):.4f}")


def digest(model: pyneuro.Model) -> str:
    """A hash of all weights: equal for equal bits."""
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()[:16]


def main() -> None:
    """Train as the command line asks for it, and say how many test pictures are read right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="mnist.npz; default: PYNEURO_HOME, or a download")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--loop", choices=("fit", "own", "both"), default="fit")
    parser.add_argument("--samples", type=int, help="only the first so many pictures of each part")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    data = load(options.data, options.samples)
    ways = {"fit": (by_fit,), "own": (by_hand,), "both": (by_fit, by_hand)}[options.loop]
    digests = []
    for train in ways:
        pyneuro.utils.set_random_seed(options.seed)
        model = build()
        train(model, *data["train"], options.epochs)
        digests.append(digest(model))
    if len(set(digests)) > 1:
        raise SystemExit(f"fit and the own loop end in other weights: {digests}")

    x, y = data["test"]
    right = np.mean(np.argmax(model.predict(x, batch_size=500, verbose=0), axis=-1) == y)
    same = "; fit and the own loop end in the same bits" if len(ways) > 1 else ""
    print(
        f"After {options.epochs} epochs the network reads {right:.2%} of {len(y)} pictures that "
        f"it never saw; its weights hash to {digests[0]}{same}."
    )


if __name__ == "__main__":
    main()
