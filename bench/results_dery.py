#!/usr/bin/env python3
"""Writes docs/results/dery.md from runs of `tenon assemble`.

Public CIFAR-10 ResNets and a VGG trained here are assembled into networks between them. Test
images choose nothing: chains are chosen on training images kept apart. Networks and images come
from ../shared (see CONTRIBUTING.md); answers are kept in build/results/dery.json, so that a
second run takes seconds. Usage: bench/results_dery.py [--tenon PATH] [--sections LIST]
"""
import argparse
import json
import pathlib
import platform
import random
import resource
import statistics
import time

import numpy
import onnx
from onnx import numpy_helper

from tenon_runs import RESULTS as OUT, ROOT, SHARED, Runs, percent, run, table

NORM = "mean=.485/.456/.406,std=.229/.224/.225"
TRAIN = f"cifar10:{SHARED}/data/cifar10-original-train4000.bin.zst,{NORM}"
TEST = f"cifar10:{SHARED}/data/cifar10-original-test1000.bin.zst,{NORM}"
MEMBERS = [("resnet20", "resnet20-12fca82f.th"), ("resnet32", "resnet32-d509ac18.th"),
           ("resnet56", "resnet56-4bfd9763.th")]
VGG = ("train", "vgg11-bnx0.25", "--epochs", "12", "--learning-rate", "0.05", "--flip", "--pad", "4")
# at least and at most: parameters, MACs
BUDGETS = [(0, 600_000, 20_000_000, 25_000_000), (0, 350_000, 44_000_000, 55_000_000),
           (0, 650_000, 77_600_000, 97_000_000)]
SEARCH = ("-k", "4", "--samples", "512", "--calibration", "256", "--candidates", "6")
# with one chain, by the cross-entropy on the last 500 of the 4,000 training images: 0.001 and 0.003
# alike, 0.01 and 0.03 worse
TUNE = ("--teacher", "members", "--flip", "--pad", "2", "--batch", "64", "--learning-rate", "0.001")
RANDOM_CHAINS = 20
CELLS = [(end, begin) for end in (2, 4, 7) for begin in (8, 14, 22)]
PROXIES = ("stitched", "loss", "residual", "similarity", "naswot", "naswot_per_unit", "params",
           "macs")
JPEG_NORM = "mean=.4914/.4822/.4465,std=.2470/.2435/.2616"
JPEG_TRAIN = f"tar:{SHARED}/data/cifar10-jpeg-train.tar.zst,{JPEG_NORM}"
JPEG_TEST = f"tar:{SHARED}/data/cifar10-jpeg-test.tar.zst,{JPEG_NORM},limit=1000"
JPEG_MEMBERS = [("resnet20", "cifar10-jpeg-resnet20-0.pth"), ("vgg11", "cifar10-jpeg-vgg11-0.pth")]
JPEG_BUDGET = (0, 9_000_000, 60_000_000, 110_000_000)
PROBLEM = (24, 31)  # models, layers


class Networks(Runs):
    """Runs of tenon, on the test images where nothing else is said; none begins after a time."""

    def __init__(self, tenon, cache, minutes):
        super().__init__(tenon, cache)
        self.end = time.monotonic() + 60 * minutes

    def run(self, *args, **more):
        if self.key(args) not in self.known and time.monotonic() > self.end:
            raise SystemExit("stopped; the next run goes on")
        return super().run(*args, **more)

    def accuracy(self, model, *args, data=TEST):
        return self.run("eval", model, *args, "--data", data)["models"][0]

    def finetune(self, model, out, *args):
        self.run("finetune", model, "-o", OUT / out, "-f", "--data", TRAIN, "--eval-data",
                 "none", "-e", "1", "--warmup", "0", "--learning-rate", "0.01", "--flip", *args)
        return self.accuracy(OUT / out)


def write_zoo(name, members):
    (OUT / name).write_text(json.dumps({"members": members}))
    return OUT / name


