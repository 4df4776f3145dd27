"""The other side of bench_inference: PyTorch runs a torchvision network when told to.

    inference_peers.py contiguous|channels_last MODEL SIDE BATCH THREADS
    inference_peers.py export MODEL SIDE FILE.onnx

Reads "ROUNDS" lines, runs so many batches, and answers "processor-seconds wall-seconds
peak-MB", the first two for one batch.
"""
import os
import resource
import sys
import time

if sys.argv[1] != "export":
    os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[5]  # set_num_threads does not reach it

import torch

import torchvision_models


def export(name, side, path):
    torchvision_models.export(name, path + ".part", int(side))
    os.rename(path + ".part", path)


def serve(layout, name, side, batch, threads):
    torch.set_num_threads(int(threads))
    layout = torch.contiguous_format if layout == "contiguous" else torch.channels_last
    net = torchvision_models.build(name).eval().to(memory_format=layout)
    images = torch.randn(int(batch), 3, int(side), int(side))
    images = images.contiguous(memory_format=layout)
    with torch.inference_mode():
        for line in sys.stdin:
            rounds = int(line)
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(rounds):
                net(images)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print((time.process_time() - cpu) / rounds,
                  (time.perf_counter() - wall) / rounds, peak, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(*sys.argv[2:])
    else:
        serve(*sys.argv[1:])
