#!/usr/bin/python3
"""Gradients of whole networks against PyTorch's.

    torch_gradients.py [--tenon PATH] [--limit SHARE] [NET...]

Small members of families that people fine-tune, with random weights, at 32 x 32: one step of
plain SGD by `tenon finetune` on 16 random images, and what it took from each parameter, over
the learning rate, beside PyTorch's gradient in double. For each network: parameters compared,
and the median and the largest of |difference| / largest |gradient| over them. ReLU, maxima and
clipping may cross their kink by rounding, which PyTorch in f32 does too (its own largest is
the last column). Ends with 1 where a median is above --limit and above that. Wants Debian's torch,
torchvision and onnx, else all is skipped.
"""
import argparse
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import warnings

import torchvision_models

IMAGES, SIDE, RATE = 16, 32, 16.0


def networks():
    from functools import partial

    from torch import nn
    from torchvision import models
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt
    from torchvision.models.swin_transformer import SwinTransformer

    swin = dict(patch_size=[4, 4], embed_dim=24, depths=[2, 2], num_heads=[3, 6],
                window_size=[2, 2], stochastic_depth_prob=0, num_classes=10)
    blocks = [CNBlockConfig(16, 32, 2), CNBlockConfig(32, None, 2)]
    return {
        "vit": partial(models.VisionTransformer, SIDE, 8, 2, 3, 48, 96, num_classes=10),
        "swin": partial(SwinTransformer, **swin),
        "convnext": partial(ConvNeXt, blocks, 0.0, 1.0, num_classes=10),
        "mobilenet_v2": partial(models.mobilenet_v2, num_classes=10, width_mult=0.35),
        "efficientnet_b0": partial(models.efficientnet_b0, num_classes=10),
        "densenet": partial(models.DenseNet, 8, (2, 2), 16, num_classes=10),
        "regnet_y_400mf": partial(models.regnet_y_400mf, num_classes=10),
        "shufflenet_v2": partial(models.shufflenet_v2_x0_5, num_classes=10),
    }, nn


def build(make, nn):
    """The network with weights that are all different, batch norms on the batch."""
    import torch

    torch.manual_seed(1)
    net = make()
    torchvision_models.randomise(net)
    for module in net.eval().modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train().momentum = 0.0
    return net


def gradients(net, images, labels, dtype):
    """By name; also the parameters as they are."""
    import torch

    net = net.to(dtype)
    net.zero_grad()
    torch.nn.functional.cross_entropy(net(images.to(dtype)), labels).backward()
    return {name: p.grad.double().numpy() for name, p in net.named_parameters()}


def write_data(path, images, labels):
    """Records of CIFAR's binary form."""
    with open(path, "wb") as out:
        for image, label in zip(images, labels):
            out.write(struct.pack("B", int(label)) + image.numpy().tobytes())


def step(tenon, folder, net, data):
    """Each initialiser of the ONNX file with what a step took from it over the rate."""
    import onnx
    import torch
    from onnx import numpy_helper

    before, after = os.path.join(folder, "a.onnx"), os.path.join(folder, "b.onnx")
    warnings.simplefilter("ignore")
    state = {k: v.clone() for k, v in net.state_dict().items()}
    torch.onnx.export(net.eval(), torch.zeros(1, 3, SIDE, SIDE), before,
                      opset_version=13, training=torch.onnx.TrainingMode.PRESERVE,
                      input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": {0: "n"}, "output": {0: "n"}})
    net.load_state_dict(state)
    done = subprocess.run(
        [tenon, "finetune", before, "-o", after, "-f", "-q", "--data",
         "cifar10:%s,mean=0/0/0,std=1/1/1" % data, "--eval-data", "none", "--epochs", "1",
         "--batch", str(IMAGES), "--shard", str(IMAGES), "--momentum", "0",
         "--no-nesterov", "--weight-decay", "0", "--schedule", "constant", "--warmup",
         "0", "--learning-rate", str(RATE), "--threads", "1", "--precision", "f32"],
        capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    old, new = ({i.name: numpy_helper.to_array(i).astype("f8")
                 for i in onnx.load(path).graph.initializer} for path in (before, after))
    return {name: (old[name], (old[name] - new[name]) / RATE) for name in old}


def compare(moved, parameters, wanted):
    """Relative differences, tensors matched by what is in them, turned or not."""
    import numpy

    differences = []
    for value, gradient in moved.values():
        for name, parameter in parameters.items():
            form = lambda x: x  # noqa: E731
            if value.shape != parameter.shape or not (value == parameter).all():
                form = numpy.transpose
                if value.ndim != 2 or value.T.shape != parameter.shape or not (
                        value.T == parameter).all():
                    continue
            scale = abs(wanted[name]).max()
            if scale > 1e-7:  # a bias before a batch norm has none
                distance = abs(form(gradient) - wanted[name]).max() / scale
                differences.append((float(distance), name))
            break
    return differences


def measure(name, make, nn, tenon):
    import torch

    net = build(make, nn)
    random = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (IMAGES, 3, SIDE, SIDE), generator=random,
                           dtype=torch.uint8)
    labels = torch.randint(0, 10, (IMAGES,), generator=random)
    images = pixels.float() / 255
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data.bin")
        write_data(data, pixels, labels)
        moved = step(tenon, folder, net, data)
    for module in net.eval().modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    parameters = {n: p.detach().double().numpy() for n, p in net.named_parameters()}
    single = gradients(net, images, labels, torch.float32)
    wanted = gradients(net, images, labels, torch.float64)
    found = compare(moved, parameters, wanted)
    own = max(abs(single[n] - wanted[n]).max() / abs(wanted[n]).max()
              for _, n in found)
    middle = statistics.median(d for d, _ in found)
    worst, where = max(found)
    print("%-18s %4d of %4d  %.1e  %.1e %-40s %.1e" % (
        name, len(found), len(parameters), middle, worst, where, own), flush=True)
    return middle, float(own)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", metavar="NET")
    parser.add_argument("--tenon", default="build/release/tenon")
    parser.add_argument("--limit", type=float, default=1e-4)
    arguments = parser.parse_args()
    try:
        import onnx, torch, torchvision  # noqa: F401, E401
    except ImportError as missing:
        print("skipped: %s" % missing)
        return 0
    torch.set_num_threads(1)
    known, nn = networks()
    print("%-18s %s" % ("network", "compared      median   largest, of" + 33 * " " +
                        "PyTorch f32"))
    failed = False
    for name in arguments.nets or known:
        middle, own = measure(name, known[name], nn, arguments.tenon)
        failed |= middle > max(arguments.limit, own)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
