# One network out of blocks of two: a chain given by name is the member itself, budgets hold
# or the nearest is named, the origin of blocks is in the file, pictures are drawn.

$ tenon train mlp:16-12-10-4 -o a.onnx --data random:1x4x4,classes=4,limit=256 -e 1 -q > log
$ tenon train mlp:16-9-8-4 -o b.onnx --data random:1x4x4,classes=4,limit=256 -e 1 -q --seed 2 > log
