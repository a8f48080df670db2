"""One overview, as Markdown, of what the other scripts have written: aims, then every row.

    python bench/python/report.py build/bench

Reads the JSON files of a folder by the scripts' names: ops.json, layers.json and so on, and
native.json of pyneuro_bench. What is not there is left out.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = ("ops", "training", "layers", "networks", "memory", "accuracy", "sweep", "conv_sweep")
FILES = (*SCRIPTS, "together", "native")
SLOWEST = 10  # of a sweep are shown
# Aims beside another framework are meant for machines with AVX-512; this share of them elsewhere.
NARROW = 0.95


@dataclass
class Compared:
    """A row: our time, that of the fastest of the others, and how many times as long that is."""

    name: str
    ours: float
    label: str
    theirs: float
    ratio: float


class Results:
    """The files of a folder, by the names of the scripts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Any] = {}
        for name in FILES:
            path = folder / f"{name}.json"
            if path.exists():
                self.files[name] = json.loads(path.read_text())
        if not self.files:
            raise SystemExit(f"no results in {folder}; `make bench` writes them to build/bench")

    def rows(
        self, script: str, pattern: str = "", wanted: Callable[[str], bool] = lambda label: True
    ) -> list[Compared]:
        """Rows whose name matches, each beside the fastest of those whose label is wanted."""
        found = []
        for row in self.files.get(script, {}).get("rows", ()):
            ours, *others = row["sides"]
            others = [side for side in others if wanted(side["label"])]
            if others and re.search(pattern, row["name"]):
                best = min(others, key=lambda side: side["median"])
                found.append(
                    Compared(
                        row["name"], ours["median"], best["label"], best["median"], best["ratio"]
                    )
                )
        return found

    def group(self, script: str, name: str) -> dict[str, Any] | None:
        groups = self.files.get(script, {}).get("groups", ())
        return next((group for group in groups if group["rows"] == name), None)

    def sizes(self, script: str) -> list[Compared]:
        """The rows of a sweep."""
        found = []
        for entry in self.files.get(script, {}).get("sizes", ()):
            medians = {k: statistics.median(v) for k, v in entry["seconds"].items()}
            ours = medians.pop("pyneuro")
            label = min(medians, key=lambda key: medians[key])
            found.append(Compared(entry["name"], ours, label, medians[label], entry["ratio"]))
        return found

    @property
    def wide(self) -> bool:
        """Whether the machine has AVX-512, for which aims are meant."""
        return any("avx512" in file["about"]["isa"] for file in self.files.values())


# ---- aims ---------------------------------------------------------------------------------------


@dataclass
class Reached:
    """What was found for an aim.

    Attributes:
        aim: what is compared, and how it is summed up.
        wanted: the aim.
        found: the figure to compare with it.
        detail: where it was found, if the aim is for several.
        most: the aim is an upper bound.
        ratio: of speeds, so that less is wanted without AVX-512.
        form: how figures are written.
    """

    aim: str
    wanted: float
    found: float
    detail: str = ""
    most: bool = False
    ratio: bool = True
    form: str = "{:.2f}x"

    def line(self, wide: bool) -> str:
        wanted = self.wanted * (NARROW if self.ratio and not wide else 1)
        met = self.found <= wanted if self.most else self.found >= wanted
        bound = "at most" if self.most else "at least"
        figures = f"{bound} {self.form.format(wanted)} | {self.form.format(self.found)}"
        return f"| {self.aim} | {figures} | {'yes' if met else '**no**'} | {self.detail} |"


def of_torch(label: str) -> bool:
    return label.startswith("torch")


def eager(label: str) -> bool:
    return of_torch(label) and "compiled" not in label


def compiled(label: str) -> bool:
    return of_torch(label) and "compiled" in label


def least(
    results: Results, aim: str, wanted: float, script: str, pattern: str,
    side: Callable[[str], bool] = of_torch,
) -> Iterator[Reached]:  # fmt: skip
    """The row that does worst beside PyTorch's fastest."""
    if rows := results.rows(script, pattern, side):
        worst = min(rows, key=lambda row: row.ratio)
        yield Reached(aim, wanted, worst.ratio, f"{worst.name}: {worst.label}")


