"""A character model with an LSTM: learns names, or any text, and writes new ones.

python examples/characters.py --data names.txt         # one name a line
python examples/characters.py --data shakespeare.txt --length 100
"""

import argparse
from pathlib import Path

import numpy as np

import pyneuro
from pyneuro import layers, losses, optimizers

NAMES = "anna\nbela\nclara\ndavid\nemma\nfelix\ngreta\nhanna\nida\njonas\nklara\nlena\nmax\nnora\n"


def build(characters: int, width: int) -> pyneuro.Model:
    """From characters so far (N, T) to the logits of each next one (N, T, characters)."""
    return pyneuro.Sequential(
        [
            pyneuro.Input((None,), dtype="int32"),
            layers.Embedding(characters, 32),
            layers.LSTM(width, return_sequences=True),
            layers.Dense(characters),
        ],
        name="characters",
    )


def windows(codes: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The text in pieces of `length`, each with itself moved on by one character."""
    count = (len(codes) - 1) // length
    if count == 0:
        raise SystemExit(f"the text has {len(codes)} characters, fewer than --length {length} + 1")
    cut = count * length
    return codes[:cut].reshape(count, length), codes[1 : cut + 1].reshape(count, length)


def write(model: pyneuro.Model, start: int, count: int, warmth: float, seed: int) -> list[int]:
    """Draw `count` characters, each from what the model expects after those before it."""
    draw = np.random.default_rng(seed)
    written = [start]
    for _ in range(count):
        logits = model(np.array([written[-64:]], "int32"))[0, -1].numpy().astype("float64")
        chances = np.exp((logits - logits.max()) / warmth)
        written.append(int(draw.choice(len(chances), p=chances / chances.sum())))
    return written[1:]


def main() -> None:
    """Train, print what the model writes, and how well it knows the text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a text file; default: a few names")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--length", type=int, default=32, help="characters that gradients go back")
    parser.add_argument("--width", type=int, default=128, help="of the LSTM")
    parser.add_argument("--characters", type=int, help="only the first so many of the text")
    parser.add_argument("--write", type=int, default=200, help="how many characters to write")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    text = options.data.read_text(encoding="utf-8") if options.data else NAMES * 40
    text = text[: options.characters]
    alphabet = sorted(set(text))
    code_of = {character: code for code, character in enumerate(alphabet)}
    x, y = windows(np.array([code_of[c] for c in text], "int32"), options.length)

    pyneuro.utils.set_random_seed(options.seed)
    model = build(len(alphabet), options.width)
    model.compile(
        optimizer=optimizers.Adam(3e-3, clipnorm=1.0),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(x, y, batch_size=64, epochs=options.epochs)
    start = code_of.get("\n", 0)
    written = write(model, start, options.write, warmth=0.8, seed=options.seed)
    print("".join(alphabet[code] for code in written))
    print(
        f"\nAfter {options.epochs} epochs a next character costs the model "
        f"{history.history['loss'][-1] / np.log(2):.2f} bits; guessing costs "
        f"{np.log2(len(alphabet)):.2f}."
    )


if __name__ == "__main__":
    main()
