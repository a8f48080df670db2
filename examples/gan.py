"""Two networks against each other: one draws digits, one tells drawn ones from real ones.

Shows a `train_step` of one's own inside `fit`: two losses, two optimizers.

    python examples/gan.py --data mnist.npz
    python examples/gan.py                         # scikit-learn's digits, no download

After Goodfellow et al. 2014, Generative Adversarial Nets.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import pyneuro
from pyneuro import layers, losses, metrics, ops, optimizers

NOISE = 32


class Gan(pyneuro.Model):
    """A generator and a discriminator that are trained in turn, on each batch."""

    def __init__(self, generator: pyneuro.Model, discriminator: pyneuro.Model) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.drawn_loss = metrics.Mean(name="generator")
        self.judged_loss = metrics.Mean(name="discriminator")
        self.seeds = pyneuro.random.SeedGenerator(1)

    def compile(self, draw: Any, judge: Any) -> None:
        """Take an optimizer for each of the two."""
        super().compile()
        self.draw_optimizer, self.judge_optimizer = draw, judge
        self.loss_of = losses.BinaryCrossentropy(from_logits=True)

    def call(self, noise: Any) -> Any:
        """Pictures from noise."""
        return self.generator(noise)

    def noise(self, count: int) -> Any:
        """Random vectors (count, NOISE)."""
        return pyneuro.random.normal((count, NOISE), seed=self.seeds)

    def train_step(self, data: Any) -> dict[str, Any]:
        """First the discriminator, on real and drawn pictures; then its deceiver."""
        real = data[0] if isinstance(data, tuple) else data
        count = real.shape[0]
        ones, zeros = ops.ones((count, 1)), ops.zeros((count, 1))

        drawn = self.generator(self.noise(count), training=True).detach()
        judged = self.loss_of(
            ops.concatenate([ones, zeros]),
            self.discriminator(ops.concatenate([real, drawn]), training=True),
        )
        self.step(judged, self.discriminator, self.judge_optimizer)

        drawn = self.generator(self.noise(count), training=True)
        deceived = self.loss_of(ones, self.discriminator(drawn, training=True))
        self.step(deceived, self.generator, self.draw_optimizer)

        self.judged_loss.update_state(judged)
        self.drawn_loss.update_state(deceived)
        return {m.name: m.result() for m in self.metrics}

    def step(self, loss: Any, network: pyneuro.Model, optimizer: Any) -> None:
        """Move one network's variables against the gradient of the loss."""
        variables = network.trainable_variables
        optimizer.apply(pyneuro.grad(loss, variables), variables)


def build(shape: tuple[int, ...]) -> Gan:
    """Both networks, for pictures of this shape."""
    size = int(np.prod(shape))
    generator = pyneuro.Sequential(
        [
            pyneuro.Input((NOISE,)),
            layers.Dense(128),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(size, activation="sigmoid"),
            layers.Reshape(shape),
        ],
        name="generator",
    )
    discriminator = pyneuro.Sequential(
        [
            pyneuro.Input(shape),
            layers.Flatten(),
            layers.Dense(128),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dropout(0.3),
            layers.Dense(1),
        ],
        name="discriminator",
    )
    return Gan(generator, discriminator)


def load(file: Path | None) -> np.ndarray:
    """Pictures (N, height, width), of values up to 1."""
    if file is None:
        from sklearn.datasets import load_digits

        return load_digits().images.astype("float32") / 16
    with np.load(file, allow_pickle=False) as data:
        return data["x_train"].astype("float32") / 255


def as_text(picture: np.ndarray) -> str:
    """A picture in characters, darker ones for brighter pixels."""
    shades = " .:-=+*#%@"
    rows = (np.clip(picture, 0, 0.999) * len(shades)).astype(int)
    return "\n".join("".join(shades[v] * 2 for v in row) for row in rows)


def main() -> None:
    """Train, draw three digits, and say how close drawn pictures are to real ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="mnist.npz; default: scikit-learn's digits")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--samples", type=int, help="only the first so many pictures")
    options = parser.parse_args()

    pyneuro.utils.set_random_seed(1)
    pictures = load(options.data)[: options.samples]
    gan = build(pictures.shape[1:])
    gan.compile(draw=optimizers.Adam(5e-4, beta_1=0.5), judge=optimizers.Adam(5e-4, beta_1=0.5))
    gan.fit(pictures, batch_size=64, epochs=options.epochs)

    drawn = gan(gan.noise(200)).numpy()
    for picture in drawn[:3]:
        print(as_text(picture), end="\n\n")
    gap = np.abs(drawn.mean(axis=0) - pictures.mean(axis=0)).mean()
    print(
        f"After {options.epochs} epochs drawn pictures and real ones differ by {gap:.3f} of full "
        "brightness a pixel, in the mean over pictures."
    )


if __name__ == "__main__":
    main()
