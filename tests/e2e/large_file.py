#!/usr/bin/python3
"""large_file.py TENON - an ONNX model of more than 2 GB, read, written, and read again.

Makes a perceptron with two square layers of 1 GB each, whose weights are in a file
beside it: mostly holes, so that it is made in no time, with rows of random numbers.
`tenon inspect` must count its parameters in no more memory than the weights and 100 MB;
`tenon convert` must put them into a file of their own again, from which the same bytes
and the same graph come once more. Wants onnx and numpy, and 6 GB of room; else it is skipped.
"""
import filecmp
import json
import os
import shutil
import sys
import tempfile
import time

WIDTH, INPUTS, CLASSES = 16512, 64, 10
LAYERS = {"fc1.weight": (WIDTH, INPUTS), "fc2.weight": (WIDTH, WIDTH),
          "fc3.weight": (WIDTH, WIDTH), "fc4.weight": (CLASSES, WIDTH)}
RANDOM_ROWS = 16  # of each layer
GIGABYTE = 1 << 30


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def run(*command):
    """Output and peak memory in bytes of a command, which must succeed."""
    start = time.time()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        os.execv(command[0], command)
    os.close(writing)
    with os.fdopen(reading) as output:
        said = output.read()
    _, status, usage = os.wait4(child, 0)
    assert status == 0, "%s: status %d" % (" ".join(command), status)
    print("%-28s %6.1f s %8.0f MB" % (" ".join(command[1:3])[-28:], time.time() - start,
                                      usage.ru_maxrss / 1024))
    return said, usage.ru_maxrss * 1024


def make(path, weights):
    """The model, and its weights with their rows in the middle of holes."""
    import numpy
    from onnx import TensorProto, checker, helper, save

    draw = numpy.random.RandomState(1)
    tensors, nodes, offset, last = [], [], 0, "flat"
    with open(weights, "wb") as data:
        for name, (rows, columns) in LAYERS.items():
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT,
                                 dims=(rows, columns),
                                 data_location=TensorProto.EXTERNAL)
            size = 4 * rows * columns
            for key, text in (("location", os.path.basename(weights)),
                              ("offset", str(offset)), ("length", str(size))):
                tensor.external_data.add(key=key, value=text)
            tensors.append(tensor)
            for row in draw.choice(rows, min(rows, RANDOM_ROWS), replace=False):
                data.seek(offset + 4 * int(row) * columns)
                data.write(draw.randn(columns).astype("f4").tobytes())
            offset += size
            layer = name.split(".")[0]
            nodes.append(helper.make_node("Gemm", [last, name], [layer], layer,
                                          transB=1))
            last = layer
            if layer != "fc4":
                nodes.append(helper.make_node("Relu", [layer], [layer + "_relu"]))
                last = layer + "_relu"
        data.truncate(offset)
    nodes.insert(0, helper.make_node("Flatten", ["input"], ["flat"]))
    graph = helper.make_graph(
        nodes, "large",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("fc4", TensorProto.FLOAT, ["N", CLASSES])],
        tensors)
    save(helper.make_model(graph, ir_version=8,
                           opset_imports=[helper.make_opsetid("", 13)]), path)
    checker.check_model(path)
    return offset


def elements(path):
    """Of every initialiser, as they lie in the files."""
    import numpy
    import onnx

    found = {}
    for tensor in onnx.load(path, load_external_data=False).graph.initializer:
        place = {entry.key: entry.value for entry in tensor.external_data}
        found[tensor.name] = numpy.memmap(
            os.path.join(os.path.dirname(path), place["location"]), "u1", "r",
            int(place["offset"]), int(place["length"]))
    return found


def same_elements(one, other):
    import numpy

    assert set(one) == set(other) == set(LAYERS)
    step = 1 << 26
    return all(len(one[name]) == len(other[name]) and
               all(numpy.array_equal(one[name][k:k + step], other[name][k:k + step])
                   for k in range(0, len(one[name]), step)) for name in one)


def graph_of(path):
    import onnx

    return onnx.load(path, load_external_data=False).graph


def main():
    import onnx

    tenon = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        if shutil.disk_usage(folder).free < 6 * GIGABYTE:
            skip("less than 6 GB of room in " + folder)
        os.chdir(folder)
        size = make("large.onnx", "weights.bin")
        assert size > 2 * GIGABYTE
        said, memory = run(tenon, "inspect", "large.onnx", "--json")
        counted = json.loads(said)["params"]
        assert counted == size // 4, "%d parameters, expected %d" % (counted, size // 4)
        assert memory < size + 100 * 1000000, "%d bytes of memory" % memory
        run(tenon, "convert", "large.onnx", "written.onnx")
        onnx.checker.check_model("written.onnx")
        assert os.path.getsize("written.onnx") < 100000
        assert os.path.getsize("written.onnx.data") >= size
        assert same_elements(elements("large.onnx"), elements("written.onnx"))
        os.mkdir("again")
        run(tenon, "convert", "written.onnx", "again/written.onnx")
        assert filecmp.cmp("written.onnx.data", "again/written.onnx.data", shallow=False)
        assert graph_of("written.onnx") == graph_of("again/written.onnx")
    return 0


if __name__ == "__main__":
    try:
        import numpy  # noqa: F401
        import onnx  # noqa: F401
    except ImportError as missing:
        skip(str(missing))
    sys.exit(main())
