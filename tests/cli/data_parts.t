# Mistakes in choosing classes and parts of a data set are told.
$ tenon train mlp:4-2 -q -o a.onnx --data idx:x,classes=0-4
! tenon: 'classes=0-4' in a data spec: expected their number; only=0-4 chooses classes
? 1
$ tenon train mlp:4-2 -q -o a.onnx --data idx:x,only=4-0
! tenon: 'only=4-0' in a data spec: expected at most 16 classes or ranges as 0/3/5-7
? 1
$ tenon train mlp:4-2 -q -o a.onnx --data idx:x,dirichlet=0.5
! tenon: key 'dirichlet' in a data spec without part=K/N
? 1
$ tenon train mlp:4-2 -q -o a.onnx --data idx:x,part=3/2
! tenon: 'part=3/2' in a data spec: expected K/N, the part K from 1 to N of at most 65536
? 1
$ tenon train mlp:4-2 -q -o a.onnx --data idx:x,part=1/2,shares=1/2/3
! tenon: shares= in a data spec has 3 values, part= has 2 parts
? 1
$ tenon train mlp:4-2 -q -o a.onnx --data random:1x2x2,part=1/2
! tenon: 'random:1x2x2' has no splits, no classes to choose, no parts and no other size
? 1
