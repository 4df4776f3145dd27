#!/usr/bin/env python3
"""Writes docs/results/clafusion.md and its picture from runs of `tenon`.

Networks of different depth: MNIST MLPs trained here from three seeds, and the public
CIFAR-10 ResNets of ../shared/models. Every run is kept in build/results/clafusion, so that
the script goes on where it was stopped; --parts says which to run, the page is written
from all that is there. The test split chooses nothing: what was tried is all shown.
Usage: bench/results_clafusion.py [--tenon PATH] [--parts mlp,resnet,...] [--minutes N]
"""
import argparse
import json
import platform
import statistics
import subprocess
import time

import tenon_runs
from tenon_runs import RESULTS, ROOT, SHARED

CACHE = RESULTS / "clafusion"
PAGE = ROOT / "docs" / "results"
MNIST = f"idx:{SHARED}/data/mnist,mean=0.1307,std=0.3081"
NORM = "mean=0.485/0.456/0.406,std=0.229/0.224/0.225"
PROBE = f"cifar10:{SHARED}/data/cifar10-original-train4000.bin.zst,{NORM}"
TEST = f"cifar10:{SHARED}/data/cifar10-original-test1000.bin.zst,{NORM}"
FILES = {"resnet20": "resnet20-12fca82f.th", "resnet32": "resnet32-d509ac18.th",
         "resnet56": "resnet56-4bfd9763.th"}
SEEDS = (1, 2, 3)
DEEP, SHALLOW = "mlp:784-400-200-100-50-25-10", "mlp:784-400-200-100-10"
FINETUNE = "--epochs 1 --learning-rate 0.01 --pad 4 --flip --batch 128".split()
MLP_ROWS = (("add", []), ("add, shallow widths", ["--reference", "1"]),
            ("add, identities share", ["--insert", "share"]),
            ("merge", ["--depth", "shallow", "--reference", "1"]),
            ("add, layers refitted", ["--refit", "layers"]),
            ("merge, layers refitted",
             ["--depth", "shallow", "--reference", "1", "--refit", "layers"]))
RESNET_ROWS = (("auto", []), ("segments", ["--align", "segments"]),
               ("segments, layers refitted",
                ["--align", "segments", "--refit", "layers"]),
               ("merge, layers refitted",
                ["--depth", "shallow", "--reference", "1", "--refit", "layers"]),
               ("chain", ["--align", "chain"]), ("random", ["--align", "random"]))
PAIRS = (("resnet56", "resnet20"), ("resnet56", "resnet32"))


class Stop(Exception):
    pass


class Bench:
    def __init__(self, tenon, minutes):
        self.tenon, self.end = tenon, time.time() + 60 * minutes

    def run(self, *args):
        return tenon_runs.run(self.tenon, *args)

    def cached(self, name, make):
        """The JSON of a run, made where it is not kept yet."""
        path = CACHE / f"{name}.json"
        if not path.exists():
            if time.time() > self.end:
                raise Stop
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            start = time.time()
            made = make()
            made["wall"] = time.time() - start
            path.write_text(json.dumps(made))
        return json.loads(path.read_text())

    def accuracy(self, path, data, *arch):
        out = self.run("eval", path, *arch, "--data", data, "--json", "-q",
                       "--threads", 1)
        return json.loads(out)["models"][0]["accuracy"]

    def fuse(self, out, files, probe, test, options):
        report = json.loads(self.run(
            "fuse", *files, "-o", out, "-f", "--data", probe, "--eval-data", "none",
            "--json", "-q", "--threads", 1, *options))
        a = report["alignments"][0]
        return {"accuracy": self.accuracy(out, test), "slots": a["slots"],
                "error": a["error"]}


def mlp(b):
    for seed in SEEDS:
        files = []
        for k, (side, arch) in enumerate((("deep", DEEP), ("shallow", SHALLOW))):
            path = CACHE / f"mlp-{side}-{seed}.onnx"
            files.append(path)

            def train(path=path, arch=arch, number=2 * seed - 1 + k):
                out = json.loads(b.run(
                    "train", arch, "-o", path, "-f", "--data", MNIST, "--epochs", 3,
                    "--seed", number, "--json", "-q", "--threads", 1))
                return {"accuracy": out["result"]["accuracy"]}
            b.cached(f"mlp-{side}-{seed}", train)
        for row, options in MLP_ROWS:
            b.cached(f"mlp-{row}-{seed}", lambda: b.fuse(
                CACHE / "mlp-fused.onnx", files, MNIST, MNIST, options))


def sources(pair):
    return [SHARED / "models" / FILES[name] for name in pair]


def resnet(b):
    for name, file in FILES.items():
        path = SHARED / "models" / file
        b.cached(name, lambda: {"accuracy": b.accuracy(path, TEST, "--arch", name)})
    for row, options in RESNET_ROWS:
        for pair in PAIRS:
            label = "+".join(pair)
            b.cached(f"{label}-{row}", lambda: b.fuse(
                CACHE / f"{label}-{row.replace(' ', '')}.onnx", sources(pair), PROBE,
                TEST, ["--arch", ",".join(pair), "--calibration", 500, *options]))


def timing(b):
    """Alignment alone, with 400 images."""
    files = sources(("resnet56", "resnet32"))
    b.cached("timing", lambda: json.loads(b.run(
        "transfer", *files, "--arch", "resnet56,resnet32", "-o", CACHE / "t.onnx", "-f",
        "--data", PROBE, "--samples", 400, "--json", "-q", "--threads", 1)))


def picture(b):
    path = PAGE / "clafusion.svg"
    if not path.exists():
        b.run("fuse", *sources(PAIRS[0]), "--arch", ",".join(PAIRS[0]), "--data", PROBE,
              "-o", CACHE / "picture.onnx", "-f", "--picture", path, "--eval-data",
              "none", "--align", "segments", "--recalibrate", "none", "-q", "--threads",
              1)


