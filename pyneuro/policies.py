"""Dtype policies: which dtype a layer computes in and which its weights are kept in.

Holds the default policy and `floatx` as well; `config.py` is their public face. Knows nothing of
tensors.
"""

from __future__ import annotations

from typing import Any

from .errors import ArgumentError, unknown_name
from .registry import built_in, deserialize_keras_object, serialize_keras_object

__all__ = ["DTypePolicy", "FloatDTypePolicy", "default", "deserialize", "get", "serialize"]

FLOATS = ("float16", "bfloat16", "float32", "float64")
_NAMES = (
    *FLOATS,
    "mixed_float16",
    "mixed_bfloat16",
    "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64",
    "bool", "string", "complex64", "complex128",
)  # fmt: skip


class _Defaults:
    """What this process uses where nothing else is said."""

    __slots__ = ("floatx", "policy")

    def __init__(self) -> None:
        self.floatx = "float32"
        self.policy: DTypePolicy | None = None


defaults = _Defaults()


@built_in("policy", module="pyneuro")
class DTypePolicy:
    """Which dtype a layer computes in and which its variables have.

    Args:
        name: a dtype such as "float32" (both the same), or "mixed_float16" / "mixed_bfloat16"
            (computes in the 16-bit type, keeps float32 variables). Default: the global policy.
        source_name: accepted for Keras's signature; a source policy is only used by quantization.

    Raises:
        UnknownNameError: `name` is no dtype and no mixed policy.

    Example:
        >>> policy = DTypePolicy("mixed_bfloat16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('bfloat16', 'float32')
    """

    __slots__ = ("_compute_dtype", "_name", "_variable_dtype")

    def __init__(self, name: str | None = None, source_name: str | None = None) -> None:
        if source_name is not None:
            raise ArgumentError(
                f"DTypePolicy: source_name={source_name!r} belongs to quantization, which pyneuro "
                "does not have; leave it out"
            )
        name = default().name if name is None else name
        if not isinstance(name, str):
            raise ArgumentError(f"DTypePolicy: name must be a string, got {name!r}")
        if name not in _NAMES:
            raise unknown_name("dtype policy", name, _NAMES)
        self._name = name
        mixed = name.startswith("mixed_")
        self._compute_dtype = name.removeprefix("mixed_")
        self._variable_dtype = "float32" if mixed else name

    @property
    def name(self) -> str:
        """The policy's name, such as "mixed_bfloat16"."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The dtype that floating inputs are cast to and that layers compute in."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the layer's variables."""
        return self._variable_dtype

    @property
    def quantization_mode(self) -> None:
        """Always `None`: there is no quantization."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments to make this policy again."""
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Make a policy from `get_config()`'s result."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other._name == self._name

    def __hash__(self) -> int:
        return hash(("DTypePolicy", self._name))

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


FloatDTypePolicy = DTypePolicy


def default() -> DTypePolicy:
    """The policy of layers that were given none: the global one, else `floatx` for everything.

    Returns:
        A `DTypePolicy`.

    Example:
        >>> default().name
        'float32'
    """
    return defaults.policy or DTypePolicy(defaults.floatx)


def set_default(policy: str | DTypePolicy | None) -> None:
    """Set the policy of layers made from now on; `None` goes back to `floatx`."""
    defaults.policy = None if policy is None else get(policy)


def get(identifier: Any) -> DTypePolicy:
    """Turn what a user gives as `dtype=` into a policy.

    Args:
        identifier: `None` (the default policy), a name, a dtype-like object, a `DTypePolicy`, or
            a serialized one.

    Returns:
        A `DTypePolicy`.

    Raises:
        UnknownNameError: no policy of this name.
        ArgumentError: not interpretable at all.

    Example:
        >>> get("float16").compute_dtype
        'float16'
    """
    if identifier is None:
        return default()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    name = getattr(identifier, "__name__", None) or getattr(identifier, "name", None)
    if isinstance(name, str):  # numpy.float32 is a class, numpy.dtype("float32") has a name
        return DTypePolicy(name)
    raise ArgumentError(f"cannot interpret {identifier!r} as a dtype or a dtype policy")


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The policy as a dict that `deserialize` understands."""
    config: dict[str, Any] = serialize_keras_object(dtype_policy)
    return config


def deserialize(
    config: dict[str, Any], custom_objects: dict[str, Any] | None = None
) -> DTypePolicy:
    """Make a policy from `serialize`'s result."""
    policy: DTypePolicy = deserialize_keras_object(config, custom_objects=custom_objects)
    return policy