def of_group(
    results: Results, aim: str, wanted: float, group: str, figure: str
) -> Iterator[Reached]:
    if found := results.group("layers", group):
        detail = found["least of"] if figure == "least" else f"{found['number']} rows"
        yield Reached(aim, wanted, found[figure], detail)


def of_sweep(
    results: Results, aim: str, mean: float, fifth: float, script: str
) -> Iterator[Reached]:
    if ratios := [row.ratio for row in results.sizes(script)]:
        detail = f"{len(ratios)} sizes, {sum(r < 1 for r in ratios)} slower"
        yield Reached(f"{aim}, geometric mean", mean, statistics.geometric_mean(ratios), detail)
        yield Reached(f"{aim}, 5th percentile", fifth, percentile(ratios, 5), detail)


def percentile(values: list[float], at: float) -> float:
    """Between neighbours, as NumPy does it."""
    values = sorted(values)
    place = at / 100 * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def product_aims(results: Results) -> Iterator[Reached]:
    cubes = "^matmul, (256|512|1024|2048) x \\1 by \\1 x \\1$"
    yield from least(results, "products, 256 to 2048 cubed", 1.1, "ops", cubes)
    yield from least(results, "products of dense layers, 32 rows", 1.4, "ops", "^matmul, 32 x ")
    kept = "dense, weights unchanged"
    yield from of_group(results, "products of dense layers with kept weights", 1.4, kept, "least")
    shares = [
        (row["share"], row["name"])
        for row in results.files.get("native", {}).get("rows", ())
        if re.search("^matmul, float32, (256|512|1024|2048) x \\1 x \\1$", row["name"])
    ]
    if shares:
        share, name = min(shares)
        aim = "products, share of multiply-adds in registers"
        yield Reached(aim, 0.88, share, name, ratio=False, form="{:.2f}")
    yield from of_group(results, "products in bfloat16", 1.0, "matmul bfloat16", "least")
    yield from of_sweep(results, "products of random sizes", 1.05, 0.9, "sweep")


def convolution_aims(results: Results) -> Iterator[Reached]:
    def group(name: str) -> str:
        return f"{name}, forward + backward"

    vgg, depthwise = group("convolutions 3x3 of VGG16"), group("depthwise convolutions")
    yield from of_group(results, "VGG16's convolutions with gradients, sum", 2.5, vgg, "sum")
    yield from of_group(results, "depthwise with gradients, mean", 1.5, depthwise, "mean")
    yield from of_sweep(results, "random convolutions with gradients", 1.1, 0.85, "conv_sweep")


def network_aims(results: Results) -> Iterator[Reached]:
    for aim, wanted, pattern in (
        ("VGG16, training step", 2.5, "VGG16, training"),
        ("VGG16, inference", 2.0, "VGG16, inference"),
        ("ResNet50, training step", 1.3, "ResNet50, training"),
        ("MobileNet, training step", 1.1, "MobileNet, training"),
        ("LSTM, training step", 1.5, "LSTM.*, training"),
        ("GPT, training step", 1.3, "GPT.*, training"),
    ):
        yield from least(results, aim, wanted, "networks", pattern)


def memory_bound_aims(results: Results) -> Iterator[Reached]:
    chain = "^chain of 6 ops.* forward$"
    yield from least(results, "chain of six ops, beside eager", 2.5, "layers", chain, eager)
    yield from least(results, "chain of six ops, beside compiled", 1.0, "layers", chain, compiled)
    rows = "softmax, layer norm, gelu"
    group = f"{rows}, forward + backward"
    yield from of_group(results, f"{rows} with gradients, least", 1.0, group, "least")
    yield from of_group(results, f"{rows} with gradients, mean", 1.3, group, "mean")
    yield from least(results, "Adam, beside fused", 1.2, "layers", "^Adam")


