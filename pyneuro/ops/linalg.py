"""Linear algebra by NumPy: factorizations and solutions of the matrices in the last two axes.

They are `host_call`s in float32 or float64 (16-bit floats pass through float32). cholesky, det,
inv, solve and eigh have gradients; asking for one of the others raises GradientError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, floating
from .creation import eye, tril, triu
from .custom import host_call
from .matmul import matmul
from .products import einsum
from .statistics import norm

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eigh",
    "inv",
    "logdet",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
]


def _wide(x: TensorLike) -> tuple[Tensor, str]:
    """`x` in a dtype that NumPy factorizes, and the dtype of the result."""
    x = floating(x)
    halves = x.dtype in ("float16", "bfloat16")
    return (apply("cast", x, dtype="float32") if halves else x), x.dtype


def _matrix(op: str, x: TensorLike, square: bool = True) -> tuple[Tensor, str]:
    given, dtype = _wide(x)
    if given.ndim < 2 or (square and given.shape[-1] != given.shape[-2]):
        kind = "square matrices" if square else "matrices"
        raise ShapeError(f"{op}: x must hold {kind}, but its shape is {given.shape}")
    return given, dtype


def _transposed(x: Tensor) -> Tensor:
    return apply("transpose", x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _call(
    function: Callable[..., Any],
    *xs: Tensor,
    shapes: list[tuple[int, ...]],
    dtype: str,
    **more: Any,
) -> Any:
    """One host call whose floating outputs come back in the caller's dtype."""
    specs = [(shape, more.get("dtypes", {}).get(i, xs[0].dtype)) for i, shape in enumerate(shapes)]
    out = host_call(function, *xs, output_specs=specs, gradient=more.get("gradient"))
    outs = (out,) if isinstance(out, Tensor) else out
    cast = tuple(o if o.dtype in ("int32", dtype) else o.astype(dtype) for o in outs)
    return cast if len(cast) > 1 else cast[0]


# ---- inverses ----------------------------------------------------------------------------------


def _inv_gradient(inputs: Any, outputs: Any, gs: Any) -> list[Tensor]:
    back = _transposed(outputs[0])
    return [-matmul(matmul(back, gs[0]), back)]


@public
def inv(x: TensorLike) -> Tensor:
    """The inverse of square matrices.

    Args:
        x: a tensor (..., n, n).

    Returns:
        A tensor of `x`'s shape.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> inv([[2.0, 0.0], [0.0, 4.0]]).tolist()
        [[0.5, 0.0], [0.0, 0.25]]
    """
    x, dtype = _matrix("inv", x)
    out: Tensor = _call(np.linalg.inv, x, shapes=[x.shape], dtype=dtype, gradient=_inv_gradient)
    return out


def _det_gradient(inputs: Any, outputs: Any, gs: Any) -> list[Tensor]:
    share = apply("reshape", gs[0] * outputs[0], shape=(*gs[0].shape, 1, 1))
    return [share * _transposed(inv(inputs[0]))]


@public
def det(x: TensorLike) -> Tensor:
    """The determinant of square matrices.

    Args:
        x: a tensor (..., n, n).

    Returns:
        A tensor (...).

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> det([[2.0, 0.0], [0.0, 4.0]]).item()
        8.0
    """
    x, dtype = _matrix("det", x)
    out: Tensor = _call(
        np.linalg.det, x, shapes=[x.shape[:-2]], dtype=dtype, gradient=_det_gradient
    )
    return out


def _log_det(x: Any) -> tuple[Any, Any]:
    sign, log = np.linalg.slogdet(x)
    return np.asarray(sign), np.asarray(log)


def _slogdet_gradient(inputs: Any, outputs: Any, gs: Any) -> list[Tensor | None]:
    if gs[1] is None:
        return [None]
    return [apply("reshape", gs[1], shape=(*gs[1].shape, 1, 1)) * _transposed(inv(inputs[0]))]


@public
def slogdet(x: TensorLike) -> tuple[Tensor, Tensor]:
    """The sign and the logarithm of the size of the determinant of square matrices.

    Example:
        >>> sign, log = slogdet([[-1.0]])
        >>> sign.item(), log.item()
        (-1.0, 0.0)
    """
    x, dtype = _matrix("slogdet", x)
    shapes = [x.shape[:-2], x.shape[:-2]]
    sign, log = _call(_log_det, x, shapes=shapes, dtype=dtype, gradient=_slogdet_gradient)
    return sign, log


