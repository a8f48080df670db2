"""A small convolutional network on CIFAR-10, with batch normalization, augmentation and a schedule.

python examples/cifar10.py                     # downloads CIFAR-10 (170 MB)
python examples/cifar10.py --data cifar10.npz  # a file with x_train, y_train, x_test, y_test
"""

import argparse
from pathlib import Path

import numpy as np

import pyneuro
from pyneuro import datasets, layers, losses, optimizers

NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def load(file: Path | None, samples: int | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pictures (N, 32, 32, 3) of values up to 1, and labels (N,)."""
    if file is None:
        (x_train, y_train), (x_test, y_test) = datasets.cifar10.load_data()
        parts = {"train": (x_train, y_train), "test": (x_test, y_test)}
    else:
        with np.load(file, allow_pickle=False) as data:
            parts = {part: (data[f"x_{part}"], data[f"y_{part}"]) for part in ("train", "test")}
    return {
        part: (x[:samples].astype("float32") / 255, y[:samples].astype("int32").reshape(-1))
        for part, (x, y) in parts.items()
    }


def build() -> pyneuro.Model:
    """Three pairs of convolutions, each pair half as wide and twice as deep as the one before."""
    inputs = x = pyneuro.Input((32, 32, 3))
    for filters in (32, 64, 128):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(0.2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return pyneuro.Model(inputs, layers.Dense(10)(x), name="cifar10")


class Augmented(pyneuro.utils.PyDataset):
    """Batches of pictures, mirrored and moved by up to four pixels, other ones in each epoch."""

    def __init__(self, x: np.ndarray, y: np.ndarray, batch_size: int, seed: int) -> None:
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size
        self.draw = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.moved[chosen], self.y[chosen]

    def on_epoch_end(self) -> None:
        """Shuffle, and draw how each picture is moved and whether it is mirrored."""
        count = len(self.x)
        self.order = self.draw.permutation(count)
        padded = np.pad(self.x, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
        rows, columns = self.draw.integers(0, 9, (2, count))
        self.moved = np.stack(
            [p[i : i + 32, j : j + 32] for p, i, j in zip(padded, rows, columns, strict=True)]
        )
        mirrored = self.draw.random(count) < 0.5
        self.moved[mirrored] = self.moved[mirrored, :, ::-1]


def main() -> None:
    """Train, and say how many of the test pictures are named right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="cifar10.npz; default: a download")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--samples", type=int, help="only the first so many pictures of each part")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    pyneuro.utils.set_random_seed(options.seed)
    data = load(options.data, options.samples)
    batches = Augmented(*data["train"], options.batch_size, options.seed)
    model = build()
    model.compile(
        optimizer=optimizers.Adam(
            optimizers.schedules.CosineDecay(
                2e-4, options.epochs * len(batches), warmup_target=3e-3, warmup_steps=len(batches)
            )
        ),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(batches, epochs=options.epochs, validation_data=data["test"])

    x, y = data["test"]
    chosen = np.argmax(model.predict(x, verbose=0), axis=-1)
    rates = {name: np.mean(chosen[y == i] == i) for i, name in enumerate(NAMES) if (y == i).any()}
    worst = min(rates, key=lambda name: rates[name])
    print(
        f"After {options.epochs} epochs the network names {np.mean(chosen == y):.1%} of {len(y)} "
        f"pictures that it never saw; the hardest for it is '{worst}', {rates[worst]:.1%}."
    )


if __name__ == "__main__":
    main()
