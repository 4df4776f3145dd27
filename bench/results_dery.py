#!/usr/bin/env python3
"""Writes docs/results/dery.md from runs of `tenon assemble`.

Public CIFAR-10 ResNets and a VGG trained here are assembled into networks between them. Test
images choose nothing: chains are chosen on training images kept apart. Networks and images come
from ../shared (see CONTRIBUTING.md); answers are kept in build/results/dery.json, so that a
second run takes seconds. Usage: bench/results_dery.py [--tenon PATH] [--sections LIST]
"""
import argparse
import json
import platform
import random
import statistics

import numpy
import onnx
from onnx import numpy_helper

from tenon_runs import RESULTS as OUT, ROOT, SHARED, Runs, percent, table

NORM = "mean=.485/.456/.406,std=.229/.224/.225"
TRAIN = f"cifar10:{SHARED}/data/cifar10-original-train4000.bin.zst,{NORM}"
TEST = f"cifar10:{SHARED}/data/cifar10-original-test1000.bin.zst,{NORM}"
MEMBERS = [("resnet20", "resnet20-12fca82f.th"), ("resnet32", "resnet32-d509ac18.th"),
           ("resnet56", "resnet56-4bfd9763.th")]
VGG = ("train", "vgg11-bnx0.25", "--epochs", "12", "--learning-rate", "0.05", "--flip", "--pad", "4")
BUDGETS = [(280_000, 350_000, 44_000_000, 55_000_000),
           (520_000, 650_000, 77_600_000, 97_000_000)]
COMMON = ("-k", "4", "--samples", "512", "--calibration", "256", "--candidates", "3")
TUNE = TRAIN + ",limit=1024"
CELLS = 3
SEEDS = (1, 2)
PROXIES = ("stitched", "residual", "similarity", "naswot", "naswot_per_unit", "params", "macs")


class Networks(Runs):
    """Runs of tenon, on the test images where nothing else is said."""

    def accuracy(self, model, *args):
        return self.run("eval", model, *args, "--data", TEST)["models"][0]

    def finetune(self, model, out, *args, data=TUNE):
        self.run("finetune", model, "-o", OUT / out, "-f", "--data", data, "--eval-data", TEST,
                 "-e", "1", "--warmup", "0", "--learning-rate", "0.01", *args)
        return self.accuracy(OUT / out)


def zoo_file():
    members = [{"file": str(SHARED / "models" / name), "arch": arch, "name": arch}
               for arch, name in MEMBERS]
    members.append({"file": str(OUT / "vgg.onnx"), "name": "vgg11-bnx0.25"})
    (OUT / "zoo.json").write_text(json.dumps({"members": members}))
    return OUT / "zoo.json"


def assemble(runs, out, *args, data=TRAIN):
    return runs.run("assemble", "-o", OUT / out, "-f", "--data", data, "--eval-data", "none",
                    "--cache", OUT, *args)


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


def budget_section(runs, zoo, members, index, budget):
    made = assemble(runs, f"b{index}.onnx", "--zoo", zoo, *COMMON, *budget_args(budget))
    stitched = runs.accuracy(OUT / f"b{index}.onnx")
    assert stitched["params"] == made["params"] and stitched["macs"] == made["macs"]
    last = [m for m in onnx.load(OUT / f"b{index}.onnx").graph.node][-1]
    only = ",".join(["stitch", *[n for n in last.input if "linear" in n or "classifier" in n]])
    tuned = runs.finetune(OUT / f"b{index}.onnx", f"b{index}-stitches.onnx", "--only", only)
    rows = [row("stitched in closed form, nothing tuned", stitched),
            row("stitches and last layer tuned, one epoch", tuned)]
    line = straight_line(members, stitched["macs"])
    rows.append(["straight line between the neighbours at these MACs", percent(line), "",
                 f"{stitched['macs'] / 1e6:.1f}"])
    inside = [m for m in members if m["params"] <= budget[1] and m["macs"] <= budget[3]]
    best = max(inside, key=lambda m: m["accuracy"])
    rows.append(row("best single network within the budget", best))
    if index == 0:
        drawn = redrawn("b0.onnx", "b0-scratch.onnx", False)
        rows.append(row("the same network from scratch, one epoch",
                        runs.finetune(drawn, "b0-scratch-1.onnx")))
        blocks = redrawn("b0.onnx", "b0-random.onnx", True)
        rows.append(row("blocks of random weights, stitches and last layer tuned, one epoch",
                        runs.finetune(blocks, "b0-random-1.onnx", "--only", only)))
    text = (f"### At most {budget[1] / 1e6:.2f} M parameters and {budget[3] / 1e6:.0f} M MACs, "
            f"at least 80 % of both\n\n`{chain_text(made)}` (member, units); planned "
            f"{made['params']:,} parameters and {made['macs']:,} MACs, the same in the file. "
            f"Features and similarity took {made['seconds']['features']:.1f} s (or came from the "
            f"cache), partition {made['seconds']['partition']:.2f} s, program "
            f"{made['seconds']['program']:.2f} s, stitching three candidates "
            f"{made['seconds']['stitching']:.1f} s.\n\n")
    return text + table(["", "test accuracy", "parameters", "M MACs"], rows) + "\n"