@public
def logdet(x: TensorLike) -> Tensor:
    """The logarithm of the determinant of positive definite matrices.

    Example:
        >>> logdet([[1.0]]).item()
        0.0
    """
    return slogdet(x)[1]


def _columns(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b)


def _solve_gradient(inputs: Any, outputs: Any, gs: Any) -> list[Tensor]:
    of_b = solve(_transposed(inputs[0]), gs[0])
    return [-matmul(of_b, _transposed(outputs[0])), of_b]


@public
def solve(a: TensorLike, b: TensorLike) -> Tensor:
    """The x of `a x = b`.

    Args:
        a: square matrices (..., n, n).
        b: (..., n, k), or (..., n) for one column each.

    Returns:
        A tensor of `b`'s shape.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0]).tolist()
        [1.0, 0.5]
    """
    a, dtype = _matrix("solve", a)
    b, _ = _wide(b)
    b = b.astype(a.dtype)
    thin = b.ndim == a.ndim - 1
    columns = apply("reshape", b, shape=(*b.shape, 1)) if thin else b
    if columns.shape[:-1] != a.shape[:-1]:
        raise ShapeError(f"solve: a {a.shape} and b {b.shape} do not fit")
    shapes = [columns.shape]
    x = _call(_columns, a, columns, shapes=shapes, dtype=dtype, gradient=_solve_gradient)
    return apply("reshape", x, shape=b.shape)


@public
def solve_triangular(a: TensorLike, b: TensorLike, lower: bool = False) -> Tensor:
    """The x of `a x = b`, where only one triangle of `a` counts.

    Args:
        a: square matrices (..., n, n).
        b: (..., n, k), or (..., n).
        lower: whether it is the lower triangle.

    Returns:
        A tensor of `b`'s shape.

    Example:
        >>> solve_triangular([[2.0, 9.0], [0.0, 4.0]], [11.0, 4.0]).tolist()
        [1.0, 1.0]
    """
    return solve(tril(a) if lower else triu(a), b)


@public
def pinv(x: TensorLike, rcond: float | None = None) -> Tensor:
    """The pseudo-inverse of matrices, from their singular values.

    Args:
        x: a tensor (..., m, n).
        rcond: singular values below this share of the largest count as 0.

    Returns:
        A tensor (..., n, m). It has no gradient.

    Example:
        >>> pinv([[2.0], [0.0]]).tolist()
        [[0.5, 0.0]]
    """
    x, _ = _matrix("pinv", x, square=False)
    u, s, vt = svd(x, full_matrices=False)
    eps = float(np.finfo(s.dtype).eps)
    share = max(x.shape[-2:]) * eps if rcond is None else float(rcond)
    large = apply("greater", s, apply("max", s, axes=(-1,), keepdims=True) * share)
    turned = apply("where", large, apply("reciprocal", apply("where", large, s, 1.0)), 0.0)
    return einsum("...ji,...j,...kj->...ik", vt, turned, u)


# ---- factorizations ----------------------------------------------------------------------------


def _cholesky_gradient(inputs: Any, outputs: Any, gs: Any) -> list[Tensor]:
    # Murray 2016, "Differentiation of the Cholesky decomposition", section 4.
    low = outputs[0]
    inner = tril(matmul(_transposed(low), gs[0]))
    half = apply("where", eye(low.shape[-1], dtype="bool"), inner * 0.5, inner)
    upper = _transposed(low)
    # L^-T Phi L^-1, by two solutions.
    left = solve(upper, half)
    back = _transposed(solve(upper, _transposed(left)))
    return [(back + _transposed(back)) * 0.5]