def starts(b):
    """What is fine-tuned: all of the size of ResNet20."""
    deep, shallow = sources(PAIRS[0])
    made = {"fused (merge, refitted)": CACHE / "resnet56+resnet20-merge,layersrefitted.onnx"}
    for how in ("chain", "random"):
        path = CACHE / f"transfer-{how}.onnx"
        if not path.exists():
            b.run("transfer", deep, "resnet20", "--arch", "resnet56", "-o", path,
                  "--align", how, "-q", "--threads", 1)
        made[f"transfer from ResNet56, {how}"] = path
    path = CACHE / "parent.onnx"
    if not path.exists():
        b.run("convert", shallow, path, "--arch", "resnet20")
    made["ResNet20 alone"] = path
    return made


def finetune(b):
    for name, path in starts(b).items():
        def train(path=path):
            out = json.loads(b.run("finetune", path, "-o", CACHE / "tuned.onnx", "-f",
                                   "--data", PROBE, "--eval-data", TEST, "--json", "-q",
                                   "--threads", 1, *FINETUNE))
            return {"before": out["models"][0]["accuracy"],
                    "accuracy": out["result"]["accuracy"]}
        b.cached(f"finetune-{name}", train)


def kept(name):
    path = CACHE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def percent(name):
    found = kept(name)
    return tenon_runs.percent(found["accuracy"], 2) if found else "not run"


def mean(names):
    found = [kept(name) for name in names]
    if not all(found):
        return "not run"
    values = [100 * f["accuracy"] for f in found]
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


def table(titles, rows):
    """Without the rows that were not run."""
    rows = [row for row in rows if any(cell != "not run" for cell in row[1:])]
    return tenon_runs.table(titles, rows).splitlines() + [""]


def slots(name):
    found = kept(name)
    return " ".join(map(str, found["slots"])) if found else "not run"


def page(b):
    version = b.run("--version").strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True,
                            capture_output=True).stdout.strip()
    out = ["# Networks of different depth", "",
           f"Written by `bench/results_clafusion.py` with {version} ({commit}), "
           f"{platform.machine()}, one thread. Fused without labels; accuracies in "
           "percent, of the test images, which chose nothing.", "",
           "## MNIST, an MLP of five hidden layers with one of three", "",
           f"`{DEEP}` with `{SHALLOW}`, parents trained for 3 epochs, mean ± standard "
           "deviation over three pairs of seeds (1 to 6), 200 probe images, 1,000 for "
           "calibration. CLAFusion's reference program reaches 92.83 (add) and 93.74 "
           "(merge) from parents of 97.34 and 97.72.", ""]
    rows = [("deep parent", mean([f"mlp-deep-{s}" for s in SEEDS])),
            ("shallow parent", mean([f"mlp-shallow-{s}" for s in SEEDS]))]
    rows += [(f"`{' '.join(options) or 'default'}`: {row}",
              mean([f"mlp-{row}-{s}" for s in SEEDS])) for row, options in MLP_ROWS]
    out += table(("network", "accuracy"), rows)
    out += ["## CIFAR-10, public ResNets, original images", "",
            "One-shot, recalibrated or refitted on 500 unlabelled training images; 1,000 "
            "test images. The levelled network is its parent before anything is averaged: "
            "largest relative change of an output "
            + ", ".join(f"{found['error']:.1e}" for pair in PAIRS
                        for found in [kept("+".join(pair) + "-auto")] if found) + ".",
            "", "![alignment of ResNet20 with ResNet56](clafusion.svg)", ""]
    rows = [("deep parent", *(percent(p[0]) for p in PAIRS)),
            ("shallow parent", *(percent(p[1]) for p in PAIRS))]
    rows += [(f"{row}: `{' '.join(o) or 'default'}`",
              *(percent("+".join(p) + f"-{row}") for p in PAIRS))
             for row, o in RESNET_ROWS]
    out += table(("network", *("ResNet56 + ResNet" + p[1][6:] for p in PAIRS)), rows)
    out += ["Which deep layer each layer of the shallow network takes:", ""]
    out += table(("alignment", *(" + ".join(p) for p in PAIRS)),
                 [(row, *(slots("+".join(p) + f"-{row}") for p in PAIRS))
                  for row, _ in RESNET_ROWS[:2]])
    found = kept("timing")
    if found:
        out += [f"Aligning ResNet32 (17 units) with ResNet56 (29) by CKA from 400 images "
                f"took {found['wall']:.1f} s of wall clock on a shared machine, loading and "
                "writing included.", ""]
    names = ["fused (merge, refitted)", "transfer from ResNet56, chain",
             "transfer from ResNet56, random", "ResNet20 alone"]
    rows = [(n, f"{100 * found['before']:.2f}" if found else "not run",
             percent(f"finetune-{n}"))
            for n in names for found in [kept(f"finetune-{n}")]]
    tuned = [row for row in rows if row[1] != "not run"]
    if tuned:
        out += ["## The same budget from different starts", "",
                "Networks of ResNet20's size, one epoch of 4,000 original training images: "
                f"`finetune {' '.join(FINETUNE)}`. The parents were trained for 200 epochs "
                "of 50,000 images, 2,500 times as much.", ""]
        out += table(("start", "before", "fine-tuned"), tuned)
    out += ["## To repeat", "", "    bench/results_clafusion.py", "",
            "It goes on where it was stopped; what was not run is left out.", ""]
    (PAGE / "clafusion.md").write_text("\n".join(out))


def main():
    parts = {f.__name__: f for f in (mlp, resnet, timing, picture, finetune)}
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
