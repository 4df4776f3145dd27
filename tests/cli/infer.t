# Outputs of a model for the arrays of an .npy file; NumPy reads and writes the files.

% when /usr/bin/python3 -c 'import numpy'
$ tenon train mlp:48-8-10 -q -o net.onnx --data random:3x4x4,limit=128 --epochs 1 >log
$ printf 'import numpy as n\nx = n.random.RandomState(1).randn(5, 3, 4, 4)\nn.save("f4", x.astype("f4")); n.save("flat", x.astype("f4").reshape(5, 48)); n.save("one", x[0].astype("f4")); n.save("u1", (abs(x) * 9).astype("u1")); n.save("last", x.transpose(0, 2, 3, 1).copy()); n.save("order", n.asfortranarray(x)); n.save("half", x.astype("f2"))\n' >make.py; /usr/bin/python3 make.py
$ tenon infer net.onnx f4.npy -o f4.out.npy
wrote f4.out.npy, 5x10
$ tenon infer net.onnx flat.npy -o flat.out.npy
wrote flat.out.npy, 5x10
$ cmp f4.out.npy flat.out.npy
$ tenon infer net.onnx one.npy -o one.out.npy
wrote one.out.npy, 1x10
$ tenon infer net.onnx u1.npy -o u1.out.npy --json
{"file":"u1.out.npy","shape":[5,10]}
$ tenon infer net.onnx last.npy -o out.npy
! tenon: cannot run 'net.onnx' on 'last.npy': the shape is 5x4x4x3, wanted is Nx3x4x4
? 1
$ tenon infer net.onnx order.npy -o out.npy
! tenon: cannot read 'order.npy': its elements are not in C order
? 1
$ tenon infer net.onnx half.npy -o out.npy
! tenon: cannot read 'half.npy': its type is '<f2', wanted are little-endian f4, f8, or integers
? 1
$ head -c 300 f4.npy >cut.npy; tenon infer net.onnx cut.npy -o out.npy
! tenon: cannot read 'cut.npy': it has 300 bytes, 240 elements of 4 bytes from byte 128 wanted
? 1
$ tenon infer net.onnx f4.npy -o f4.out.npy
! tenon: 'f4.out.npy' is there already, and is kept unless -f is given
? 1
$ tenon infer net.onnx f4.npy -o f4.out.npy -f --threads 1
wrote f4.out.npy, 5x10
$ cmp f4.out.npy flat.out.npy
$ /usr/bin/python3 -c 'import numpy as n; a = n.load("f4.out.npy"); b = n.load("one.out.npy"); print(a.dtype, a.shape, b.shape, abs(a[0] - b[0]).max() < 1e-6)'
float32 (5, 10) (1, 10) True
$ ls *.npy*
cut.npy
f4.npy
f4.out.npy
flat.npy
flat.out.npy
half.npy
last.npy
one.npy
one.out.npy
order.npy
u1.npy
u1.out.npy
