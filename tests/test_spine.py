"""The whole spine at once: digits are learned, by `fit` and by an own loop to the same bits, on any
number of threads, without memory growing."""

import gc
import hashlib
from pathlib import Path

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import device, layers, losses, ops, optimizers

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"


@pytest.fixture(scope="module")
def mnist():
    if not MNIST.exists():
        pytest.skip(f"MNIST is not there: {MNIST}")
    with np.load(MNIST, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def images(data, part):
    return data[f"x_{part}"].reshape(-1, 784).astype("float32") / 255, data[f"y_{part}"].astype(
        "int64"
    )


def network(seed=1, dropout=0.0):
    keras.utils.set_random_seed(seed)
    parts = [keras.Input((784,)), layers.Dense(128, activation="relu")]
    if dropout:
        parts.append(layers.Dropout(dropout))
    return keras.Sequential([*parts, layers.Dense(10)])


def digest(model):
    h = hashlib.sha256()
    for w in model.get_weights():
        h.update(np.ascontiguousarray(w).tobytes())
    return h.hexdigest()


def test_mnist_reaches_97_percent_in_5_epochs(mnist):
    x, y = images(mnist, "train")
    model = network()
    model.compile(
        "adam", losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    history = model.fit(x, y, batch_size=128, epochs=5, verbose=0)
    assert len(history.history["loss"]) == 5
    results = model.evaluate(*images(mnist, "test"), verbose=0, return_dict=True)
    assert results["accuracy"] >= 0.97


def samples(count=640):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 784)).astype("float32"), rng.integers(0, 10, count)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_an_own_loop_gives_the_bits_of_fit(optimizer, dropout):
    x, y = samples()
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)

    fitted = network(dropout=dropout)
    fitted.compile(optimizer, loss)
    fitted.fit(x, y, batch_size=64, epochs=2, shuffle=False, verbose=0)

    looped = network(dropout=dropout)
    update = optimizers.get(optimizer)
    for _ in range(2):
        for start in range(0, len(x), 64):
            value = loss(y[start : start + 64], looped(x[start : start + 64], training=True))
            looped.zero_grad()
            value.backward()
            variables = looped.trainable_variables
            update.apply([v.grad for v in variables], variables)
    assert digest(fitted) == digest(looped)


def trained(threads):
    before = device.num_threads()
    device.set_num_threads(threads)
    try:
        x, y = samples(50 * 32)
        model = network(seed=7, dropout=0.2)
        model.compile(
            "adam", losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
        )
        model.fit(x, y, batch_size=32, epochs=1, verbose=0)
        return digest(model)
    finally:
        device.set_num_threads(before)


def test_weights_after_50_steps_do_not_depend_on_the_number_of_threads():
    hashes = {threads: trained(threads) for threads in (1, 2, 3, 4)}
    assert len(set(hashes.values())) == 1, hashes
    assert trained(2) == hashes[1]  # nor on the run


def test_memory_stays_flat_with_the_garbage_collector_off():
    x, y = samples(64)
    model = network(dropout=0.1)
    model.compile(
        "adam", losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)

    def step():
        model.train_on_batch(x, y)
        model.test_on_batch(x, y)
        model.predict_on_batch(x)
        value = loss(y, model(x, training=True))
        value.backward()
        model.zero_grad()

    for _ in range(5):
        step()
    gc.collect()
    gc.disable()
    try:
        before = device.memory_stats()["allocated"]
        for _ in range(100):
            step()
        assert device.memory_stats()["allocated"] == before
        assert gc.collect() < 50  # objects in cycles: none from steps
    finally:
        gc.enable()


def test_the_functional_graph_of_decision_13_survives_a_file(tmp_path):
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(11, 4)(tokens)
    x = x * 2 + 1.0
    scores = layers.Dense(5)(x)
    best = ops.argmax(scores, axis=-1)
    model = keras.Model(tokens, [scores, best])
    assert tuple(best.shape) == (None, 6)
    assert best.dtype == "int32"
    path = tmp_path / "graph.pyneuro"
    model.save(path)
    again = keras.models.load_model(path)
    data = np.random.default_rng(0).integers(0, 11, (3, 6))
    for a, b in zip(model(data), again(data), strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    assert again(data[:1])[1].shape == (1, 6)
