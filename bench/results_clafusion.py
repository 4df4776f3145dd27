#!/usr/bin/env python3
"""Writes docs/results/clafusion.md and its picture from runs of `tenon`.

Networks of different depth: MNIST MLPs trained here from three seeds, the public CIFAR-10
ResNets of ../shared/models, and a pair on the CIFAR-10 JPEGs of which one is made here.
Every run is kept in build/results/clafusion, so that the script goes on where it was
stopped; --parts says which to run, the page is written from all that is there. The test
split chooses nothing: what was tried is all shown, learning rates are taken by images kept
apart from training.
Usage: bench/results_clafusion.py [--tenon PATH] [--parts mlp,resnet,...] [--minutes N]
"""
import argparse
import json
import platform
import resource
import statistics
import subprocess
import time

import tenon_runs
from tenon_runs import RESULTS, ROOT, SHARED

CACHE = RESULTS / "clafusion"
PAGE = ROOT / "docs" / "results"
MNIST = f"idx:{SHARED}/data/mnist,mean=0.1307,std=0.3081"
NORM = "mean=0.485/0.456/0.406,std=0.229/0.224/0.225"
ORIGINAL = (f"cifar10:{SHARED}/data/cifar10-original-train4000.bin.zst,{NORM}",
            f"cifar10:{SHARED}/data/cifar10-original-test1000.bin.zst,{NORM}")
JPEG_NORM = "mean=0.4914/0.4822/0.4465,std=0.2470/0.2435/0.2616"
JPEG_TRAIN = f"tar:{SHARED}/data/cifar10-jpeg-train.tar.zst,{JPEG_NORM}"
JPEG = (f"{JPEG_TRAIN},limit=10000",
        f"tar:{SHARED}/data/cifar10-jpeg-test.tar.zst,{JPEG_NORM},limit=2000")
SEEDS = (1, 2, 3)
DEEP, SHALLOW = "mlp:784-400-200-100-50-25-10", "mlp:784-400-200-100-10"
STUDENT = "mlp:784-100-50-25-10"
MERGE = ["--depth", "shallow", "--reference", "1"]
REFIT = ["--refit", "layers"]
MLP_ROWS = (("add", []), ("add, shallow widths", ["--reference", "1"]),
            ("add, identities share", ["--insert", "share"]), ("merge", MERGE),
            ("add, layers refitted", REFIT), ("merge, layers refitted", MERGE + REFIT))
RESNET_ROWS = (("auto", []), ("segments", ["--align", "segments"]),
               ("segments, layers refitted", ["--align", "segments", *REFIT]),
               ("merge, layers refitted", MERGE + REFIT),
               ("chain", ["--align", "chain"]), ("random", ["--align", "random"]),
               ("neurons not aligned", ["--plain"]))
FUSED = "segments, layers refitted"
MODELS = SHARED / "models"
PARENTS = {"resnet20": MODELS / "resnet20-12fca82f.th",
           "resnet32": MODELS / "resnet32-d509ac18.th",
           "resnet56": MODELS / "resnet56-4bfd9763.th"}
PAIRS = (("resnet56", "resnet20"), ("resnet56", "resnet32"))
TUNING = ("--epochs 1 --warmup 0.1 --batch 64 --pad 4 --flip --holdout 0.1").split()
# Those that work already, and those that begin at chance. Of each kind the first pair's
# first start tries all rates; that with the best answers to the images kept apart holds
# for all starts of the kind and for both pairs.
RATES = {"working": ("0.003", "0.01", "0.03"), "chance": ("0.03", "0.1")}


class Stop(Exception):
    pass


