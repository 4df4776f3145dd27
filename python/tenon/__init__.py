"""One better neural network out of networks that are already trained.

    import tenon

    a = tenon.load("a.onnx")
    b = tenon.load(net.state_dict(), arch="resnet20")
    fused = tenon.fuse([a, b], data="cifar10:data")
    print(tenon.evaluate(fused, "cifar10:data").accuracy)
    net.load_state_dict(fused.state_dict(like=net))

Everything is done by libtenon, through its public C API. NumPy is wanted; torch is used
where it is given. Calls let other threads of Python run, tell how far they are through
`progress=`, and end with KeyboardInterrupt on ^C.
"""

from . import ot
from ._library import (ArgumentError, Cancelled, Error, ExistsError, FileError, FormatError,
                       MismatchError, NumericError, OutOfMemory, Progress, UnsupportedError,
                       version)
from .data import Data
from .jobs import (AssembleReport, Block, Candidate, Chain, FuseGroup, FuseReport,
                   LayerAlignment, PruneGroup, PruneReport, Score, TrainReport, Zoo, assemble,
                   distill, evaluate, fuse, prune, train)
from .model import Model, create, load

__version__ = version()
__all__ = [
    "ArgumentError", "AssembleReport", "Block", "Cancelled", "Candidate", "Chain", "Data",
    "Error", "ExistsError", "FileError", "FormatError", "FuseGroup", "FuseReport",
    "LayerAlignment", "MismatchError", "Model", "NumericError", "OutOfMemory", "Progress",
    "PruneGroup", "PruneReport", "Score", "TrainReport", "UnsupportedError", "Zoo",
    "assemble", "create", "distill", "evaluate", "fuse", "load", "ot", "prune", "train",
]
