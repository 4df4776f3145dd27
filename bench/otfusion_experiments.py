"""The experiments of docs/results/otfusion.md whose networks are trained for them.

skill: parents trained on splits by class, fused over t (Singh and Jaggi, NeurIPS 2020,
5.1). halves: parents trained on two halves of CIFAR-10, drawn from a Dirichlet
distribution. small: parents that otfusion's own code loses 1.4 points on. tuned: what a
tenth of the parents' epochs does to parents, averages and fused networks. shapes: a
network into its pruned self, other widths, many parents.
"""
import array
import json
import random
import re
import statistics
import struct

from otfusion_pictures import weight_picture
from tenon_runs import RESULTS, ROOT, SHARED, percent, run, table

FASHION = "fashion-mnist"
MNIST = f"idx:{SHARED}/data/mnist"
CIFAR = f"tar:{SHARED}/data/cifar10-jpeg-"
PERCEPTRON = "mlp:784-400-200-100-10"
# the recipe of otfusion's own code for MNIST
PLAIN_SGD = ("--epochs 10 --batch 64 --learning-rate 0.01 --momentum 0.5 --no-nesterov "
             "--weight-decay 0 --schedule constant --warmup 0")
WEIGHTS = [k / 10 for k in range(11)]
SEEDS = (1, 2, 3)


def trained(tenon, name, arch, data, seed, options):
    """A network trained here, or its file of before."""
    path = RESULTS / f"{name}.onnx"
    if not path.exists():
        print(f"training {path.name}", flush=True)
        run(tenon, "train", arch, "-o", path, "--data", data, "--seed", seed, "-q",
            "--eval-data", "none", "--threads", "1", "--state",
            path.with_suffix(".state"), "--resume", *options.split())
    return path


def fused(runs, files, data, *options, out="fused"):
    """One fusion: its report; `out` where the network is wanted."""
    return runs.run("fuse", *files, "-o", RESULTS / f"{out}.onnx", "-f", *data, *options)


def slug(key):
    return re.sub("[^a-z0-9.-]+", "-", key.lower())


def accuracy(score):
    return score["accuracy"]


def mean(values):
    """With the standard deviation where there are several."""
    text = percent(statistics.mean(values), 2)
    return text + (f" ± {percent(statistics.stdev(values), 2)}" if values[1:] else "")


# --- skill transfer ------------------------------------------------------------------

SPECIAL = "shares=0.1/0.9,special=4"
SKILLS = (  # title, name, A's images, B's images, B's seed
    ("Class 4 in A alone", "skill-special", f"part=1/2,{SPECIAL}",
     f"part=2/2,{SPECIAL}", 2),
    ("Class 4 in A alone, same first weights", "skill-same", f"part=1/2,{SPECIAL}",
     f"part=2/2,{SPECIAL}", 1),
    ("Even classes in A, odd in B", "skill-odd", "only=0/2/4/6/8", "only=1/3/5/7/9", 2),
)
STYLES = {"refitted": ("fused, refitted", "#0b6e4f", ""),
          "fused": ("fused, recalibrated", "#3a86d4", "6 3"),
          "average": ("plain average", "#c1483c", "2 3")}


def skill_curves(runs, files, data):
    curves = {key: [] for key in STYLES}
    for t in WEIGHTS:
        weights = ("--weights", f"{1 - t:.1f}/{t:.1f}", "--samples", "400")
        report = fused(runs, files, data, *weights)
        curves["fused"].append(accuracy(report["fused"]))
        curves["average"].append(accuracy(report["average"]))
        report = fused(runs, files, data, *weights, "--refit", "layers")
        curves["refitted"].append(accuracy(report["fused"]))
    return curves, accuracy(report["ensemble"])


