# One network out of blocks of two: a chain given by name is the member itself, budgets hold
# or the nearest is named, sizes that cannot be kept name the least, matrices are drawn.

$ tenon train mlp:16-12-10-4 -o a.onnx --data random:1x4x4,classes=4,limit=256 -e 1 -q > log
$ tenon train mlp:16-9-8-4 -o b.onnx --data random:1x4x4,classes=4,limit=256 -e 1 -q --seed 2 > log
$ tenon assemble a.onnx b.onnx -o same.onnx --data random:1x4x4,classes=4,limit=256 --path 1:0-1,1:2-2 -q
model     accuracy    loss     ECE  parameters  MACs  latency ms  seconds
a.onnx   <number> %  <number>  <number>         352   352       <number>        -
b.onnx   <number> %  <number>  <number>         248   248       <number>        -
stitched <number> %  <number>  <number>         352   352       <number>  <number>
block  from    units  set  stitch explains  its parameters
1      a.onnx    0-1    -         100.00 %               0
2      a.onnx    2-2    -                -               -
wrote same.onnx
$ tenon inspect same.onnx | grep '^  block '
  block     a.onnx  input to relu2
  block     a.onnx  relu2 to logits
$ tenon inspect same.onnx --json | grep -c '"blocks":\[{"member":"a.onnx","sha256":'
1
$ tenon compare a.onnx same.onnx --data random:1x4x4,classes=4,limit=256 -q | head -n 3
images              256 of random:1x4x4,limit=256,mean=0,std=1,classes=4,seed=1
largest difference  0, of outputs up to <number>
same class          100.00 % of the images
$ tenon assemble a.onnx b.onnx -o ab.onnx --data random:1x4x4,classes=4,limit=256 -k 2 --max-params 0.3k --picture ab.svg -q | tail -n 1
wrote ab.onnx
$ head -c 4 ab.svg; echo
<svg
$ tenon assemble a.onnx b.onnx -o none.onnx --data random:1x4x4,classes=4,limit=256 -k 2 --max-params 10 -q
! tenon: no chain of blocks keeps the budgets; the nearest has 248 parameters and 248 MACs, 2380.00 % beyond them
? 1
$ tenon assemble a.onnx b.onnx -o none.onnx --data random:1x4x4,classes=4,limit=256 -k 2 --max-memory 100 -q
! tenon: no blocks of the zoo can be chained within 100 bytes of activations, whatever the other budgets
? 1
$ tenon assemble a.onnx b.onnx -o none.onnx --data random:1x4x4,classes=4,limit=256 -k 2 --eps 0.01 -q
! tenon: no cut into 2 blocks keeps every block within eps = 0.01; the least that works is 0.1613
? 1
$ tenon assemble -o none.onnx --data random:1x4x4
! tenon assemble: of what? name MODEL files, or --zoo FILE.json; see 'tenon help assemble'
? 2
$ tenon compare a.onnx b.onnx --data random:1x4x4,classes=4,limit=256 --cuts --picture cuts.svg -q | tail -n 1
wrote cuts.svg
