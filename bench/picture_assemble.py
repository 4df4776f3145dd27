#!/usr/bin/env python3
"""docs/results/dery.svg: three public CIFAR-10 ResNets cut into blocks, and the chain that
`tenon assemble` takes within a budget that none of them keeps.

Usage: bench/picture_assemble.py [--tenon PATH]      minutes; prints what the README says
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT / ".." / "shared"
NORMAL = "mean=0.485/0.456/0.406,std=0.229/0.224/0.225"
MEMBERS = {"resnet20": "resnet20-12fca82f.th", "resnet32": "resnet32-d509ac18.th",
           "resnet56": "resnet56-4bfd9763.th"}
BUDGET = ["--max-params", "0.35M", "--min-macs", "44M", "--max-macs", "55M"]


def images(name):
    return f"cifar10:{SHARED}/data/cifar10-original-{name}.bin.zst,{NORMAL}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenon", default=ROOT / "build" / "release" / "tenon")
    tenon = parser.parse_args().tenon
    picture = ROOT / "docs" / "results" / "dery.svg"
    with tempfile.TemporaryDirectory() as folder:
        zoo = Path(folder) / "zoo.json"
        zoo.write_text(json.dumps({"members": [
            {"file": str((SHARED / "models" / file).resolve()), "arch": arch, "name": arch}
            for arch, file in MEMBERS.items()]}))
        told = subprocess.run(
            [tenon, "assemble", "--zoo", zoo, "-o", Path(folder) / "net.onnx",
             "--data", images("train4000"), "--eval-data", images("test1000"), *BUDGET,
             "--samples", "1024", "--candidates", "4", "--threads", "1", "--picture", picture, "-f", "-q", "--json"],
            check=True, capture_output=True, text=True).stdout
    made = json.loads(told)
    for score in [*made["models"], made["result"]]:
        print(f"{Path(score['file']).name}: {100 * score['accuracy']:.1f} %, "
              f"{score['params']:,} parameters, {score['macs'] / 1e6:.1f} M MACs")


if __name__ == "__main__":
    main()
