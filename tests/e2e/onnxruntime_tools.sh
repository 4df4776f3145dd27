# onnxruntime_tools.sh - what the tests that ask onnxruntime share; they set $tenon and
# $modules (a node_modules that has onnxruntime-node), and read this in.
#
# A folder of its own becomes the current one, with images of 1x28x28 in x.npy. The
# whole test is skipped where node, onnxruntime-node or NumPy is not there.
python=/usr/bin/python3

skip() {
    echo "skipped: $1"
    exit 77
}
command -v node >/dev/null 2>&1 || skip "node is not there"
[ -d "$modules/onnxruntime-node" ] || skip "$modules/onnxruntime-node is not there"
$python -c 'import numpy' 2>/dev/null || skip "$python has no numpy"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >draw.py <<'END'
import numpy
x = numpy.random.RandomState(1).randn(4, 1, 28, 28).astype("f4")
numpy.save("x.npy", x)
x.tofile("x.raw")
END
cat >run.js <<'END'
const ort = require('onnxruntime-node'), fs = require('fs');
(async () => {
  const session = await ort.InferenceSession.create(process.argv[2],
    {intraOpNumThreads: 1, interOpNumThreads: 1});
  const bytes = fs.readFileSync('x.raw');
  const x = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const answer = await session.run({[session.inputNames[0]]:
    new ort.Tensor('float32', x, [4, 1, 28, 28])});
  const y = answer[session.outputNames[0]].data;
  fs.writeFileSync('theirs.raw', Buffer.from(y.buffer, y.byteOffset, y.byteLength));
})().catch(e => { console.error(String(e.message || e)); process.exit(1); });
END
cat >compare.py <<'END'
import sys, numpy
ours, theirs = numpy.load("ours.npy"), numpy.fromfile("theirs.raw", "f4")
gap = float(abs(ours.ravel() - theirs).max() / abs(theirs).max())
print("%-24s %.1e" % (sys.argv[1], gap))
sys.exit(not gap <= float(sys.argv[2]))
END
$python draw.py

# compare NAME MODEL TOLERANCE: `tenon infer` and onnxruntime agree on the images, as far
# as TOLERANCE times the largest output.
compare() {
    "$tenon" infer "$2" x.npy -q -f -o ours.npy >log
    NODE_PATH=$modules node run.js "$2"
    $python compare.py "$1" "$3"
}
