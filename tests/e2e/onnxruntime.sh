#!/bin/sh
# onnxruntime.sh TENON MODELS FOLDER - whether onnxruntime gives what Tenon gives.
#
# Prunes a network with residual streams in several ways and asks `tenon infer` and
# onnxruntime for the outputs of the same images: they must agree to 1e-4 of the largest.
# onnxruntime is the npm package onnxruntime-node in FOLDER/node_modules; where that,
# node, or NumPy is not there, the test is skipped.
set -eu
tenon=$1
models=$2
modules=$3/node_modules
. "$(dirname "$0")/onnxruntime_tools.sh"

model=$models/fashion-resnet-a.onnx
compare "not pruned" "$model" 1e-4
for method in delete intra-fusion nearest fold; do
    "$tenon" prune "$model" -q -f -o small.onnx -s 0.5 --groups all --method $method \
        --repair none >log
    compare $method small.onnx 1e-4
done
"$tenon" prune "$model" -q -f -o small.onnx -s 0.5 --method refit --samples 64 >log
compare refit small.onnx 1e-4
