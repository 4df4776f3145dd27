#!/bin/sh
# guide.sh BUILD GUIDE.md - runs the fenced sh and python blocks of a guide, in order, in an
# empty folder with BUILD's tenon; the first that fails ends it.
set -eu
guide=$2 work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/home"
ln -s "$1/tenon" "$work/bin/tenon"
[ -z "$PYTHON" ] || ln -s "$PYTHON" "$work/bin/python3" # the one that was found to have NumPy
PATH=$work/bin:$PATH
export PATH
tenon eval "$MODELS/fashion-mlp-a.onnx" -q --data fashion-mnist,limit=1 >/dev/null 2>&1 || {
    echo "skipped: dataset-fashion-mnist is not there"
    exit 77
}
if grep -q '^```python' "$guide" && ! python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: python3 with numpy is not there"
    exit 77
fi
if grep -q 'onnxruntime-node' "$guide"; then
    command -v node >/dev/null || {
        echo "skipped: node is not there"
        exit 77
    }
    [ -d "$NODE_PATH/onnxruntime-node" ] || {
        echo "skipped: $NODE_PATH/onnxruntime-node is not there"
        exit 77
    }
fi
awk -v work="$work" '
    /^```(sh|python)$/ { n++; file = work "/" n "." substr($0, 4); next }
    /^```/ { file = ""; next }
    file { print >file }' "$guide"
cd "$work/home"
n=1
while [ -f "$work/$n.sh" ] || [ -f "$work/$n.python" ]; do
    if [ -f "$work/$n.sh" ]; then sh -eux "$work/$n.sh"; else python3 -B "$work/$n.python"; fi
    n=$((n + 1))
done
[ "$n" -gt 1 ]
