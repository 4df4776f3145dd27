#!/usr/bin/env python3
"""Writes docs/results/intrafusion.md and its picture from runs of `tenon prune`.

Public CIFAR-10 ResNets, and one trained here, are pruned without any training and evaluated
on images that choose nothing. Networks and images come from ../shared (see CONTRIBUTING.md); answers are kept in
build/results/prune.json. Seeds are tenon's defaults. With --parts only those are run; the page has the
sections, and of two of them the rows, of which the answers are there.
Usage: bench/results_intrafusion.py [--tenon PATH] [--parts NAME,...]
"""
import argparse
import platform

from tenon_runs import RESULTS, ROOT, SHARED, Runs, percent, run, table

NORM = "mean=.485/.456/.406,std=.229/.224/.225"
TEST = f"cifar10:{SHARED}/data/cifar10-original-test1000.bin.zst,{NORM}"
PROBE = f"cifar10:{SHARED}/data/cifar10-original-train4000.bin.zst,limit=256,{NORM}"
JPEG = f"tar:{SHARED}/data/cifar10-jpeg-test.tar.zst,{NORM}"
NETS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
COMPAT = ("--method", "intra-fusion", "--compat")
LAST = "layer3.2.conv1.weight"

# The network of the curve, trained here where it is not in build/results yet.
TRAINED = "resnet18x0.25"
RECIPE = ("--epochs", 6, "--pad", 4, "--flip", "--seed", 1)
JPEG_NORM = "mean=.4914/.4822/.4465,std=.2470/.2435/.2616"
JPEG_TRAIN = f"tar:{SHARED}/data/cifar10-jpeg-train.tar.zst,{JPEG_NORM}"
JPEG_TEST = f"tar:{SHARED}/data/cifar10-jpeg-test.tar.zst,{JPEG_NORM},limit=1000"
CURVE = (("deletion", None, False),
         ("Intra-Fusion as published", COMPAT, False),
         ("folding", ("--method", "fold"), False),
         ("auto, no images", (), False),
         ("auto, 256 unlabelled", (), True))
SHARES = (.10, .25, .50, .70)
COLOURS = ("#999999", "#cc7722", "#6a51a3", "#3182bd", "#08306b")

# The authors' program on the same networks and images (deletion, Intra-Fusion), percent.
REFERENCE = {
    ("resnet20", "inner"): {.3: (34.9, 50.9), .4: (20.3, 39.1), .5: (16.7, 22.9),
                            .6: (10.9, 17.8), .7: (10.0, 10.1)},
    ("resnet20", LAST): {.3: (61.7, 76.3), .4: (60.8, 72.1), .5: (56.4, 70.5),
                         .6: (39.6, 65.8), .7: (33.9, 55.7)},
    ("resnet56", "inner"): {.3: (55.6, 70.5), .4: (37.5, 61.1), .5: (19.0, 51.0),
                            .6: (10.3, 28.3), .7: (10.0, 18.9)},
}
METHODS = (("deletion", ("--method", "delete", "--repair", "none")),
           ("Intra-Fusion as published", COMPAT),
           ("Intra-Fusion, scaled to preserve the function", ("--method", "intra-fusion")),
           ("nearest survivor", ("--method", "nearest")),
           ("folding, variances foreseen from weights (Fold-AR)",
            ("--method", "fold", "--repair", "data-free")),
           ("folding, batch norms re-estimated", ("--method", "fold")),
           ("**auto**", ()))


class Missing(Exception):
    """An answer of a part that is not to be run."""


class Networks(Runs):
    frozen = False

    def run(self, *args, without=()):
        if self.frozen and self.key(args) not in self.known:
            raise Missing
        return super().run(*args, without=without)

    def prune(self, net, *args):
        path = SHARED / "models" / NETS[net] if net in NETS else RESULTS / f"{net}.onnx"
        arch = ("--arch", net) if net in NETS else ()
        return self.run("prune", path, *arch, "-o", RESULTS / "pruned.onnx", "-f", *args,
                        without=("groups", "widths"))


def compat_table(runs):
    rows = []
    for (net, groups), known in REFERENCE.items():
        for sparsity, (deleted, fused) in known.items():
            try:
                got = runs.prune(net, "-s", sparsity, "--groups", groups, *COMPAT,
                                 "--eval-data", JPEG + ",limit=2000")
            except Missing:
                continue
            rows.append((net, "all inner" if groups == "inner" else "last inner",
                         f"{100 * sparsity:.0f} %", f"{deleted}", percent(got["deleted"]["accuracy"]),
                         f"{fused}", percent(got["pruned"]["accuracy"])))
    return table(("network", "groups", "removed", "deletion, authors", "deletion, tenon",
                  "Intra-Fusion, authors", "Intra-Fusion, tenon"), rows)


