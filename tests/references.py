"""What each op means, said once more in NumPy: independent of the kernels, in full precision.

Nothing here imports pyneuro. Inputs are float64 for floating dtypes, int64 for integers, or bool.
"""

import math

import numpy as np

FLOATS = ("float16", "bfloat16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
NUMBERS = SIGNED + UNSIGNED + FLOATS
ALL = ("bool", *NUMBERS)


def numpy_dtype(name):
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


erf = np.vectorize(math.erf, otypes=[float])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def gelu(x):
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


def gelu_tanh(x):
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def silu_grad(x, g):
    s = sigmoid(x)
    return g * s * (1.0 + x * (1.0 - s))


def gelu_grad(x, g):
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return g * (0.5 * (1.0 + erf(x / math.sqrt(2.0))) + x * density)


def gelu_tanh_grad(x, g):
    c = math.sqrt(2.0 / math.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return g * 0.5 * (1.0 + t + x * (1.0 - t * t) * c * (1.0 + 3.0 * 0.044715 * x * x))


def floor_divide(a, b):
    if a.dtype.kind == "f":
        return np.floor_divide(a, b)
    return np.where(b == 0, 0, np.floor_divide(a, np.where(b == 0, 1, b)))


def mod(a, b):
    if a.dtype.kind == "f":
        return np.mod(a, b)
    return np.where(b == 0, 0, np.mod(a, np.where(b == 0, 1, b)))


# ---- along axes --------------------------------------------------------------------------------


def reduction(function):
    return lambda x, axes, keepdims: function(x, axis=tuple(axes) or None, keepdims=keepdims)


def magnitude(x, axes, keepdims):
    """What the rounding errors of a sum are measured by."""
    return np.sum(np.abs(x), axis=tuple(axes) or None, keepdims=keepdims)


def softmax(x, axis):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x, axis):
    x = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def softmax_grad(y, g, axis):
    return y * (g - np.sum(g * y, axis=axis, keepdims=True))


def log_softmax_grad(y, g, axis):
    return g - np.exp(y) * np.sum(g, axis=axis, keepdims=True)


def softmax_grad_magnitude(y, g, axis):
    return np.abs(y) * (np.abs(g) + np.abs(g * y).sum(axis, keepdims=True))


def log_softmax_grad_magnitude(y, g, axis):
    return np.abs(g) + np.exp(y) * np.abs(g).sum(axis, keepdims=True)


def one_hot(x, num_classes, axis, dtype):
    out = (x[..., None] == np.arange(num_classes)).astype(numpy_dtype(dtype).type)
    return np.moveaxis(out.astype(bool if dtype == "bool" else float), -1, axis)


def crossentropy(logits, target):
    return -np.sum(target * log_softmax(logits, -1), axis=-1)


def crossentropy_grad(logits, target, g):
    return g[..., None] * (softmax(logits, -1) * target.sum(-1, keepdims=True) - target)


def _code(label, classes):
    return (label[..., None] == np.arange(classes)).astype(float)


def sparse_crossentropy(logits, label):
    return crossentropy(logits, _code(label, logits.shape[-1]))


def sparse_crossentropy_grad(logits, label, g):
    return g[..., None] * (softmax(logits, -1) - _code(label, logits.shape[-1]))


# ---- matrices ----------------------------------------------------------------------------------


def matmul(a, b, bias=None, *, transpose_a, transpose_b):
    a = np.swapaxes(a, -1, -2) if transpose_a and a.ndim > 1 else a
    b = np.swapaxes(b, -1, -2) if transpose_b and b.ndim > 1 else b
    return np.matmul(a, b) + (0 if bias is None else bias)


def matmul_magnitude(a, b, bias=None, **transposes):
    return matmul(np.abs(a), np.abs(b), None if bias is None else np.abs(bias), **transposes)


# ---- positions ---------------------------------------------------------------------------------


def _slices(start, stop, step):
    return tuple(
        slice(a, None if b < 0 else b, s) for a, b, s in zip(start, stop, step, strict=True)
    )


def cut(x, start, stop, step):
    return x[_slices(start, stop, step)]


def _written(g, start, step):
    stop = [a + n * s for a, n, s in zip(start, g.shape, step, strict=True)]
    return _slices(start, stop, step)


def slice_grad(g, shape, start, step):
    return slice_update(np.zeros(shape, g.dtype), g, start, step)


def slice_update(x, updates, start, step):
    out = x.copy()
    out[_written(updates, start, step)] = updates
    return out


def split(x, sizes, axis):
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def take_grad(g, indices, axis, size):
    axis %= g.ndim - indices.ndim + 1
    g = np.moveaxis(
        g.reshape(*g.shape[:axis], indices.size, *g.shape[axis + indices.ndim :]), axis, 0
    )
    out = np.zeros((size, *g.shape[1:]))
    np.add.at(out, indices.reshape(-1), g)
    return np.moveaxis(out, 0, axis)


# ---- random: Salmon, Moraes, Dror, Shaw 2011, Philox4x32-10 -------------------------------------


def philox_words(seed, n):
    """The first n 32-bit words for seed = (key, counter)."""
    mask = np.uint64(0xFFFFFFFF)
    key, counter = (int(v) & 0xFFFFFFFFFFFFFFFF for v in seed)
    blocks = np.arange((n + 3) // 4, dtype=np.uint64)
    c = [blocks & mask, blocks >> np.uint64(32)]
    c += [np.full_like(blocks, counter & 0xFFFFFFFF), np.full_like(blocks, counter >> 32)]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0),
            p1 & mask,
            (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1),
            p0 & mask,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1).reshape(-1)[:n]


