# Train, evaluate, fuse, compare, convert, infer: each reads what the one before wrote.

$ tenon train mlp:48-16-12-10 -q -o a.onnx --data random:3x4x4,limit=256 --epochs 3 --seed 1
model   accuracy    loss     ECE  parameters    MACs  latency ms  seconds
a.onnx   <number> %  <number>  <number>       1,080  <number> k       <number>    <number>
3 epochs in <text>, <number> images/s; the last: loss <number>, accuracy <number> % on the training images
wrote a.onnx
$ tenon train mlp:48-16-12-10 -q -o b.onnx --data random:3x4x4,limit=256 --epochs 3 --seed 2
model   accuracy    loss     ECE  parameters    MACs  latency ms  seconds
b.onnx   <number> %  <number>  <number>       1,080  <number> k       <number>    <number>
3 epochs in <text>, <number> images/s; the last: loss <number>, accuracy <number> % on the training images
wrote b.onnx
$ tenon inspect a.onnx
file        a.onnx
sha256      <text>
name        mlp:48-16-12-10
input       1x3x4x4
output      1x10
nodes       6
parameters  1,080
MACs        1,080
bytes       4,320
made by     tenon <text> train mlp:48-16-12-10
  options   {"epochs":3,"batch":128,"shard":64,"optimizer":"sgd","learning-rate":0.1,"momentum":0.9,"second-momentum":0.999,"no-nesterov":false,"clip":0,"weight-decay":0.0005,"schedule":"cosine","step-factor":0.1,"warmup":1,"cycle-rise":0.3,"label-smoothing":0,"norm-momentum":0.1,"precision":"auto","pad":0,"flip":false,"cutout":0,"erase":0,"mixup":0,"average":0,"holdout":0,"seed":1,"data":"random:3x4x4,limit=256"}
$ tenon eval a.onnx b.onnx -q --data random:3x4x4,limit=100
model                accuracy    loss     ECE  parameters    MACs
a.onnx                <number> %  <number>  <number>       1,080  <number> k
b.onnx                <number> %  <number>  <number>       1,080  <number> k
prediction ensemble   <number> %  <number>  <number>       2,160  <number> k
100 images of random:3x4x4,limit=100,mean=0,std=1,classes=10,seed=1
$ tenon fuse a.onnx b.onnx -q -o fused.onnx
model                parameters    MACs  seconds
a.onnx                    1,080  <number> k        -
b.onnx                    1,080  <number> k        -
prediction ensemble       2,160  <number> k        -
fused, recalibrated       1,080  <number> k    <number>
largest duality gap <number>, marginal error <number>
statistics <number> s, transport <number> s, recalibration of 2 layers <number> s
wrote fused.onnx
$ tenon fuse a.onnx b.onnx -q -o fused.onnx -f --data random:3x4x4,limit=200
model                accuracy    loss     ECE  parameters    MACs  latency ms  seconds
a.onnx                <number> %  <number>  <number>       1,080  <number> k       <number>        -
b.onnx                <number> %  <number>  <number>       1,080  <number> k       <number>        -
prediction ensemble   <number> %  <number>  <number>       2,160  <number> k       <number>        -
plain average         <number> %  <number>  <number>       1,080  <number> k       <number>    <number>
fused                 <number> %  <number>  <number>       1,080  <number> k       <number>    <number>
fused, recalibrated   <number> %  <number>  <number>       1,108  <number> k       <number>    <number>
largest duality gap <number>, marginal error <number>
a.onnx aligned alone: <number> %, 0.00 % lost
b.onnx aligned alone: <number> %, 0.00 % lost
statistics <number> s, transport <number> s, recalibration of 2 layers <number> s
wrote fused.onnx
$ tenon fuse a.onnx b.onnx -q -v -o weighted.onnx --data random:3x4x4,limit=200 --weights 0.8/0.2 --recalibrate none
model                accuracy    loss     ECE  parameters    MACs  latency ms  seconds
a.onnx                <number> %  <number>  <number>       1,080  <number> k       <number>        -
b.onnx                <number> %  <number>  <number>       1,080  <number> k       <number>        -
prediction ensemble   <number> %  <number>  <number>       2,160  <number> k       <number>        -
plain average         <number> %  <number>  <number>       1,080  <number> k       <number>    <number>
fused                 <number> %  <number>  <number>       1,080  <number> k       <number>    <number>
group       model  neurons  onto  cost  gap  marginal error     moved
fc1.weight      1       16    16  <number>    0               0  <number> %
fc2.weight      1       12    12  <number>    0               0  <number> %
largest duality gap <number>, marginal error <number>
a.onnx aligned alone: <number> %, 0.00 % lost
b.onnx aligned alone: <number> %, 0.00 % lost
statistics <number> s, transport <number> s, recalibration of 0 layers <number> s
wrote weighted.onnx
$ tenon fuse a.onnx b.onnx -q -o line.onnx --data random:3x4x4,limit=200 --barrier 2 | sed -n '/^ *t /,$p' | sed '/^statistics/d'
   t   accuracy    loss
