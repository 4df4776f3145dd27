#!/usr/bin/env python3
"""Writes docs/results/otfusion.md and its picture from runs of `tenon`.

Three pairs of parents per architecture are trained on Fashion-MNIST from different seeds
(kept in build/results, so that a second run takes minutes), fused, and evaluated on the
test split, which chooses nothing. Usage: bench/results_otfusion.py [--tenon PATH]
"""
import argparse
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "results"
DATA = "fashion-mnist"
WEIGHTS = [k / 10 for k in range(11)]
SEEDS = (1, 2, 3)
ROWS = (("parent A", "a"), ("parent B", "b"), ("plain average", "average"),
        ("fused", "uncalibrated"), ("fused, recalibrated", "fused"),
        ("prediction ensemble", "ensemble"))


def nets():
    """Architectures and their recipes, read from models/make, which the demo's use."""
    out = subprocess.run([ROOT / "models" / "make", "--list"], check=True, text=True,
                         capture_output=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def run(tenon, *args):
    done = subprocess.run([tenon, *map(str, args)], text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"tenon {' '.join(map(str, args))}\n{done.stderr}")
    return done.stdout


def parents(tenon, name, arch, options, seed):
    files = []
    for side, number in (("a", 2 * seed - 1), ("b", 2 * seed)):
        path = CACHE / f"{name}-{seed}{side}.onnx"
        if not path.exists():
            print(f"training {path.name}", flush=True)
            run(tenon, "train", arch, "-o", path, "--data", DATA, "--seed", number, "-q",
                *options.split())
        files.append(path)
    return files


def fuse(tenon, files, *options):
    """One fusion: the accuracies of its table."""
    report = json.loads(run(tenon, "fuse", *files, "-o", CACHE / "fused.onnx", "-f",
                            "--data", DATA, "--json", "-q", *options))
    row = {"a": report["models"][0], "b": report["models"][1]}
    for key in ("average", "uncalibrated", "fused", "ensemble"):
        row[key] = report[key]
    return {key: value and value["accuracy"] for key, value in row.items()}, report


def sweep(tenon, files):
    """Accuracy against t, the weight of B: aligned and plain, before and after."""
    curves = {"fused": [], "uncalibrated": [], "average": []}
    for t in WEIGHTS:
        row, _ = fuse(tenon, files, "--weights", f"{1 - t:.1f}/{t:.1f}")
        for key, curve in curves.items():
            curve.append(row[key] if row[key] is not None else row["fused"])
    return curves


def percent(values):
    mean = 100 * statistics.mean(values)
    return f"{mean:.2f} ± {100 * statistics.stdev(values):.2f}"


def picture(panels):
    """Fusion accuracy against t as SVG; one panel an architecture."""
    width, height, left, top = 430, 300, 60, 50
    plot_w, plot_h = 330, 190
    style = {"fused": ("fused, recalibrated", "#0b6e4f", ""),
             "uncalibrated": ("fused", "#3a86d4", "6 3"),
             "average": ("plain average", "#c1483c", "2 3")}
    total = width * len(panels)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{total}" height="{height}" fill="#ffffff"/>']
    for k, (title, curves, ensemble) in enumerate(panels):
        x0 = k * width + left
        x = lambda t: x0 + plot_w * t
        y = lambda a: top + plot_h * (1 - a)
        out.append(f'<text x="{x0}" y="24" font-size="15" fill="#222">{title}</text>')
        for level in (0, 0.25, 0.5, 0.75, 1):
            out.append(f'<path d="M{x0} {y(level):.1f}h{plot_w}" stroke="#ddd"/>'
                       f'<text x="{x0 - 8}" y="{y(level) + 4:.1f}" text-anchor="end" '
                       f'fill="#444">{100 * level:.0f} %</text>')
        for t in (0, 0.5, 1):
            out.append(f'<text x="{x(t)}" y="{top + plot_h + 18}" text-anchor="middle" '
                       f'fill="#444">{t:g}</text>')
        out.append(f'<text x="{x(0.5)}" y="{top + plot_h + 36}" text-anchor="middle" '
                   'fill="#444">t, the weight of parent B</text>')
        out.append(f'<path d="M{x0} {y(ensemble):.1f}h{plot_w}" stroke="#888" '
                   'stroke-dasharray="1 4"/>')
        for key, (label, colour, dash) in style.items():
            points = " ".join(f"{x(t):.1f},{y(a):.1f}"
                              for t, a in zip(WEIGHTS, curves[key]))
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                       f'stroke-width="2" stroke-dasharray="{dash}"/>')
        for n, (label, colour, dash) in enumerate(style.values()):
            at = x0 + (0, 152, 218)[n]
            out.append(f'<path d="M{at} 40h18" stroke="{colour}" stroke-width="2" '
                       f'stroke-dasharray="{dash}"/><text x="{at + 23}" y="44" '
                       f'fill="#222">{label}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenon", default=ROOT / "build" / "release" / "tenon")
    tenon = parser.parse_args().tenon
    CACHE.mkdir(parents=True, exist_ok=True)
    version = run(tenon, "--version").strip()
    text = ["# OTFusion", "",
            f"Written by `bench/results_otfusion.py` with {version}. Data: Debian's "
            "`dataset-fashion-mnist`; accuracies on its 10,000 test images, in percent, "
            f"mean ± standard deviation over {len(SEEDS)} pairs of parents (seeds "
            "1 and 2, 3 and 4, 5 and 6). The test split chooses nothing; alignment "
            "and recalibration see unlabelled training images only.", ""]
    panels = []
    for name, arch, options in nets():
        rows, seconds = [], []
        for seed in SEEDS:
            files = parents(tenon, name, arch, options, seed)
            row, report = fuse(tenon, files)
            rows.append(row)
            seconds.append(sum(report["seconds"].values()))
            if seed == SEEDS[0]:
                curves = sweep(tenon, files)
            print(name, seed, row, flush=True)
        text += [f"## `{arch}`", "",
                 f"Parents: `tenon train {arch} -o A.onnx --data {DATA} --seed N "
                 f"{options}`", "",
                 f"Fusion: `tenon fuse A.onnx B.onnx -o F.onnx --data {DATA}`, "
                 f"{statistics.mean(seconds):.1f} s without evaluation.", "",
                 "| | accuracy |", "|---|---|"]
        text += [f"| {label} | {percent([row[key] for row in rows])} |"
                 for label, key in ROWS if all(row[key] is not None for row in rows)]
        text.append("")
        panels.append((arch, curves, rows[0]["ensemble"]))
        text += ["| t | " + " | ".join(f"{t:g}" for t in WEIGHTS) + " |",
                 "|---" * (len(WEIGHTS) + 1) + "|"]
        for key, label in (("fused", "fused, recalibrated"), ("uncalibrated", "fused"),
                           ("average", "plain average")):
            text.append(f"| {label} | " +
                        " | ".join(f"{100 * a:.1f}" for a in curves[key]) + " |")
        text.append("")
    text += ["![accuracy against the weight of the second parent](otfusion.svg)", "",
             "t is the weight of parent B: `--weights (1-t)/t`, first pair of parents. "
             "Dotted grey: their prediction ensemble.", ""]
    folder = ROOT / "docs" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "otfusion.svg").write_text(picture(panels))
    (folder / "otfusion.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