def skill(runs):
    text = ["## Skill transfer", "",
            f"Parents `{PERCEPTRON}` trained on parts of Fashion-MNIST: A has a tenth of "
            f"all images and all of class 4, B the rest (`{SPECIAL}`), from different and "
            "from the same first weights; or A has the even classes and B the odd ones. "
            f"`tenon train` with `{PLAIN_SGD}`. MNIST: `mnist-mlp-noniid-{{0,1}}`. "
            "Matched on 400 unlabelled training images of all classes; t is the weight of "
            "B. Accuracies on all 10,000 test images.", ""]
    panels = []
    cases = [(title, [trained(runs.tenon, f"{name}-{side}", PERCEPTRON,
                              f"{FASHION},{images}", seed, PLAIN_SGD)
                      for side, images, seed in (("a", a, 1), ("b", b, other))],
              ("--data", FASHION)) for title, name, a, b, other in SKILLS]
    files = [SHARED / "models" / f"mnist-mlp-noniid-{k}.pt" for k in (0, 1)]
    cases.append(("MNIST, two non-IID halves", files,
                  ("--arch", "mlp:784-256-10:bias", "--data", MNIST)))
    for title, files, data in cases:
        curves, ensemble = skill_curves(runs, files, data)
        panels.append((title, curves, ensemble))
        text += [f"### {title}", "", f"Prediction ensemble {percent(ensemble, 2)}.", "",
                 table(["t", *(f"{t:g}" for t in WEIGHTS)],
                       [[label, *(percent(a) for a in curves[key])]
                        for key, (label, _, _) in STYLES.items()])]
    (ROOT / "docs" / "results" / "otfusion-skill.svg").write_text(
        weight_picture(panels, WEIGHTS, STYLES))
    return [*text, "![accuracy against the weight of parent B](otfusion-skill.svg)", "",
            "Dotted grey: the prediction ensemble.", ""]


# --- two halves of CIFAR-10 ----------------------------------------------------------

HALF_OPTIONS = "--epochs 5 --learning-rate 0.1 --pad 4 --flip"
HALF_WAYS = (("plain average", "--plain"), ("matched, recalibrated", ""),
             ("matched, layers refitted", "--refit layers"),
             ("the same, from 4,000 images", "--refit layers --calibration 4000"),
             ("method auto", "--method auto"),
             ("width 1.5, layers refitted", "--width 1.5 --refit layers"))


def halves(runs):
    files = [trained(runs.tenon, f"cifar10-dirichlet-{k}", "resnet8",
                     f"{CIFAR}train.tar.zst,part={k}/2,dirichlet=0.5", k, HALF_OPTIONS)
             for k in (1, 2)]
    test = ("--data", f"{CIFAR}test.tar.zst")
    both = runs.run("eval", *files, *test)
    rows = [[f"parent {side}", percent(accuracy(model), 2)]
            for side, model in zip("AB", both["models"])]
    for label, options in HALF_WAYS:
        out = f"cifar10-dirichlet-{slug(label)}"
        fused(runs, files, ("--data", f"{CIFAR}train.tar.zst,limit=6000", "--eval-data",
                            "none"), *options.split(), out=out)
        score = runs.run("eval", RESULTS / f"{out}.onnx", *test)["models"][0]
        rows.append([f"{label} (`{options}`)" if options else f"{label} (the default)",
                     percent(accuracy(score), 2)])
    rows.append(["prediction ensemble", percent(accuracy(both["ensemble"]), 2)])
    return ["## Two halves of CIFAR-10", "",
            "Parents `resnet8`, trained on `part=1/2,dirichlet=0.5` and "
            "`part=2/2,dirichlet=0.5` of the CIFAR-10 JPEGs from different first weights "
            f"(`{HALF_OPTIONS}`); fused from unlabelled training images of both halves; "
            "all 10,000 test images.", "", table(["", "accuracy"], rows)]


# --- parents at 97.7 -----------------------------------------------------------------

SMALL_WAYS = (("matched by activations", "--recalibrate none"),
              ("matched by activations, recalibrated", ""),
              ("matched by weights, recalibrated", "--support weights"),
              ("matched by both, recalibrated", "--support both"),
              ("matched by activations, layers refitted", "--refit layers"),
              ("matched by weights and activations, layers refitted",
               "--support both --refit layers"))


