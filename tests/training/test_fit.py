"""fit, evaluate, predict and their one-batch forms: what they compute and from which data."""

import numpy as np
import pytest

import pyneuro
from pyneuro import Input, Model, Sequential, data, layers, losses, metrics, ops, optimizers
from pyneuro.errors import ArgumentError, ShapeError, UnknownNameError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 5)).astype("float32")
LABELS = RNG.integers(0, 3, 20)
TARGETS = RNG.normal(size=(20, 2)).astype("float32")


def classifier(**compiled: object) -> Sequential:
    pyneuro.utils.set_random_seed(4)
    model = Sequential([Input((5,)), layers.Dense(6, activation="tanh"), layers.Dropout(0.2),
                        layers.Dense(3)])  # fmt: skip
    chosen = {"optimizer": optimizers.Adam(0.01), "metrics": ["accuracy"],
              "loss": losses.SparseCategoricalCrossentropy(from_logits=True)}  # fmt: skip
    model.compile(**{**chosen, **compiled})
    return model


def test_an_own_loop_gives_the_same_bits() -> None:
    fitted = classifier()
    history = fitted.fit(X, LABELS, batch_size=8, epochs=3, shuffle=False, verbose=0).history
    own, optimizer = classifier(), optimizers.Adam(0.01)
    loss_of = losses.SparseCategoricalCrossentropy(from_logits=True)
    variables, means = own.trainable_variables, []
    for _ in range(3):
        total = 0.0
        for start in range(0, 20, 8):
            x, y = X[start : start + 8], LABELS[start : start + 8]
            loss = loss_of(y, own(x, training=True))
            own.zero_grad()
            loss.backward()
            optimizer.apply([v.grad for v in variables], variables)
            total += float(loss) * len(x)
        means.append(total / 20)
    for a, b in zip(fitted.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(history["loss"], means, rtol=1e-6)


def test_a_run_can_be_repeated_bit_by_bit() -> None:
    def run() -> list[np.ndarray]:
        model = classifier()
        model.fit(X, LABELS, batch_size=4, epochs=3, verbose=0)
        return model.get_weights()

    for a, b in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_history_evaluate_and_predict_agree() -> None:
    model = classifier(weighted_metrics=["accuracy"])
    fitted = model.fit(X, LABELS, batch_size=6, epochs=2, verbose=0, validation_split=0.25)
    assert list(fitted.history) == ["accuracy", "loss", "val_accuracy", "val_loss",
                                    "val_weighted_accuracy", "weighted_accuracy"]  # fmt: skip
    assert fitted.params == {"verbose": 0, "epochs": 2, "steps": 3}
    assert fitted.epoch == [0, 1]
    assert model.history is fitted
    logits = model.predict(X[15:], batch_size=2, verbose=0)
    assert logits.flags.writeable
    assert logits.shape == (5, 3)
    right = (logits.argmax(-1) == LABELS[15:]).mean()
    assert fitted.history["val_accuracy"][-1] == pytest.approx(right)
    results = model.evaluate(X[15:], LABELS[15:], verbose=0)
    assert results == [fitted.history["val_loss"][-1], right, right]
    by_name = model.evaluate(X[15:], LABELS[15:], verbose=0, return_dict=True)
    assert by_name["accuracy"] == pytest.approx(right)
    assert model.metrics_names == ["loss", "compile_metrics"]


def test_weights_of_samples_and_classes() -> None:
    weights = RNG.random(20).astype("float32")
    model = classifier()
    model.layers[1].rate = 0.0
    logits = model.predict(X, verbose=0)
    values = losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")(
        LABELS, logits
    )
    loss, accuracy = model.evaluate(X, LABELS, sample_weight=weights, verbose=0)
    assert loss == pytest.approx((values.numpy() * weights).mean(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(-1) == LABELS).mean())
    by_class = {0: 2.0, 2: 0.5}
    one = model.train_on_batch(X, LABELS, class_weight=by_class)[0]
    each = np.array([by_class.get(int(label), 1.0) for label in LABELS])
    assert one == pytest.approx((values.numpy() * each).mean(), rel=1e-5)
    with pytest.raises(ArgumentError, match="exclude"):
        model.train_on_batch(X, LABELS, sample_weight=weights, class_weight=by_class)


def test_one_batch_forms() -> None:
    model = classifier()
    first, second = model.train_on_batch(X, LABELS), model.train_on_batch(X, LABELS)
    assert len(first) == 2
    assert first[0] != second[0]
    tested = model.test_on_batch(X, LABELS, return_dict=True)
    assert tested == model.evaluate(X, LABELS, batch_size=20, verbose=0, return_dict=True)
    np.testing.assert_array_equal(model.predict_on_batch(X), model.predict(X, verbose=0))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert isinstance(model.train_on_batch(X, LABELS), float)


