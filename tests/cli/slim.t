# tenon slim: pruning with training, of one network and of parts.

$ tenon train mlp:48-16-12-10 -q -o a.onnx --data random:3x4x4,limit=256 --epochs 1 >train.txt
$ tenon slim a.onnx -q -o 1.onnx --data random:3x4x4,limit=256 --steps 2 >out.txt; tenon slim a.onnx -q --json -f -o 2.onnx --data random:3x4x4,limit=256 --steps 2 --threads 1 >out.json; cmp 1.onnx 2.onnx && tail -n 1 out.txt
wrote 1.onnx
$ tenon slim mlp:48-16-12-10 -q -o 3.onnx --data random:3x4x4,limit=256 -e 1 --parts 2 | sed 's/[0-9.]* one after another; [0-9.]* with/<s>, <s> with/' | tail -n 2
<s>, <s> with a machine for each of the 2 networks
wrote 3.onnx
$ tenon slim mlp:48-16-12-10 -q -o 4.onnx --data random:3x4x4,limit=256 -e 1 --parts 4 --order fuse-prune >out.txt; tenon inspect 4.onnx | grep parameters
parameters  506
$ tenon slim a.onnx -q -o 5.onnx --data random:3x4x4,limit=256 --parts 2
! tenon slim: --parts wants the name of an architecture: networks of parts are trained here; see 'tenon help slim'
? 2
$ tenon slim mlp:48-16-10 -q -o 5.onnx --data random:3x4x4,limit=256
! tenon slim: 'mlp:48-16-10' is no file; of an architecture --start-epochs is wanted; see 'tenon help slim'
? 2