def method_table(runs, net):
    """All ways for the small network, the default for the large one."""
    rows = []
    for label, options in METHODS if net == "resnet20" else METHODS[-1:]:
        row = [label]
        for data in ((), ("--data", PROBE)):
            if data and (options == COMPAT or "none" in options or "data-free" in options):
                row.append("-")
                continue
            try:
                got = runs.prune(net, "-s", .5, *options, *data, "--eval-data", TEST)
            except Missing:
                row.append("not run")
                continue
            row.append(percent(got["pruned"]["accuracy"]))
        rows.append(row)
    return table((f"{net}, 50 % of all inner groups", "no images", "256 unlabelled"), rows)


def train(tenon):
    path = RESULTS / f"{TRAINED}.onnx"
    if path.exists():
        return
    print(f"training {path.name}", flush=True)
    run(tenon, "train", TRAINED, "-o", path, "--data", JPEG_TRAIN, "-q", "--eval-data", "none",
        *RECIPE)


def curve(runs, whole):
    """Accuracies in percent by method and share, all groups, residual streams too."""
    lines = []
    for label, options, images in CURVE:
        key = "pruned" if options is not None else "deleted"
        options = COMPAT if options is None else options
        data = ("--data", f"{JPEG_TRAIN},limit=256") if images else ()
        got = [runs.prune(TRAINED, "--groups", "all", "--max-params",
                          int(whole["params"] * (1 - share)), *options, *data,
                          "--eval-data", JPEG_TEST) for share in SHARES]
        lines.append((label, [100 * g[key]["accuracy"] for g in got]))
    return lines


def curve_table(lines, whole):
    rows = [(label, *(f"{y:.1f}" for y in ys)) for label, ys in lines]
    rows.append(("Model Folding (ResNet18, original images, 94.7 before)", "94", "92", "88",
                 "82"))
    return table(("before: " + percent(whole["accuracy"]), *(f"{100 * s:.0f} %" for s in SHARES)), rows)


def picture(lines, whole):
    """The curve as SVG."""
    left, top, width, height = 56, 20, 420, 260
    def x(share):
        return left + width * share / .8
    def y(accuracy):
        return top + height * (1 - accuracy / 100)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 330" '
           'font-family="sans-serif" font-size="12"><rect width="720" height="330" '
           'fill="white"/>']
    for tick in range(0, 101, 20):
        out.append(f'<path d="M{left} {y(tick):.1f}h{width}" stroke="#ddd"/><text '
                   f'x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    for share in (0, *SHARES):
        out.append(f'<text x="{x(share):.1f}" y="{top + height + 18}" '
                   f'text-anchor="middle">{100 * share:.0f}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top + height + 38}" text-anchor="middle">'
               'weights removed, percent</text>')
    for k, (label, ys) in enumerate(lines):
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in
                          zip((0, *SHARES), (100 * whole["accuracy"], *ys)))
        row = top + 20 * k
        out.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[k]}" '
                   f'stroke-width="2"/><path d="M{left + width + 14} {row}h20" '
                   f'stroke="{COLOURS[k]}" stroke-width="2"/><text x="{left + width + 40}" '
                   f'y="{row + 4}">{label}</text>')
    return "\n".join(out) + "\n</svg>\n"


def cost_table(runs):
    rows = []
    for net in NETS:
        got = runs.prune(net, "-s", .5, "--eval-data", TEST)
        for label, score in ((net, got["model"]), ("pruned", got["pruned"])):
            rows.append((label, percent(score["accuracy"]), f"{score['params']:,}",
                         f"{score['macs'] / 1e6:.1f} M", f"{1e3 * score['latency']:.2f}",
                         f"{1e3 * score['latency_batch_32']:.1f}",
                         f"{got['largest_difference']:.1f}" if label == "pruned" else "-",
                         f"{score['seconds']:.1f}" if "seconds" in score else "-"))
    return table(("network", "accuracy", "parameters", "MACs", "ms, batch 1",
                  "ms, batch 32", "largest output difference", "seconds to prune"), rows)


def rounding_table(runs):
    """Whether widths that are multiples of eight are worth their neurons."""
    path = SHARED / "models" / "cifar10-jpeg-vgg11-0.pth"
    rows = []
    for share in (.3, .45):
        for to in (1, 0, 8, 16):
            got = runs.run("prune", path, "--arch", "vgg11", "-o", RESULTS / "pruned.onnx", "-f",
                           "-s", share, "--method", "delete", "--repair", "none", "--round-to", to,
                           "--eval-data", "none", without=("groups",))
            rows.append((f"{100 * share:.0f} %", str(to) if to else "0 (the default)",
                         ", ".join(str(w["after"]) for w in got["widths"][:-1]),
                         f"{got['pruned']['macs'] / 1e6:.1f} M",
                         f"{1e3 * got['pruned']['latency']:.2f}",
                         f"{1e3 * got['pruned']['latency_batch_32']:.1f}"))
    return table(("removed", "`--round-to`", "widths", "MACs", "ms, batch 1", "ms, batch 32"), rows)


