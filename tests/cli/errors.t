# Bad input is one line on stderr, exit status 1, and no file where the result would be.

$ tenon inspect nosuch.onnx
$ tenon inspect .
$ printf 'not a model' >bad.onnx; tenon inspect bad.onnx
$ : >empty.onnx; tenon inspect empty.onnx
$ tenon eval nosuch.onnx --data random:3x8x8
$ tenon train mlp:48-8-10 -q -o net.onnx --data random:3x4x4,limit=128 --epochs 1 >log
$ head -c 500 net.onnx >cut.onnx; tenon inspect cut.onnx
$ tenon convert net.onnx net.safetensors
$ tenon inspect net.safetensors
$ tenon inspect net.safetensors --arch mlp:48-9-10
$ tenon inspect net.safetensors --arch resnet20
$ tenon inspect net.safetensors --arch nosucharch
$ head -c 100 net.safetensors >cut.safetensors; tenon inspect cut.safetensors --arch mlp:48-8-10
$ tenon eval net.onnx --data nosuch:thing
$ tenon eval net.onnx --data cifar10:nosuch.bin
$ tenon eval net.onnx --data random:3x8x8
$ tenon eval net.onnx --data random:3x4x4,limit=10,classes=20
$ tenon train nosucharch -o out.onnx --data random:3x4x4
$ tenon train mlp:48-8-10 -o out.onnx --data random:3x4x4,limit=10
$ tenon train mlp:48-8-10 -o out.pth --data random:3x4x4
$ tenon train mlp:48-8-10 -o nosuch/out.onnx --data random:3x4x4
$ tenon convert bad.onnx out.onnx
$ tenon fuse net.onnx bad.onnx -o out.onnx
$ printf 'no array' >bad.npy; tenon infer net.onnx bad.npy -o out.npy
$ tenon infer net.onnx nosuch.npy -o out.npy
$ tenon infer net.onnx bad.npy -o out.txt
# an existing file is kept
$ cp net.onnx kept.onnx; tenon convert net.onnx kept.onnx
$ tenon train mlp:48-8-10 -o kept.onnx --data random:3x4x4,limit=128
$ tenon fuse net.onnx net.onnx -o kept.onnx
$ cmp net.onnx kept.onnx
$ tenon convert net.onnx kept.onnx -f
$ ls