def zoo_file():
    members = [{"file": str(SHARED / "models" / name), "arch": arch, "name": arch}
               for arch, name in MEMBERS]
    members.append({"file": str(OUT / "vgg.onnx"), "name": "vgg11-bnx0.25"})
    return write_zoo("zoo.json", members)


def assemble(runs, out, *args, data=TRAIN):
    return runs.run("assemble", "-o", OUT / out, "-f", "--data", data, "--eval-data", "none", *args)


def budget_args(budget):
    names = ("--min-params", "--max-params", "--min-macs", "--max-macs")
    return [text for pair in zip(names, map(str, budget)) for text in pair]


def redrawn(source, out, keep_stitches):
    """The same graph with convolutions and Gemm weights drawn anew (He normal)."""
    model = onnx.load(OUT / source)
    generator = numpy.random.default_rng(1)
    for tensor in model.graph.initializer:
        if keep_stitches and tensor.name.startswith("stitch"):
            continue
        value = numpy_helper.to_array(tensor)
        if value.dtype != numpy.float32:
            continue
        name = tensor.name
        if value.ndim >= 2:
            scale = (2 / numpy.prod(value.shape[1:])) ** .5
            value = (scale * generator.standard_normal(value.shape)).astype(numpy.float32)
        elif name.endswith("bias") or name.endswith("mean"):
            value = numpy.zeros_like(value)
        elif name.endswith("weight") or name.endswith("var"):
            value = numpy.ones_like(value)
        tensor.CopyFrom(numpy_helper.from_array(value, name))
    onnx.save(model, OUT / out)
    return OUT / out


def straight_line(members, macs):
    """Accuracy at `macs` between the neighbours on the accuracy-MACs plane."""
    points = sorted((m["macs"], m["accuracy"]) for m in members)
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x0 <= macs <= x1:
            return y0 + (y1 - y0) * (macs - x0) / (x1 - x0)
    return float("nan")


def row(name, score):
    return [name, percent(score["accuracy"]), f"{score['params']:,}", f"{score['macs'] / 1e6:.1f}"]


def chain_text(made):
    return ", ".join(f"{b['member']} {b['first']}-{b['last']}" for b in made["chain"])


def path_of(made):
    return ",".join(f"{b['index']}:{b['first']}-{b['last']}" for b in made["chain"])


def score_chain(runs, zoo, out, path, *args, data, test):
    """A chain by name, stitched, perhaps tuned: its score on `test`."""
    assemble(runs, out, "--zoo", zoo, "--path", path, *args, data=data)
    return runs.accuracy(OUT / out, data=test)


# --- random chains ---------------------------------------------------------------------------


def read_cuts(runs, model, *args):
    """Where assembling cuts: behind the activation, before a pooling; cumulated costs."""
    kept = []
    for cut in runs.run("inspect", model, *args, "--cuts")["cuts"]:
        if kept and kept[-1]["macs_before"] == cut["macs_before"]:
            if kept[-1]["shape"] != cut["shape"]:
                continue
            kept.pop()
        kept.append(cut)
    return kept


def random_chain(generator, cuts, blocks=4):
    """Members and cuts drawn: (path, parameters, MACs), stitches left out of the costs."""
    shares = [0, *sorted(generator.random() for _ in range(blocks - 1)), 1]
    path, params, macs = [], 0, 0
    for begin, end in zip(shares, shares[1:]):
        member = generator.randrange(len(cuts))
        own = cuts[member]
        at = [min(range(len(own)), key=lambda k: abs(own[k]["macs_before"] / own[-1]["macs_before"]
                                                     - share)) for share in (begin, end)]
        at[1] = len(own) - 1 if end == 1 else at[1]
        if at[1] <= at[0]:
            return None
        path.append(f"{member + 1}:{at[0]}-{at[1] - 1}")
        params += own[at[1]]["params_before"] - own[at[0]]["params_before"]
        macs += own[at[1]]["macs_before"] - own[at[0]]["macs_before"]
    return ",".join(path), params, macs