def other_aims(results: Results) -> Iterator[Reached]:
    layers = results.files.get("accuracy", {}).get("layers", ())
    kinds = {"forward": 3e-6, "input gradient": 4e-6, "kernel gradient": 4e-6}
    for kind, wanted in kinds.items():
        if errors := [(line[kind], line["layer"]) for line in layers if line["by"] == "pyneuro"]:
            error, where = max(errors)
            aim = f"error of VGG16's convolutions, {kind}"
            yield Reached(aim, wanted, error, where, most=True, ratio=False, form="{:.1e}")
    peaks = {p["by"]: p["peak"] for p in results.files.get("memory", {}).get("peaks", ())}
    if others := {by: peak for by, peak in peaks.items() if of_torch(by)}:
        label = min(others, key=lambda by: others[by])
        share = peaks["pyneuro"] / others[label]
        detail = f"{peaks['pyneuro']:.0f} MB, {label} {others[label]:.0f} MB"
        aim = "VGG16, training step, most memory"
        yield Reached(aim, 1.0, share, detail, most=True, ratio=False)


AIMS = (product_aims, convolution_aims, network_aims, memory_bound_aims, other_aims)


# ---- text ---------------------------------------------------------------------------------------


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if (value := seconds / size) >= 1:
            return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def machine(about: dict[str, Any]) -> str:
    said = [
        about["date"][:10], about["processor"], f"{about['isa']} kernels",
        f"{about['threads']} threads",
    ]  # fmt: skip
    said += [f"malloc {about['malloc']}"] if "malloc" in about else []
    said += [f"{name} {version}" for name, version in about.get("versions", {}).items()]
    return ", ".join(said)


def aims_text(results: Results) -> Iterator[str]:
    found = [reached for aims in AIMS for reached in aims(results)]
    if not found:
        return
    yield "\n## Aims\n"
    if not results.wide:
        yield f"This machine has no AVX-512: {NARROW:g} of the ratios is wanted.\n"
    yield "| aim | wanted | reached | met | where |\n| --- | --: | --: | --- | --- |"
    yield from (reached.line(results.wide) for reached in found)


def rows_text(rows: list[Compared]) -> Iterator[str]:
    yield "| work | pyneuro | fastest of the others | | pyneuro is faster |"
    yield "| --- | --: | --- | --: | --: |"
    for row in rows:
        times = f"{duration(row.ours)} | {row.label} | {duration(row.theirs)}"
        yield f"| {row.name} | {times} | {row.ratio:.2f}x |"


def script_text(results: Results, script: str) -> Iterator[str]:
    rows, sizes = results.rows(script), results.sizes(script)
    if not rows and not sizes:
        return
    yield f"\n## {script}.py\n\n{machine(results.files[script]['about'])}\n"
    if sizes:
        yield f"The slowest of {len(sizes)} sizes:\n"
        rows = sorted(sizes, key=lambda row: row.ratio)[:SLOWEST]
    yield from rows_text(rows)


def together_text(results: Results) -> Iterator[str]:
    if together := results.files.get("together"):
        yield f"\n## together.py\n\n{machine(together['about'])}\n"
        yield "Time for the work of both, as a share of the sum of their times alone:\n"
        yield "| products of | by | by turns | at once |\n| --- | --- | --: | --: |"
        for pair in together["pairs"]:
            shares = " | ".join(f"{share:.2f}x" for share in pair["medians"].values())
            yield f"| {pair['size']} x {pair['size']} | {' and '.join(pair['by'])} | {shares} |"


def native_text(results: Results) -> Iterator[str]:
    if native := results.files.get("native"):
        yield f"\n## Kernels beside the machine\n\n{machine(native['about'])}\n"
        peaks = (f"{value} {key}" for key, value in native["about"].items() if "B/s" in key)
        yield f"{native['about']['GFLOP/s of multiply-adds']} GFLOP/s, {', '.join(peaks)}\n"
        yield "| work | median | rate | share |\n| --- | --: | --: | --: |"
        for row in native["rows"]:
            rate = f"{row['rate'] / 1e9:.3g} G{row['unit']}/s" if "rate" in row else ""
            share = f"{row['share']:.0%}" if "share" in row else ""
            yield f"| {row['name']} | {duration(row['median'])} | {rate} | {share} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the scripts' JSON files")
    results = Results(parser.parse_args().folder)
    print("# Measured")
    for line in aims_text(results):
        print(line)
    for script in SCRIPTS:
        for line in script_text(results, script):
            print(line)
    for text in (together_text, native_text):
        for line in text(results):
            print(line)


if __name__ == "__main__":
    main()
