#!/usr/bin/env python3
"""Trains the parents of the tables on the CIFAR-10 JPEGs and writes docs/results/parents.md.

All by one recipe, resumably: NAME.onnx, its log, its answer (NAME.json) and, until it is
done, its NAME.state lie in build/results/parents; what has an answer is not trained again.
Says first how long each will take, from steps timed on this machine. The test images
choose nothing: the network of the last epoch is the parent. --estimate trains none;
the page is written from all answers that are there.
Usage: bench/parents.sh [--tenon PATH] [--threads N] [--estimate] [--epochs N]
       [NAME...]
"""
import argparse
import collections
import fcntl
import json
import os
import pathlib
import platform
import shlex
import struct
import subprocess
import tempfile
import time

from tenon_runs import RESULTS, ROOT, percent, run, table

FOLDER = RESULTS / "parents"
PAGE = ROOT / "docs" / "results" / "parents.md"
NORM = "mean=0.4914/0.4822/0.4465,std=0.2470/0.2435/0.2616"
TRAIN, TEST = (f"tar:../shared/data/cifar10-jpeg-{split}.tar.zst,{NORM}"
               for split in ("train", "test"))
IMAGES, EPOCHS, BATCH = 50000, 30, 128
RECIPE = ["--pad", 4, "--flip"]

Parent = collections.namedtuple("Parent", "name arch seed precision options epochs")


def parent(arch, seed, options=()):
    return Parent(f"{arch}-{seed}", arch, seed, "bf16", options, None)


