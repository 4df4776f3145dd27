#!/usr/bin/python3
"""Tenon on the torchvision zoo: does it understand the networks that people have?

    torchvision_models.py [--tenon PATH] [--onnxruntime FOLDER] [--keep FOLDER] [MODEL...]

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

Differences are relative to the largest output; above 1e-4 is a failure and the exit
status is 1. Wants Debian's torch, torchvision and onnx (else everything is skipped), and
for the last two the npm package onnxruntime-node, looked for in FOLDER/node_modules.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

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
const [model, input, n, side, rounds] = process.argv.slice(2);
const ort = require('onnxruntime-node'), fs = require('fs');
(async () => {
  const session = await ort.InferenceSession.create(model,
    {intraOpNumThreads: 1, interOpNumThreads: 1});
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
    return parser.parse_args()


def run(command, **options):
    """Output of a command, or Failure with the last thing that it said."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["exit status %d" % done.returncode]
        raise Failure(said[-1])
    return done.stdout


def build(name):
    """The network with random weights: fan-in scaled, so that depth does not explode,
    and with norms, scales and tables that hide no error by being 0 or 1."""
    import torch
    import torchvision

    torch.manual_seed(1)
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    net = getattr(torchvision.models, name)(weights=None, **options).eval()
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
            if key == "heads.head.weight":
                parameter.normal_(0, 0.05)
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

    def onnxruntime(self, model):
        """Outputs and milliseconds, or None where it is not installed."""
        import numpy

        modules = os.path.join(os.path.abspath(self.arguments.onnxruntime),
                               "node_modules")
        if not os.path.isdir(os.path.join(modules, "onnxruntime-node")):
            return None
        self.images.tofile(self.path("in.raw"))
        said = run(["node", "-e", NODE, "node", model, self.path("in.raw"),
                    str(len(self.images)), str(self.side), str(ROUNDS)],
                   env={**os.environ, "NODE_PATH": modules})
        found = json.loads(said)
        outputs = numpy.array(found["outputs"]).reshape(len(self.images), -1)
        return outputs, found["ms"]

    def export(self):
        import numpy

        self.model = self.path("model.onnx")
        self.images, self.expected = export(self.name, self.model, self.side)
        numpy.save(self.path("in.npy"), self.images)

    def step_output(self):
        found = distance(self.infer(self.model), self.expected)
        measured = self.onnxruntime(self.model)
        if measured:
            self.row["ms"] = measured[1]
        return found

    def step_check(self):
        self.permuted = self.path("permuted.onnx")
        report = self.tenon("check", self.model, "--rounds", "1", "--images", "2",
                            "--tolerance", "1e-4", "--permuted", self.permuted, "-f")
        self.row["groups"] = report["groups"]
        return report["largest"]

    def step_fuse(self):
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

    def run(self):
        """Every step; one that fails says so and the others go on where they can."""
        self.export()
        for step in self.arguments.steps.split(","):
            start = time.time()
            try:
                found = getattr(self, "step_" + step)()
                self.row[step] = found
                if not found <= TOLERANCE:
                    self.row[step + "_error"] = "outputs differ by %.2g" % found
            except Failure as failure:
                self.row[step + "_error"] = str(failure)
            except AttributeError:
                self.row[step + "_error"] = "a step that it needs did not run"
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
    for name in arguments.models or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            if arguments.keep:
                folder = os.path.join(arguments.keep, name)
                os.makedirs(folder, exist_ok=True)
            row = Trial(name, folder, arguments).run()
        failed = failed or any(key.endswith("_error") for key in row)
        if arguments.json:
            print(json.dumps(row), flush=True)
        else:
            show(row, steps)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
