# The same inputs, options and seed give the same bytes, with any number of threads.

$ tenon train resnet20x0.25 -q -o a.onnx --data random:3x8x8,limit=256 --epochs 2 --threads 1 --flip --pad 1 >log
$ tenon train resnet20x0.25 -q -o b.onnx --data random:3x8x8,limit=256 --epochs 2 --threads 2 --flip --pad 1 >log
$ cmp a.onnx b.onnx
$ tenon train resnet20x0.25 -q -o b.onnx -f --data random:3x8x8,limit=256 --epochs 2 --seed 2 >log
$ cmp -s a.onnx b.onnx
? 1
$ tenon fuse a.onnx b.onnx -q -o one.onnx --data random:3x8x8,limit=256 --threads 1 >log
$ mkdir folder; tenon fuse a.onnx ./b.onnx -q -o folder/two.onnx --data random:3x8x8,limit=256 --threads 2 >log
$ cmp one.onnx folder/two.onnx
