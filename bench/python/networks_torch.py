"""The networks of architectures.py in PyTorch's modules, in each of its configurations.

Where windows of 3 with strides meet an even size, Keras's "same" pads behind and PyTorch's padding
before. That is as much work, and the same on mirrored images with mirrored kernels: a network that
has such layers, and averages over all positions at its end, is given to PyTorch that way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from architectures import EPSILON, MOMENTUM, Problem
from torch import nn
from torch.nn import functional


class Net(nn.Module):
    """Makes modules when they are first asked for, and runs them."""

    def __init__(self, problem: Problem, channels_last: bool) -> None:
        super().__init__()
        self.problem = problem
        self.parts = nn.ModuleDict()
        self.form = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.problem.network(self, x, **self.problem.options)

    def part(self, name: str, kind: Any, *args: Any, **kwargs: Any) -> Any:
        if name not in self.parts:
            self.parts[name] = kind(*args, **kwargs).to(memory_format=self.form)
        return self.parts[name]

    def conv(
        self, x: Any, name: str, filters: int, window: int, strides: int = 1, bias: bool = False,
        relu: bool = False, pad: int | None = None,
    ) -> Any:  # fmt: skip
        pad = window // 2 if pad is None else pad
        y = self.part(name, nn.Conv2d, x.shape[1], filters, window, strides, pad, bias=bias)(x)
        return self.relu(y) if relu else y

    def depthwise(self, x: Any, name: str, window: int, strides: int) -> Any:
        n, pad = x.shape[1], window // 2
        kind = {"groups": n, "bias": False}
        return self.part(name, nn.Conv2d, n, n, window, strides, pad, **kind)(x)

    def norm(self, x: Any, name: str) -> Any:
        return self.part(name, nn.BatchNorm2d, x.shape[1])(x)

    def layer_norm(self, x: Any, name: str) -> Any:
        return self.part(name, nn.LayerNorm, x.shape[-1])(x)

    def relu(self, x: Any) -> Any:
        return functional.relu(x, inplace=True)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def max_pool(self, x: Any, window: int, pad: int = 0) -> Any:
        return functional.max_pool2d(x, window, 2, pad)

    def average(self, x: Any) -> Any:
        return x.mean((2, 3))

    def flatten(self, x: Any) -> Any:
        return x.permute(0, 2, 3, 1).flatten(1)

    def dense(self, x: Any, name: str, units: int, activation: str | None = None) -> Any:
        y = self.part(name, nn.Linear, x.shape[-1], units)(x)
        if activation == "gelu":
            return functional.gelu(y, approximate="tanh")
        return self.relu(y) if activation == "relu" else y

    def embedding(self, x: Any, name: str, count: int, width: int) -> Any:
        return self.part(name, nn.Embedding, count, width)(x)

    def positions(self, x: Any, name: str) -> Any:
        return x + self.part(name, nn.Embedding, *x.shape[1:]).weight

    def attention(self, x: Any, name: str, heads: int) -> Any:
        """All projections of the input as one product."""
        width = x.shape[-1]
        y = self.part(f"{name}_qkv", nn.Linear, width, 3 * width)(x)
        q, k, v = y.unflatten(-1, (3, heads, width // heads)).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.transpose(1, 2).flatten(2)
        return self.part(f"{name}_out", nn.Linear, width, width)(y)

    def recurrent(self, x: Any, name: str, kind: str, units: int) -> Any:
        make = {"lstm": nn.LSTM, "gru": nn.GRU}[kind]
        return self.part(name, make, x.shape[-1], units, batch_first=True)(x)[0][:, -1]

    # ---- weights --------------------------------------------------------------------------------

    def load(self, weights: dict[str, np.ndarray]) -> None:
        """Take the weights of a Keras-like model, by the paths of its variables."""
        loaded = 0
        with torch.no_grad():
            for name, value in self._translated(weights).items():
                parameter = self.get_parameter(f"parts.{name}")
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
                loaded += 1
        if loaded != len(list(self.parameters())):
            raise ValueError(f"{loaded} weights came for {len(list(self.parameters()))}")

    def _translated(self, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for path, value in weights.items():
            layer, *_, name = path.split("/")
            if "_attention" in layer:
                continue
            part = self.parts[layer]
            if isinstance(part, (nn.LSTM, nn.GRU)):
                found |= _of_recurrent(layer, name, value, isinstance(part, nn.GRU))
                continue
            if isinstance(part, nn.Conv2d) and value.ndim == 4:
                value = value[::-1, ::-1] if self.problem.mirrored else value
                value = value.transpose((2, 3, 0, 1) if part.groups > 1 else (3, 2, 0, 1))
            elif isinstance(part, nn.Linear):
                value = value.T
            found[f"{layer}.{'bias' if name in ('bias', 'beta') else 'weight'}"] = value
        for layer in {path.split("/")[0] for path in weights if "_attention" in path}:
            found |= _of_attention(layer, weights)
        return found


def _of_attention(layer: str, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels (width, heads, size) of query, key and value; (heads, size, width) of the output."""
    inner = [weights[f"{layer}/{part}/kernel"] for part in ("query", "key", "value")]
    width = inner[0].shape[0]
    biases = [weights[f"{layer}/{part}/bias"].ravel() for part in ("query", "key", "value")]
    outer = weights[f"{layer}/attention_output/kernel"]
    return {
        f"{layer}_qkv.weight": np.concatenate([k.reshape(width, -1) for k in inner], 1).T,
        f"{layer}_qkv.bias": np.concatenate(biases),
        f"{layer}_out.weight": outer.reshape(-1, width).T,
        f"{layer}_out.bias": weights[f"{layer}/attention_output/bias"],
    }