@public
def cholesky(x: TensorLike, upper: bool = False) -> Tensor:
    """The triangular factor of positive definite matrices.

    Args:
        x: a tensor (..., n, n).
        upper: whether the factor is the upper triangle instead of the lower one.

    Returns:
        A tensor of `x`'s shape.

    Example:
        >>> cholesky([[4.0, 0.0], [0.0, 9.0]]).tolist()
        [[2.0, 0.0], [0.0, 3.0]]
    """
    x, dtype = _matrix("cholesky", x)
    low: Tensor = _call(
        np.linalg.cholesky, x, shapes=[x.shape], dtype=dtype, gradient=_cholesky_gradient
    )
    return _transposed(low) if upper else low


@public
def cholesky_inverse(x: TensorLike, upper: bool = False) -> Tensor:
    """The inverse of the matrices that a triangular factor belongs to.

    Example:
        >>> cholesky_inverse([[2.0]]).tolist()
        [[0.25]]
    """
    factor, _ = _matrix("cholesky_inverse", x)
    low = _transposed(triu(factor)) if upper else tril(factor)
    back = inv(low)
    return matmul(_transposed(back), back)


def _reduced(x: Any) -> Any:
    return tuple(np.linalg.qr(x, "reduced"))


def _complete(x: Any) -> Any:
    return tuple(np.linalg.qr(x, "complete"))


