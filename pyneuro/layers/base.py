"""Layer: how a layer is made, built, called and written down. What it holds is in tracking.py.

A call converts the inputs, builds the layer if it is its first, says whether this is training,
runs `call`, and adds the layer's place to an exception as a note. On symbolic inputs the call is
recorded instead.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from .. import naming, ops, policies, regularizers, symbolic, tree
from ..device import device
from ..errors import ArgumentError
from ..masks import get_mask, get_masks, set_mask
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from ..symbolic import KerasTensor
from ..tensor import Tensor, convert
from .calling import (
    CallSignature,
    all_tensors,
    describe_call,
    input_shape_argument,
    is_float,
    shapes_as_tuples,
    wrap_build,
)
from .spec import InputSpec, check_inputs
from .tracking import Tracker, call_context

__all__ = ["InputSpec", "Layer"]


@built_in("layer")
class Layer(Tracker):
    """A callable with weights: the base class of all layers and models.

    A subclass makes its weights in `build(input_shape)` (or in `__init__` where sizes are known)
    and computes in `call(inputs)`, from `pyneuro.ops` and other layers.

    Args:
        activity_regularizer: a name or callable whose penalty of the output is added to the loss.
        trainable: whether optimizers change the weights.
        dtype: a dtype or dtype policy, such as "float32" or "mixed_bfloat16".
        autocast: cast floating inputs to the compute dtype.
        name: a name without slashes; made up from the class if not given.

    Raises:
        ArgumentError: an unknown argument.

    Example:
        >>> from pyneuro import ops
        >>> class Scale(Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
        ...     def call(self, inputs):
        ...         return inputs * self.factor
        >>> import numpy as np
        >>> Scale()(np.ones((2, 3), "float32")).shape
        (2, 3)
    """

    input_spec: Any = None
    built: bool = False
    supports_masking: bool = False
    activity_regularizer: Any = None
    compute_dtype: str
    autocast: bool
    _call_signature: CallSignature
    _init_args: tuple[tuple[Any, ...], dict[str, Any]]
    _path: str | None
    _policy: policies.DTypePolicy
    _cast_to: str | None  # the dtype that floating inputs are cast to, if any
    _build_shapes: dict[str, Any] | None
    _inbound_nodes: list[Any]  # the calls of this layer in functional graphs
    _input_shape_argument: tuple[int | None, ...] | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A new layer that remembers what it was made with."""
        self = super().__new__(cls)
        self.__dict__["_init_args"] = (args, kwargs)  # for get_config() of classes without one
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = wrap_build(cls.__dict__["build"])  # type: ignore[method-assign]
        if "call" in cls.__dict__:
            cls._call_signature = CallSignature(cls.__dict__["call"])

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._start_tracking()
        state = self.__dict__
        kind = type(self).__name__
        state["name"] = naming.auto_name(kind) if name is None else naming.check_name(kind, name)
        state["_path"] = None
        state["_build_shapes"] = None
        state["_inbound_nodes"] = []
        state["_trainable"] = bool(trainable)
        state["_policy"] = policy = policies.get(dtype)
        state["variable_dtype"], state["compute_dtype"] = (
            policy.variable_dtype,
            policy.compute_dtype,
        )
        state["autocast"] = autocast
        state["_cast_to"] = (
            policy.compute_dtype if autocast and is_float(policy.compute_dtype) else None
        )
        if activity_regularizer is not None:
            state["activity_regularizer"] = regularizers.get(activity_regularizer)
        state["_input_shape_argument"] = input_shape_argument(kwargs)
        if kwargs:
            raise ArgumentError(
                f"{kind}: unknown arguments {sorted(kwargs)}; every layer takes name, dtype, "
                "trainable, activity_regularizer and autocast"
            )

    # -- dtype and names --------------------------------------------------------------------------

    @property
    def dtype_policy(self) -> policies.DTypePolicy:
        """The policy that says which dtypes the layer computes in and keeps its weights in."""
        policy: policies.DTypePolicy = self._policy
        return policy

    @property
    def dtype(self) -> str:
        """The dtype of the weights; the same as `variable_dtype`."""
        return self.variable_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that floating inputs are cast to; the same as `compute_dtype`."""
        dtype: str = self.compute_dtype
        return dtype

    @property
    def path(self) -> str:
        """The names of the layers around this one and its own, such as "model/encoder/dense"."""
        path: str | None = self._path
        return self.name if path is None else path

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # -- to be overridden -------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights, given the shape of the input; called once, before the first `call`.

        Args:
            input_shape: a tuple with `None` for unknown sizes, or a structure of such. Arguments of
                other names get the shape of the `call` argument they name: `query_shape`.
        """
        state = self.__dict__
        state["_build_shapes"], state["built"] = {"input_shape": input_shape}, True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; what a subclass defines.

        Args:
            *args: the inputs.
            **kwargs: further inputs; `training` and `mask` are given to a layer that names them.

        Returns:
            The output: a tensor or a structure of them.
        """
        raise NotImplementedError(f"{type(self).__name__} must define call()")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the output, given the mask of the input.

        Args:
            inputs: what the layer was called with.
            previous_mask: the mask of the input, or `None`.

        Returns:
            A mask or a structure of them; unless overridden the input's mask.
        """
        return previous_mask

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shape of the output for the shape of an input, found by running on shapes alone.

        Args:
            *args: the input's shape, or a structure of shapes.
            **kwargs: shapes by the name of the argument, as in `build`.

        Returns:
            A tuple with `None` for sizes that depend on unknown ones, or a structure of such.

        Example:
            >>> from pyneuro import layers
            >>> layers.Dense(3).compute_output_shape((None, 5))
            (None, 3)
        """

        def placeholder(shape: Any) -> Any:
            return KerasTensor(tuple(shape), dtype=self.compute_dtype)

        args = tuple(tree.map_shape_structure(placeholder, shape) for shape in args)
        kwargs = {
            name.removesuffix("_shape"): tree.map_shape_structure(placeholder, shape)
            for name, shape in kwargs.items()
        }
        if not args and "input" in kwargs and self._call_signature.first is not None:
            kwargs[self._call_signature.first] = kwargs.pop("input")
        spec = self.compute_output_spec(*args, **kwargs)
        return tree.map_structure(lambda x: tuple(x.shape), spec)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shape and dtype of the output for symbolic inputs, found by running on shapes alone.

        Args:
            *args: `KerasTensor`s or structures of them.
            **kwargs: further inputs.

        Returns:
            A `KerasTensor` or a structure of them.
        """
        if not self.built:
            self._build_for(args, kwargs)
        return symbolic.compute_spec(self._call_cast, args, kwargs)

    def _call_cast(self, *args: Any, **kwargs: Any) -> Any:
        """`call` on inputs in the dtypes that `__call__` gives them."""
        args, kwargs, _ = self._convert_inputs(args, kwargs)
        return self.call(*args, **kwargs)

    # -- calling ----------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer on tensors or NumPy arrays, or record it on symbolic ones.

        Args:
            *args: the inputs, as `call` takes them.
            **kwargs: further inputs; `training=True` or `False` holds for all layers within.

        Returns:
            What `call` returns.
        """
        context, names = call_context, naming.scope.names
        outer_training, outer_token = context.training, context.token
        if outer_token is None:
            context.token = object()
        self.__dict__["_call_token"] = context.token
        names.append(self.name)
        try:
            return self._run(context, args, kwargs)
        except Exception as error:
            error.add_note(
                f"in layer {'/'.join(names)!r} ({type(self).__name__}), called with "
                f"{describe_call(args, kwargs)}"
            )
            raise
        finally:
            names.pop()
            context.training, context.token = outer_training, outer_token

    def _run(self, context: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs, is_symbolic = self._convert_inputs(args, kwargs)
        if self.input_spec is not None:
            first = args[0] if args else kwargs.get(self._call_signature.first or "")
            check_inputs(self.input_spec, first, self.name)
        if not self.built:
            self._build_for(args, kwargs)
        if is_symbolic:
            if not self._call_signature.training and not self._call_signature.accepts_any:
                kwargs.pop("training", None)
            return symbolic.record_layer(self, args, kwargs)
        signature = self._call_signature
        training = kwargs.get("training")
        if training is None:
            training = context.training
            if training is None:
                training = signature.training_default
        context.training = training
        if signature.training:
            if training is not None and len(args) <= signature.names.index("training"):
                kwargs["training"] = training
        elif "training" in kwargs and not signature.accepts_any:
            del kwargs["training"]
        previous = self._gather_masks(signature, args, kwargs)
        outputs = self.call(*args, **kwargs)
        if self.activity_regularizer is not None:
            for output in tree.flatten(outputs):  # a penalty for each sample, on average
                samples = output.shape[0] if output.shape else 1
                self.add_loss(self.activity_regularizer(output) * (1.0 / max(samples, 1)))
        if previous is not None or type(self).compute_mask is not Layer.compute_mask:
            self._mask_outputs(args, outputs, previous)
        return outputs

    def _convert_inputs(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], bool]:
        """Arrays as tensors, floats in the compute dtype; and whether any input is symbolic."""
        if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            x = args[0]  # by far the commonest call
            if x.dtype == self._cast_to or self._cast_to is None or not is_float(x.dtype):
                return args, kwargs, False
        found_symbolic = False

        def convert_leaf(leaf: Any) -> Any:
            nonlocal found_symbolic
            if isinstance(leaf, KerasTensor):
                found_symbolic = True
            elif isinstance(leaf, (Tensor, np.ndarray)):
                return self._cast_input(leaf)
            return leaf

        args = tuple(tree.map_structure(convert_leaf, arg) for arg in args)
        kwargs = {k: tree.map_structure(convert_leaf, v) for k, v in kwargs.items()}
        return args, kwargs, found_symbolic

    def _cast_input(self, x: Any) -> Tensor:
        tensor: Tensor = x if isinstance(x, Tensor) else convert(x)
        if self._cast_to is None or tensor.dtype == self._cast_to or not is_float(tensor.dtype):
            return tensor
        outputs = ops.cast(tensor, self._cast_to)
        if (mask := get_mask(tensor)) is not None:
            set_mask(outputs, mask)
        return outputs

    def cast_weight(self, weight: Any) -> Any:
        """A weight in the compute dtype; itself unless the policy is a mixed one.

        Args:
            weight: a `Variable`.

        Returns:
            The weight, or a tensor on the tape.
        """
        dtype = self.compute_dtype
        if weight.dtype == dtype or not weight.autocast or not is_float(weight.dtype):
            return weight
        return ops.cast(weight, dtype)

    def _gather_masks(
        self, signature: CallSignature, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Give the masks that inputs carry to `call` arguments of their names; the first's mask."""
        if not args:
            return get_masks(kwargs.get(signature.first or ""))
        previous = get_masks(args[0])
        for name, mask_name in signature.masks:
            if mask_name in kwargs or mask_name in signature.names[: len(args)]:
                continue
            position = signature.names.index(name)
            value = args[position] if position < len(args) else kwargs.get(name)
            mask = previous if position == 0 else get_masks(value)
            if mask is not None:
                kwargs[mask_name] = mask
        return previous

    def _mask_outputs(self, args: tuple[Any, ...], outputs: Any, previous: Any) -> None:
        if not self.supports_masking and type(self).compute_mask is Layer.compute_mask:
            return
        masks = self.compute_mask(args[0] if args else None, previous)
        if masks is None:
            return
        flat_outputs, flat_masks = tree.flatten(outputs), tree.flatten(masks)
        for output, mask in zip(flat_outputs, flat_masks, strict=False):
            if mask is not None and isinstance(output, Tensor) and get_mask(output) is None:
                set_mask(output, mask)

    # -- building ---------------------------------------------------------------------------------

    def _build_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Build with the shapes of the inputs of the first call."""
        signature, call_signature = inspect.signature(self.build), self._call_signature
        inputs = dict(zip(call_signature.names, args, strict=False)) | kwargs
        wanted = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shapes = {
            name: tree.map_structure(lambda x: tuple(x.shape), value)
            for name, value in inputs.items()
            if name not in ("training", "mask") and all_tensors(value)
        }
        with device("cpu"):  # also where shapes are being found on the meta device
            if len(wanted) == 1 and wanted[0].name.removesuffix("_shape") not in shapes:
                first = shapes.get(call_signature.first or "") if shapes else None
                self.build(first if first is not None else next(iter(shapes.values()), None))
            else:
                by_argument = {p.name: shapes[p.name.removesuffix("_shape")] for p in wanted
                               if p.name.removesuffix("_shape") in shapes}  # fmt: skip
                self.build(**by_argument)
        self.__dict__["built"] = True

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes the layer was built for, or `None`."""
        shapes: dict[str, Any] | None = self._build_shapes
        return shapes if self.built and shapes else None

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build again for the shapes of `get_build_config()`.

        Args:
            config: argument name of `build` -> shape.
        """
        shapes = {k: shapes_as_tuples(v) for k, v in config.items()}
        if self.built or any(v is None for v in shapes.values()):
            return
        names = list(inspect.signature(self.build).parameters)
        if len(shapes) == 1 and len(names) == 1:
            self.build(next(iter(shapes.values())))
        else:
            self.build(**{k: v for k, v in shapes.items() if k in names})
        self.__dict__["built"] = True

    # -- configs ----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values; subclasses add theirs.

        Returns:
            A dict for `from_config`. For a class that does not override this, the arguments that it
            was made with.

        Raises:
            ArgumentError: an argument cannot be written down, and the class says not how.
        """
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize_keras_object(self.activity_regularizer)
        if self._config_is_automatic():
            config = self._automatic_config(config)
        return config

    @classmethod
    def _config_is_automatic(cls) -> bool:
        return cls.get_config is Layer.get_config and cls.__init__ is not Layer.__init__

    def _automatic_config(self, base: dict[str, Any]) -> dict[str, Any]:
        signature = inspect.signature(type(self).__init__)
        args, kwargs = self._init_args
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        accepts_any = False
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                accepts_any = True
                given.update(given.pop(parameter.name, {}))
        try:
            config = {name: serialize_keras_object(value) for name, value in given.items()}
        except ArgumentError as error:
            error.add_note(
                f"{type(self).__name__} has no get_config(), so its arguments are written down as "
                "they are; define get_config() to say how"
            )
            raise
        return config | {k: v for k, v in base.items() if accepts_any or k in signature.parameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result.

        Args:
            config: the constructor's arguments.

        Returns:
            A new layer with new weights.
        """
        if cls._config_is_automatic():
            config = {name: deserialize_keras_object(value) for name, value in config.items()}
        return cls(**config)

    # -- the functional graph ---------------------------------------------------------------------

    @property
    def input(self) -> Any:
        """The symbolic input of the layer's only call in a functional graph."""
        return self._only_node("input").input_tensors

    @property
    def output(self) -> Any:
        """The symbolic output of the layer's only call in a functional graph."""
        return self._only_node("output").outputs

    def _only_node(self, what: str) -> Any:
        nodes = self._inbound_nodes
        if len(nodes) != 1:
            why = (
                "was never called on a symbolic tensor"
                if not nodes
                else (f"was called {len(nodes)} times, so that it is not clear which one is meant")
            )
            raise AttributeError(f"layer {self.name!r} has no {what}: it {why}")
        return nodes[0]