@pytest.mark.parametrize(
    ("targets", "units", "loss", "kind"),
    [
        (LABELS, 3, "sparse_categorical_crossentropy", metrics.SparseCategoricalAccuracy),
        (LABELS[:, None], 3, "sparse_categorical_crossentropy", metrics.SparseCategoricalAccuracy),
        (np.eye(3)[LABELS], 3, "categorical_crossentropy", metrics.CategoricalAccuracy),
        ((LABELS > 0).astype("float32"), 1, "binary_crossentropy", metrics.BinaryAccuracy),
        ((LABELS > 0).astype("float32")[:, None], 1, "crossentropy", metrics.BinaryAccuracy),
    ],
)
def test_accuracy_is_the_one_that_fits(
    targets: np.ndarray, units: int, loss: str, kind: type
) -> None:
    activation = "sigmoid" if units == 1 else "softmax"
    model = Sequential([Input((5,)), layers.Dense(units, activation=activation)])
    model.compile("sgd", loss, metrics=["acc"])
    assert list(model.fit(X, targets, verbose=0).history) == ["acc", "loss"]
    assert isinstance(model.all_metrics()[1], kind)


def two_headed(structure: str) -> Model:
    x = Input((5,))
    a, b = layers.Dense(2, name="a")(x), layers.Dense(3, activation="softmax", name="b")(x)
    return Model(x, [a, b] if structure == "list" else {"a": a, "b": b})


@pytest.mark.parametrize("structure", ["list", "dict"])
def test_several_outputs(structure: str) -> None:
    model = two_headed(structure)
    listed = structure == "list"
    chosen = [["mse", "sparse_categorical_crossentropy"], [["mae"], ["accuracy"]], [0.5, 2.0]]
    loss, measured, weights = chosen if listed else [
        dict(zip("ab", part, strict=True)) for part in chosen
    ]  # fmt: skip
    model.compile("sgd", loss, metrics=measured, loss_weights=weights)
    targets = [TARGETS, LABELS] if listed else {"a": TARGETS, "b": LABELS}
    history = model.fit(X, targets, epochs=2, verbose=0, validation_data=(X, targets)).history
    assert [k for k in history if "val" not in k] == [
        "a_loss",
        "a_mae",
        "b_accuracy",
        "b_loss",
        "loss",
    ]
    assert history["loss"][0] == pytest.approx(
        0.5 * history["a_loss"][0] + 2 * history["b_loss"][0], rel=1e-5
    )
    results = model.evaluate(X, targets, verbose=0)
    assert results == [history[f"val_{k}"][-1] for k in
                       ("loss", "a_loss", "b_loss", "a_mae", "b_accuracy")]  # fmt: skip
    predicted = model.predict(X, verbose=0)
    assert isinstance(predicted, list if listed else dict)


def test_an_output_without_a_loss_is_left_alone() -> None:
    model = two_headed("dict")
    model.compile("sgd", {"a": "mse"})
    before = model.get_layer("b").get_weights()[0]
    with pytest.warns(UserWarning, match="no gradient"):
        model.fit(X, {"a": TARGETS}, verbose=0)
    np.testing.assert_array_equal(before, model.get_layer("b").get_weights()[0])


def test_names_that_no_output_has_are_answered() -> None:
    model = two_headed("dict")
    model.compile("sgd", {"a": "mse", "bb": "mse"})
    with pytest.raises(UnknownNameError, match="did you mean 'b'"):
        model.fit(X, {"a": TARGETS, "b": LABELS}, verbose=0)
    model.compile("sgd", ["mse"])
    with pytest.raises(ArgumentError, match="loss has 1 entries, but the model has 2 outputs"):
        model.fit(X, {"a": TARGETS, "b": LABELS}, verbose=0)


def test_misspelt_words_fail_in_compile() -> None:
    model = Sequential([layers.Dense(1)])
    for arguments in ({"optimizer": "adma"}, {"loss": "msee"}, {"metrics": ["accurcy_"]}):
        with pytest.raises(UnknownNameError):
            model.compile(**arguments)
    for arguments in (
        {"loss": 3},
        {"metrics": [3]},
        {"steps_per_execution": 0},
        {"on_nonfinite": "x"},
    ):
        with pytest.raises(ArgumentError):
            model.compile(**arguments)


