#!/usr/bin/python3
"""Tenon on the torchvision zoo: does it understand the networks that people have?

    torchvision_models.py [--tenon PATH] [--onnxruntime FOLDER] [--keep FOLDER]
                          [--rows FILE] [--write docs/results/models.md] [MODEL...]

Exports each network with random weights and random batch-norm statistics, batch norms
unfused, and then

    output   compares Tenon's outputs with PyTorch's
    check    permutes every group (tenon check)
    fuse     fuses the network with a randomly permuted copy of itself: the outputs must
             be its own
    delete, intra
             takes 30 % of the neurons of all groups away, by deletion and by
             Intra-Fusion: the file must load, and give Tenon and onnxruntime the same
    ms       latency of one image on one thread in onnxruntime, before and after
    kernels  (only where --steps names it) what onnxruntime's profiler says: the sum of the
             fastest run of each node, which a busy machine disturbs least, before, after
             deletion and after deletion with --round-to 16, and how many nodes only bring
             channels into blocks of 16 or back

Rows are kept in the file of --rows, one JSON object a line, so that the fifteen may be run
one by one, and with --keep their --steps too: rows of one network are joined, the last word
counts. --write makes the page of all that are there.

Differences are relative to the largest output; above 1e-4 is a failure and the exit
status is 1. Wants Debian's torch, torchvision and onnx (else everything is skipped), and
for the last two the npm package onnxruntime-node, looked for in FOLDER/node_modules.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

import tenon_runs

TOLERANCE = 1e-4
SPARSITY = "0.3"
ROUNDS = 31  # the fastest run counts

# Side of the input images: the smallest that the architecture takes.
MODELS = {
    "resnet18": 64, "resnet50": 64, "vgg11_bn": 224, "mobilenet_v2": 64,
    "mobilenet_v3_small": 64, "densenet121": 64, "efficientnet_b0": 64,
    "regnet_y_400mf": 64, "shufflenet_v2_x1_0": 64, "squeezenet1_1": 64,
    "googlenet": 64, "inception_v3": 96, "convnext_tiny": 64, "vit_b_16": 224,
    "swin_t": 224,
}

NODE = r"""
const [model, input, n, side, rounds, profile] = process.argv.slice(2);
const ort = require('onnxruntime-node'), fs = require('fs');
(async () => {
  const session = await ort.InferenceSession.create(model,
    {intraOpNumThreads: 1, interOpNumThreads: 1, enableProfiling: !!profile,
     profileFilePrefix: profile || 'none'});
  const name = session.inputNames[0], size = 3 * side * side;
  const bytes = fs.readFileSync(input);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const run = async (from, count) => (await session.run({[name]: new ort.Tensor(
    'float32', all.slice(from * size, (from + count) * size),
    [count, 3, +side, +side])}))[session.outputNames[0]].data;
  const outputs = Array.from(await run(0, +n)), times = [];
  for (let i = 0; i < +rounds; i++) {
    const start = process.hrtime.bigint();
    await run(0, 1);
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  if (profile)
    session.endProfiling();
  console.log(JSON.stringify({outputs, ms: Math.min(...times)}));
})().catch(e => { console.error(String(e.message || e)); process.exit(1); });
"""


class Failure(Exception):
    pass


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--tenon", default="build/release/tenon")
    parser.add_argument("--onnxruntime", default=".", metavar="FOLDER")
    parser.add_argument("--keep", metavar="FOLDER", help="where files stay")
    parser.add_argument("--steps", default="output,check,fuse,delete,intra")
    parser.add_argument("--json", action="store_true", help="one object for each model")
    parser.add_argument("--rows", metavar="FILE", help="where results are kept")
    parser.add_argument("--write", metavar="FILE", help="make the page of all rows")
    return parser.parse_args()


def run(command, **options):
    """Output of a command, or Failure with the last thing that it said."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["exit status %d" % done.returncode]
        raise Failure(said[-1])
    return done.stdout


def randomise(net):
    """Norms, biases, scales and tables that hide no error by being 0 or 1."""
    import torch

    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
            kind = type(module).__name__
            if "Norm" in kind and getattr(module, "weight", None) is not None:
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
        for key, parameter in net.named_parameters():
            if key.endswith("bias") and not parameter.abs().max() > 0:
                parameter.normal_(0, 0.2)
            if key.endswith("layer_scale"):
                parameter.uniform_(0.5, 1.5)
            if "class_token" in key or "relative_position_bias_table" in key:
                parameter.normal_(0, 0.5)
            if key.endswith("head.weight") and not parameter.abs().max() > 0:
                parameter.normal_(0, 0.05)


def build(name):
    """The network with random weights: fan-in scaled, so that depth does not explode."""
    import torch
    import torchvision

    torch.manual_seed(1)
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    net = getattr(torchvision.models, name)(weights=None, **options).eval()
    randomise(net)
    return net


def export(name, path, side):
    """Writes the ONNX file; returns images [4, 3, side, side] and PyTorch's outputs."""
    import torch

    net = build(name)
    images = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(2))
    warnings.simplefilter("ignore")
    torch.onnx.export(net, images[:1], path, opset_version=13,
                      training=torch.onnx.TrainingMode.PRESERVE,
                      input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": {0: "n"}, "output": {0: "n"}})
    with torch.no_grad():
        outputs = net(images)
    return images.numpy(), outputs.numpy()


def distance(a, b):
    import numpy

    if a.shape != b.shape or not numpy.isfinite(a).all():
        return float("inf")
    return float(abs(a.astype("f8") - b).max() / abs(b).max())


class Trial:
    """One network in a folder of its own; results fill `row`."""

    def __init__(self, name, folder, arguments):
        self.name, self.folder, self.arguments = name, folder, arguments
        self.side = MODELS[name]
        self.row = {"model": name}

    def path(self, name):
        return os.path.join(self.folder, name)

    def tenon(self, *words):
        command = [self.arguments.tenon, *words, "-q", "--json", "--threads", "1"]
        return json.loads(run(command))

    def infer(self, model):
        import numpy

        self.tenon("infer", model, self.path("in.npy"), "-o", self.path("out.npy"), "-f")
        return numpy.load(self.path("out.npy"))

    def onnxruntime(self, model, profile=""):
        """Outputs and milliseconds, or None where it is not installed; with a profile
        written to a file of that prefix."""
        import numpy

        modules = os.path.join(os.path.abspath(self.arguments.onnxruntime),
                               "node_modules")
        if not os.path.isdir(os.path.join(modules, "onnxruntime-node")):
            return None
        self.images.tofile(self.path("in.raw"))
        said = run(["node", "-e", NODE, "node", model, self.path("in.raw"),
                    str(len(self.images)), str(self.side), str(ROUNDS), profile],
                   env={**os.environ, "NODE_PATH": modules})
        found = json.loads(said)
        outputs = numpy.array(found["outputs"]).reshape(len(self.images), -1)
        return outputs, found["ms"]

    def export(self):
        """Writes the model, unless an earlier run has kept it."""
        import numpy

        self.model, self.permuted = self.path("model.onnx"), self.path("permuted.onnx")
        if not os.path.exists(self.path("expected.npy")):
            images, outputs = export(self.name, self.model, self.side)
            numpy.save(self.path("in.npy"), images)
            numpy.save(self.path("expected.npy"), outputs)
        self.images = numpy.load(self.path("in.npy"))
        self.expected = numpy.load(self.path("expected.npy"))

    def step_output(self):
        found = distance(self.infer(self.model), self.expected)
        measured = self.onnxruntime(self.model)
        if measured:
            self.row["ms"] = measured[1]
        return found

    def step_check(self):
        report = self.tenon("check", self.model, "--rounds", "1", "--images", "2",
                            "--tolerance", "1e-4", "--permuted", self.permuted, "-f")
        self.row["groups"] = report["groups"]
        return report["largest"]

    def step_fuse(self):
        if not os.path.exists(self.permuted):
            raise Failure("there is no permuted copy: check comes first")
        own = self.infer(self.model)
        permuted = distance(self.infer(self.permuted), own)
        self.tenon("fuse", self.model, self.permuted, "-o", self.path("fused.onnx"),
                   "--recalibrate", "none", "-f")
        return max(permuted, distance(self.infer(self.path("fused.onnx")), own))

    def prune(self, method):
        import onnx

        small = self.path(method + ".onnx")
        before = self.tenon("inspect", self.model)
        self.tenon("prune", self.model, "-o", small, "--groups", "all", "--sparsity",
                   SPARSITY, "--method", method, "--repair", "none", "-f")
        after = self.tenon("inspect", small)
        self.row[method + "_params"] = after["params"] / before["params"]
        self.row[method + "_macs"] = after["macs"] / before["macs"]
        onnx.checker.check_model(small)
        outputs = self.infer(small)
        measured = self.onnxruntime(small)
        if measured is None:
            return distance(outputs, outputs)
        self.row[method + "_ms"] = measured[1]
        return distance(outputs, measured[0])

    def step_delete(self):
        return self.prune("delete")

    def step_intra(self):
        return self.prune("intra-fusion")

    def kernels(self, model):
        """Milliseconds of all nodes, each at its fastest, and the number of reorders."""
        prefix = self.path("profile")
        if self.onnxruntime(model, prefix) is None:
            raise Failure("onnxruntime is not there")
        (written,) = glob.glob(prefix + "*.json")
        with open(written) as profile:
            events = json.load(profile)
        os.remove(written)
        fastest, kinds = {}, {}
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                name = event["name"]
                fastest[name] = min(event["dur"], fastest.get(name, event["dur"]))
                kinds[name] = event["args"]["op_name"]
        reorders = sum(kind.startswith("Reorder") for kind in kinds.values())
        return sum(fastest.values()) / 1e3, reorders

    def step_kernels(self):
        even = self.path("even.onnx")
        before = self.tenon("inspect", self.model)["params"]
        self.tenon("prune", self.model, "-o", even, "--groups", "all", "--sparsity",
                   SPARSITY, "--method", "delete", "--repair", "none", "--round-to", "16",
                   "-f")
        self.row["even_params"] = self.tenon("inspect", even)["params"] / before
        for key, model in (("before", self.model), ("delete", self.path("delete.onnx")),
                           ("even", even)):
            self.row[key + "_kernels"], self.row[key + "_reorders"] = self.kernels(model)
        return 0.0

    def run(self):
        """Every step; one that fails says so and the others go on where they can."""
        try:
            self.export()
        except RuntimeError as failure:
            self.row["output_error"] = str(failure).splitlines()[0]
            return self.row
        for step in self.arguments.steps.split(","):
            start = time.time()
            try:
                found = getattr(self, "step_" + step)()
                self.row[step] = found
                if not found <= TOLERANCE:
                    self.row[step + "_error"] = "outputs differ by %.2g" % found
            except Failure as failure:
                self.row[step + "_error"] = str(failure)
            self.row[step + "_seconds"] = round(time.time() - start, 1)
        return self.row


def show(row, steps):
    def cell(step):
        if step + "_error" in row:
            return "FAILED"
        return "%.1e" % row[step] if step in row else "-"

    def number(key, form):
        return form % row[key] if key in row else "-"

    cells = [row["model"], number("groups", "%d"), *[cell(s) for s in steps],
             number("delete_params", "%.2f"), number("delete_macs", "%.2f"),
             number("ms", "%.1f"), number("delete_ms", "%.1f"),
             number("intra-fusion_ms", "%.1f")]
    print(" ".join("%-*s" % (20 if k == 0 else 8, c) for k, c in enumerate(cells)),
          flush=True)
    for key in row:
        if key.endswith("_error"):
            print("    %s: %s" % (key[:-6], row[key]), flush=True)


PAGE = """# Networks of the torchvision zoo

Made by `bench/torchvision_models.py` (`--rows`, `--write`): torchvision %s exports each network with random weights and
random batch-norm statistics (ONNX opset 13, images of the side given); Tenon reads the file, finds the groups, permutes
every one (`tenon check`), fuses the network with a randomly permuted copy of itself, and takes 30 %% of the neurons of
all groups away. Differences are relative to the largest output; the target is 1e-4. The pruned files pass `onnx.checker`,
and Tenon and onnxruntime agree on them to the last columns of differences. %d of %d networks; "-" was not run.

%s
Milliseconds are onnxruntime's for one image on one thread, the fastest of %d runs of a shared machine: the network, after
deletion, after Intra-Fusion.

%s
## Where less is not faster

Widths are kept a multiple of 8 in groups that keep 64 neurons or more (`--round-to`), which is what kernels work in. It
does not help where groups are smaller than that (squeeze layers of SqueezeNet, the branches of MobileNetV3-small) or
where a layer of one image is over in microseconds: then the time is that of starting kernels and of the memory between
them, and a third fewer channels changes little. ShuffleNet gains more than its share: its shuffles (Reshape, Transpose,
Reshape) become one Gather each, which is what loses channels.

On processors with AVX512 onnxruntime keeps channels in blocks of 16, also through concatenations, as long as every part is
whole blocks. Every layer of DenseNet121 adds 32 channels to a concatenation; pruned by 30 %% it adds 22. The layout is then
left before each concatenation and taken up again behind it (reorders below), and batch norm and ReLU behind it, one step
in that layout, are two outside of it: that eats up most of what the convolutions gain. `tenon prune` says so
(`uneven_concats`); `--round-to 16` keeps the blocks, and so loses fewer parameters. The same holds for the branches of
Inception and the pairs of SqueezeNet. Milliseconds are sums over all nodes of each one's fastest run in onnxruntime's
profile (`--steps kernels`).

%s"""


def read_rows(path):
    """What is known of each network, in the order of MODELS."""
    rows = {}
    with open(path) as lines:
        for line in lines:
            if line.startswith("{"):
                row = json.loads(line)
                known = rows.setdefault(row["model"], {})
                for key in row:
                    if key.endswith("_seconds"):  # the step was run again
                        known.pop(key[:-len("_seconds")] + "_error", None)
                known.update(row)
    return [rows[name] for name in MODELS if name in rows]


def page(rows):
    import torchvision

    def cell(row, step):
        if step + "_error" in row:
            return row[step + "_error"].replace("tenon: ", "")
        return "%.1e" % row[step] if step in row else "-"

    def number(row, key, form):
        return form % row[key] if key in row else "-"

    checks = [[row["model"], str(MODELS[row["model"]]), number(row, "groups", "%d"),
               *[cell(row, s) for s in ("output", "check", "fuse", "delete", "intra")]]
              for row in rows]
    times = [[row["model"], number(row, "delete_params", "%.2f"),
              number(row, "delete_macs", "%.2f"), number(row, "ms", "%.1f"),
              number(row, "delete_ms", "%.1f"), number(row, "intra-fusion_ms", "%.1f")]
             for row in rows]
    kernels = [[row["model"],
                *["%.2f" % row[k + "_kernels"] for k in ("before", "delete", "even")],
                *["%d" % row[k + "_reorders"] for k in ("before", "delete", "even")],
                number(row, "delete_params", "%.2f"), "%.2f" % row["even_params"]]
               for row in rows if "even_kernels" in row]
    head = ["network", "side", "groups", "output against PyTorch", "groups permuted",
            "fused with its copy", "deletion", "Intra-Fusion"]
    return PAGE % (torchvision.__version__, len(rows), len(MODELS), tenon_runs.table(
        head, checks), ROUNDS, tenon_runs.table(
        ["network", "parameters left", "MACs left", "ms", "deletion", "Intra-Fusion"],
        times), tenon_runs.table(
        ["network", "ms", "deletion", "`--round-to 16`", "reorders", "deletion",
         "`--round-to 16`", "parameters left", "`--round-to 16`"], kernels))


def main():
    arguments = parse_arguments()
    for name in arguments.models:
        if name not in MODELS:
            sys.exit("there is no model '%s'; there are %s" % (name, ", ".join(MODELS)))
    try:
        import onnx, torch, torchvision  # noqa: F401, E401
    except ImportError as missing:
        print("skipped: %s" % missing)
        return 0
    torch.set_num_threads(1)
    steps = arguments.steps.split(",")
    if not arguments.json:
        head = ["model", "groups", *steps, "params", "MACs", "ms", "delete", "intra"]
        print(" ".join("%-*s" % (20 if k == 0 else 8, h) for k, h in enumerate(head)))
    failed = False
    for name in arguments.models or ([] if arguments.write else MODELS):
        with tempfile.TemporaryDirectory() as folder:
            if arguments.keep:
                folder = os.path.join(arguments.keep, name)
                os.makedirs(folder, exist_ok=True)
            row = Trial(name, folder, arguments).run()
        failed = failed or any(key.endswith("_error") for key in row)
        if arguments.rows:
            with open(arguments.rows, "a") as rows:
                rows.write(json.dumps(row) + "\n")
        if arguments.json:
            print(json.dumps(row), flush=True)
        else:
            show(row, steps)
    if arguments.write:
        with open(arguments.write, "w") as out:
            out.write(page(read_rows(arguments.rows)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