def pytorch_start(path, arch, seed):
    """First weights of a perceptron as torch.nn.Linear's, uniform to 1 / sqrt(inputs)."""
    rng = random.Random(seed)
    widths = list(map(int, arch.split(":")[1].split("-")))
    header, values = {}, array.array("f")
    for k, (inputs, outputs) in enumerate(zip(widths, widths[1:]), 1):
        first, bound = 4 * len(values), inputs ** -0.5
        values.extend(rng.uniform(-bound, bound) for _ in range(inputs * outputs))
        header[f"fc{k}.weight"] = {"dtype": "F32", "shape": [outputs, inputs],
                                   "data_offsets": [first, 4 * len(values)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + values.tobytes())


def trained_from_pytorch(tenon, name, seed):
    path, start = RESULTS / f"{name}.onnx", RESULTS / f"{name}.safetensors"
    if not path.exists():
        pytorch_start(start, PERCEPTRON, seed)
        print(f"training {path.name}", flush=True)
        run(tenon, "finetune", start, "--arch", PERCEPTRON, "-o", path, "--data", MNIST,
            "--seed", seed, "-q", "--eval-data", "none", "--threads", "1",
            *PLAIN_SGD.split())
    return path


def small_table(runs, pairs):
    data = ("--data", f"{MNIST},split=train,limit=200", "--calibration", "200",
            "--eval-data", f"{MNIST},split=test")
    rows, reports = [], None
    for label, options in SMALL_WAYS:
        reports = [fused(runs, files, data, *options.split()) for files in pairs]
        lost = [statistics.mean(map(accuracy, report["models"])) -
                accuracy(report["fused"]) for report in reports]
        rows.append([f"{label} (`{options}`)" if options else f"{label} (the default)",
                     mean([accuracy(report["fused"]) for report in reports]), mean(lost)])
    first = [["parents", mean([accuracy(m) for r in reports for m in r["models"]]), ""],
             ["plain average", mean([accuracy(r["average"]) for r in reports]), ""]]
    last = ["prediction ensemble", mean([accuracy(r["ensemble"]) for r in reports]), ""]
    return table(["", "accuracy", "lost against the parents' mean"],
                 [*first, *rows, last])


def small(runs):
    seeds = [[(f"{seed}{side}", number)
              for side, number in (("a", 2 * seed - 1), ("b", 2 * seed))]
             for seed in SEEDS]
    theirs = [[trained_from_pytorch(runs.tenon, f"mnist-sgd-{name}", number)
               for name, number in pair] for pair in seeds]
    ours = [[trained(runs.tenon, f"mnist-own-{name}", PERCEPTRON, MNIST, number, PLAIN_SGD)
             for name, number in pair] for pair in seeds]
    return ["## MNIST, parents at 97.7", "",
            f"Three pairs of `{PERCEPTRON}` trained as otfusion's own code does "
            f"(PyTorch's first weights, `{PLAIN_SGD}`), whose fusion there loses 1.4 "
            "points (97.7 to 96.3). 200 unlabelled images in all, for matching and what "
            "follows; mean ± standard deviation over the pairs, all 10,000 test images.",
            "", small_table(runs, theirs),
            "The same from Tenon's first weights, He et al.'s, 2.4 times as wide: so few "
            "and small steps leave networks near where they began, with less in common.",
            "", small_table(runs, ours)]


# --- a tenth of the parents' epochs --------------------------------------------------

RATES = ("0.005", "0.015", "0.05")  # from a tenth to all of the parents'
# title, name, pairs of files, architecture, options of tuning, images: train, test
TUNED = (
    ("`mlp:784-256-128-64-10:bias`, Fashion-MNIST, parents 12 epochs, tuned 1 epoch",
     "fashion-mlp", [[RESULTS / f"fashion-mlp-{seed}{side}.onnx" for side in "ab"]
                     for seed in SEEDS], (),
     f"--learning-rate {RATES[0]} --weight-decay 1e-4", FASHION, FASHION),
    ("`resnet8`, Fashion-MNIST, parents 4 epochs, tuned 0.4 epochs (24,000 images)",
     "fashion-resnet", [[RESULTS / f"fashion-resnet-1{side}.onnx" for side in "ab"]], (),
     "--learning-rate 0.01 --flip", f"{FASHION},limit=24000", FASHION),
)
STARTS = (("plain average", "average", "--plain"), ("fused, recalibrated", "fused", ""),
          ("fused, layers refitted", "refitted", "--refit layers"))


def tune_pair(runs, files, stem, arch, options, train, test):
    """One pair: accuracy before and after tuning of each row of the table."""
    learn = ("--data", train, "--eval-data", test, "--epochs", "1", "--warmup", "0",
             *options.split())
    rows = {}
    for label, file in zip(("parent A", "parent B"), files):
        report = runs.run("finetune", file, *arch, "-o", RESULTS / "tuned.onnx", "-f",
                          *learn)
        rows[label] = accuracy(report["models"][0]), accuracy(report["result"])
    start = None
    for label, name, how in STARTS:
        start = RESULTS / f"{stem}-{name}.onnx"
        runs.run("fuse", *files, *arch, "-o", start, "-f", "--data", train,
                 "--eval-data", "none", *how.split())
        report = runs.run("finetune", start, "-o", RESULTS / "tuned.onnx", "-f", *learn)
        rows[label] = accuracy(report["models"][0]), accuracy(report["result"])
    report = runs.run("distill", *files, start, *arch, "-o", RESULTS / "tuned.onnx", "-f",
                      *learn)
    rows["the same, distilled from both parents"] = (rows["fused, layers refitted"][0],
                                                     accuracy(report["result"]))
    both = runs.run("eval", *files, *arch, "--data", test)
    rows["prediction ensemble"] = (accuracy(both["ensemble"]),)
    return rows


def tuned_table(runs, stem, pairs, arch, options, train, test):
    found = [tune_pair(runs, files, f"{stem}-{k + 1}", arch, options, train, test)
             for k, files in enumerate(pairs)]
    rows = [[label, *(mean([rows[label][k] for rows in found])
                      for k in range(len(found[0][label])))] for label in found[0]]
    return table(["", "as it is", "tuned"], [row + [""] * (3 - len(row)) for row in rows])


def tuned(runs):
    text = ["## A tenth of the parents' epochs", "",
            "Each start is tuned alike: cosine from a tenth of the parents' learning "
            "rate, one pass over the images named, labels used. The rule was fixed "
            "beforehand; test images only report. Distilled: the loss of `tenon distill` "
            "with both parents as teachers.", ""]
    for title, *how in TUNED:
        text += [f"### {title}", "", tuned_table(runs, *how)]
    return text


def chosen_rate(runs):
    """The rate best for a fused pair of other seeds, on images that no one has seen."""
    seen = ("--data", f"{FASHION},limit=50000")
    files = [trained(runs.tenon, f"fashion-mlp-chooser-{seed}", "mlp:784-256-128-64-10:bias",
                     seen[1], seed, NARROW_OPTIONS) for seed in (11, 12)]
    start = RESULTS / "fashion-mlp-chooser-refitted.onnx"
    runs.run("fuse", *files, "-o", start, "-f", *seen, "--eval-data", "none", "--refit",
             "layers")
    found = {}
    for rate in RATES:
        report = runs.run("finetune", start, "-o", RESULTS / "tuned-chooser.onnx", "-f",
                          *seen, "--eval-data", f"{FASHION},split=train,skip=50000",
                          "--epochs", "1", "--warmup", "0", "--weight-decay", "1e-4",
                          "--learning-rate", rate)
        found[rate] = accuracy(report["result"])
    return max(found, key=found.get), found


def faster(runs):
    """The perceptrons once more, at the rate that held-out images choose."""
    title, stem, pairs, arch, options, train, test = TUNED[0]
    rate, found = chosen_rate(runs)
    options = options.replace(RATES[0], rate)
    return [f"### {title}, at the rate {rate}", "",
            f"Of the rates {', '.join(RATES)} the best for a pair of other seeds, trained, "
            "fused, refitted and tuned on the first 50,000 images: "
            f"{', '.join(percent(a, 2) for a in found.values())} on the other 10,000.", "",
            tuned_table(runs, stem, pairs, arch, options, train, test)]


# --- pruned selves, other widths, many -----------------------------------------------

SHAPE_WAYS = (("weights, no image", False, ""), ("the default", True, ""),
              ("refitted", True, "--refit layers"))
# goals of the dense network alone, since the pruned one has lost its way
DENSE_GOALS = ("refitted to the dense one", True, "--refit layers --weights 0/1")
NARROW = "mlp:784-128-64-32-10:bias"
NARROW_OPTIONS = "--epochs 12 --learning-rate 0.05 --weight-decay 1e-4"
MANY_WAYS = (("many-to-one", "--many many-to-one"), ("iterative", "--many iterative"),
             ("mean", "--many mean"), ("cycle", "--many cycle"),
             ("mean, layers refitted", "--many mean --refit layers"))


def shaped(runs, files, ways=SHAPE_WAYS):
    """Fusions onto the first file: their accuracies."""
    row = []
    for label, seen, options in ways:
        data = ("--data", FASHION, "--eval-data", "none") if seen else ()
        out = f"{files[0].stem}-with-{files[1].stem}-{slug(label)}"
        fused(runs, files, data, *options.split(), out=out)
        score = runs.run("eval", RESULTS / f"{out}.onnx", "--data", FASHION)["models"][0]
        row.append(percent(accuracy(score), 2))
    return row


def compression(runs):
    """A dense network into its pruned self."""
    rows, ways = [], (*SHAPE_WAYS, DENSE_GOALS)
    for title, stem in (("`mlp:784-256-128-64-10:bias`", "fashion-mlp"),
                        ("`resnet8`", "fashion-resnet")):
        dense = RESULTS / f"{stem}-1a.onnx"
        for share in ("0.3", "0.5"):
            little = RESULTS / f"{stem}-pruned-{share}.onnx"
            report = runs.run("prune", dense, "-o", little, "-f", "--sparsity", share,
                              "--method", "delete", "--importance", "l1", "--repair",
                              "none", "--eval-data", FASHION)
            rows.append([f"{title}, {100 * float(share):.0f} % pruned",
                         percent(accuracy(report["model"]), 2),
                         percent(accuracy(report["pruned"]), 2),
                         *shaped(runs, (little, dense), ways)])
    header = ["", "dense", "pruned alone", *(f"fused: {label}" for label, *_ in ways)]
    return ["### A dense network into its pruned self", "",
            "`tenon prune --method delete --importance l1`, then `tenon fuse PRUNED DENSE` "
            "with equal weights, or with `--weights 0/1` where the goals of refitting are "
            "the dense network's alone; the result has the size of the first.", "",
            table(header, rows)]


def widths(runs):
    """Parents of other widths."""
    wide = RESULTS / "fashion-mlp-1a.onnx"
    narrow = trained(runs.tenon, "fashion-mlp-narrow", NARROW, FASHION, 9, NARROW_OPTIONS)
    rows = []
    for label, files in (("onto the narrow one", (narrow, wide)),
                         ("onto the wide one", (wide, narrow))):
        both = runs.run("eval", *files, "--data", FASHION)
        rows.append([label, *(percent(accuracy(m), 2) for m in both["models"]),
                     *shaped(runs, files), percent(accuracy(both["ensemble"]), 2)])
    header = ["", "the first", "the second",
              *(f"fused: {label}" for label, *_ in SHAPE_WAYS), "ensemble"]
    return ["### Parents of other widths", "",
            f"`{NARROW}` and `mlp:784-256-128-64-10:bias`, each trained for 12 epochs; the "
            "result has the widths of the first.", "", table(header, rows)]


def many(runs):
    """Three and six parents at once."""
    rows = []
    for count in (3, 6):
        files = [RESULTS / f"fashion-mlp-{seed}{side}.onnx" for seed in SEEDS
                 for side in "ab"][:count]
        row = [f"{count} networks"]
        for _, options in MANY_WAYS:
            report = fused(runs, files, ("--data", FASHION), *options.split())
            row.append(percent(accuracy(report["fused"]), 2))
        parents = statistics.mean(map(accuracy, report["models"]))
        rows.append([row[0], percent(parents, 2), *row[1:],
                     percent(accuracy(report["ensemble"]), 2)])
    header = ["", "mean parent", *(f"`{options}`" for _, options in MANY_WAYS),
              "ensemble"]
    return ["### Many at once", "", "The Fashion-MNIST perceptrons of this page.", "",
            table(header, rows)]


def shapes(runs):
    return ["## Pruned selves, other widths, many", "",
            "Fashion-MNIST, all 10,000 test images.", "", *compression(runs),
            *widths(runs), *many(runs)]
