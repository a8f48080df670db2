"""The table of summary(), line by line."""

import io
import sys

import numpy as np
import pytest

from pyneuro import Input, Model, Sequential, layers
from pyneuro.errors import ArgumentError
from pyneuro.models.summary import readable_size


def text_of(model: Model, **arguments: object) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, **arguments)  # type: ignore[arg-type]
    return "\n".join(lines)


def test_a_chain_of_layers() -> None:
    model = Sequential(
        [
            Input((4,)),
            layers.Dense(3, name="a_very_long_layer_name_that_does_not_fit_in_the_column"),
            layers.Dense(1234, name="dense"),
        ],
        name="sequential",
    )
    model.layers[0].trainable = False
    assert (
        text_of(model)
        == """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ a_very_long_layer_name_that_do… │ (None, 3)              │            15 │
│ (Dense)                         │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense (Dense)                   │ (None, 1234)           │         4,936 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 4,951 (19.34 KB)
 Trainable params: 4,936 (19.28 KB)
 Non-trainable params: 15 (60.00 B)"""
    )
    lines = text_of(model, line_length=60).splitlines()
    assert {len(line) for line in lines[1:-3]} == {60}
    assert lines[1] == "┏" + "━" * 26 + "┳" + "━" * 19 + "┳" + "━" * 11 + "┓"
    assert "Trai…" in text_of(model, show_trainable=True)
    assert "│   N   │" in text_of(model, show_trainable=True)
    assert "a_very" not in text_of(model, layer_range=("dense", "dense"))
    with pytest.raises(ArgumentError, match="no layer's name"):
        model.summary(layer_range=("x", "y"))


def test_a_graph_shows_its_connections() -> None:
    x = Input((4,), name="inp")
    a, b = layers.Dense(2, name="a")(x), layers.Dense(2, name="dense_1")(x)
    inner = Sequential([Input((2,)), layers.Dense(3, name="in_it")], name="inner")
    model = Model(x, inner(a + b), name="functional")
    assert (
        text_of(model)
        == """\
Model: "functional"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ inp (InputLayer)    │ (None, 4)         │          0 │ -                 │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ a (Dense)           │ (None, 2)         │         10 │ inp[0][0]         │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ dense_1 (Dense)     │ (None, 2)         │         10 │ inp[0][0]         │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ add (Add)           │ (None, 2)         │          0 │ a[0][0],          │
│                     │                   │            │ dense_1[0][0]     │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ inner (Sequential)  │ (None, 3)         │          9 │ add[0][0]         │
└─────────────────────┴───────────────────┴────────────┴───────────────────┘
 Total params: 29 (116.00 B)
 Trainable params: 29 (116.00 B)
 Non-trainable params: 0 (0.00 B)"""
    )
    assert "   └ in_it" in text_of(model, expand_nested=True)


def test_models_that_are_not_built_or_are_classes() -> None:
    model = Sequential([layers.Dense(3, name="d")])
    assert "│ ?                      │   0 (unbuilt) │" in text_of(model)

    class Net(Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(3, name="d")

        def call(self, inputs: object) -> object:
            return self.dense(inputs)

    net = Net()
    net(np.ones((2, 4), "float32"))
    assert (
        "│ d (Dense)                       │ (None, 3)              │            15 │"
        in text_of(net)
    )


def test_the_optimizer_counts_once_it_has_state() -> None:
    model = Sequential([Input((4,)), layers.Dense(3)])
    model.compile("adam", "mse")
    assert "Optimizer" not in text_of(model)
    model.fit(np.ones((2, 4)), np.ones((2, 3)), verbose=0)
    assert " Optimizer params: 32 (136.00 B)" in text_of(model)
    assert " Total params: 47 (196.00 B)" in text_of(model)


def test_sizes() -> None:
    assert [readable_size(n) for n in (5, 2048, 3 * 2**20, 2**42)] == [
        "5.00 B", "2.00 KB", "3.00 MB", "4.00 TB",
    ]  # fmt: skip


def test_plain_characters_where_there_are_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ascii(io.StringIO):
        encoding = "ascii"  # type: ignore[assignment]

        def write(self, text: str) -> int:
            text.encode("ascii")
            return super().write(text)

    out = Ascii()
    monkeypatch.setattr(sys, "stdout", out)
    Sequential([Input((4,)), layers.Dense(3, name="d")]).summary()
    assert "| d (Dense)                       | (None, 3)" in out.getvalue()