def uniform01(seed, n, bits):
    """n numbers in [0, 1): the top 24 of 32 bits, or the top 53 of 64."""
    if bits == 32:
        return (philox_words(seed, n) >> np.uint64(8)) * 2.0**-24
    words = philox_words(seed, 2 * n)
    return ((words[0::2] | words[1::2] << np.uint64(32)) >> np.uint64(11)) * 2.0**-53


def random_uniform(seed, shape, minval, maxval, dtype):
    u = uniform01(seed, math.prod(shape), 64 if dtype == "float64" else 32)
    return (minval + (maxval - minval) * u).reshape(shape)


def random_normal(seed, shape, mean, stddev, dtype):
    n = math.prod(shape)
    u = uniform01(seed, n + n % 2, 64 if dtype == "float64" else 32).reshape(-1, 2)
    r, t = np.sqrt(-2.0 * np.log1p(-u[:, 0])), 2.0 * np.pi * u[:, 1]
    z = np.stack([r * np.cos(t), r * np.sin(t)], axis=1).reshape(-1)[:n]
    return (mean + stddev * z).reshape(shape)


def dropout(x, seed, rate):
    kept = uniform01(seed, x.size, 32).reshape(x.shape) >= rate
    return np.where(kept, x / (1.0 - rate) if rate < 1 else 0.0, 0.0)


# ---- state: the values that the variables have afterwards ----------------------------------------


def assign(*pairs):
    return pairs[len(pairs) // 2 :]


def runs_of(rate, scale, tensors, groups, weight_decay, copies):
    """The runs of a step's tensors, after what it does on the way: variables, gradients, slots.

    Copies that are drawn are not their variables rounded, so the variables follow them.
    """
    n = len(tensors) // (groups + copies)
    p, g, *slots = ([*tensors[i * n : (i + 1) * n]] for i in range(groups))
    p = [*tensors[groups * n :]] if copies else p
    return [a - rate * weight_decay * a for a in p], [b * scale for b in g], *slots


def with_copies(p, *slots, copies):
    """What a step writes, in order."""
    return (*p, *(x for slot in slots for x in slot), *(p if copies else ()))


def sgd_update(rate, scale, *tensors, momentum, nesterov, weight_decay=0.0, copies=False):
    groups = 2 if momentum == 0 else 3
    p, g, *v = runs_of(rate, scale, tensors, groups, weight_decay, copies)
    if momentum == 0:
        return with_copies([a - rate * b for a, b in zip(p, g, strict=True)], copies=copies)
    v = [momentum * a - rate * b for a, b in zip(v[0], g, strict=True)]
    ahead = [momentum * a - rate * b for a, b in zip(v, g, strict=True)] if nesterov else v
    return with_copies([a + b for a, b in zip(p, ahead, strict=True)], v, copies=copies)


def means_of(g, m, v, beta_1, beta_2):
    m = [a + (b - a) * (1.0 - beta_1) for a, b in zip(m, g, strict=True)]
    return m, [a + (b * b - a) * (1.0 - beta_2) for a, b in zip(v, g, strict=True)]


def adam_update(
    rate, step, scale, *tensors, beta_1, beta_2, epsilon, amsgrad, weight_decay=0.0, copies=False
):
    groups = 5 if amsgrad else 4
    p, g, m, v, *w = runs_of(rate, scale, tensors, groups, weight_decay, copies)
    alpha = rate * np.sqrt(1.0 - beta_2**step) / (1.0 - beta_1**step)
    m, v = means_of(g, m, v, beta_1, beta_2)
    largest = [np.maximum(a, b) for a, b in zip(w[0], v, strict=True)] if amsgrad else v
    p = [a - b * alpha / (np.sqrt(c) + epsilon) for a, b, c in zip(p, m, largest, strict=True)]
    return with_copies(p, m, v, *([largest] if amsgrad else []), copies=copies)


def lamb_update(
    rate, step, scale, *tensors, beta_1, beta_2, epsilon, weight_decay=0.0, copies=False
):
    p, g, m, v = runs_of(rate, scale, tensors, 4, weight_decay, copies)
    m, v = means_of(g, m, v, beta_1, beta_2)
    moved = []
    for a, b, c in zip(p, m, v, strict=True):
        way = b / (1.0 - beta_1**step) / (np.sqrt(c / (1.0 - beta_2**step)) + epsilon)
        size, length = np.linalg.norm(a), np.linalg.norm(way)
        moved.append(a - rate * (size / length if size and length else 1.0) * way)
    return with_copies(moved, m, v, copies=copies)


def conditional(reference, written):
    """A writing op's reference for the one whose last input says whether it writes at all."""

    def under_condition(*inputs, conditional, **fields):
        *given, condition = inputs
        before = tuple(given[i] for i in written(fields, len(given)))
        return reference(*given, **fields) if condition else before

    return under_condition


def sum_of_squares(*tensors):
    return np.sum([np.sum(np.square(x)) for x in tensors])