0.00  <number> %  <number>
0.50  <number> %  <number>
1.00  <number> %  <number>
barrier <number> %, loss <number>
wrote line.onnx
$ tenon fuse a.onnx a.onnx -q -o same.onnx --recalibrate none; tenon compare a.onnx same.onnx
model                parameters    MACs  seconds
a.onnx                    1,080  <number> k        -
a.onnx                    1,080  <number> k        -
prediction ensemble       2,160  <number> k        -
fused                     1,080  <number> k    <number>
largest duality gap <number>, marginal error <number>
statistics <number> s, transport <number> s, recalibration of 0 layers <number> s
wrote same.onnx
images              64 of random:3x4x4,limit=64,mean=0,std=1,classes=10,seed=1
largest difference  0, of outputs up to <number>
same class          <number> % of the images
$ tenon finetune fused.onnx -q -o tuned.onnx --data random:3x4x4,limit=256 --epochs 1 --holdout 0.2
model       accuracy    loss     ECE  parameters    MACs  latency ms  seconds
fused.onnx   <number> %  <number>  <number>       1,108  <number> k       <number>        -
tuned.onnx   <number> %  <number>  <number>       1,108  <number> k       <number>    <number>
1 epoch in <text>, <number> images/s; the last: loss <number>, accuracy <number> % on the training images
epoch 1 was the best on the images kept apart: <number> %
wrote tuned.onnx
$ tenon inspect tuned.onnx
file        tuned.onnx
sha256      <text>
name        mlp:48-16-12-10
input       1x3x4x4
output      1x10
nodes       6
parameters  1,108
MACs        1,080
bytes       4,432
made by     tenon <text> finetune fused.onnx
  options   {"epochs":1,"batch":128,"shard":64,"optimizer":"sgd","learning-rate":0.01,"momentum":0.9,"second-momentum":0.999,"no-nesterov":false,"clip":0,"weight-decay":0.0005,"schedule":"cosine","step-factor":0.1,"warmup":1,"cycle-rise":0.3,"label-smoothing":0,"norm-momentum":0.1,"precision":"auto","pad":0,"flip":false,"cutout":0,"erase":0,"mixup":0,"average":0,"holdout":0.2,"seed":1,"data":"random:3x4x4,limit=256"}
  from      fused.onnx  sha256 <text>...
$ tenon compare a.onnx b.onnx --layers
images              64 of random:3x4x4,limit=64,mean=0,std=1,classes=10,seed=1
largest difference  <number>, of outputs up to <number>
same class          <number> % of the images
a.onnx  b.onnx     CKA
fc1     fc1     <number>
fc2     fc2     <number>
$ tenon compare a.onnx b.onnx --data random:3x4x4,limit=50
images              50 of random:3x4x4,limit=50,mean=0,std=1,classes=10,seed=1
largest difference  <number>, of outputs up to <number>
same class          <number> % of the images
a.onnx  b.onnx     CKA
fc1     fc1     <number>
fc2     fc2     <number>
$ tenon check a.onnx
groups            2, 0 of them above 1e-05
largest movement  <number> of the largest output
$ tenon convert a.onnx a.safetensors
wrote a.safetensors
$ tenon convert a.safetensors back.onnx --graph b.onnx
wrote back.onnx
$ tenon compare a.onnx back.onnx
images              64 of random:3x4x4,limit=64,mean=0,std=1,classes=10,seed=1
largest difference  0, of outputs up to <number>
same class          <number> % of the images
$ tenon compare a.safetensors back.onnx --graph b.onnx --images 9
images              9 of random:3x4x4,limit=9,mean=0,std=1,classes=10,seed=1
largest difference  0, of outputs up to <number>
same class          <number> % of the images
$ ls
a.onnx
a.safetensors
b.onnx
back.onnx
fused.onnx
line.onnx
same.onnx
tuned.onnx
weighted.onnx
$ tenon check a.onnx -q --permuted copy.onnx | head -n 1
groups            2, 0 of them above 1e-05
$ tenon compare a.onnx copy.onnx --images 20 | tail -n 1
same class          100.00 % of the images
$ tenon check a.onnx -q --permuted copy.onnx
! tenon: 'copy.onnx' is there already, and is kept unless -f is given
? 1
