#!/usr/bin/env python3
"""Writes docs/results/clafusion.md and its picture from runs of `tenon`.

Networks of different depth: MNIST MLPs trained here from three seeds, the public CIFAR-10
ResNets of ../shared/models, and a pair trained here on the CIFAR-10 JPEGs. Tuning, which
comes after fusion, is in clafusion_tuning.py. The script goes on where it was stopped;
--parts says which to run, the page is written from all that is there. The test images
choose nothing.
Usage: bench/results_clafusion.py [--tenon PATH] [--parts mlp,resnet,...] [--minutes N]
"""
import argparse
import platform
import subprocess

import clafusion_tuning as tuning
from clafusion_runs import (CACHE, JPEG, MODELS, ORIGINAL, Bench, Pair, Stop, command, kept,
                            mean, percent, table)
from tenon_runs import ROOT, SHARED

PAGE = ROOT / "docs" / "results"
MNIST = f"idx:{SHARED}/data/mnist,mean=0.1307,std=0.3081"
SEEDS = (1, 2, 3)
DEEP, SHALLOW = "mlp:784-400-200-100-50-25-10", "mlp:784-400-200-100-10"
STUDENT = "mlp:784-100-50-25-10"
MERGE = ["--depth", "shallow", "--reference", "1"]
REFIT = ["--refit", "layers"]
MLP_ROWS = (("add", []), ("add, shallow widths", ["--reference", "1"]),
            ("add, identities share", ["--insert", "share"]), ("merge", MERGE),
            ("add, layers refitted", REFIT), ("merge, layers refitted", MERGE + REFIT))
FIT = ["--align", "segments", *REFIT]
RESNET_ROWS = (("auto", []), (tuning.FUSED, FIT),
               (tuning.WEIGHTED[1], [*FIT, "--weights", "0.75/0.25"]),
               (tuning.WEIGHTED[2], [*FIT, "--weights", "0.9/0.1"]),
               ("chain", ["--align", "chain"]), ("neurons not aligned", ["--plain"]))
PARENTS = {"resnet20": MODELS / "resnet20-12fca82f.th",
           "resnet32": MODELS / "resnet32-d509ac18.th",
           "resnet56": MODELS / "resnet56-4bfd9763.th"}
RECIPE = "--epochs 6 --learning-rate 0.1 --pad 4 --flip".split()
PAIRS = (("resnet56", "resnet20"), ("resnet56", "resnet32"))


# --- MNIST ---

def mlp_file(side, seed):
    return CACHE / f"mlp-{side}-{seed}.onnx"


def train_mlp(b, side, arch, seed, number):
    path = mlp_file(side, seed)
    b.cached(path.stem, lambda: b.train(path, ["train", arch], MNIST, "--epochs", 3, "--seed",
                                        number, accuracy=MNIST))
    return path


def mlp(b):
    for seed in SEEDS:
        files = [train_mlp(b, "deep", DEEP, seed, 2 * seed - 1),
                 train_mlp(b, "shallow", SHALLOW, seed, 2 * seed)]
        for row, options in MLP_ROWS:
            b.cached(f"mlp-{row}-{seed}", lambda: b.fuse(
                CACHE / "mlp-fused.onnx", files, MNIST, options, accuracy=MNIST))


def many(b):
    """Four and six of the MLPs at once, deep and shallow in turn."""
    for count in (4, 6):
        files = [mlp_file(side, seed) for seed in SEEDS for side in ("deep", "shallow")]
        for row, options in MLP_ROWS:
            b.cached(f"many-{count}-{row}", lambda: b.fuse(
                CACHE / "mlp-fused.onnx", files[:count], MNIST, options,
                accuracy=MNIST))


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
                made[name], files, MNIST, ["--align", "chain", "--reference", 1, *options],
                accuracy=MNIST))
        made["random"] = "mlp:784-100-50-25-25-25-10"
        for name, start in made.items():
            b.cached(f"taught-{name}-{seed}", lambda: b.train(
                CACHE / "taught.onnx", ["distill", files[0], start],
                f"{MNIST},limit=12000", "--epochs", 1, "--warmup", 0.1, "--seed", seed,
                accuracy=MNIST))


