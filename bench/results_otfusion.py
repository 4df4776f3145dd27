#!/usr/bin/env python3
"""Writes docs/results/otfusion.md and its pictures from runs of `tenon`.

fashion: three pairs of parents per architecture are trained on Fashion-MNIST from
different seeds, fused, and evaluated on the test split, which chooses nothing.
pairs: the trained pairs of ../shared/models, every method on the same parents, and
accuracy against width. What was measured is kept in build/results (delete it after a
change of tenon). --only NAME makes one section anew and leaves the other.
Usage: bench/results_otfusion.py [--tenon PATH] [--only fashion|pairs]
"""
import argparse
import json
import re
import statistics
import subprocess

from tenon_runs import RESULTS as CACHE, ROOT, SHARED, run

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


def fashion_section(tenon):
    text = ["Data: Debian's `dataset-fashion-mnist`; accuracies on its 10,000 test images, "
            "in percent, "
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
    (ROOT / "docs" / "results" / "otfusion.svg").write_text(picture(panels))
    return text


# --- trained pairs, every method -----------------------------------------------------

JPEG = SHARED / "data" / "cifar10-jpeg-"
PAIRS = (
    ("MNIST MLP 784-400-200-100-10", "mnist-mlp", "mlp:784-400-200-100-10",
     f"idx:{SHARED}/data/mnist,split=train,limit=4000", f"idx:{SHARED}/data/mnist,split=test"),
    ("ResNet20 with batch norm, CIFAR-10 as JPEG", "cifar10-jpeg-resnet20", "resnet20",
     f"tar:{JPEG}train.tar.zst,limit=4000", f"tar:{JPEG}test.tar.zst,limit=2000"),
    ("VGG11 without norm, CIFAR-10 as JPEG", "cifar10-jpeg-vgg11", "vgg11",
     f"tar:{JPEG}train.tar.zst,limit=4000", f"tar:{JPEG}test.tar.zst,limit=2000"),
)
PER_PAIR = {"cifar10-jpeg-resnet20": 6, "cifar10-jpeg-vgg11": 6}  # of METHODS
METHODS = (
    ("plain average", "--plain --recalibrate none"),
    ("matched by weights, no image", "--support weights"),
    ("matched by activations", "--recalibrate none"),
    ("matched by activations, recalibrated", ""),
    ("matched by weights, recalibrated", "--support weights"),
    ("matched by activations, layers refitted", "--refit layers"),
    ("method auto", "--method auto"),
)
WIDTHS = (1, 1.25, 1.5, 1.75, 2)


def slug(key):
    return re.sub("[^a-z0-9.-]+", "-", key.lower())


def kept(tenon, key, *args):
    """A command's JSON, from the file of an earlier run where there is one."""
    path = CACHE / f"{slug(key)}.json"
    if not path.exists():
        print(key, flush=True)
        path.write_text(run(tenon, *args, "--json", "-q"))
    return json.loads(path.read_text())


def fuse_pair(tenon, pair, label, options):
    """Accuracy on all test images, parameters and MACs, seconds of one fusion."""
    _, stem, arch, train, test = pair
    files = sorted((SHARED / "models").glob(f"{stem}-?.pth"))
    out = CACHE / f"{slug(f'{stem} {label}')}.onnx"
    data = () if "no image" in label else ("--data", train)
    made = kept(tenon, f"{stem} {label}", "fuse", *files, "--arch", arch, "-o", out, "-f",
                *data, *((() if not data else ("--eval-data", "none"))), *options.split())
    score = kept(tenon, f"{stem} {label} eval", "eval", out, "--data", test)["models"][0]
    return {**score, "seconds": made["fused"]["seconds"]}


def curve_picture(curves, parents, ensemble):
    """Accuracy against width as SVG."""
    left, top, plot_w, plot_h = 60, 50, 400, 220
    floor = min(min(points) for _, points, _ in curves)
    low = int(20 * floor) / 20
    high = max(ensemble, *parents) + 0.01
    x = lambda w: left + plot_w * (w - 1)
    y = lambda a: top + plot_h * (high - a) / (high - low)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + plot_w + 130} '
           f'{top + plot_h + 50}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           f'<text x="{left}" y="24" font-size="15" fill="#222">ResNet20: accuracy against '
           'width</text>']
    level = low
    while level < high:
        out.append(f'<path d="M{left} {y(level):.1f}h{plot_w}" stroke="#ddd"/>'
                   f'<text x="{left - 8}" y="{y(level) + 4:.1f}" text-anchor="end" '
                   f'fill="#444">{100 * level:.0f} %</text>')
        level += 0.05
    for w in (1, 1.25, 1.5, 1.75, 2):
        out.append(f'<text x="{x(w)}" y="{top + plot_h + 18}" text-anchor="middle" '
                   f'fill="#444">{w:g}</text>')
    out.append(f'<text x="{x(1.5)}" y="{top + plot_h + 38}" text-anchor="middle" '
               'fill="#444">width, in the multiply-accumulates of one parent</text>')
    for a, label in ((ensemble, "ensemble"), (max(parents), "better parent")):
        at = y(a) + (4 if label == "ensemble" else 12)
        out.append(f'<path d="M{left} {y(a):.1f}h{plot_w}" stroke="#888" '
                   f'stroke-dasharray="1 4"/><text x="{left + plot_w + 8}" y="{at:.1f}" '
                   f'fill="#666">{label}</text>')
    for n, (label, points, colour) in enumerate(curves):
        line = " ".join(f"{x(w):.1f},{y(a):.1f}" for w, a in zip(WIDTHS, points))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" '
                   'stroke-width="2"/>')
        at = left + 120 * n
        out.append(f'<path d="M{at} 40h18" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{at + 23}" y="44" fill="#222">{label}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def width_section(tenon, parents, ensemble):
    pair, curves, text = PAIRS[1], [], []
    text += ["### Accuracy against width", "",
             "`--width X`: the neurons whose merging costs most stay apart until the "
             "result has X times the multiply-accumulates of one parent; at 2 both stand "
             "side by side and the result is the mean of their outputs.", "",
             "| width | " + " | ".join(f"{w:g}" for w in WIDTHS) + " |",
             "|---" * (len(WIDTHS) + 1) + "|"]
    for label, options, colour in (("refitted", "--refit layers", "#0b6e4f"),
                                   ("recalibrated", "", "#3a86d4")):
        rows = []
        for w in WIDTHS:
            name = f"width {w:g} {label}"
            if w == 1:
                name = next(name for name, how in METHODS if how == options)
            elif w == 2:
                name = "width 2"  # nothing is averaged, so nothing is put right
            rows.append(fuse_pair(tenon, pair, name, f"{options} --width {w:g}"))
        curves.append((label, [row["accuracy"] for row in rows], colour))
        text.append(f"| {label} | " +
                    " | ".join(f"{100 * row['accuracy']:.2f}" for row in rows) + " |")
    text += ["", "![accuracy against width](otfusion-width.svg)", ""]
    (ROOT / "docs" / "results" / "otfusion-width.svg").write_text(
        curve_picture(curves, parents, ensemble))
    return text


def pairs_section(tenon):
    """Every method on the trained pairs of ../shared/models."""
    text = ["## Trained pairs, every method", "",
            "The parents of `../shared/models`; all 10,000 test images of MNIST, 2,000 of "
            "CIFAR-10 drawn by seed (standard error about 0.8). Alignment, "
            "recalibration and refitting see 200 and 1000 unlabelled training images; "
            "`auto` judges on further ones. `no image` sees none.", ""]
    for pair in PAIRS:
        title, stem, arch, train, test = pair
        files = sorted((SHARED / "models").glob(f"{stem}-?.pth"))
        both = kept(tenon, f"{stem} parents", "eval", *files, "--arch", arch, "--data", test)
        accuracy = [model["accuracy"] for model in both["models"]]
        text += [f"### {title}", "", "| | accuracy | seconds |", "|---|---|---|"]
        text += [f"| parent {k} | {100 * a:.2f} | |" for k, a in enumerate(accuracy)]
        for label, options in METHODS[:PER_PAIR.get(stem)]:
            row = fuse_pair(tenon, pair, label, options)
            name = f"`{options}`" if options else "the default"
            text.append(f"| {label} ({name}) | {100 * row['accuracy']:.2f} | "
                        f"{row['seconds']:.1f} |")
        text += [f"| prediction ensemble | {100 * both['ensemble']['accuracy']:.2f} | |", ""]
        if stem.endswith("resnet20"):
            text += width_section(tenon, accuracy, both["ensemble"]["accuracy"])
    return text


# --- the page ------------------------------------------------------------------------

def old_section(page, name):
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- end of {name} -->", page, re.S)
    return found and found.group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenon", default=ROOT / "build" / "release" / "tenon")
    parser.add_argument("--only", choices=("fashion", "pairs"))
    args = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    path = ROOT / "docs" / "results" / "otfusion.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    page = path.read_text() if path.exists() else ""
    version = run(args.tenon, "--version").strip()
    text = f"# OTFusion\n\nWritten by `bench/results_otfusion.py` with {version}.\n\n"
    for name, make in (("fashion", fashion_section), ("pairs", pairs_section)):
        section = old_section(page, name) if args.only not in (None, name) else None
        section = section or "\n".join(make(args.tenon)) + "\n"
        text += f"<!-- {name} -->\n{section}<!-- end of {name} -->\n\n"
    path.write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
