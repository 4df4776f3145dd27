#!/usr/bin/env python3
"""Writes docs/results/otfusion.md and its pictures from runs of `tenon`.

fashion: three pairs of parents per architecture are trained on Fashion-MNIST from
different seeds, fused, and evaluated on the test split, which chooses nothing.
pairs: the trained pairs of ../shared/models, every method on the same parents, and
accuracy against width. The other parts are those of otfusion_experiments.py. Networks and
answers are kept in build/results (delete otfusion-*.json after a change of tenon).
--parts makes these sections anew and leaves the others.
Usage: bench/results_otfusion.py [--tenon PATH] [--parts NAME...]
"""
import argparse
import re
import statistics
import subprocess

import otfusion_experiments as experiments
from otfusion_experiments import CIFAR, FASHION, MNIST, SEEDS, WEIGHTS, accuracy, slug, trained
from otfusion_pictures import weight_picture, width_picture
from tenon_runs import RESULTS, ROOT, SHARED, Runs, percent, run, table

ROWS = (("parent A", "a"), ("parent B", "b"), ("plain average", "average"),
        ("fused", "uncalibrated"), ("fused, recalibrated", "fused"),
        ("prediction ensemble", "ensemble"))
STYLES = {"fused": ("fused, recalibrated", "#0b6e4f", ""),
          "uncalibrated": ("fused", "#3a86d4", "6 3"),
          "average": ("plain average", "#c1483c", "2 3")}