def random_paths(cuts, budget):
    """The first RANDOM_CHAINS different ones within 95 % of the budget, for the stitches."""
    generator, paths = random.Random(1), []
    while len(paths) < RANDOM_CHAINS:
        drawn = random_chain(generator, cuts)
        if (drawn and drawn[0] not in paths and budget[0] <= drawn[1] <= .95 * budget[1]
                and budget[2] <= drawn[2] <= .95 * budget[3] and len(drawn[0].split(",")) == 4):
            paths.append(drawn[0])
    return paths


QUICK = ("--calibration", "64", "--head", "keep")
QUICK_DATA, QUICK_TEST = TRAIN + ",limit=80", TEST + ",limit=200"


def random_section(runs, zoo, files, made):
    cuts = [read_cuts(runs, *file) for file in files]
    text = (f"## Random chains\n\n{RANDOM_CHAINS} chains within each budget, members and cuts drawn "
            "at random, beside the chain that the program chooses: stitched in closed form on 64 "
            "images, nothing tuned, accuracy on 200 test images.\n\n")
    rows = []
    for budget, chosen in made:
        paths = [*random_paths(cuts, budget), path_of(chosen)]
        scores = [score_chain(runs, zoo, f"random-{path}.onnx", path, *QUICK, data=QUICK_DATA,
                              test=QUICK_TEST)["accuracy"] for path in paths]
        own = scores.pop()
        rows.append([f"{budget[3] / 1e6:.0f} M MACs, {budget[1] / 1e6:.2f} M parameters",
                     percent(statistics.median(scores)), percent(max(scores)), percent(own)])
    return text + table(["at most", "median", "best", "chosen"], rows) + "\n"


# --- budgets ---------------------------------------------------------------------------------


def control_section(runs, index=1):
    last = onnx.load(OUT / f"b{index}.onnx").graph.node[-1]
    only = ",".join(["stitch", *last.input[1:]])
    scratch = redrawn(f"b{index}.onnx", f"b{index}-scratch.onnx", False)
    blocks = redrawn(f"b{index}.onnx", f"b{index}-random.onnx", True)
    rows = [row("the same network from scratch, one epoch",
                runs.finetune(scratch, f"b{index}-scratch-1.onnx")),
            row("blocks of random weights, stitches and last layer tuned, one epoch",
                runs.finetune(blocks, f"b{index}-random-1.onnx", "--only", only))]
    return (f"## Without the blocks' weights, {BUDGETS[index][3] / 1e6:.0f} M MACs\n\n"
            + table(["", "test accuracy", "parameters", "M MACs"], rows) + "\n")


def choose(runs, zoo, index):
    return assemble(runs, f"b{index}.onnx", "--zoo", zoo, "--cache", OUT, *SEARCH,
                    *budget_args(BUDGETS[index]))


def budget_section(runs, zoo, members, index, budget):
    made = choose(runs, zoo, index)
    path, data = path_of(made), TRAIN
    best = ("--calibration", "1024")
    stitched = score_chain(runs, zoo, f"b{index}.onnx", path, *best, data=data, test=TEST)
    assert stitched["params"] == made["params"] and stitched["macs"] == made["macs"]
    line = straight_line(members, stitched["macs"])
    rows, scores = [row("stitched in closed form, nothing tuned", stitched)], [stitched]
    kinds = (("stitches", "stitches and last layer"), ("all", "everything"))
    for what, name in kinds:
        score = score_chain(runs, zoo, f"b{index}-{what}.onnx", path, *best, "--tune", what, *TUNE,
                            data=data, test=TEST)
        scores.append(score)
        rows.append(row(f"{name} tuned by the members' answers, one epoch", score))
    rows.append(["straight line between the neighbours at these MACs", percent(line), "",
                 f"{stitched['macs'] / 1e6:.1f}"])
    inside = [m for m in members if m["params"] <= budget[1] and m["macs"] <= budget[3]]
    rows.append(row("best single network within the budget",
                    max(inside, key=lambda m: m["accuracy"])))
    text = (f"### At most {budget[1] / 1e6:.2f} M parameters and {budget[3] / 1e6:.0f} M MACs, "
            f"at least {budget[2] / 1e6:.0f} M\n\n`{chain_text(made)}` (member, units), the best "
            f"of {len(made['candidates'])} chains on 500 images kept apart; planned "
            f"{made['params']:,} parameters and {made['macs']:,} MACs, the same in the file.\n\n")
    missed = line - max(score["accuracy"] for score in scores)
    verdict = "reached" if missed <= 0 else f"missed by {percent(missed)} points"
    return (text + table(["", "test accuracy", "parameters", "M MACs"], rows)
            + f"\nThe straight line is {verdict}.\n\n")


