"""Holds the tree to the "nevers" of docs/architecture.md, by reading its imports and includes.

A rule is a function from a tree (path -> text) to the list of places that break it. Each rule runs
on this tree, and on planted trees that break it, so that a rule that sees nothing is seen too.
"""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
Tree = dict[str, str]
Rule = Callable[[Tree], list[str]]
MAX_LINES = 600


def read_tree() -> Tree:
    """The sources that the rules look at."""
    folders = ("csrc", "cuda", "pyneuro", "tests", "bench", "examples")
    suffixes = {".h", ".cpp", ".cu", ".cuh", ".py", ".pyi"}
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in suffixes
    }


# ---------------------------------------------------------------------------------------------- C++

# What each floor of csrc/ may include: its own rooms and those below.
_CONTRACT = {"core", "ops", "backend.h", "custom_op.h"}
MAY_INCLUDE = {
    "core": {"core"},
    "ops": {"core", "ops", "custom_op.h"},
    "backend.h": {"core", "ops"},
    "custom_op.h": set(),
    "simd": {"core", "simd"},
    "kernels": _CONTRACT | {"simd", "kernels"},
    "cuda": _CONTRACT | {"cuda"},
    "runtime": _CONTRACT | {"runtime"},
    "plan": _CONTRACT | {"runtime", "plan"},
    "bindings": _CONTRACT | {"runtime", "plan", "bindings"},
}
_DATA_POINTER = re.compile(
    r"\bView\b|\bpn_array\b|\bspan<(?:const )?(?:float|double|std::byte)\b"
    r"|\b(?:float|double|bool|std::byte|u?int(?:8|16|32|64)_t)\s*(?:const\s*)?\*\s*\w"
)
_DEVICE_NAME = re.compile(r"\b(?:cpu|cuda|gpu|nvidia|avx\w*)\b", re.IGNORECASE)
_SHAPE_RULE = re.compile(r'"ops/infer\.h"|(?:\.|->)infer\(|\bbroadcast\(')


def code_of(text: str) -> str:
    """C++ without its comments; lines keep their numbers."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group())  # noqa: E731
    return re.sub(r"/\*.*?\*/|//[^\n]*", blank, text, flags=re.DOTALL)


def native(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """(path, floor, code) of each C++ file of csrc/ and cuda/."""
    for path, text in tree.items():
        parts = path.split("/")
        if parts[0] in ("csrc", "cuda") and not path.endswith(".py"):
            yield path, "cuda" if parts[0] == "cuda" else parts[1], code_of(text)


def places(path: str, code: str, pattern: re.Pattern[str], what: str) -> list[str]:
    return [
        f"{path}:{number}: {what}: {line.strip()}"
        for number, line in enumerate(code.splitlines(), 1)
        if pattern.search(line)
    ]


def includes_point_down(tree: Tree) -> list[str]:
    found = []
    for path, floor, code in native(tree):
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', code, re.MULTILINE):
            if name.split("/")[0] not in MAY_INCLUDE[floor]:
                found.append(f"{path}: {floor} must not include {name}")
    return found


def python_headers_stay_in_bindings(tree: Tree) -> list[str]:
    pattern = re.compile(r"#\s*include\s+[<\"](?:Python\.h|pybind11/|numpy/)")
    return [
        place
        for path, floor, code in native(tree)
        if floor != "bindings"
        for place in places(path, code, pattern, "a Python header outside csrc/bindings")
    ]


def ops_hold_no_data(tree: Tree) -> list[str]:
    return [
        place
        for path, floor, code in native(tree)
        if floor == "ops"
        for place in places(path, code, _DATA_POINTER, "a data pointer in csrc/ops")
    ]


def plans_know_no_device(tree: Tree) -> list[str]:
    return [
        place
        for path, floor, code in native(tree)
        if floor == "plan"
        for place in places(path, code, _DEVICE_NAME, "a device's name in csrc/plan")
    ]


def bindings_have_no_shape_rules(tree: Tree) -> list[str]:
    return [
        place
        for path, floor, code in native(tree)
        if floor == "bindings"
        for place in places(path, code, _SHAPE_RULE, "a shape rule in csrc/bindings")
    ]


# ------------------------------------------------------------------------------------------- Python

# The floors of pyneuro/, lowest first. A module imports from floors below and from its package.
FLOORS: list[set[str]] = [
    {"errors"},
    {"registry", "tree", "naming"},
    {"policies", "data"},
    {"config", "device", "callbacks"},
    {"autograd"},
    {"indexing"},
    {"tensor"},
    {"variable", "masks"},
    {"symbolic"},
    {"capture"},
    {"ops"},
    {"random", "activations", "regularizers", "constraints"},
    {"initializers"},
    {"layers", "losses", "optimizers", "saving"},
    {"metrics"},
    {"training"},
    {"models"},
    {"utils"},
    {"applications", "datasets", "distributed"},
]
_FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
_FACE = len(FLOORS)  # __init__, __main__ and the compatibility names: they only re-export
CORE_USERS = {"device", "autograd", "indexing", "tensor", "variable", "capture"}  # the tape
DATA_MAY_IMPORT = {"data", "errors", "tree"}
TRAINING_NEVER = {"layers", "models"}


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules(tree: Tree) -> dict[str, str]:
    """Module name -> path of what lies in pyneuro/."""
    return {module_name(p): p for p in tree if p.startswith("pyneuro/") and p.endswith(".py")}


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`, which do not exist at run time."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield other
                yield from runtime_nodes(other)
            continue
        yield child
        yield from runtime_nodes(child)


def imported(node: ast.AST, module: str, is_package: bool, known: dict[str, str]) -> list[str]:
    """Full names of the modules that one import statement asks for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = module.split(".") if is_package else module.split(".")[:-1]
        kept = package[: len(package) - node.level + 1]
        base = ".".join([*kept, node.module] if node.module else kept)
    native_module = {"pyneuro._core": ""}  # a module of ours that has no .py
    return [
        name if (name := f"{base}.{alias.name}") in known | native_module else base
        for alias in node.names
    ]