def kendall(x, y):
    agree = total_x = total_y = 0
    for i in range(len(x)):
        for j in range(i):
            a = (x[i] > x[j]) - (x[i] < x[j])
            b = (y[i] > y[j]) - (y[i] < y[j])
            agree, total_x, total_y = agree + a * b, total_x + abs(a), total_y + abs(b)
    return agree / (total_x * total_y) ** .5 if total_x and total_y else float("nan")


def audit_section(runs, zoo):
    chains = []
    for seed in SEEDS:
        made = assemble(runs, "audit.onnx", "--zoo", zoo, "-k", "4", "--samples", "512",
                        "--calibration", "256", "--candidates", "1", "--audit", "10",
                        "--max-params", "0.5M", "--seed", seed, data=TRAIN + ",limit=640")
        chains += [c for c in made["candidates"] if c["path"] not in {d["path"] for d in chains}]
    drawn = [c for c in chains if c["random"]]
    first = next(c for c in chains if not c["random"])
    tuned = [c["tuned"] for c in chains]
    rows = [[name, f"{kendall([c[name] for c in chains], tuned):.2f}"] for name in PROXIES]
    stitched = [c["stitched"] for c in drawn]
    after = [c["tuned"] for c in drawn]
    return (f"## Random chains and proxies\n\n{len(drawn)} random chains of at most 0.5 M "
            "parameters, on training images kept apart, without tuning: median "
            f"{percent(statistics.median(stitched))}, best {percent(max(stitched))}; after one "
            f"epoch on the stitches (512 images): median {percent(statistics.median(after))}, "
            f"best {percent(max(after))}. The chain that the program chooses: "
            f"{percent(first['stitched'])} and {percent(first['tuned'])}. Kendall's tau of each "
            f"proxy with the tuned accuracy over {len(chains)} chains:\n\n"
            + table(["proxy", "tau"], rows) + "\n")


def cells_section(runs):
    generator = random.Random(1)
    files = [SHARED / "models" / MEMBERS[0][1], SHARED / "models" / MEMBERS[2][1]]
    rows, wins, zero = [], 0, 0
    for _ in range(CELLS):
        end, start = generator.randrange(1, 9), generator.randrange(2, 27)
        path = f"1:0-{end},2:{start}-28"
        scores = []
        for start_kind in ((), ("--random-stitches",)):
            made = runs.run("assemble", *files, "--arch", "resnet20,resnet56", "-o",
                            OUT / "cell.onnx", "-f", "--data", TRAIN + ",limit=448",
                            "--eval-data", TEST + ",limit=200", "--path", path, "--samples", "256",
                            "--calibration", "256", "--head", "keep", "--tune", "stitches",
                            *start_kind)
            scores.append((made["stitched"]["accuracy"], made["result"]["accuracy"]))
        wins += scores[0][1] > scores[1][1]
        zero += scores[0][0] > scores[1][1]
        rows.append([f"`{path}`"] + [percent(s) for pair in scores for s in pair])
    return ("## Least squares against random stitches, ResNet20 before ResNet56\n\n"
            "A sample of the stitch matrix; batch norms re-estimated with both, one epoch on "
            "stitch and last layer with 448 images, accuracy on 200 test images. Least squares "
            f"ends above random in {wins} of {CELLS} cells; without any tuning it is above tuned "
            f"random stitches in {zero}.\n\n"
            + table(["cut", "least squares", "tuned", "random", "tuned"], rows) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenon", default=ROOT / "build" / "release" / "tenon")
    parser.add_argument("--sections", default="budgets,cells,audit")
    options = parser.parse_args()
    runs, sections = Networks(options.tenon, "dery.json"), options.sections.split(",")
    runs.run(*VGG, "-o", OUT / "vgg.onnx", "-f", "--data", TRAIN, "--eval-data", TEST)
    zoo = zoo_file()
    members = [runs.accuracy(SHARED / "models" / name, "--arch", arch) for arch, name in MEMBERS]
    members.append(runs.accuracy(OUT / "vgg.onnx"))
    names = [arch for arch, _ in MEMBERS] + ["vgg11-bnx0.25, trained here for 12 epochs"]
    text = ("# Assembling from a zoo (DeRy)\n\n"
            "Public CIFAR-10 ResNets and a VGG trained here on 4,000 images are cut into four "
            "blocks each; networks between them are assembled by `tenon assemble`. Learned from: "
            "at most 4,000 training images, 1,024 where an epoch is meant; reported: the 1,000 original test images, which choose "
            "nothing, in percent (one in a thousand is 0.1, the standard error about 0.8). "
            f"Written by `bench/results_dery.py` with {runs.version}, seed 1, one thread, on "
            f"{platform.machine()}.\n\n"
            + table(["member", "test accuracy", "parameters", "M MACs"],
                    [row(n, m) for n, m in zip(names, members)]) + "\n")
    if "budgets" in sections:
        text += "## Budgets between members\n\n"
        for index, budget in enumerate(BUDGETS):
            text += budget_section(runs, zoo, members, index, budget)
    if "cells" in sections:
        text += cells_section(runs)
    if "audit" in sections:
        text += audit_section(runs, zoo)
    commands = "\n".join(f"    tenon {key}" for key in runs.known if key.startswith("assemble"))
    text += "## Commands\n\n" + commands + "\n"
    (ROOT / "docs" / "results" / "dery.md").write_text(text)


if __name__ == "__main__":
    main()