def learned_by_heart(runs, files):
    known = [percent(runs.accuracy(*file, data=TRAIN + ",skip=3500")["accuracy"]) for file in files]
    return ("The public members were trained on the images that stitches, chains and tuning learn "
            f"from here, and answer them by heart (the last 500: {', '.join(known)} %): these say how "
            "faithful a chain is to its members, hardly how it does on images unseen.\n\n")


def kendall(x, y):
    agree = total_x = total_y = 0
    for i in range(len(x)):
        for j in range(i):
            a = (x[i] > x[j]) - (x[i] < x[j])
            b = (y[i] > y[j]) - (y[i] < y[j])
            agree, total_x, total_y = agree + a * b, total_x + abs(a), total_y + abs(b)
    return agree / (total_x * total_y) ** .5 if total_x and total_y else float("nan")


def audit_section(runs, zoo):
    made = assemble(runs, "audit.onnx", "--zoo", zoo, "-k", "4", "--samples", "256",
                    "--calibration", "128", "--candidates", "1", "--audit", "11", "--batch", "64",
                    "--max-params", "0.5M", "--max-macs", "60M", data=TRAIN + ",limit=320")
    chains = made["candidates"]
    tuned = [c["tuned"] for c in chains]
    rows = [[name, f"{kendall([(-1 if name == 'loss' else 1) * c[name] for c in chains], tuned):.2f}"]
            for name in PROXIES]
    return (f"## Proxies\n\nKendall's tau with the accuracy after one epoch on the stitches, over "
            f"{len(chains)} chains of at most 0.5 M parameters and 60 M MACs, all but one drawn at "
            "random: 256 training images to learn from, 64 kept apart. `stitched` and `loss` are "
            "accuracy and cross-entropy (its sign turned) of the network stitched in closed form, "
            "before tuning; by these the best of the candidates is taken. `tenon assemble --audit 11` "
            "prints the same.\n\n"
            + table(["proxy", "tau"], rows) + "\n")


# --- least squares against random start -------------------------------------------------------


def cell(runs, files, path, *start):
    out = OUT / f"cell-{path}{''.join(start)}.onnx"
    runs.run("assemble", *files, "--arch", "resnet20,resnet56", "-o", out, "-f",
             "--data", TRAIN + ",limit=320", "--eval-data", "none", "--path", path, "--calibration",
             "128", "--head", "keep", "--tune", "stitches", "--batch", "64", *start)
    return runs.accuracy(out, data=QUICK_TEST)["accuracy"]


def cells_section(runs):
    files = [SHARED / "models" / MEMBERS[0][1], SHARED / "models" / MEMBERS[2][1]]
    rows, wins = [], 0
    for end, begin in CELLS:
        path = f"1:0-{end},2:{begin}-28"
        fitted, drawn = cell(runs, files, path), cell(runs, files, path, "--random-stitches")
        wins += fitted > drawn
        rows.append([f"`{path}`", percent(fitted), percent(drawn)])
    return ("## Least squares against random stitches, ResNet20 before ResNet56\n\n"
            f"{len(CELLS)} cells of the stitch matrix, the prefix ending in each of three stages of "
            "one, the rest beginning in each of three stages of the other. Batch norms re-estimated "
            "with both, one epoch on stitch and last layer with 320 images, accuracy on 200 test "
            f"images. Least squares ends above random in {wins} of {len(CELLS)} cells "
            f"({100 * wins / len(CELLS):.0f} %; the target is 80 %).\n\n"
            + table(["cut", "least squares, tuned", "random, tuned"], rows) + "\n")