class Bench:
    def __init__(self, tenon, minutes):
        self.tenon, self.end = tenon, time.time() + 60 * minutes

    def run(self, *args):
        return tenon_runs.run(self.tenon, *args)

    def json(self, *args):
        return json.loads(self.run(*args, "--json", "-q", "--threads", 1))

    def cached(self, name, make):
        """The JSON of a run, made where it is not kept yet."""
        path = CACHE / f"{name}.json"
        if not path.exists():
            if time.time() > self.end:
                raise Stop
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            start, used = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
            made = make()
            now = resource.getrusage(resource.RUSAGE_CHILDREN)
            made["wall"] = time.time() - start
            made["cpu"] = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
            path.write_text(json.dumps(made))
        return json.loads(path.read_text())

    def accuracy(self, path, data, *arch):
        return self.json("eval", path, *arch, "--data", data)["models"][0]["accuracy"]

    def fuse(self, out, files, probe, test, options):
        report = self.json("fuse", *files, "-o", out, "-f", "--data", probe,
                           "--eval-data", "none", *options)
        return {"accuracy": self.accuracy(out, test),
                "slots": [a["slots"] for a in report["alignments"]],
                "error": max(a["error"] for a in report["alignments"])}

    def train(self, out, command, data, test, *options):
        """Accuracy on images kept apart (or None) and on the test images."""
        made = self.json(*command, "-o", out, "-f", "--data", data, "--eval-data", "none",
                         "--state", out.with_suffix(".state"), "--state-minutes", 0.5,
                         "--resume", *options)
        return {"held_out": made["train"]["holdout_accuracy"],
                "accuracy": self.accuracy(out, test)}


# --- MNIST ---

def mlp_file(side, seed):
    return CACHE / f"mlp-{side}-{seed}.onnx"


def train_mlp(b, side, arch, seed, number):
    path = mlp_file(side, seed)
    b.cached(path.stem, lambda: b.train(path, ["train", arch], MNIST, MNIST, "--epochs", 3,
                                        "--seed", number))
    return path


def mlp(b):
    for seed in SEEDS:
        files = [train_mlp(b, "deep", DEEP, seed, 2 * seed - 1),
                 train_mlp(b, "shallow", SHALLOW, seed, 2 * seed)]
        for row, options in MLP_ROWS:
            b.cached(f"mlp-{row}-{seed}", lambda: b.fuse(
                CACHE / "mlp-fused.onnx", files, MNIST, MNIST, options))


def many(b):
    """Four and six of the MLPs at once, deep and shallow in turn."""
    for count in (4, 6):
        files = [mlp_file(side, seed) for seed in SEEDS for side in ("deep", "shallow")]
        for row, options in MLP_ROWS:
            b.cached(f"many-{count}-{row}", lambda: b.fuse(
                CACHE / "mlp-fused.onnx", files[:count], MNIST, MNIST, options))


def students(b):
    """Distillation from the deep MLP into a net of its depth and a quarter its width."""
    for seed in SEEDS:
        files = [train_mlp(b, "deep", DEEP, seed, 2 * seed - 1),
                 train_mlp(b, "student", STUDENT, seed, 20 + seed)]
        made = {}
        for name, options in (("fused", []), ("refitted", REFIT),
                              ("student", ["--weights", "0/1", "--insert", "share"])):
            made[name] = CACHE / f"student-{name}-{seed}.onnx"
            b.cached(f"start-{name}-{seed}", lambda: b.fuse(
                made[name], files, MNIST, MNIST,
                ["--align", "chain", "--reference", 1, *options]))
        made["random"] = "mlp:784-100-50-25-25-25-10"
        for name, start in made.items():
            b.cached(f"taught-{name}-{seed}", lambda: b.train(
                CACHE / "taught.onnx", ["distill", files[0], start],
                f"{MNIST},limit=12000", MNIST, "--epochs", 1, "--warmup", 0.1,
                "--seed", seed))


# --- ResNets ---

class Pair:
    """Two parents, the deep one first, and the images they are for."""

    def __init__(self, names, files, data):
        self.names, self.files, self.data = names, files, data
        self.label = "+".join(names)
        self.arch = ["--arch", ",".join(names)]

    def fused(self, row):
        return CACHE / f"{self.label}-{row.replace(' ', '')}.onnx"


def original_pairs():
    return [Pair(names, [PARENTS[n] for n in names], ORIGINAL) for names in PAIRS]


def jpeg_pair():
    return Pair(("resnet20", "resnet14"), [MODELS / "cifar10-jpeg-resnet20-0.pth",
                                           CACHE / "resnet14.onnx"], JPEG)


