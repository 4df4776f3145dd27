"""The other side of bench_training: PyTorch does training steps when told to.

    training_peers.py NET contiguous|channels_last|bf16
    training_peers.py NET export FILE.onnx

bf16 is autocast with channels_last. The second form writes a network that is no
architecture of Tenon's.

Reads "STEPS" lines, does so many steps on 128 random images on one thread, and answers
"processor-seconds wall-seconds peak-MB", the first two per step.
"""
import os
import resource
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # torch.set_num_threads does not reach it

import torch
import torch.nn as nn
import torch.nn.functional as F

BATCH = 128


class Block(nn.Module):
    """Basic block; option A pads the shortcut, option B projects it."""

    def __init__(self, i, o, stride, option):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.pad = (o - i) // 2
        self.stride = stride
        self.project = None
        if option == "B" and stride != 1:
            self.project = nn.Sequential(
                nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.project is not None:
            x = self.project(x)
        elif self.stride != 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x, inplace=True)


def resnet(widths, blocks, option):
    layers = [nn.Conv2d(3, widths[0], 3, 1, 1, bias=False),
              nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
    i = widths[0]
    for stage, o in enumerate(widths):
        for b in range(blocks):
            layers.append(Block(i, o, 2 if b == 0 and stage > 0 else 1, option))
            i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(i, 10))


def vgg11_bn():
    layers, i = [], 3
    for o in [64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0]:
        if o == 0:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(i, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o),
                   nn.ReLU(inplace=True)]
        i = o
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def mlp():
    layers, widths = [nn.Flatten()], [784, 400, 200, 100, 10]
    for i, o in zip(widths, widths[1:]):
        layers += [nn.Linear(i, o, bias=False), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def mobilenet():
    layers, i = [nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32),
                 nn.ReLU(inplace=True)], 32
    for o, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
                      *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
        layers += [nn.Conv2d(i, i, 3, stride, 1, groups=i, bias=False),
                   nn.BatchNorm2d(i), nn.ReLU(inplace=True),
                   nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o),
                   nn.ReLU(inplace=True)]
        i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(i, 10))


def vit():
    """torchvision's, small: 4 layers of width 128 and 4 heads over 64 patches."""
    import torchvision

    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=4, num_layers=4, num_heads=4, hidden_dim=128,
        mlp_dim=512, num_classes=10)


def export(net, shape, path):
    """In evaluation mode: neither has dropout."""
    torch.onnx.export(net.eval(), torch.randn(1, *shape), path + ".part",
                      opset_version=13, input_names=["input"],
                      output_names=["output"],
                      dynamic_axes={"input": {0: "n"}, "output": {0: "n"}})
    os.rename(path + ".part", path)


NETS = {
    "mobilenet": (mobilenet, (3, 32, 32)),
    "vit": (vit, (3, 32, 32)),
    "mlp": (mlp, (1, 28, 28)),
    "resnet20": (lambda: resnet([16, 32, 64], 3, "A"), (3, 32, 32)),
    "vgg11-bn": (vgg11_bn, (3, 32, 32)),
    "resnet18": (lambda: resnet([64, 128, 256, 512], 2, "B"), (3, 32, 32)),
}


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    make, shape = NETS[sys.argv[1]]
    if sys.argv[2] == "export":
        return export(make(), shape, sys.argv[3])
    layout = torch.contiguous_format if sys.argv[2] == "contiguous" \
        else torch.channels_last
    autocast = sys.argv[2] == "bf16"
    net = make().to(memory_format=layout).train()
    x = torch.randn(BATCH, *shape).contiguous(memory_format=layout)
    y = torch.randint(10, (BATCH,))
    sgd = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=5e-4,
                          nesterov=True)
    for line in sys.stdin:
        steps = int(line)
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(steps):
            sgd.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                z = net(x)
            F.cross_entropy(z.float(), y).backward()
            sgd.step()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print((time.process_time() - cpu) / steps, (time.perf_counter() - wall) / steps,
              peak, flush=True)


if __name__ == "__main__":
    main()
