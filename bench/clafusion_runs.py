"""What bench/results_clafusion.py and clafusion_tuning.py share: images, pairs of networks,
runs of `tenon` that are kept, cells of tables.

Every run is kept by its name in build/results/clafusion; one that is there is not made
again. Tuning takes its images, its learning rates and its weights of fusion from training
images alone: a part of them, that nothing is tuned on, chooses.
"""
import collections
import json
import resource
import statistics
import time

import tenon_runs
from tenon_runs import RESULTS, SHARED

CACHE = RESULTS / "clafusion"
MODELS = SHARED / "models"

# passes over the first images of a training split
Budget = collections.namedtuple("Budget", "images epochs")
# Specs of data: probe, without labels, to fuse from; train, to tune on, of which the budget
# says how much; held, training images that choose; test. Trial: the budget of a choice.
Images = collections.namedtuple("Images", "probe train budget trial held test")


def original():
    norm = "mean=0.485/0.456/0.406,std=0.229/0.224/0.225"
    train, test = (f"cifar10:{SHARED}/data/cifar10-original-{part}.bin.zst,{norm}"
                   for part in ("train4000", "test1000"))
    return Images(f"{train},limit=3600", train, Budget(3600, 1), Budget(900, 1),
                  f"{train},split=train,skip=3600", test)


def jpeg():
    norm = "mean=0.4914/0.4822/0.4465,std=0.2470/0.2435/0.2616"
    train, test = (f"tar:{SHARED}/data/cifar10-jpeg-{part}.tar.zst,{norm}"
                   for part in ("train", "test"))
    return Images(f"{train},limit=20000", train, Budget(12000, 1), Budget(3000, 1),
                  f"{train},split=train,skip=20000,limit=2500", f"{test},limit=5000")


ORIGINAL, JPEG = original(), jpeg()


class Pair:
    """Two parents, the deep one first, and the images they are for. Like: the pair whose
    learning rates hold for this one too."""

    def __init__(self, names, files, images, like=None):
        self.names, self.files, self.images = names, files, images
        self.like = like or self
        self.label = "+".join(names)
        # for files without a graph
        self.arch = ["--arch", ",".join(names)]

    def fused(self, row):
        return CACHE / f"{self.label}-{row.replace(' ', '')}.onnx"


class Stop(Exception):
    """Out of time."""


class Bench:
    def __init__(self, tenon, minutes):
        self.tenon, self.end = tenon, time.time() + 60 * minutes

    def run(self, *args):
        return tenon_runs.run(self.tenon, *args)

    def json(self, *args, threads=1):
        return json.loads(self.run(*args, "--json", "-q", "--threads", threads))

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
        report = self.json("eval", path, *arch, "--data", data, "--precision", "auto")
        return report["models"][0]["accuracy"]

    def judged(self, path, images):
        """Accuracies by what the images are for."""
        return {key: self.accuracy(path, data) for key, data in images.items()}

    def fuse(self, out, files, probe, options, **images):
        report = self.json("fuse", *files, "-o", out, "-f", "--data", probe,
                           "--eval-data", "none", *options)
        return {**self.judged(out, images),
                "slots": [a["slots"] for a in report["alignments"]],
                "error": max(a["error"] for a in report["alignments"])}

    def train(self, out, command, data, *options, **images):
        self.json(*command, "-o", out, "-f", "--data", data, "--eval-data", "none",
                  "--state", out.with_suffix(".state"), "--state-minutes", 0.5, "--resume",
                  *options)
        return self.judged(out, images)


# --- cells and tables ---

def kept(name):
    path = CACHE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def percent(name, key="accuracy"):
    found = kept(name)
    return tenon_runs.percent(found[key], 2) if found else "not run"


def mean(names):
    found = [kept(name) for name in names]
    if not all(found):
        return "not run"
    values = [100 * f["accuracy"] for f in found]
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


def table(titles, rows):
    """Without the rows that were not run."""
    rows = [row for row in rows if any(cell != "not run" for cell in row[1:])]
    return tenon_runs.table(titles, rows).splitlines() + [""] if rows else []


def command(options):
    return " ".join(map(str, options)) or "default"