def one_shot(b, pair):
    for k, name in enumerate(pair.names):
        b.cached(f"{pair.label}-{name}", lambda: {"accuracy": b.accuracy(
            pair.files[k], pair.data[1], "--arch", name)})
    for row, options in RESNET_ROWS:
        b.cached(f"{pair.label}-{row}", lambda: b.fuse(
            pair.fused(row), pair.files, *pair.data,
            [*pair.arch, "--calibration", 500, *options]))


def resnet(b):
    for pair in original_pairs():
        one_shot(b, pair)


def jpeg(b):
    """The ResNet14 is made of the other public ResNet20: layers taken over, distilled."""
    pair, teacher = jpeg_pair(), MODELS / "cifar10-jpeg-resnet20-1.pth"
    start = CACHE / "resnet14-start.onnx"

    def make():
        b.run("transfer", teacher, "resnet14", "--arch", "resnet20", "-o", start, "-f",
              "--align", "segments", "--data", JPEG[0], "-q", "--threads", 1)
        return b.train(pair.files[1], ["distill", teacher, start, "--arch", "resnet20"],
                       f"{JPEG_TRAIN},limit=20000", JPEG[1], "--epochs", 1, "--warmup", 0.1,
                       "--batch", 64, "--pad", 4, "--flip", "--learning-rate", 0.05)
    b.cached("resnet14", make)
    one_shot(b, pair)


def timing(b):
    """Alignment alone, with 400 images."""
    for deep, shallow in (("resnet56", "resnet32"), ("resnet56", "resnet56")):
        for threads in (1, 2):
            b.cached(f"timing-{shallow}-{threads}", lambda: json.loads(b.run(
                "transfer", PARENTS[deep], PARENTS[shallow], "--arch", f"{deep},{shallow}",
                "-o", CACHE / "t.onnx", "-f", "--data", ORIGINAL[0], "--samples", 400,
                "--json", "-q", "--threads", threads)))


def picture(b):
    pair, path = original_pairs()[0], PAGE / "clafusion.svg"
    if not path.exists():
        b.run("fuse", *pair.files, *pair.arch, "--data", pair.data[0], "-o",
              CACHE / "picture.onnx", "-f", "--picture", path, "--eval-data", "none",
              "--align", "segments", "--recalibrate", "none", "-q", "--threads", 1)


# --- fine-tuning ---

def starts(pair):
    """Name, kind of rate, whether it is taught by both parents, the one-shot row that it
    answers as, and how it is made where that is another."""
    deep, shallow = pair.names
    alone = ["fuse", *pair.files, *pair.arch, "--data", pair.data[0], "--weights", "0/1",
             "--insert", "share", "--recalibrate", "none", "--eval-data", "none"]
    over = ["transfer", pair.files[1], deep, "--arch", shallow, "--align"]
    parent = ["convert", pair.files[0], "--arch", deep]
    return [("fused", "working", False, FUSED, None),
            ("the deep parent alone", "working", False, deep, parent),
            ("fused, taught by both parents", "working", True, FUSED, None),
            ("the shallow parent in a random net, chain", "chance", False, None,
             [*over, "chain"]),
            ("the shallow parent in a random net, random", "chance", False, None,
             [*over, "random"]),
            ("the shallow parent alone, identities inserted", "working", False, shallow,
             alone),
            ("the deep parent, taught by both", "working", True, deep, parent)]


def made_start(b, pair, name, how):
    if not how:
        return pair.fused(FUSED)
    path = CACHE / f"{pair.label}-{name.replace(' ', '')}.onnx"
    if not path.exists():
        out = [how[1], path, *how[2:]] if how[0] == "convert" else [*how[1:], "-o", path]
        b.run(how[0], *out, "-f", "-q", "--threads", 1)
    return path


def tuned(b, pair, start, rate):
    name, _, taught, _, how = start
    path = made_start(b, pair, name, how)
    command = ["finetune", path]
    if taught:
        command = ["distill", *pair.files, path, *pair.arch]
    return b.cached(f"tuned-{pair.label}-{name}-{rate}", lambda: b.train(
        CACHE / f"tuned-{pair.label}.onnx", command, *pair.data, "--learning-rate", rate,
        *TUNING))