# --- another zoo -----------------------------------------------------------------------------


def jpeg_section(runs):
    files = [SHARED / "models" / name for _, name in JPEG_MEMBERS]
    arch = ",".join(arch for arch, _ in JPEG_MEMBERS)
    members = [runs.accuracy(file, "--arch", name, data=JPEG_TEST)
               for file, (name, _) in zip(files, JPEG_MEMBERS)]
    names = ("-k", "3", "--samples", "256", "--calibration", "256", "--candidates", "4")
    data = JPEG_TRAIN + ",limit=1000"
    made = assemble(runs, "jpeg.onnx", *files, "--arch", arch, *names, *budget_args(JPEG_BUDGET),
                    data=data)
    score = runs.accuracy(OUT / "jpeg.onnx", data=JPEG_TEST)
    rows = [row(f"member {name}", m) for (name, _), m in zip(JPEG_MEMBERS, members)]
    rows.append(row("stitched in closed form, nothing tuned", score))
    for what, name, limit in (("stitches", "stitches and last layer", 1000),
                              ("all", "everything", 4000)):
        out = f"jpeg-{what}.onnx"
        assemble(runs, out, *files, "--arch", arch, "--path", path_of(made), "--calibration", "256",
                 "--tune", what, *TUNE, data=JPEG_TRAIN + f",limit={limit}")
        rows.append(row(f"{name} tuned, one epoch of {limit:,} images",
                        runs.accuracy(OUT / out, data=JPEG_TEST)))
    rows.append(["straight line between the members at these MACs",
                 percent(straight_line(members, score["macs"])), "", f"{score['macs'] / 1e6:.1f}"])
    return ("## Another zoo: ResNet20 and VGG11, trained on the JPEG images\n\n"
            f"At most {JPEG_BUDGET[3] / 1e6:.0f} M MACs and {JPEG_BUDGET[1] / 1e6:.0f} M parameters, "
            f"K = 3, chosen by 1,000 training images: `{chain_text(made)}` (member, units). Accuracy "
            "on the first 1,000 test images.\n\n"
            + table(["", "test accuracy", "parameters", "M MACs"], rows) + "\n")


# --- time ------------------------------------------------------------------------------------


