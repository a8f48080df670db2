"""A residual network as a functional model: any depth of 6n + 2, for pictures of 32 x 32.

    python examples/resnet.py --depth 20           # its table, and an epoch on random pictures
    python examples/resnet.py --data cifar10.npz --epochs 10

After He, Zhang, Ren, Sun 2016, Deep Residual Learning for Image Recognition (section 4.2).
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import pyneuro
from pyneuro import layers, losses, optimizers, regularizers

DECAY = 1e-4


def convolution(x: Any, filters: int, strides: int = 1, kernel_size: int = 3) -> Any:
    """A convolution without bias and the normalization that follows it."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=regularizers.L2(DECAY),
    )(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def block(x: Any, filters: int, strides: int) -> Any:
    """Two convolutions, and around them the input, made to fit by a projection where it must be."""
    y = layers.Activation("relu")(convolution(x, filters, strides))
    y = convolution(y, filters)
    if strides > 1 or x.shape[-1] != filters:
        x = convolution(x, filters, strides, kernel_size=1)
    return layers.Activation("relu")(layers.Add()([x, y]))


def build(depth: int, classes: int = 10, width: int = 16) -> pyneuro.Model:
    """Three stages of `(depth - 2) / 6` blocks; each stage has half the size and twice the filters.

    Args:
        depth: 6n + 2 layers with weights, such as 20.
        classes: how many logits come out.
        width: filters of the first stage.

    Returns:
        A model from pictures (N, 32, 32, 3) to logits (N, classes).
    """
    if depth < 8 or depth % 6 != 2:
        raise SystemExit(f"--depth must be 6n + 2, such as 8, 14, 20; got {depth}")
    inputs = pyneuro.Input((32, 32, 3))
    x = layers.Activation("relu")(convolution(inputs, width))
    for stage in range(3):
        for i in range((depth - 2) // 6):
            x = block(x, width << stage, strides=2 if stage > 0 and i == 0 else 1)
    x = layers.GlobalAveragePooling2D()(x)
    return pyneuro.Model(inputs, layers.Dense(classes)(x), name=f"resnet{depth}")


def main() -> None:
    """Build, show and train as the command line asks for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="cifar10.npz; default: random pictures")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--width", type=int, default=16, help="filters of the first stage")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--samples", type=int, help="only the first so many pictures of each part")
    options = parser.parse_args()

    pyneuro.utils.set_random_seed(1)
    if options.data is None:
        draw = np.random.default_rng(0)
        x, y = draw.random((256, 32, 32, 3), "float32"), draw.integers(0, 10, 256)
        x_test, y_test = x[:64], y[:64]
    else:
        with np.load(options.data, allow_pickle=False) as data:
            x, y, x_test, y_test = (data[k] for k in ("x_train", "y_train", "x_test", "y_test"))
        x, x_test = x.astype("float32") / 255, x_test.astype("float32") / 255
    x, y, x_test, y_test = (part[: options.samples] for part in (x, y, x_test, y_test))

    model = build(options.depth, width=options.width)
    model.summary()
    steps = options.epochs * -(-len(x) // 128)
    model.compile(
        optimizer=optimizers.SGD(
            optimizers.schedules.CosineDecay(0.1, steps), momentum=0.9, nesterov=True
        ),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x, y.reshape(-1), batch_size=128, epochs=options.epochs)
    accuracy = model.evaluate(x_test, y_test.reshape(-1), verbose=0, return_dict=True)["accuracy"]
    print(f"{model.name} has {model.count_params():,} numbers and names {accuracy:.1%} right.")


if __name__ == "__main__":
    main()
