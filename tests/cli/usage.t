# What is wrong with a command line is one line on stderr and exit status 2.

$ tenon fsue
! tenon: unknown command 'fsue' (did you mean 'fuse'?); see 'tenon help'
? 2
$ tenon frobnicate
! tenon: unknown command 'frobnicate'; see 'tenon help'
? 2
$ tenon help archh
! tenon: no help on 'archh' (did you mean 'arch'?); see 'tenon help'
? 2
$ tenon --frob
! tenon: unknown option '--frob', a command comes first; see 'tenon help'
? 2
$ tenon fuse a.onnx b.onnx -o out.onnx --suport weights
! tenon fuse: unknown option '--suport' (did you mean '--support'?); see 'tenon help fuse'
? 2
$ tenon fuse a.onnx b.onnx -o out.onnx --support colour
! tenon fuse: --support is 'colour', wanted is auto, weights, activations or both; see 'tenon help fuse'
? 2
$ tenon fuse a.onnx b.onnx
! tenon fuse: -o OUT is wanted; see 'tenon help fuse'
? 2
$ tenon fuse a.onnx -o out.onnx
! tenon fuse: 1 operand given, wanted is: tenon fuse MODEL MODEL...; see 'tenon help fuse'
? 2
$ tenon fuse a.onnx b.onnx -o out.onnx --weights 0.5/0.3/0.2
! tenon fuse: --weights has 3 numbers for 2 models; see 'tenon help fuse'
? 2
$ tenon fuse a.onnx b.onnx -o out.onnx --weights 0.5/half
! tenon fuse: --weights is '0.5/half', numbers like 0.7/0.3 are wanted; see 'tenon help fuse'
? 2
$ tenon fuse a.onnx b.onnx -o out.onnx --reference 2
! tenon fuse: --reference is 2, the models are 0 to 1; see 'tenon help fuse'
? 2
$ tenon fuse a.onnx b.onnx -o out.onnx --unbalanced 1
! tenon fuse: --unbalanced wants --solver sinkhorn; see 'tenon help fuse'
? 2
$ tenon fuse a.onnx b.onnx -o out.onnx --support activations
! tenon fuse: --support activations wants --data SPEC; see 'tenon help fuse'
? 2
$ tenon eval a.onnx
! tenon eval: --data SPEC is wanted; see 'tenon help eval'
? 2
$ tenon train resnet20 -o out.onnx --data random:3x8x8 --epochs 0
! tenon train: --epochs is '0', a number from 1 to 1e+09 is wanted; see 'tenon help train'
? 2
$ tenon train resnet20 -o out.onnx --data random:3x8x8 --epochs three
! tenon train: --epochs is 'three', a whole number is wanted; see 'tenon help train'
? 2
$ tenon train resnet20 -o out.onnx --data random:3x8x8 --learning-rate nan
! tenon train: --learning-rate is 'nan', a number is wanted; see 'tenon help train'
? 2
$ tenon train resnet20 -o out.onnx --data random:3x8x8 --steps 60/30
! tenon train: --steps is '60/30', at most 15 ascending whole numbers are wanted; see 'tenon help train'
? 2
$ tenon train resnet20 -o out.onnx --data
! tenon train: --data wants a value, and there is none; see 'tenon help train'
? 2
$ tenon train resnet20 -o out.onnx --flip=yes
! tenon train: --flip takes no value, got 'yes'; see 'tenon help train'
? 2
$ tenon train -qx
! tenon train: unknown option '-x'; see 'tenon help train'
? 2
$ tenon help fuse eval
! tenon: help wants one command, got 2; see 'tenon help'
? 2
$ ls
