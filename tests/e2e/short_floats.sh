#!/bin/sh
# short_floats.sh TENON MODELS FOLDER - networks whose weights are f16 or bf16 stay so.
#
# Two networks with residual streams are written anew: `f16` computes in f16, between a
# Cast of the input and one of the output; `stored-f16` and `stored-bf16` keep parameters
# short and cast each to f32 before it is read (no operator but Cast takes bf16 on a
# processor). What Tenon makes of them (fused, pruned) must have the same element types,
# pass onnx.checker, and give in onnxruntime what `tenon infer` gives: to 1e-4 of the
# largest output where activations are f32, to 1e-2 where onnxruntime rounds them to f16
# (Tenon computes in f32; a unit roundoff of f16 is 5e-4, and there are 31 nodes).
set -eu
tenon=$1
models=$2
modules=$3/node_modules
. "$(dirname "$0")/onnxruntime_tools.sh"
$python -c 'import onnx' 2>/dev/null || skip "$python has no onnx"

cat >shorten.py <<'END'
"""shorten.py IN KIND OUT: parameters in f16 or bf16."""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

source, kind, target = sys.argv[1:]
short = TensorProto.BFLOAT16 if kind == "stored-bf16" else TensorProto.FLOAT16
model = onnx.load(source)
graph = model.graph


def rounded(tensor):
    """To nearest, ties to even."""
    x = numpy_helper.to_array(tensor)
    if short == TensorProto.FLOAT16:
        raw = x.astype("f2").tobytes()
    else:
        bits = x.astype("f4").view("u4")
        raw = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("u2").tobytes()
    return TensorProto(name=tensor.name, data_type=short, dims=tensor.dims, raw_data=raw)


floats = [t for t in graph.initializer if t.data_type == TensorProto.FLOAT]
assert floats
for tensor in floats:
    tensor.CopyFrom(rounded(tensor))
names = {tensor.name for tensor in floats}
casts = []
if kind == "f16":
    first, last = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        node.input[:] = [first + "_short" if v == first else v for v in node.input]
        node.output[:] = [last + "_short" if v == last else v for v in node.output]
    casts = [helper.make_node("Cast", [first], [first + "_short"], to=short)]
    graph.node.append(helper.make_node("Cast", [last + "_short"], [last],
                                       to=TensorProto.FLOAT))
else:
    for node in graph.node:
        node.input[:] = [v + "_wide" if v in names else v for v in node.input]
    casts = [helper.make_node("Cast", [name], [name + "_wide"], to=TensorProto.FLOAT)
             for name in sorted(names)]
for node in reversed(casts):
    graph.node.insert(0, node)
del graph.value_info[:]
onnx.checker.check_model(model)
onnx.save(model, target)
END
cat >kept.py <<'END'
"""kept.py BEFORE AFTER: parameters have the element types that they had; what was not
there before (biases of refitted layers) is for onnxruntime to judge."""
import sys

import onnx

onnx.checker.check_model(sys.argv[2])
before, after = ({t.name: t.data_type for t in onnx.load(p).graph.initializer}
                 for p in sys.argv[1:])
assert len(before) > 20 and set(before.values()) - {onnx.TensorProto.FLOAT}
for name, kind in before.items():
    assert after[name] == kind, "%s: type %d, expected %d" % (name, after[name], kind)
END

for kind in f16 stored-f16 stored-bf16; do
    tolerance=1e-4
    [ $kind != f16 ] || tolerance=1e-2
    for letter in a b; do
        $python shorten.py "$models/fashion-resnet-$letter.onnx" $kind $kind-$letter.onnx
    done
    compare $kind $kind-a.onnx $tolerance
    "$tenon" fuse $kind-a.onnx $kind-b.onnx -q -f -o fused.onnx --recalibrate none >log
    $python kept.py $kind-a.onnx fused.onnx
    compare "$kind, fused" fused.onnx $tolerance
    for method in delete intra-fusion refit; do
        "$tenon" prune $kind-a.onnx -q -f -o small.onnx -s 0.3 --groups all \
            --method $method --samples 64 >log
        $python kept.py $kind-a.onnx small.onnx
        compare "$kind, $method" small.onnx $tolerance
    done
done