def best_rate(kind):
    """That of the best answers to images kept apart, or None where some are not tried."""
    pair = original_pairs()[0]
    name = next(s[0] for s in starts(pair) if s[1] == kind)
    runs = {rate: kept(f"tuned-{pair.label}-{name}-{rate}") for rate in RATES[kind]}
    if not all(runs.values()):
        return None
    return max(RATES[kind], key=lambda rate: runs[rate]["held_out"])


def finetune(b):
    pairs = original_pairs()
    for kind, rates in RATES.items():
        first = next(s for s in starts(pairs[0]) if s[1] == kind)
        for rate in rates:
            tuned(b, pairs[0], first, rate)
    for pair in pairs:
        for start in starts(pair):
            tuned(b, pair, start, best_rate(start[1]))


def finetune_jpeg(b):
    pair = jpeg_pair()
    for start in starts(pair):
        tuned(b, pair, start, best_rate(start[1]))


# --- the page ---

def kept(name):
    path = CACHE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def percent(name, key="accuracy"):
    found = kept(name)
    return tenon_runs.percent(found[key], 2) if found and found[key] else "not run"


def mean(names, key="accuracy"):
    found = [kept(name) for name in names]
    if not all(found) or found[0][key] is None:
        return "not run"
    values = [100 * f[key] for f in found]
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


def table(titles, rows):
    """Without the rows that were not run."""
    rows = [row for row in rows if any(cell != "not run" for cell in row[1:])]
    return tenon_runs.table(titles, rows).splitlines() + [""] if rows else []


def command(options):
    return " ".join(map(str, options)) or "default"


def mlp_page():
    out = ["## MNIST, an MLP of five hidden layers with one of three", "",
           f"`{DEEP}` with `{SHALLOW}`, parents trained for 3 epochs, mean ± standard "
           "deviation over three pairs of seeds (1 to 6), 200 probe images, 1,000 for "
           "calibration. CLAFusion's reference program reaches 92.83 (add) and 93.74 "
           "(merge) from parents of 97.34 and 97.72. In the last two columns four and six "
           "of these parents are fused at once, with equal weights.", ""]
    rows = [(f"{side} parent", mean([f"mlp-{side}-{s}" for s in SEEDS]), "", "")
            for side in ("deep", "shallow")]
    rows += [(f"`{command(options)}`: {row}", mean([f"mlp-{row}-{s}" for s in SEEDS]),
              percent(f"many-4-{row}"), percent(f"many-6-{row}"))
             for row, options in MLP_ROWS]
    return out + table(("network", "two", "four", "six"), rows)


def students_page():
    rows = [(name, mean([f"start-{key}-{s}" for s in SEEDS]) if key != "random" else "",
             mean([f"taught-{key}-{s}" for s in SEEDS]))
            for name, key in (("fused with the teacher", "fused"),
                              ("fused with the teacher, refitted", "refitted"),
                              ("the student, identities inserted", "student"),
                              ("random weights", "random"))]
    found = table(("start", "before", "distilled"), rows)
    if not found:
        return []
    return ["### Teacher and student", "",
            f"Distillation (`tenon distill --epochs 1 --warmup 0.1`, 12,000 images) from "
            f"the deep parent into `mlp:784-100-50-25-25-25-10`, of its depth and of the "
            f"widths of a student `{STUDENT}`, that was trained for 3 epochs "
            f"({mean([f'mlp-student-{s}' for s in SEEDS])}). Three seeds.", "", *found]


def one_shot_page(pairs):
    rows = [(f"{side} parent", *(percent(f"{p.label}-{p.names[k]}") for p in pairs))
            for k, side in enumerate(("deep", "shallow"))]
    rows += [(f"{row}: `{command(o)}`", *(percent(f"{p.label}-{row}") for p in pairs))
             for row, o in RESNET_ROWS]
    return table(("network", *(p.label for p in pairs)), rows)


def tuned_page(pairs):
    rows = []
    for name, kind, _, row, _ in starts(pairs[0]):
        cells = []
        for pair in pairs:
            as_row = next(s[3] for s in starts(pair) if s[0] == name)
            cells += [percent(f"{pair.label}-{as_row}") if row else "chance",
                      percent(f"tuned-{pair.label}-{name}-{best_rate(kind)}")]
        if any(cell != "not run" for cell in cells[1::2]):
            rows.append((name, *cells))
    return table(("start", *(text for p in pairs for text in (p.label, "tuned"))), rows)