def arrows(tree: Tree) -> list[tuple[str, str]]:
    """(module, imported module of ours) for every import that runs."""
    known = modules(tree)
    return [
        (module, name)
        for module, path in known.items()
        for node in runtime_nodes(ast.parse(tree[path]))
        for name in imported(node, module, path.endswith("__init__.py"), known)
        if name.split(".")[0] == "pyneuro"
    ]


def room(module: str) -> str:
    """`ops` for pyneuro.ops.conv, `` for pyneuro itself."""
    return [*module.split("."), ""][1]


def floor_of(module: str) -> int:
    return _FLOOR_OF.get(room(module), _FACE)


def imports_point_down(tree: Tree) -> list[str]:
    return [
        f"{module} must not import {name}: it is not on a floor below"
        for module, name in arrows(tree)
        if name != "pyneuro._core"
        and not (room(module) and room(module) == room(name))
        and floor_of(name) >= floor_of(module)
        and floor_of(module) != _FACE
    ]


def no_circles(tree: Tree) -> list[str]:
    graph: dict[str, set[str]] = {}
    for module, name in arrows(tree):
        graph.setdefault(module, set()).add(name)
    found, done = [], set()

    def visit(module: str, trail: list[str]) -> None:
        if module in trail:
            found.append(" -> ".join([*trail[trail.index(module) :], module]))
        elif module not in done:
            for name in sorted(graph.get(module, ())):
                visit(name, [*trail, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    return found


def core_is_known_to_the_tape_only(tree: Tree) -> list[str]:
    return [
        f"{module} must not import {name}"
        for module, name in arrows(tree)
        if name == "pyneuro._core" and room(module) not in CORE_USERS
    ]


def data_imports_only_tree(tree: Tree) -> list[str]:
    return [
        f"{module} must not import {name}"
        for module, name in arrows(tree)
        if room(module) == "data" and room(name) not in DATA_MAY_IMPORT
    ]


def training_knows_no_layers(tree: Tree) -> list[str]:
    return [
        f"{module} must not import {name}"
        for module, name in arrows(tree)
        if room(module) == "training" and room(name) in TRAINING_NEVER
    ]


def imports_stand_at_the_top(tree: Tree) -> list[str]:
    """No import inside a function, except of optional third-party packages."""
    found = []
    own = {"pyneuro", "numpy", "ml_dtypes", "safetensors", *sys.stdlib_module_names}
    known = modules(tree)
    for module, path in known.items():
        for function in ast.walk(ast.parse(tree[path])):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            for node in ast.walk(function):
                for name in imported(node, module, path.endswith("__init__.py"), known):
                    if name.split(".")[0] in own:
                        found.append(f"{path}:{node.lineno}: imports {name} inside a function")
                dynamic = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                    ("import_module", "__import__")
                )
                if dynamic and not path.endswith("__init__.py"):
                    found.append(f"{path}:{node.lineno}: imports inside a function")
    return sorted(set(found))


def files_are_rooms(tree: Tree) -> list[str]:
    def most(path: str) -> int:
        return 2 * MAX_LINES if path.endswith("/__init__.py") else MAX_LINES  # a list of names

    return [
        f"{path}: {lines} lines, at most {most(path)}"
        for path, text in tree.items()
        if (lines := text.count("\n")) > most(path)
    ]


# -------------------------------------------------------------------------------------------- tests

PLANTED: list[tuple[Rule, Tree]] = [
    (includes_point_down, {"csrc/core/shape.h": '#include "ops/op.h"\n'}),
    (includes_point_down, {"csrc/kernels/conv.cpp": '#include "runtime/array.h"\n'}),
    (includes_point_down, {"csrc/runtime/dispatch.cpp": '#include "kernels/gemm.h"\n'}),
    (includes_point_down, {"csrc/ops/conv.cpp": '#include "simd/vec.h"\n'}),
    (includes_point_down, {"csrc/plan/fuse.h": '  #  include "bindings/array.h"\n'}),
    (includes_point_down, {"csrc/ops/conv.cpp": '#include "conv.h"\n'}),
    (includes_point_down, {"cuda/conv.cu": '#include "plan/program.h"\n'}),
    (python_headers_stay_in_bindings, {"csrc/runtime/array.cpp": "#include <Python.h>\n"}),
    (python_headers_stay_in_bindings, {"csrc/plan/text.cpp": "#include <pybind11/stl.h>\n"}),
    (ops_hold_no_data, {"csrc/ops/conv.cpp": "void run(const float* x);\n"}),
    (ops_hold_no_data, {"csrc/ops/conv.h": "Specs infer(const View& x);\n"}),
    (plans_know_no_device, {"csrc/plan/memory.cpp": 'if (device == "cuda") return;\n'}),
    (bindings_have_no_shape_rules, {"csrc/bindings/ops.cpp": '#include "ops/infer.h"\n'}),
    (bindings_have_no_shape_rules, {"csrc/bindings/ops.cpp": "broadcast(a, b, out);\n"}),
    (core_is_known_to_the_tape_only, {"pyneuro/ops/conv.py": "from pyneuro import _core\n"}),
    (core_is_known_to_the_tape_only, {"pyneuro/config.py": "import pyneuro._core\n"}),
    (core_is_known_to_the_tape_only, {"pyneuro/ops/conv.py": "from .._core import Array\n"}),
    (
        imports_point_down,
        {"pyneuro/tensor.py": "import pyneuro.ops\n", "pyneuro/ops/__init__.py": ""},
    ),
    (imports_point_down, {"pyneuro/ops/conv.py": "from pyneuro.layers import Dense\n"}),
    (
        imports_point_down,
        {
            "pyneuro/models/model.py": "from pyneuro import datasets\n",
            "pyneuro/datasets/__init__.py": "",
        },
    ),
    (imports_point_down, {"pyneuro/layers/core.py": "from pyneuro import Tensor\n"}),
    (imports_point_down, {"pyneuro/layers/core.py": "def f():\n    from ..models import Model\n"}),
    (
        no_circles,
        {
            "pyneuro/ops/a.py": "from pyneuro.ops import b\n",
            "pyneuro/ops/b.py": "from .a import f\n",
        },
    ),
    (data_imports_only_tree, {"pyneuro/data/loader.py": "from pyneuro.config import floatx\n"}),
    (training_knows_no_layers, {"pyneuro/training/loop.py": "from pyneuro.layers import Layer\n"}),
    (imports_stand_at_the_top, {"pyneuro/ops/a.py": "def f():\n    import json\n"}),
    (imports_stand_at_the_top, {"pyneuro/ops/a.py": "def f():\n    from pyneuro.ops import b\n"}),
    (imports_stand_at_the_top, {"pyneuro/a.py": "def f():\n    importlib.import_module('x')\n"}),
    (files_are_rooms, {"pyneuro/a.py": "\n" * (MAX_LINES + 1)}),
]
RULES = list(dict.fromkeys(rule for rule, _ in PLANTED))

ALLOWED: list[tuple[Rule, Tree]] = [
    (includes_point_down, {"csrc/plan/fuse.h": '// #include "bindings/array.h"\n'}),
    (plans_know_no_device, {"csrc/plan/memory.cpp": "// as the CPU does\n/* cuda */ int x;\n"}),
    (imports_point_down, {"pyneuro/autograd.py": "from typing import TYPE_CHECKING\n"
                          "if TYPE_CHECKING:\n    from pyneuro.tensor import Tensor\n"}),
    (imports_stand_at_the_top, {"pyneuro/a.py": "def f():\n    import matplotlib.pyplot\n"}),
    (core_is_known_to_the_tape_only, {"pyneuro/tensor.py": "from pyneuro import _core\n"}),
]  # fmt: skip


def name_of(value: object) -> str:
    return value.__name__ if callable(value) else ""


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    assert rule(read_tree()) == []


@pytest.mark.parametrize(("rule", "planted"), PLANTED, ids=name_of)
def test_the_rule_catches_what_is_planted(rule: Rule, planted: Tree) -> None:
    assert rule(planted)


@pytest.mark.parametrize(("rule", "planted"), ALLOWED, ids=name_of)
def test_the_rule_lets_pass_what_is_allowed(rule: Rule, planted: Tree) -> None:
    assert rule(planted) == []


def test_the_rules_read_the_whole_tree() -> None:
    tree = read_tree()
    assert {floor for _, floor, _ in native(tree)} >= set(MAY_INCLUDE) - {"cuda"}
    assert len(arrows(tree)) > 50
    rooms = {room(module) for module in modules(tree)}
    assert rooms >= {"tensor", "ops", "layers", "models", "training"}


def test_kernel_libraries_export_one_symbol() -> None:
    spec = importlib.util.find_spec("pyneuro._core")
    assert spec is not None
    assert spec.origin is not None
    libraries = sorted(Path(spec.origin).parent.glob("libpyneuro_cpu_*.so"))
    assert libraries
    for library in libraries:
        listed = subprocess.run(
            ["nm", "--dynamic", "--defined-only", "--format=posix", library],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        assert [line.split()[0] for line in listed.splitlines()] == ["pyneuro_backend"], library
