# --json prints one object on one line that JSON readers take, with the fields of docs/cli.md.

% require python3
$ printf 'import json,sys\nlines = sys.stdin.read().splitlines()\no = json.loads(lines[0])\nprint(len(lines), ", ".join(o))\n' >keys.py
$ tenon train mlp:48-16-10 -q --json -o a.onnx --data random:3x4x4,limit=256 --epochs 1 | python3 keys.py
1 models, result, train, data, eval_data
$ tenon train mlp:48-16-10 -q --json -o b.onnx --data random:3x4x4,limit=256 --epochs 1 --seed 18446744073709551615 | python3 keys.py
1 models, result, train, data, eval_data
$ tenon train mlp:48-10 -q --json -o d.onnx --data random:3x4x4,limit=256 --epochs 1 --eval-data none | python3 keys.py
1 models, result, train, data
$ tenon finetune a.onnx -q --json -o c.onnx --data random:3x4x4,limit=256 --epochs 1 --steps 2/3 | python3 keys.py
1 models, result, train, data, eval_data
$ tenon distill a.onnx b.onnx mlp:48-8-10 -q --json -o e.onnx --data random:3x4x4,limit=256 --epochs 1 >distill.json; python3 keys.py <distill.json
1 models, result, train, data, eval_data
$ python3 -c 'import json; o = json.load(open("distill.json")); print([m["file"] for m in o["models"]], o["result"]["params"])'
['a.onnx', 'b.onnx'] 464
$ tenon inspect e.onnx --json | python3 -c 'import json,sys; o = json.load(sys.stdin)["made"]; print(o["command"], o["options"]["temperature"], [i["file"] for i in o["inputs"]])'
distill 4 ['a.onnx', 'b.onnx']
$ tenon inspect b.onnx --json --nodes --groups --cuts | python3 keys.py
1 file, sha256, name, input, output, nodes, params, macs, bytes, made, node_list, groups, cuts
$ tenon inspect b.onnx --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["made"]["options"]["seed"])'
18446744073709551615
$ tenon eval a.onnx b.onnx -q --json --data random:3x4x4,limit=100 >eval.json; python3 keys.py <eval.json
1 models, ensemble, data
$ python3 -c 'import json; o = json.load(open("eval.json")); print(*o["models"][0]); print(*o["ensemble"])'
file accuracy loss calibration_error images params macs
accuracy loss calibration_error images params macs
$ python3 -c 'import json; o = json.load(open("eval.json")); print(o["models"][1]["file"], 0 <= o["ensemble"]["accuracy"] <= 1)'
b.onnx True
$ tenon eval a.onnx -q --json --data random:3x4x4,limit=100 | python3 -c 'import json,sys; print(json.load(sys.stdin)["ensemble"])'
None
$ tenon fuse a.onnx b.onnx -q --json -o f.onnx --data random:3x4x4,limit=256 >fuse.json; python3 keys.py <fuse.json
1 models, ensemble, average, uncalibrated, fused, candidates, groups, alignments, checks, layers_recalibrated, layers_refitted, seconds, data, eval_data
$ python3 -c 'import json; o = json.load(open("fuse.json")); print(*o["fused"]); print(*o["groups"][0]); print(o["fused"]["file"])'
file accuracy loss calibration_error images params macs latency seconds
name model neurons target cost gap marginal_error moved
f.onnx
$ tenon fuse a.onnx b.onnx -q --json -o g.onnx | python3 keys.py
1 models, ensemble, average, uncalibrated, fused, candidates, groups, alignments, checks, layers_recalibrated, layers_refitted, seconds
$ tenon compare a.onnx b.onnx --json --layers | python3 keys.py
1 a, b, data, images, largest_difference, largest_output, agreement, layers
$ tenon check a.onnx -q --json | python3 keys.py
1 file, groups, largest, failed, tolerance
$ tenon convert a.onnx a.safetensors --json | python3 keys.py
1 input, file
# a failure prints no object
$ tenon eval nosuch.onnx --json --data random:3x4x4
! tenon: cannot read 'nosuch.onnx': No such file or directory
? 1