# --- ResNets ---

def original_pairs():
    pairs = []
    for names in PAIRS:
        files = [PARENTS[name] for name in names]
        pairs.append(Pair(names, files, ORIGINAL, pairs[0] if pairs else None))
    return pairs


def jpeg_pair():
    names = ("resnet14", "resnet8")
    return Pair(names, [CACHE / f"parent-{name}.onnx" for name in names], JPEG)


def one_shot(b, pair):
    test, held = pair.images.test, pair.images.held
    for k, name in enumerate(pair.names):
        b.cached(f"{pair.label}-{name}", lambda: {"accuracy": b.accuracy(
            pair.files[k], test, "--arch", name)})
    for row, options in RESNET_ROWS:
        images = {"accuracy": test, **({"held": held} if row in tuning.WEIGHTED else {})}
        b.cached(f"{pair.label}-{row}", lambda: b.fuse(
            pair.fused(row), pair.files, pair.images.probe,
            [*pair.arch, "--calibration", 500, *options], **images))


def resnet(b):
    for pair in original_pairs():
        one_shot(b, pair)


def jpeg(b):
    """Both parents are trained here, on the images they are fused from."""
    pair = jpeg_pair()
    for seed, (name, path) in enumerate(zip(pair.names, pair.files), 1):
        b.cached(path.stem, lambda: b.train(path, ["train", name], JPEG.probe, *RECIPE,
                                            "--seed", seed))
    one_shot(b, pair)


def timing(b):
    """Alignment alone, of 29 units with 29, with 400 images."""
    file = PARENTS["resnet56"]
    for threads in (1, 2):
        b.cached(f"timing-resnet56-{threads}", lambda: b.json(
            "transfer", file, file, "--arch", "resnet56", "-o", CACHE / "t.onnx", "-f",
            "--data", ORIGINAL.probe, "--samples", 400, threads=threads))


def picture(b):
    pair, path = original_pairs()[0], PAGE / "clafusion.svg"
    if not path.exists():
        b.run("fuse", *pair.files, *pair.arch, "--data", pair.images.probe, "-o",
              CACHE / "picture.onnx", "-f", "--picture", path, "--eval-data", "none",
              "--align", "segments", "--recalibrate", "none", "-q", "--threads", 1)


def finetune(b):
    for pair in original_pairs():
        tuning.tune(b, pair)


def finetune_jpeg(b):
    tuning.tune(b, jpeg_pair())


# --- the page ---

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
    rows = [(str(threads), f"{found['cpu']:.1f} s", f"{found['wall']:.1f} s")
            for threads in (1, 2) for found in [kept(f"timing-resnet56-{threads}")] if found]
    times = table(("threads", "CPU", "wall"), rows)
    if times:
        out += ["Time to align two ResNet56 of 29 units by CKA from 400 images, loading and "
                "writing included; wall clock on a shared machine:", "", *times]
    return out + tuning.page(
        pairs, "That is 0.04 % of the 200 epochs of 50,000 images that the parents had, not "
        "10 %: of the original images only 4,000 are at hand. The parents have seen them "
        "all, also the 400 held ones. With 1,000 test images, differences of less than "
        "about a point say little.")


def jpeg_page():
    pair = jpeg_pair()
    shot = one_shot_page([pair])
    if not shot:
        return []
    return ["## CIFAR-10 JPEGs, a pair trained here", "",
            "A ResNet14 and a ResNet8, trained from seeds 1 and 2 on 20,000 of the 50,000 "
            f"training images (`{command(RECIPE)}`). Recalibrated or refitted on 500 of "
            "them; the first 5,000 test images.", "", *shot,
            *tuning.page([pair], "That is 10 % of the epochs of the parents, who have not "
                         "seen the 2,500 held images.")]


def page(b):
    version = b.run("--version").strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True,
                            capture_output=True).stdout.strip()
    out = ["# Networks of different depth", "",
           f"Written by `bench/results_clafusion.py` with {version} ({commit}), "
           f"{platform.machine()}, one thread. Fused without labels; accuracies in "
           "percent, of the test images, which chose nothing.", "",
           *mlp_page(), *students_page(), *resnet_page(), *jpeg_page(),
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
