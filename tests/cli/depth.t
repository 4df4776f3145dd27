# Networks of different depth: what `tenon fuse` shows of their alignment, and what it reads.

$ tenon train mlp:48-16-12-8-10 -q -o deep.onnx --data random:3x4x4,limit=256 --epochs 1 >log
$ tenon train mlp:48-16-10 -q -o shallow.onnx --data random:3x4x4,limit=256 --epochs 1 >log
$ tenon fuse deep.onnx shallow.onnx -q -o f.onnx --data random:3x4x4,limit=256 --eval-data none --align-cost index --picture f.svg >log; grep -A 3 'aligned with deep' log
shallow.onnx aligned with deep.onnx: 2 layers with 4, cost 0.0000; outputs moved by 0
layer  aligned with  stage  neurons  onto    cost
fc1    fc1               0       16    16  0.0000
fc2    fc4               0       10    10  0.0000
$ head -c 4 f.svg; grep -c '<circle' f.svg
<svg2
$ tenon fuse deep.onnx shallow.onnx -q -o f.onnx --picture f.svg
! tenon: 'f.onnx' is there already, and is kept unless -f is given
? 1
$ tenon fuse deep.onnx shallow.onnx -q -o g.onnx --picture g.png
! tenon: cannot write 'g.png': its name must end in .svg
? 1
$ tenon fuse deep.onnx shallow.onnx -q -o g.onnx --depth shallow
! tenon: cannot level 'deep.onnx' with 'shallow.onnx': folding layers wants data, for the fit of their activations
? 1
$ tenon transfer shallow.onnx mlp:48-24-8-10 -q -o t.onnx --align chain
shallow.onnx aligned with mlp:48-24-8-10: 2 layers with 3, cost 0.0000; outputs moved by 0
layer  aligned with  stage  neurons  onto    cost
fc1    fc1               0       16    24  0.0000
fc2    fc3               0       10    10  0.0000
wrote t.onnx

% require python3
$ tenon fuse deep.onnx shallow.onnx -qf -o f.onnx --align chain --json >a.json
$ python3 -c 'import json; a = json.load(open("a.json"))["alignments"][0]; print(*a); print(a["slots"], len(a["cost"]), a["deep"][2])'
model onto slots total error units deep cost
[0, 3] 4 {'name': 'fc3', 'stage': 0, 'neurons': 8}
$ tenon fuse deep.onnx shallow.onnx -qf -o g.onnx --align a.json --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["alignments"][0]["slots"])'
[0, 3]
$ tenon compare f.onnx g.onnx --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["largest_difference"])'
0
$ printf '{"alignments": [{"model": 1, "slots": [0]}]}' >b.json
$ tenon fuse deep.onnx shallow.onnx -qf -o g.onnx --align b.json
! tenon: cannot level 'shallow.onnx' with 'deep.onnx': the alignment ends before unit 'fc2'
? 1
$ printf '{"alignments": 1}' >b.json
$ tenon fuse deep.onnx shallow.onnx -qf -o g.onnx --align b.json
! tenon: cannot read 'b.json': it has no list 'alignments'
? 1
$ printf '{"alignments": [{"model": 1, "slots": [0]}, {"model": 1, "slots": [0]}]}' >b.json
$ tenon fuse deep.onnx shallow.onnx -qf -o g.onnx --align b.json
! tenon: cannot read 'b.json': a 'model' is there twice
? 1