SLIM = (("no pruning (trained)", None),
        ("iterative, four steps", ("--steps", 4)),
        ("two halves, pruned, then fused", ("--parts", 2, "--order", "prune-fuse")),
        ("two halves, fused, then pruned", ("--parts", 2, "--order", "fuse-prune")),
        ("six of four quarters, pruned, then fused", ("--parts", 4, "--order", "prune-fuse")),
        ("six of four quarters, fused, then pruned", ("--parts", 4, "--order", "fuse-prune")))
SLIM_NET = "mlp:784-256-128-10"
SLIM_START = 6


def slim_table(runs):
    """With training: accuracy, and seconds with a machine for each network."""
    rows = []
    for label, options in SLIM:
        out = RESULTS / "slim.onnx"
        if options is None:
            got = runs.run("train", SLIM_NET, "-o", out, "-f", "--data", "fashion-mnist", "--epochs",
                           SLIM_START)
            score, seconds = got["result"], 2 * [got["train"]["seconds"]]
        else:
            got = runs.run("slim", SLIM_NET, "-o", out, "-f", "--data", "fashion-mnist", "-s", .7,
                           "--start-epochs", SLIM_START, *options)
            score, seconds = got["slim"], [got["seconds"][k] for k in ("total", "parallel")]
        rows.append((label, percent(score["accuracy"], 2), f"{score['params']:,}",
                     *(f"{x:.0f}" for x in seconds)))
    return table(("", "accuracy", "parameters", "seconds, one after another",
                  "seconds, a machine for each"), rows)


def compat_section(runs):
    return f"""## Against the authors' program

`--method intra-fusion --compat` and deletion, by l1, on 2,000 JPEG test images (the authors' resnet20: all 10,000).

{compat_table(runs)}"""


def methods_section(runs):
    return f"""## What each step is worth

Original test images (the first 1,000; the standard error of a percentage is about 1).

{chr(10).join(method_table(runs, net) for net in NETS)}"""


def curve_section(runs):
    whole = runs.prune(TRAINED, "-s", 0, "--eval-data", JPEG_TEST)["model"]
    lines = curve(runs, whole)
    OUT.with_suffix(".svg").write_text(picture(lines, whole))
    return f"""## The whole network, residual streams included

{TRAINED} (`tenon train {TRAINED} {" ".join(map(str, RECIPE))}` on the CIFAR-10 JPEGs), all groups, by share of
weights removed (`--groups all --max-params`), on 1,000 test JPEGs; "256 unlabelled" are training images.

![accuracy against weights removed](intrafusion.svg)

{curve_table(lines, whole)}"""


def cost_section(runs):
    return f"""## What it saves

`tenon prune NET -o OUT --sparsity 0.5`; one thread of a shared machine.

{cost_table(runs)}"""


def rounding_section(runs):
    return f"""## Widths that are multiples

VGG11 (CIFAR form), deletion, in the engine of Tenon; one thread of a shared machine: the same run again differs by up to a
fifth, which is more than multiples of eight gain or lose here.

{rounding_table(runs)}"""


def slim_section(runs):
    return f"""## With training

`tenon slim {SLIM_NET} --data fashion-mnist -s 0.7 --start-epochs {SLIM_START}`: seven tenths of the hidden neurons go.

{slim_table(runs)}"""


SECTIONS = {"compat": compat_section, "methods": methods_section, "curve": curve_section,
            "cost": cost_section, "rounding": rounding_section, "slim": slim_section}
OUT = ROOT / "docs" / "results" / "intrafusion.md"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenon", default=ROOT / "build" / "release" / "tenon")
    parser.add_argument("--parts", default=",".join(SECTIONS), help="of " + ", ".join(SECTIONS))
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    runs = Networks(arguments.tenon, "prune.json")
    if "curve" in parts:
        train(runs.tenon)
    text = [f"""# Pruning, measured

Made by `bench/results_intrafusion.py` with {runs.version} on {platform.machine()}, seed 1. Accuracies in
percent; but for `tenon slim` nothing is trained and no label is used. resnet20 and resnet56 are public CIFAR-10
networks; "inner" groups are those inside residual blocks. "256 unlabelled" are the first training images; "no images"
means images that Tenon draws.
"""]
    for name, section in SECTIONS.items():
        runs.frozen = name not in parts
        try:
            text.append(section(runs))
        except Missing:
            print(f"left out: {name}")
    OUT.write_text("\n".join(text))
    print(f"wrote {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