@public
def qr(x: TensorLike, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """Matrices as an orthogonal times an upper triangular one. It has no gradient.

    Args:
        x: a tensor (..., m, n).
        mode: "reduced" or "complete".

    Returns:
        A pair (q, r).

    Raises:
        ArgumentError: another mode.

    Example:
        >>> q, r = qr([[2.0]])
        >>> abs((q * r).item())
        2.0
    """
    if mode not in ("reduced", "complete"):
        raise ArgumentError(f"qr: mode must be 'reduced' or 'complete', got {mode!r}")
    x, dtype = _matrix("qr", x, square=False)
    *lead, m, n = x.shape
    k = min(m, n) if mode == "reduced" else m
    q, r = _call(
        _reduced if mode == "reduced" else _complete,
        x,
        shapes=[(*lead, m, k), (*lead, k, n)],
        dtype=dtype,
    )
    return q, r


def _svd_full(x: Any) -> Any:
    return tuple(np.linalg.svd(x, full_matrices=True))


def _svd_thin(x: Any) -> Any:
    return tuple(np.linalg.svd(x, full_matrices=False))


def _svd_values(x: Any) -> Any:
    return np.linalg.svd(x, compute_uv=False)


@public
def svd(
    x: TensorLike, full_matrices: bool = True, compute_uv: bool = True
) -> Tensor | tuple[Tensor, Tensor, Tensor]:
    """The singular values of matrices and their vectors. It has no gradient.

    Args:
        x: a tensor (..., m, n).
        full_matrices: whether u and v are square.
        compute_uv: whether to give u and v at all.

    Returns:
        A triple (u, s, transposed v), or s alone; s falls.

    Example:
        >>> svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False).tolist()
        [4.0, 3.0]
    """
    x, dtype = _matrix("svd", x, square=False)
    *lead, m, n = x.shape
    k = min(m, n)
    if not compute_uv:
        values: Tensor = _call(_svd_values, x, shapes=[(*lead, k)], dtype=dtype)
        return values
    rows, columns = (m, n) if full_matrices else (k, k)
    u, s, v = _call(
        _svd_full if full_matrices else _svd_thin,
        x,
        shapes=[(*lead, m, rows), (*lead, k), (*lead, columns, n)],
        dtype=dtype,
    )
    return u, s, v


def _eigh(x: Any) -> Any:
    return tuple(np.linalg.eigh(x))


def _eigh_gradient(inputs: Any, outputs: Any, gs: Any) -> list[Tensor]:
    values, vectors = outputs
    n = values.shape[-1]
    diagonal_only = eye(n, dtype="bool")
    back = _transposed(vectors)
    inner: Any = 0.0
    if gs[1] is not None:
        gap = apply("reshape", values, shape=(*values.shape[:-1], 1, n)) - apply(
            "reshape", values, shape=(*values.shape, 1)
        )
        share = apply("where", diagonal_only, 0.0, 1.0 / apply("where", diagonal_only, 1.0, gap))
        inner = share * matmul(back, gs[1])
    if gs[0] is not None:
        lone = apply("reshape", gs[0], shape=(*gs[0].shape, 1))
        inner = inner + apply("where", diagonal_only, lone, 0.0)
    out = matmul(matmul(vectors, inner), back)
    return [(out + _transposed(out)) * 0.5]


@public
def eigh(x: TensorLike) -> tuple[Tensor, Tensor]:
    """The eigenvalues and eigenvectors of symmetric matrices, of which the lower triangle counts.

    Args:
        x: a tensor (..., n, n).

    Returns:
        A pair (values, which rise, (..., n); vectors in columns (..., n, n)).

    Example:
        >>> values, vectors = eigh([[2.0, 0.0], [0.0, 1.0]])
        >>> values.tolist()
        [1.0, 2.0]
    """
    x, dtype = _matrix("eigh", x)
    shapes = [x.shape[:-1], x.shape]
    values, vectors = _call(_eigh, x, shapes=shapes, dtype=dtype, gradient=_eigh_gradient)
    return values, vectors


@public
def matrix_rank(x: TensorLike, tol: float | None = None) -> Tensor:
    """How many singular values of matrices are not 0.

    Args:
        x: a tensor (..., m, n).
        tol: values up to this count as 0; default: what rounding leaves of the largest.

    Returns:
        An int32 tensor (...).

    Example:
        >>> matrix_rank([[1.0, 1.0], [1.0, 1.0]]).item()
        1
    """
    x, _ = _matrix("matrix_rank", x, square=False)
    s = svd(x, compute_uv=False)
    assert isinstance(s, Tensor)
    if tol is None:
        rounding = max(x.shape[-2:]) * float(np.finfo(s.dtype).eps)
        large = apply("greater", s, apply("max", s, axes=(-1,), keepdims=True) * rounding)
    else:
        large = apply("greater", s, float(tol))
    return apply("sum", large, axes=(-1,), keepdims=False)


@public
def lstsq(a: TensorLike, b: TensorLike, rcond: float | None = None) -> Tensor:
    """The x that makes `|a x - b|` smallest, the shortest of several. It has no gradient.

    Args:
        a: a matrix (m, n).
        b: (m, k), or (m,).
        rcond: singular values below this share of the largest count as 0.

    Returns:
        (n, k), or (n,).

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> lstsq([[1.0], [1.0]], [1.0, 3.0]).numpy().round(4).tolist()
        [2.0]
    """
    a, _ = _matrix("lstsq", a, square=False)
    b, _ = _wide(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != a.shape[0]:
        raise ShapeError(f"lstsq: a {a.shape} and b {b.shape} do not fit")
    return matmul(pinv(a, rcond), b)


def _lu(x: Any) -> Any:
    """Gauss's elimination with row exchanges, of a batch at once; L and U in one, and the rows."""
    lu = np.array(x)
    *lead, m, n = lu.shape
    pivots = np.zeros((*lead, min(m, n)), "int32")
    for batch in np.ndindex(*lead):
        a = lu[batch]
        for j in range(min(m, n)):
            p = j + int(np.abs(a[j:, j]).argmax())
            pivots[(*batch, j)] = p
            a[[j, p]] = a[[p, j]]
            if a[j, j] != 0:
                a[j + 1 :, j] /= a[j, j]
                a[j + 1 :, j + 1 :] -= np.outer(a[j + 1 :, j], a[j, j + 1 :])
    return lu, pivots


@public
def lu_factor(x: TensorLike) -> tuple[Tensor, Tensor]:
    """Matrices as a lower times an upper triangular one, after exchanges of rows. No gradient.

    Args:
        x: a tensor (..., m, n).

    Returns:
        A pair: both triangles in one (the ones of the lower left out), and for each row the row
        that it was exchanged with, int32.

    Example:
        >>> lu, pivots = lu_factor([[0.0, 2.0], [4.0, 0.0]])
        >>> lu.tolist(), pivots.tolist()
        ([[4.0, 0.0], [0.0, 2.0]], [1, 1])
    """
    x, dtype = _matrix("lu_factor", x, square=False)
    *lead, m, n = x.shape
    lu, pivots = _call(
        _lu, x, shapes=[x.shape, (*lead, min(m, n))], dtype=dtype, dtypes={1: "int32"}
    )
    return lu, pivots