def _of_recurrent(layer: str, name: str, value: np.ndarray, gru: bool) -> dict[str, np.ndarray]:
    """Gates are in the same order for an LSTM; Keras's GRU has z before r."""
    if gru:
        z, r, h = np.split(value, 3, axis=-1)
        value = np.concatenate([r, z, h], axis=-1)
    if name == "bias":
        both = value if gru else np.stack([value, np.zeros_like(value)])
        return {f"{layer}.bias_ih_l0": both[0], f"{layer}.bias_hh_l0": both[1]}
    kind = "hh" if name == "recurrent_kernel" else "ih"
    return {f"{layer}.weight_{kind}_l0": value.T}


class Trained:
    """A network with its optimizer."""

    def __init__(
        self, problem: Problem, weights: dict[str, np.ndarray] | None = None, *,
        channels_last: bool = False, fused: bool = True, compiled: bool = False,
    ) -> None:  # fmt: skip
        torch.manual_seed(1)
        self.problem = problem
        self.net = Net(problem, channels_last)
        with torch.no_grad():
            self.net(self._put_x(problem.batches(1)[0][0]))  # makes the modules
        for part in self.net.parts.values():
            if isinstance(part, nn.BatchNorm2d):
                part.reset_running_stats()
        if weights is not None:
            self.net.load(weights)
        self.optimizer = self._optimizer(fused)
        self.forward: Any = self.net
        if compiled:
            torch.compiler.reset()
            self.forward = torch.compile(self.net, dynamic=False)

    def _optimizer(self, fused: bool) -> torch.optim.Optimizer:
        # Keras's LSTM has one bias; PyTorch's second one is worked on and stays what it is.
        extra = [p for name, p in self.net.named_parameters() if "bias_hh" in name]
        extra = extra if any(isinstance(p, nn.LSTM) for p in self.net.parts.values()) else []
        usual = [p for p in self.net.parameters() if all(p is not other for other in extra)]
        groups = [{"params": usual}, *([{"params": extra, "lr": 0.0}] if extra else [])]
        if self.problem.optimizer == "adam":
            return torch.optim.Adam(groups, self.problem.rate, eps=EPSILON, fused=fused)
        return torch.optim.SGD(groups, self.problem.rate, MOMENTUM, fused=fused)

    def _put_x(self, x: np.ndarray) -> torch.Tensor:
        if x.ndim == 4:
            x = x[:, ::-1, ::-1] if self.problem.mirrored else x
            images = torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2)
            return images.contiguous(memory_format=self.net.form)
        return torch.from_numpy(x.copy())

    def put(self, x: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return self._put_x(x), torch.from_numpy(y.copy())

    def step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """The loss before an update."""
        self.optimizer.zero_grad()
        outputs = self.forward(x)
        loss = functional.cross_entropy(outputs.flatten(0, -2), y.flatten())
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def predict(self, x: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return self.forward(x).numpy()
