"""A Transformer that tells praise from blame in sentences, built from layers of one's own.

    python examples/sentiment.py --data DIR        # with rt-polarity.pos and rt-polarity.neg
    python examples/sentiment.py                   # made-up sentences

After Vaswani et al. 2017, Attention Is All You Need; data: Pang and Lee 2005, sentence polarity.
"""

import argparse
import collections
from pathlib import Path
from typing import Any

import numpy as np

import pyneuro
from pyneuro import layers, losses, ops, optimizers

PRAISE = "a good film\nmoving and wise\nvery funny\nan honest and good story\nwise and warm\n"
BLAME = "a bad film\ndull and long\nnot funny\nan empty and bad story\nlong and cold\n"


class Positions(layers.Layer):
    """Adds a learned vector for each position, and keeps the mask of the tokens."""

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the vectors, as wide as the input."""
        self.vectors = self.add_weight(
            (self.length, input_shape[-1]), initializer="random_normal", name="vectors"
        )

    def call(self, x: Any) -> Any:
        """Add them: (N, T, D) to (N, T, D)."""
        return x + self.vectors[: x.shape[1]]

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to build this layer."""
        return {**super().get_config(), "length": self.length}


class Block(layers.Layer):
    """Attention and a perceptron, each around a residual, normalized before."""

    def __init__(self, heads: int, width: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.width, self.dropout = heads, width, dropout
        self.supports_masking = True
        self.first, self.second = layers.LayerNormalization(), layers.LayerNormalization()
        self.attention = layers.MultiHeadAttention(heads, width // heads, dropout=dropout)
        self.wide = layers.Dense(4 * width, activation="gelu")
        self.narrow = layers.Dense(width)
        self.drop = layers.Dropout(dropout)

    def call(self, x: Any, mask: Any = None) -> Any:
        """(N, T, width) to (N, T, width); masked positions are not looked at."""
        y = self.first(x)
        x = x + self.drop(self.attention(y, y, query_mask=mask, value_mask=mask, key_mask=mask))
        return x + self.drop(self.narrow(self.wide(self.second(x))))

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to build this layer."""
        own = {"heads": self.heads, "width": self.width, "dropout": self.dropout}
        return {**super().get_config(), **own}


def build(words: int, length: int, width: int, heads: int, blocks: int) -> pyneuro.Model:
    """From word numbers (N, length), 0 for none, to the logit of praise (N, 1)."""
    tokens = pyneuro.Input((length,), dtype="int32")
    x = layers.Embedding(words, width, mask_zero=True)(tokens)
    x = layers.Dropout(0.3)(Positions(length)(x))
    for _ in range(blocks):
        x = Block(heads, width, dropout=0.3)(x)
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return pyneuro.Model(tokens, layers.Dense(1)(layers.Dropout(0.3)(x)), name="sentiment")


def load(folder: Path | None) -> tuple[list[list[str]], np.ndarray]:
    """Sentences as words, and 1 for praise, 0 for blame; in a random order."""
    texts = [PRAISE * 20, BLAME * 20]
    if folder is not None:
        names = ("rt-polarity.pos", "rt-polarity.neg")
        texts = [(folder / name).read_text(encoding="latin-1") for name in names]
    sentences = [
        (line.split(), 1 - i) for i, text in enumerate(texts) for line in text.splitlines()
    ]
    order = np.random.default_rng(0).permutation(len(sentences))
    return [sentences[i][0] for i in order], np.array([sentences[i][1] for i in order], "float32")


def encode(sentences: list[list[str]], vocabulary: dict[str, int], length: int) -> np.ndarray:
    """Word numbers, 1 for words that are not known, 0 after the end."""
    out = np.zeros((len(sentences), length), "int32")
    for row, words in zip(out, sentences, strict=True):
        codes = [vocabulary.get(word, 1) for word in words[:length]]
        row[: len(codes)] = codes
    return out


def main() -> None:
    """Train, and say how many held-out sentences are judged right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the two files")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--length", type=int, default=40, help="words of a sentence")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--samples", type=int, help="only so many sentences")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    sentences, labels = load(options.data)
    sentences, labels = sentences[: options.samples], labels[: options.samples]
    held_out = len(sentences) // 5
    counts = collections.Counter(word for words in sentences[held_out:] for word in words)
    known = [word for word, count in counts.most_common(10000) if count > 1]
    vocabulary = {word: i + 2 for i, word in enumerate(known)}
    x = encode(sentences, vocabulary, options.length)

    pyneuro.utils.set_random_seed(options.seed)
    model = build(len(vocabulary) + 2, options.length, options.width, heads=4, blocks=2)
    model.compile(
        optimizer=optimizers.AdamW(1e-3, weight_decay=0.01),
        loss=losses.BinaryCrossentropy(from_logits=True),
        metrics=[pyneuro.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")],
    )
    model.fit(
        x[held_out:],
        labels[held_out:],
        batch_size=64,
        epochs=options.epochs,
        validation_data=(x[:held_out], labels[:held_out]),
    )
    logits = ops.reshape(model.predict(x[:held_out], verbose=0), (-1,)).numpy()
    right = np.mean((logits > 0) == (labels[:held_out] > 0.5))
    print(
        f"After {options.epochs} epochs the network judges {right:.1%} of {held_out} sentences "
        "that it never saw as their writers meant them."
    )


if __name__ == "__main__":
    main()
