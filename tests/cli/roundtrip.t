# Train, evaluate, fuse, compare, convert, infer: each reads what the one before wrote.

$ tenon train mlp:48-16-12-10 -q -o a.onnx --data random:3x4x4,limit=256 --epochs 3 --seed 1
$ tenon train mlp:48-16-12-10 -q -o b.onnx --data random:3x4x4,limit=256 --epochs 3 --seed 2
$ tenon inspect a.onnx
$ tenon eval a.onnx b.onnx -q --data random:3x4x4,limit=100
$ tenon fuse a.onnx b.onnx -q -o fused.onnx
$ tenon fuse a.onnx b.onnx -q -o fused.onnx -f --data random:3x4x4,limit=200
$ tenon fuse a.onnx b.onnx -q -v -o weighted.onnx --data random:3x4x4,limit=200 --weights 0.8/0.2 --recalibrate none
$ tenon fuse a.onnx a.onnx -q -o same.onnx --recalibrate none; tenon compare a.onnx same.onnx
$ tenon finetune fused.onnx -q -o tuned.onnx --data random:3x4x4,limit=256 --epochs 1 --holdout 0.2
$ tenon inspect tuned.onnx
$ tenon compare a.onnx b.onnx --layers
$ tenon compare a.onnx b.onnx --data random:3x4x4,limit=50
$ tenon check a.onnx
$ tenon convert a.onnx a.safetensors
$ tenon convert a.safetensors back.onnx --arch mlp:48-16-12-10
$ tenon compare a.onnx back.onnx
$ tenon compare a.safetensors back.onnx --graph b.onnx
$ ls