def measured(runs, name, *args):
    """Seconds of a command's parts and of its CPU; kept, since it is not the same twice."""
    if name not in runs.known:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = json.loads(run(runs.tenon, *args, "-q", "--json", "--threads", "2"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = sum(getattr(after, f) - getattr(before, f) for f in ("ru_utime", "ru_stime"))
        units = max(b["last"] for b in answer["partition"]["blocks"])
        runs.known[name] = {**answer["seconds"], "cpu": cpu, "cuts": units}
        runs.cache.write_text(json.dumps(runs.known, indent=1))
    return runs.known[name]


def perceptrons(runs):
    """Untrained networks of many layers and unlike widths."""
    generator, files = random.Random(1), []
    for index in range(PROBLEM[0]):
        widths = [16, *(generator.randrange(8, 17) for _ in range(PROBLEM[1] - 1)), 10]
        files.append(OUT / f"perceptron{index}.onnx")
        runs.run("train", "mlp:" + "-".join(map(str, widths)), "-o", files[-1], "-f", "--data",
                 "random:16x1x1,classes=10,limit=128", "--eval-data", "none", "-e", "1")
    return files


def time_section(runs):
    common = ("-f", "--eval-data", "none", "--candidates", "1", "--calibration", "64")
    deep = measured(runs, "time: partition", "assemble", *perceptrons(runs), "-o",
                    OUT / "time.onnx", "--data", "random:16x1x1,classes=10,limit=640", "-k", "4",
                    "--samples", "512", *common)
    four = [(SHARED / "models" / f, a) for a, f in MEMBERS] + [
        (SHARED / "models" / JPEG_MEMBERS[0][1], JPEG_MEMBERS[0][0])]
    wide = measured(runs, "time: features", "assemble", *(f for f, _ in four), "--arch",
                    ",".join(a for _, a in four), "-o", OUT / "time.onnx", "--data",
                    TRAIN + ",limit=2600", "-k", "2", "--samples", "2048", *common)
    rows = [["features and similarity of four ResNets (20, 32, 56, 20) on 2,048 images, two threads",
             f"{wide['features']:.1f} s; CPU of the whole command {wide['cpu']:.1f} s", "120 s"],
            [f"partition and program, {PROBLEM[0]} perceptrons of {deep['cuts']} cuts, K = 4",
             f"{deep['partition'] + deep['program']:.1f} s", "10 s"]]
    return ("## Time\n\nSeconds by the clock on two cores that other work shared.\n\n"
            + table(["", "measured", "at most"], rows) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenon", default=ROOT / "build" / "release" / "tenon", type=pathlib.Path)
    parser.add_argument("--sections", default="budgets,random,controls,cells,audit,jpeg,time")
    parser.add_argument("--minutes", type=float, default=1e9,
                        help="after which no run begins; a later call goes on")
    options = parser.parse_args()
    runs = Networks(str(options.tenon), "dery.json", options.minutes)
    sections = options.sections.split(",")
    runs.run(*VGG, "-o", OUT / "vgg.onnx", "-f", "--data", TRAIN, "--eval-data", TEST)
    zoo = zoo_file()
    files = [(SHARED / "models" / name, "--arch", arch) for arch, name in MEMBERS]
    files.append((OUT / "vgg.onnx",))
    members = [runs.accuracy(*file) for file in files]
    names = [arch for arch, _ in MEMBERS] + ["vgg11-bnx0.25, trained here for 12 epochs"]
    text = ("# Assembling from a zoo (DeRy)\n\n"
            "Public CIFAR-10 ResNets and a VGG trained here on 4,000 images are cut into four "
            "blocks each; networks between them are assembled by `tenon assemble`. Learned from: "
            "the 4,000 original training images that are at hand, once each where an epoch is meant; "
            "chosen by 500 of them kept apart; reported: the 1,000 original test images, "
            "which choose nothing, in percent (one in a thousand is 0.1, the standard error about "
            f"0.8). Written by `bench/results_dery.py` with {runs.version}, seed 1, one thread "
            f"where nothing else is said, on {platform.machine()}.\n\n"
            + table(["member", "test accuracy", "parameters", "M MACs"],
                    [row(n, m) for n, m in zip(names, members)]) + "\n")
    if "budgets" in sections:
        text += "## Budgets between members\n\n" + learned_by_heart(runs, files[:len(MEMBERS)])
        for index, budget in enumerate(BUDGETS):
            text += budget_section(runs, zoo, members, index, budget)
    if "random" in sections:
        text += random_section(runs, zoo, files, [(b, choose(runs, zoo, k))
                                                 for k, b in enumerate(BUDGETS)])
    for name, section in (("controls", control_section), ("cells", cells_section),
                          ("jpeg", jpeg_section), ("time", time_section)):
        text += section(runs) if name in sections else ""
    text += audit_section(runs, zoo) if "audit" in sections else ""
    commands = sorted({key for key in runs.known if key.startswith("assemble")
                       and not any(part in key for part in ("random-", "cell-"))})
    text += "## Commands\n\n" + "".join(f"    tenon {key}\n" for key in commands)
    (ROOT / "docs" / "results" / "dery.md").write_text(text)


if __name__ == "__main__":
    main()