def nets():
    """Architectures and their recipes, read from models/make, which the demo's use."""
    out = subprocess.run([ROOT / "models" / "make", "--list"], check=True, text=True,
                         capture_output=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def fuse(runs, files, *options):
    """One fusion: the accuracies of its table."""
    report = experiments.fused(runs, files, ("--data", FASHION), *options)
    row = {"a": report["models"][0], "b": report["models"][1],
           **{key: report[key] for key in ("average", "uncalibrated", "fused", "ensemble")}}
    return {key: value and accuracy(value) for key, value in row.items()}, report


def sweep(runs, files):
    """Accuracy against t, the weight of B: aligned and plain, before and after."""
    curves = {key: [] for key in STYLES}
    for t in WEIGHTS:
        row, _ = fuse(runs, files, "--weights", f"{1 - t:.1f}/{t:.1f}")
        for key, curve in curves.items():
            curve.append(row[key] if row[key] is not None else row["fused"])
    return curves


def fashion(runs):
    text = ["Data: Debian's `dataset-fashion-mnist`; accuracies on its 10,000 test images, "
            "in percent, "
            f"mean ± standard deviation over {len(SEEDS)} pairs of parents (seeds "
            "1 and 2, 3 and 4, 5 and 6). The test split chooses nothing; alignment "
            "and recalibration see unlabelled training images only.", ""]
    panels = []
    for name, arch, options in nets():
        rows, seconds = [], []
        pairs = [[trained(runs.tenon, f"{name}-{seed}{side}", arch, FASHION, number, options)
                  for side, number in (("a", 2 * seed - 1), ("b", 2 * seed))]
                 for seed in SEEDS]
        for files in pairs:
            row, report = fuse(runs, files)
            rows.append(row)
            seconds.append(sum(report["seconds"].values()))
        curves = sweep(runs, pairs[0])
        text += [f"## `{arch}`", "",
                 f"Parents: `tenon train {arch} -o A.onnx --data {FASHION} --seed N "
                 f"{options}`", "",
                 f"Fusion: `tenon fuse A.onnx B.onnx -o F.onnx --data {FASHION}`, "
                 f"{statistics.mean(seconds):.1f} s without evaluation.", "",
                 table(["", "accuracy"],
                       [[label, experiments.mean([row[key] for row in rows])]
                        for label, key in ROWS if all(row[key] is not None for row in rows)])]
        panels.append((arch, curves, rows[0]["ensemble"]))
        text.append(table(["t", *(f"{t:g}" for t in WEIGHTS)],
                          [[label, *(percent(a) for a in curves[key])]
                           for key, (label, _, _) in STYLES.items()]))
    text += ["![accuracy against the weight of the second parent](otfusion.svg)", "",
             "t is the weight of parent B: `--weights (1-t)/t`, first pair of parents. "
             "Dotted grey: their prediction ensemble.", ""]
    (ROOT / "docs" / "results" / "otfusion.svg").write_text(
        weight_picture(panels, WEIGHTS, STYLES))
    return text


# --- trained pairs, every method -----------------------------------------------------

PAIRS = (
    ("MNIST MLP 784-400-200-100-10", "mnist-mlp", experiments.PERCEPTRON,
     f"{MNIST},split=train,limit=4000", f"{MNIST},split=test"),
    ("ResNet20 with batch norm, CIFAR-10 as JPEG", "cifar10-jpeg-resnet20", "resnet20",
     f"{CIFAR}train.tar.zst,limit=4000", f"{CIFAR}test.tar.zst,limit=2000"),
    ("VGG11 without norm, CIFAR-10 as JPEG", "cifar10-jpeg-vgg11", "vgg11",
     f"{CIFAR}train.tar.zst,limit=4000", f"{CIFAR}test.tar.zst,limit=2000"),
)
METHODS = (
    ("plain average", "--plain --recalibrate none"),
    ("matched by weights, no image", "--support weights"),
    ("matched by activations", "--recalibrate none"),
    ("matched by activations, recalibrated", ""),
    ("matched by weights, recalibrated", "--support weights"),
    ("matched by activations, layers refitted", "--refit layers"),
    ("method auto", "--method auto"),
)
FURTHER = (
    ("the default", ""),
    ("the default, layers refitted", "--refit layers"),
    ("Gromov-Wasserstein", "--gromov"),
    ("Gromov-Wasserstein, layers refitted", "--gromov --refit layers"),
    ("clusters of neurons (ZipIt!)", "--zip 0.125"),
    ("clusters of neurons (ZipIt!), layers refitted", "--zip 0.125 --refit layers"),
    ("pairs matched anew while refitting (Neuron Interpolation)", "--refit pairs"),
    ("clusters matched anew while refitting", "--refit clusters"),
)
WIDTHS = (1, 1.25, 1.5, 1.75, 2)


def fuse_pair(runs, pair, label, options):
    """Score on all test images, with the seconds that the fusion took."""
    _, stem, arch, train, test = pair
    files = sorted((SHARED / "models").glob(f"{stem}-?.pth"))
    out = RESULTS / f"{slug(f'{stem} {label}')}.onnx"
    data = () if "no image" in label else ("--data", train, "--eval-data", "none")
    made = runs.run("fuse", *files, "--arch", arch, "-o", out, "-f", *data,
                    *options.split())
    score = runs.run("eval", out, "--data", test)["models"][0]
    return {**score, "seconds": made["fused"]["seconds"]}


def width_section(runs, parents, ensemble):
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
            rows.append(fuse_pair(runs, pair, name, f"{options} --width {w:g}"))
        curves.append((label, [row["accuracy"] for row in rows], colour))
        text.append(f"| {label} | " +
                    " | ".join(f"{100 * row['accuracy']:.2f}" for row in rows) + " |")
    text += ["", "![accuracy against width](otfusion-width.svg)", ""]
    (ROOT / "docs" / "results" / "otfusion-width.svg").write_text(
        width_picture(WIDTHS, curves, parents, ensemble))
    return text


def pairs(runs):
    """Every method on the trained pairs of ../shared/models."""
    text = ["## Trained pairs, every method", "",
            "The parents of `../shared/models`; all 10,000 test images of MNIST, 2,000 of "
            "CIFAR-10 drawn by seed (standard error about 0.8). Alignment, "
            "recalibration and refitting see 200 and 1000 unlabelled training images; "
            "`auto` judges on further ones. `no image` sees none.", ""]
    for pair in PAIRS:
        title, stem, arch, _, test = pair
        files = sorted((SHARED / "models").glob(f"{stem}-?.pth"))
        both = runs.run("eval", *files, "--arch", arch, "--data", test)
        parents = [accuracy(model) for model in both["models"]]
        rows = [[f"parent {k}", percent(a, 2), ""] for k, a in enumerate(parents)]
        for label, options in METHODS:
            row = fuse_pair(runs, pair, label, options)
            name = f"`{options}`" if options else "the default"
            rows.append([f"{label} ({name})", percent(accuracy(row), 2),
                         f"{row['seconds']:.1f}"])
        ensemble = accuracy(both["ensemble"])
        rows.append(["prediction ensemble", percent(ensemble, 2), ""])
        text += [f"### {title}", "", table(["", "accuracy", "seconds"], rows)]
        if stem.endswith("resnet20"):
            text += width_section(runs, parents, ensemble)
    return text


def further(runs):
    """Other ways of telling which neurons belong together, on the first two pairs."""
    columns = [[percent(accuracy(fuse_pair(runs, pair, f"further {label}", options)), 2)
                for label, options in FURTHER] for pair in PAIRS[:2]]
    rows = [[f"{label} (`{options}`)" if options else label, *scores]
            for (label, options), *scores in zip(FURTHER, *columns)]
    return ["## Other ways of matching", "",
            "The same parents, images and test images as above; all recalibrated or "
            "refitted.", "",
            table(["", *(title for title, *_ in PAIRS[:2])], rows)]


# --- the page ------------------------------------------------------------------------

PARTS = {"fashion": fashion, "pairs": pairs, "further": further,
         "small": experiments.small, "halves": experiments.halves,
         "skill": experiments.skill, "tuned": experiments.tuned,
         "faster": experiments.faster, "shapes": experiments.shapes}


def old_section(page, name):
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- end of {name} -->", page, re.S)
    return found.group(1) if found else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenon", default=ROOT / "build" / "release" / "tenon")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    path = ROOT / "docs" / "results" / "otfusion.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    page = path.read_text() if path.exists() else ""
    version = run(args.tenon, "--version").strip()
    text = f"# OTFusion\n\nWritten by `bench/results_otfusion.py` with {version}.\n\n"
    for name, make in PARTS.items():
        section = old_section(page, name)
        if name in args.parts:
            runs = Runs(args.tenon, f"otfusion-{name}.json")
            section = "\n".join(make(runs)).rstrip() + "\n\n"
        if section:
            text += f"<!-- {name} -->\n{section}<!-- end of {name} -->\n\n"
    path.write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
