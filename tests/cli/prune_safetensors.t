# A pruned network as safetensors: tensors named as in the original's state dict, as wide
# as the JSON says.

% when /usr/bin/python3 -c 'import numpy'
$ printf 'import json, struct, sys, numpy\nraw = open(sys.argv[1], "rb").read()\nsize = struct.unpack("<Q", raw[:8])[0]\nheader = json.loads(raw[8:8 + size])\nstate = {}\nfor name, t in header.items():\n    if name != "__metadata__":\n        a, b = t["data_offsets"]\n        assert t["dtype"] == "F32"\n        state[name] = numpy.frombuffer(raw[8 + size + a:8 + size + b], "<f4").reshape(t["shape"])\nbefore = 48\nfor w in json.load(open(sys.argv[2]))["widths"]:\n    weight = state.pop(w["name"] + ".weight")\n    assert weight.shape == (w["after"], before), w\n    assert numpy.isfinite(weight).all()\n    before = w["after"]\n    print(w["name"], w["before"], w["after"])\nprint(len(state), "tensors are left")\n' >read.py
$ tenon train mlp:48-16-12-10 -q -o a.onnx --data random:3x4x4,limit=256 --epochs 1 >train.txt
$ for m in delete intra-fusion; do tenon prune a.onnx -q --json -f -o s.safetensors -s 0.5 --method $m --repair none >s.json && /usr/bin/python3 read.py s.safetensors s.json; done
fc1 16 8
fc2 12 6
fc3 10 10
0 tensors are left
fc1 16 8
fc2 12 6
fc3 10 10
0 tensors are left
