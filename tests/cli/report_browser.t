# In a browser every chart of a report is drawn, and nothing fails.
% require chromium
% require /usr/share/javascript/d3/d3.min.js

$ cp "$TENON_MODELS/fashion-mlp-a.onnx" a.onnx; cp "$TENON_MODELS/fashion-mlp-b.onnx" b.onnx
$ cp "$TENON_MODELS/fashion-resnet-a.onnx" ra.onnx; cp "$TENON_MODELS/fashion-resnet-b.onnx" rb.onnx
$ printf 'for page; do\nchromium --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --dump-dom "file://$PWD/$page.html" >$page.dom 2>/dev/null\necho "$page: $(grep -o '"'<figure data-chart=\"[a-z-]*\" data-drawn=\"yes\"'"' $page.dom | cut -d \\" -f 2 | paste -sd " " -)"\necho "$(grep -o '"'<figure data-chart=\"[a-z-]*\"[^>]*>'"' $page.dom | grep -vc drawn) not drawn, $(grep -o "<body[^>]*>" $page.dom)"\ndone\n' >look
$ tenon fuse a.onnx b.onnx -q -o f.onnx --data random:1x28x28,limit=200 --method auto --effort fast --barrier 3 --report fuse.html >log; sh look fuse
fuse: accuracy candidates groups-cost groups-moved map map map barrier-accuracy barrier-loss
0 not drawn, <body data-done="yes">
$ tenon train mlp:784-8-10:bias -q -o t.onnx --data random:1x28x28,limit=256 --epochs 2 --holdout 0.25 --report train.html >log; grep -o '"holdout_accuracy":[0-9.]*}' train.html | wc -l; tenon fuse t.onnx a.onnx -q -o d.onnx --data random:1x28x28,limit=64 --report depth.html >log; sh look train depth
2
train: accuracy training-loss training-accuracy
0 not drawn, <body data-done="yes">
depth: accuracy groups-cost groups-moved map map map alignment
0 not drawn, <body data-done="yes">
$ tenon prune a.onnx -q -o p.onnx -s 0.5 --data random:1x28x28,limit=200 --report prune.html >log; sh look prune
prune: accuracy groups-left groups-error kept
0 not drawn, <body data-done="yes">
$ tenon compare ra.onnx rb.onnx -q --data random:1x28x28,limit=32 --cuts --report compare.html >log; tenon assemble ra.onnx rb.onnx -q -o s.onnx --data random:1x28x28,limit=100 --blocks 2 --samples 48 --calibration 32 --candidates 3 --report assemble.html >log; sh look compare assemble
compare: layers cuts
0 not drawn, <body data-done="yes">
assemble: accuracy zoo stitches chains
0 not drawn, <body data-done="yes">
$ tenon eval a.onnx b.onnx -q --data random:1x28x28,limit=64 --report eval.html >log; sh look eval
eval: accuracy
0 not drawn, <body data-done="yes">