def resnet_page():
    pairs = original_pairs()
    errors = [kept(f"{p.label}-auto") for p in pairs]
    out = ["## CIFAR-10, public ResNets, original images", "",
           "One-shot, recalibrated or refitted on 500 unlabelled training images; 1,000 "
           "test images. The levelled network is its parent before anything is averaged: "
           "largest relative change of an output "
           + ", ".join(f"{e['error']:.1e}" for e in errors if e) + ".", "",
           "![alignment of ResNet20 with ResNet56](clafusion.svg)", ""]
    out += one_shot_page(pairs)
    out += ["Which deep layer each layer of the shallow network takes:", ""]
    out += table(("alignment", *(p.label for p in pairs)), [
        (row, *(" ".join(map(str, found["slots"][0])) if found else "not run"
                for p in pairs for found in [kept(f"{p.label}-{row}")]))
        for row, _ in RESNET_ROWS[:2]])
    rows = [(f"resnet56 with {shallow}, {units} units", str(threads),
             f"{found['cpu']:.1f} s", f"{found['wall']:.1f} s")
            for shallow, units in (("resnet32", "29 and 17"), ("resnet56", "29 and 29"))
            for threads in (1, 2) for found in [kept(f"timing-{shallow}-{threads}")]
            if found]
    times = table(("alignment by CKA from 400 images", "threads", "CPU", "wall"), rows)
    if times:
        out += ["Loading and writing included; wall clock on a shared machine.", "", *times]
    return out


def tuning_page():
    found = tuned_page(original_pairs())
    if not found:
        return []
    rates = ", ".join(f"{best_rate(kind)} ({kind}, of {', '.join(rates)})"
                      for kind, rates in RATES.items())
    return ["### The same budget from different starts", "",
            "Networks of ResNet56's size, one pass over 3,600 of the 4,000 original "
            f"training images at hand: `{command(TUNING)}`, labels only or both parents as "
            "teachers (`tenon distill`). That is 0.04 % of the 200 epochs of 50,000 images "
            "that the parents had, not 10 %: a ResNet56 costs 11 ms of a core for each "
            "image, 10 % would be three hours a row. Learning rates by the 400 images kept "
            f"apart: {rates}. The parents have seen all 4,000.", "", *found]


def jpeg_page():
    pair = jpeg_pair()
    shot = one_shot_page([pair])
    if not shot:
        return []
    out = ["## CIFAR-10 JPEGs, a pair of which one is trained here", "",
           "`cifar10-jpeg-resnet20-0` with a ResNet14 that took over layers of "
           "`cifar10-jpeg-resnet20-1` (`tenon transfer --align segments`) and was distilled "
           "from it on 20,000 images. 2,000 test images.", "", *shot]
    found = tuned_page([pair])
    return out + ["Then one pass over 9,000 of 10,000 training images, rates as above:", "",
                  *found] if found else out


def page(b):
    version = b.run("--version").strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True,
                            capture_output=True).stdout.strip()
    out = ["# Networks of different depth", "",
           f"Written by `bench/results_clafusion.py` with {version} ({commit}), "
           f"{platform.machine()}, one thread. Fused without labels; accuracies in "
           "percent, of the test images, which chose nothing.", "",
           *mlp_page(), *students_page(), *resnet_page(), *tuning_page(), *jpeg_page(),
           "## To repeat", "", "    bench/results_clafusion.py", "",
           "It goes on where it was stopped; what was not run is left out.", ""]
    (PAGE / "clafusion.md").write_text("\n".join(out))


def main():
    parts = {f.__name__: f for f in (mlp, many, students, resnet, timing, picture, finetune,
                                     jpeg, finetune_jpeg)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenon", default=ROOT / "build" / "release" / "tenon")
    parser.add_argument("--parts", default=",".join(parts))
    parser.add_argument("--minutes", type=float, default=1e6,
                        help="begin no further run after this long")
    args = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    bench = Bench(args.tenon, args.minutes)
    try:
        for part in args.parts.split(","):
            parts[part](bench)
    except Stop:
        print("stopped: out of time")
    page(bench)


if __name__ == "__main__":
    main()
