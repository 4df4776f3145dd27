"""Makes the fixtures of this folder.

    python3 make_fixtures.py    (PyTorch 1.13.0, ONNX 1.12.0, NumPy 1.24, Python 3.11)

Element i of every tensor is i / 2 - 1, cut to its type; the tests compute it again.
"""
import json
import os
import struct
from collections import OrderedDict

import numpy as np
import onnx
import torch
from onnx import TensorProto as T, helper, numpy_helper


def ramp(shape, dtype=torch.float32):
    count = int(np.prod(shape))
    return (torch.arange(count, dtype=torch.float32) / 2 - 1).reshape(shape).to(dtype)


# --- PyTorch ------------------------------------------------------------------------

TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64,
         torch.int32, torch.int16, torch.int8, torch.bool]


def state_dict():
    tensors = OrderedDict()
    for dtype in TYPES:
        tensors["types." + str(dtype).split(".")[1]] = ramp([2, 3], dtype)
    tensors["types.uint8"] = torch.arange(6, dtype=torch.uint8)
    tensors["scalar"] = ramp([])
    tensors["empty"] = torch.zeros([0, 4])
    tensors["transposed"] = ramp([3, 4]).t()
    whole = ramp([4, 5])
    tensors["rows"] = whole[1:3]
    tensors["column"] = whole[:, 2]
    tensors["expanded"] = ramp([3]).expand(2, 3)
    tensors["parameter"] = torch.nn.Parameter(ramp([2]))
    tensors["tied"] = tensors["types.float32"]
    return tensors


class Leaf(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(ramp([2, 2]))
        self.bias = None
        self.register_buffer("mean", ramp([2]))
        self.register_buffer("scratch", ramp([5]), persistent=False)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(ramp([1]))
        self.first = Leaf()
        self.second = Leaf()


source_of = torch.serialization.get_source_lines_and_file


def source_without_folder(thing):
    """A legacy file quotes where its classes were defined; not where on this machine."""
    lines, number, path = source_of(thing)
    return lines, number, os.path.basename(path)


def make_torch():
    torch.serialization.get_source_lines_and_file = source_without_folder
    checkpoint = {"epoch": 3, "best": 91.5, "args": {"lr": 0.1, "milestones": [1, 2]},
                  "state_dict": state_dict(),
                  "optimizer": {"state": {0: {"momentum_buffer": ramp([2])}}}}
    for name, zipped in (("zip", True), ("legacy", False)):
        torch.save(checkpoint, f"torch_{name}.pt", _use_new_zipfile_serialization=zipped)
        torch.save(Net(), f"module_{name}.pt", _use_new_zipfile_serialization=zipped)
    torch.save({"fc.weight": ramp([2, 2]), "fc.bias": ramp([2])}, "small_zip.pt")
    torch.save({"fc.weight": ramp([2, 2]), "fc.bias": ramp([2])}, "small_legacy.pt",
               _use_new_zipfile_serialization=False)
    torch.save({"fc.weight": ramp([2, 2])}, "protocol4_zip.pt", pickle_protocol=4)


# --- safetensors --------------------------------------------------------------------


def make_safetensors():
    header = {"__metadata__": {"format": "pt", "note": "two\nlines"},
              "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [2, 26]},
              "empty": {"dtype": "F32", "shape": [0], "data_offsets": [2, 2]},
              "odd": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
              "count": {"dtype": "I64", "shape": [], "data_offsets": [26, 34]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = bytes([0, 1]) + ramp([6]).numpy().tobytes() + struct.pack("<q", -5)
    with open("small.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


# --- ONNX ---------------------------------------------------------------------------


def tensor(name, dtype, shape, values, **kind):
    t = T(name=name, data_type=dtype, dims=shape)
    getattr(t, kind["field"]).extend(values)
    return t


def make_onnx_small():
    weight = numpy_helper.from_array(ramp([4, 3, 1, 1]).numpy(), "conv.weight")
    fc = numpy_helper.from_array(ramp([2, 4]).numpy(), "fc.weight")
    bias = numpy_helper.from_array(ramp([2]).numpy().astype(np.float16), "half")
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["a"], name="conv",
                         kernel_shape=[1, 1], pads=[0, 0, 0, 0]),
        helper.make_node("Relu", ["a"], ["b"], doc_string="clips"),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"], axis=1),
        helper.make_node("Gemm", ["d", "fc.weight"], ["y"], name="fc", transB=1,
                         alpha=1.0)]
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("x", T.FLOAT, ["batch", 3, None, 2])],
        [helper.make_tensor_value_info("y", T.FLOAT, ["batch", 2])], [weight, fc, bias])
    model = helper.make_model(graph, producer_name="fixtures", producer_version="1",
                              opset_imports=[helper.make_opsetid("", 13)], ir_version=8,
                              doc_string="a doc", model_version=7)
    onnx.checker.check_model(model)
    onnx.save(model, "small.onnx")
    return model


def make_onnx_typed():
    r = [i / 2 - 1 for i in range(4)]
    half = np.array(r, np.float16).view(np.uint16).tolist()
    bfloat = [int(np.array(v, np.float32).view(np.uint32)) >> 16 for v in r]
    tensors = [
        tensor("float", T.FLOAT, [2, 2], r, field="float_data"),
        tensor("double", T.DOUBLE, [4], r, field="double_data"),
        tensor("half", T.FLOAT16, [4], half, field="int32_data"),
        tensor("bfloat", T.BFLOAT16, [4], bfloat, field="int32_data"),
        tensor("int8", T.INT8, [3], [-128, -1, 127], field="int32_data"),
        tensor("uint8", T.UINT8, [2], [0, 255], field="int32_data"),
        tensor("int16", T.INT16, [2], [-32768, 7], field="int32_data"),
        tensor("bool", T.BOOL, [2], [1, 0], field="int32_data"),
        tensor("int32", T.INT32, [1], [-2], field="int32_data"),
        tensor("int64", T.INT64, [2], [-1 << 62, 5], field="int64_data"),
        tensor("uint32", T.UINT32, [1], [4000000000], field="uint64_data"),
        tensor("uint64", T.UINT64, [1], [1 << 63], field="uint64_data"),
        numpy_helper.from_array(np.array(3.5, np.float32), "scalar"),
        numpy_helper.from_array(np.zeros([0], np.float32), "empty")]
    constant = helper.make_node(
        "Constant", [], ["k"], value=numpy_helper.from_array(ramp([2]).numpy(), "v"))
    many = helper.make_node("Many", ["x", "", "k"], ["y", "", "z"], domain="test", f=0.25,
                            i=-3, s=b"a\0b", fs=[1.0, 2.5], i_s=[1, -1], ss=["p", "q"])
    # As IR version 3 has it: initialisers are listed among the inputs.
    graph = helper.make_graph(
        [constant, many], "typed",
        [helper.make_tensor_value_info("float", T.FLOAT, [2, 2]),
         helper.make_tensor_value_info("x", T.FLOAT, [1])],
        [helper.make_tensor_value_info("y", T.FLOAT, [1])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9),
                                                    helper.make_opsetid("test", 1)],
                              ir_version=3)
    helper.set_model_props(model, {"key": "text", "empty": ""})
    onnx.save(model, "typed.onnx")


def make_onnx_external(model):
    onnx.save(model, "external.onnx", save_as_external_data=True,
              location="external.bin", size_threshold=0)


make_torch()
make_safetensors()
make_onnx_typed()
make_onnx_external(make_onnx_small())