def test_targets_that_do_not_fit_are_an_error_and_nothing_moves() -> None:
    model = Sequential([Input((5,)), layers.Dense(3)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ShapeError, match="does not broadcast"):
        model.fit(X, TARGETS[:, 0], verbose=0)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    with pytest.raises(ArgumentError, match="needs y"):
        model.fit(X, verbose=0)
    with pytest.raises(ValueError, match=r"\[20, 19\]"):
        model.fit(X, TARGETS[:19], verbose=0)


def test_data_of_many_kinds() -> None:
    class Pairs(data.PyDataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
            return X[5 * i : 5 * i + 5], LABELS[5 * i : 5 * i + 5]

    def endless() -> object:
        while True:
            yield from (Pairs()[i] for i in range(4))

    expected = None
    for x, y, more in (
        (X, LABELS, {"batch_size": 5}),
        (ops.convert_to_tensor(X), ops.convert_to_tensor(LABELS), {"batch_size": 5}),
        (X.astype("float64").tolist(), LABELS.tolist(), {"batch_size": 5}),
        (Pairs(), None, {}),
        ([Pairs()[i] for i in range(4)].__iter__(), None, {}),
        (endless(), None, {"steps_per_epoch": 4}),
    ):
        model = classifier()
        history = model.fit(x, y, shuffle=False, verbose=0, validation_data=Pairs(), **more).history
        expected = expected or history
        assert history == expected


def test_dicts_of_inputs() -> None:
    u, v = Input((5,), name="u"), Input((2,), name="v")
    model = Model({"u": u, "v": v}, layers.Dense(2)(u) + v)
    model.compile("sgd", "mse")
    inputs = {"u": X, "v": TARGETS, "unused": X}
    history = model.fit(inputs, TARGETS, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert model.predict(inputs, verbose=0).shape == (20, 2)


def test_epochs_steps_and_validation() -> None:
    model = classifier()
    fitted = model.fit(X, LABELS, batch_size=5, epochs=6, initial_epoch=2, steps_per_epoch=2,
                       validation_data=(X, LABELS), validation_freq=2, validation_steps=1,
                       validation_batch_size=4, verbose=0)  # fmt: skip
    assert fitted.epoch == [2, 3, 4, 5]
    assert len(fitted.history["val_loss"]) == 2
    assert model.optimizer.iterations.item() == 8
    assert len(model.fit(X, LABELS, epochs=3, validation_data=(X, LABELS), validation_freq=[1, 3],
                         verbose=0).history["val_loss"]) == 2  # fmt: skip


def test_limits_from_the_settings() -> None:
    pyneuro.config.set_max_epochs(1)
    pyneuro.config.set_max_steps_per_epoch(2)
    try:
        model = classifier()
        assert model.fit(X, LABELS, batch_size=4, epochs=5, verbose=0).epoch == [0]
        assert model.optimizer.iterations.item() == 2
    finally:
        pyneuro.config.set_max_epochs(None)
        pyneuro.config.set_max_steps_per_epoch(None)


def test_a_generator_that_ends_early_ends_the_training() -> None:
    model = classifier()
    source = ((X[:5], LABELS[:5]) for _ in range(3))
    with pytest.warns(UserWarning, match="ended after 1 of 2"):
        fitted = model.fit(source, steps_per_epoch=2, epochs=5, verbose=0)
    assert fitted.epoch == [0, 1]


def test_seeds_of_dropout_move_with_committed_steps_only() -> None:
    model = classifier()
    model.fit(X, LABELS, batch_size=5, verbose=0)
    assert model.layers[1].seed_generator.state.tolist()[1] == 4
    model.evaluate(X, LABELS, verbose=0)
    model.predict(X, verbose=0)
    assert model.layers[1].seed_generator.state.tolist()[1] == 4


def test_models_changed_between_fits() -> None:
    model = classifier()
    model.fit(X, LABELS, verbose=0)
    model.layers[0].trainable = False
    frozen = model.layers[0].get_weights()
    model.compile(optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, LABELS, verbose=0)
    np.testing.assert_array_equal(frozen[0], model.layers[0].get_weights()[0])
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(X, LABELS, verbose=0)
    np.testing.assert_array_equal(before[2], model.get_weights()[2])


def test_it_learns() -> None:
    x = RNG.normal(size=(400, 2)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int32")
    model = Sequential([Input((2,)), layers.Dense(32, activation="relu"), layers.Dense(2)])
    model.compile(optimizers.Adam(0.02), losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])  # fmt: skip
    assert model.fit(x, y, epochs=30, verbose=0).history["accuracy"][-1] > 0.95


@pytest.mark.parametrize("weights", [["accuracy"], "mae", metrics.Mean(), [object()]])
def test_metrics_in_the_place_of_loss_weights_are_noticed_in_compile(weights: object) -> None:
    model = Sequential([Input((5,)), layers.Dense(3)])
    with pytest.raises(ArgumentError, match="loss_weights must hold numbers"):
        model.compile("adam", "mse", weights)
    model.compile("adam", "mse", loss_weights=[np.float32(0.5)])
