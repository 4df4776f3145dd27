# Bad input is one line on stderr, exit status 1, and no file where the result would be.

$ tenon inspect nosuch.onnx
! tenon: cannot read 'nosuch.onnx': No such file or directory
? 1
$ tenon inspect .
! tenon: cannot read '.': a folder, a file was expected
? 1
$ printf 'not a model' >bad.onnx; tenon inspect bad.onnx
! tenon: cannot read 'bad.onnx': neither ONNX nor safetensors nor a PyTorch file (it begins with 6e 6f 74 20 61 20 6d 6f)
? 1
$ : >empty.onnx; tenon inspect empty.onnx
! tenon: cannot read 'empty.onnx': the file is empty
? 1
$ tenon eval nosuch.onnx --data random:3x8x8
! tenon: cannot read 'nosuch.onnx': No such file or directory
? 1
$ tenon train mlp:48-8-10 -q -o net.onnx --data random:3x4x4,limit=128 --epochs 1 >log
$ head -c 500 net.onnx >cut.onnx; tenon inspect cut.onnx
! tenon: cannot read 'cut.onnx': field at byte 5 needs <number> bytes, 495 are left
? 1
$ tenon convert net.onnx net.safetensors
wrote net.safetensors
$ tenon inspect net.safetensors
! tenon: cannot load 'net.safetensors': it has weights but no graph, --arch NAME or --graph FILE.onnx is needed (these fit: mlp:48-8-10)
? 1
$ tenon inspect net.safetensors --arch mlp:48-9-10
! tenon: tensor 'fc1.weight' of 'net.safetensors' is [8, 48], expected [9, 48]
? 1
$ tenon inspect net.safetensors --arch resnet20
! tenon: 'net.safetensors' lacks tensor 'conv1.weight' [16, 3, 3, 3]
? 1
$ tenon inspect net.safetensors --arch nosucharch
! tenon: architecture 'nosucharch' is not known, expected <text>
? 1
$ head -c 100 net.safetensors >cut.safetensors; tenon inspect cut.safetensors --arch mlp:48-8-10
! tenon: cannot read 'cut.safetensors': header at byte 8 needs <number> bytes, 92 are left
? 1
$ tenon eval net.onnx --data nosuch:thing
! tenon: unknown kind in the data spec 'nosuch:thing': expected kind:path[,key=value...], known are <text>
? 1
$ tenon eval net.onnx --data cifar10:nosuch.bin
! tenon: cannot read 'nosuch.bin': No such file or directory
? 1
$ tenon eval net.onnx --data random:3x8x8
! tenon: 'net.onnx' takes [3, 4, 4], data is [3, 8, 8] ('size=4' in the data spec scales them)
? 1
$ tenon eval net.onnx --data random:3x4x4,limit=10,classes=20
! tenon: 'net.onnx' has 10 outputs, data has 20 classes
? 1
$ tenon train nosucharch -o out.onnx --data random:3x4x4
! tenon: architecture 'nosucharch' is not known, expected <text>
? 1
$ tenon train mlp:48-8-10 -o out.onnx --data random:3x4x4,limit=10
! tenon: batch = 128, but the data has only 10 images to train on
? 1
$ tenon train mlp:48-8-10 -o out.pth --data random:3x4x4
! tenon: cannot write 'out.pth': its name must end in .onnx or .safetensors
? 1
$ tenon train mlp:48-8-10 -o nosuch/out.onnx --data random:3x4x4
! tenon: cannot write 'nosuch/out.onnx': folder 'nosuch': No such file or directory
? 1
$ tenon convert bad.onnx out.onnx
! tenon: cannot read 'bad.onnx': neither ONNX nor safetensors nor a PyTorch file (it begins with 6e 6f 74 20 61 20 6d 6f)
? 1
$ tenon fuse net.onnx bad.onnx -o out.onnx
! tenon: cannot read 'bad.onnx': neither ONNX nor safetensors nor a PyTorch file (it begins with 6e 6f 74 20 61 20 6d 6f)
? 1
$ printf 'no array' >bad.npy; tenon infer net.onnx bad.npy -o out.npy
! tenon: cannot read 'bad.npy': it does not begin as an .npy file does
? 1
$ tenon infer net.onnx nosuch.npy -o out.npy
! tenon: cannot read 'nosuch.npy': No such file or directory
? 1
$ tenon infer net.onnx bad.npy -o out.txt
! tenon: cannot write 'out.txt': its name must end in .npy
? 1
# an existing file is kept
$ cp net.onnx kept.onnx; tenon convert net.onnx kept.onnx
! tenon: 'kept.onnx' is there already, and is kept unless -f is given
? 1
$ tenon train mlp:48-8-10 -o kept.onnx --data random:3x4x4,limit=128
! tenon: 'kept.onnx' is there already, and is kept unless -f is given
? 1
$ tenon fuse net.onnx net.onnx -o kept.onnx
! tenon: 'kept.onnx' is there already, and is kept unless -f is given
? 1
$ cmp net.onnx kept.onnx
$ tenon convert net.onnx kept.onnx -f
wrote kept.onnx
$ ls
bad.npy
bad.onnx
cut.onnx
cut.safetensors
empty.onnx
kept.onnx
log
net.onnx
net.safetensors