def compared(arch, seed, precision):
    """Two of one seed, to see what the precision does: f32 takes twice as long."""
    return Parent(f"{arch}-{seed}-{precision}", arch, seed, precision, (), EPOCHS // 2)


# Without a norm, the rate that the others bear is too much.
GENTLY = ("--learning-rate", 0.03)
PARENTS = {p.name: p for p in (
    parent("resnet20", 1), parent("resnet20", 2), compared("resnet20", 1, "bf16"),
    compared("resnet20", 1, "f32"),
    parent("resnet20x4", 1), parent("resnet20x4", 2), parent("resnet32", 1),
    parent("resnet56", 1), parent("vgg11", 1, options=GENTLY),
    parent("vgg11", 2, options=GENTLY), parent("vgg11-bn", 1), parent("vgg11-bn", 2),
    parent("mobilenet", 1))}


def command(p, epochs, threads):
    """From the root of the tree, so that a state fits wherever the tree stands."""
    path = FOLDER.relative_to(ROOT) / p.name
    words = ["train", p.arch, "-o", f"{path}.onnx", "--epochs", epochs, *RECIPE, "--seed",
             p.seed, "--precision", p.precision, *p.options, "--data", TRAIN, "--eval-data",
             TEST, "--threads", threads, "--state", f"{path}.state", "--resume", "--json"]
    return [str(word) for word in words]


# --- how long ---

def seconds_for(tenon, p, threads, images):
    """What training takes on so many images of noise."""
    with tempfile.TemporaryDirectory() as folder:
        answer = run(tenon, "train", p.arch, "-o", f"{folder}/timed.onnx", "--epochs", 1,
                     *RECIPE, "--precision", p.precision, "--eval-data", "none",
                     "--data", f"random:3x32x32,limit={images}", "--threads", threads, "-q",
                     "--json")
    return json.loads(answer)["train"]["seconds"]


def rate(tenon, p, threads):
    """Images a second, from steps 2 to 5: the first one makes the kernels."""
    first = seconds_for(tenon, p, threads, BATCH)
    return 4 * BATCH / max(seconds_for(tenon, p, threads, 5 * BATCH) - first, 1e-3)


def images_done(p):
    """Of a training that was stopped, by its state; docs/formats/training-state.md."""
    path = FOLDER / f"{p.name}.state"
    if not path.exists():
        return 0
    with path.open("rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        where = json.loads(file.read(length))["__metadata__"]
    return int(where["epoch"]) * IMAGES + int(where["images"])


def time_text(seconds):
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def estimate(tenon, wanted, epochs, threads):
    rates, total = {}, 0
    for p in wanted:
        key = p.arch, p.precision
        if key not in rates:
            rates[key] = rate(tenon, p, threads)
        seconds = ((p.epochs or epochs) * IMAGES - images_done(p)) / rates[key]
        total += seconds
        print(f"{p.name:16} {rates[key]:6.0f} images/s  {time_text(seconds):>11}", flush=True)
    if wanted:
        print(f"{'all':16} {'':15}  {time_text(total):>11}", flush=True)


# --- training ---

def answer_of(p):
    return FOLDER / f"{p.name}.json"


def train(tenon, p, epochs, threads):
    words, part = command(p, p.epochs or epochs, threads), FOLDER / f"{p.name}.json.part"
    with (FOLDER / f"{p.name}.log").open("a") as log, part.open("a+") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{p.name} is being trained already") from None
        out.truncate(0)
        print(f"{time.strftime('%H:%M:%S')} {p.name}", flush=True)
        status = subprocess.run([tenon, *words], cwd=ROOT, stdout=out, stderr=log).returncode
    if status:
        raise SystemExit(f"tenon {shlex.join(words)}\nended with {status}, see {log.name}")
    os.replace(part, answer_of(p))


# --- the page ---

def row(tenon, p):
    answer = json.loads(answer_of(p).read_text())
    made = json.loads(run(tenon, "inspect", FOLDER / f"{p.name}.onnx", "--json"))["made"]
    trained = answer["train"]
    return [f"`{p.name}`", str(p.seed), trained["precision"], str(trained["epochs"]),
            percent(answer["result"]["accuracy"], 2), percent(trained["accuracy"], 2),
            f"{trained['seconds']:,.0f}", f"{trained['images_per_second']:,.0f}",
            made["version"]]


def write_page(tenon):
    done = [p for p in PARENTS.values() if answer_of(p).exists()]
    epochs = json.loads(answer_of(done[0]).read_text())["train"]["epochs"]
    shown = shlex.join(["tenon", *command(done[0], epochs, 1)])
    rows = [row(tenon, p) for p in done]
    missing = [f"`{name}`" for name, p in PARENTS.items() if p not in done]
    text = [
        "# The parents", "",
        f"Written by `bench/parents.sh` on {platform.machine()}, from what has been trained. "
        "Each is trained from random weights on the 50,000 training images of the CIFAR-10 "
        "JPEGs; accuracies in percent, of the 10,000 test images, which chose nothing, and of "
        "the last epoch on augmented training images. Seconds are those of all runs, on one "
        "thread of a machine that did other work at the same time. The two of one seed with "
        "their precision in the name show what that does.", "",
        table(["parent", "seed", "precision", "epochs", "test accuracy", "training accuracy",
               "seconds", "images/s", "tenon"], rows),
        "The first by", "", "```sh", shown, "```", "",
        "the others by their own name, seed, precision and epochs; networks without a norm with "
        f"`{shlex.join(map(str, GENTLY))}`. `bench/parents.sh --estimate` says what the rest "
        "takes on a machine." + (f" Not trained yet: {', '.join(missing)}." if missing else "")]
    PAGE.write_text("\n".join(text) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tenon", default=str(ROOT / "build" / "release" / "tenon"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--estimate", action="store_true", help="only say how long it takes")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"default: all of {', '.join(PARENTS)}")
    args = parser.parse_args()
    for name in args.names:
        if name not in PARENTS:
            parser.error(f"'{name}' is no parent, expected one of {', '.join(PARENTS)}")
    tenon = str(pathlib.Path(args.tenon).resolve())
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = [p for p in (PARENTS[name] for name in args.names or PARENTS)
              if not answer_of(p).exists()]
    estimate(tenon, wanted, args.epochs, args.threads)
    if args.estimate:
        return
    for p in wanted:
        train(tenon, p, args.epochs, args.threads)
    if any(answer_of(p).exists() for p in PARENTS.values()):
        write_page(tenon)


if __name__ == "__main__":
    main()
