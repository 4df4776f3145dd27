# A training that is killed goes on from the state it kept and ends with the same bytes.

$ tenon train mlp:768-400-10 -q -o whole.onnx --data random:3x16x16,limit=8192 --epochs 3 --eval-data none >whole.txt
$ tenon train mlp:768-400-10 -q -o net.onnx --data random:3x16x16,limit=8192 --epochs 3 --eval-data none --state net.state --state-minutes 0 & i=0; while [ ! -s net.state ] && [ $i -lt 600 ]; do sleep 0.05; i=$((i + 1)); done; kill -9 $!; wait; ls *.state *.onnx
net.state
whole.onnx
$ tenon train mlp:768-400-10 -q -o net.onnx --data random:3x16x16,limit=8192 --epochs 3 --eval-data none --state net.state
! tenon: 'net.state' keeps a training that was stopped: resume it, or remove the file
? 1
$ tenon train mlp:768-400-10 -q -o net.onnx --data random:3x16x16,limit=8192 --epochs 4 --eval-data none --state net.state --resume
! tenon: 'net.state' is the state of another training: its model, data or options differ
? 1
$ tenon train mlp:768-400-10 -q -o net.onnx --data random:3x16x16,limit=8192 --epochs 3 --eval-data none --state net.state --resume >net.txt
$ cmp whole.onnx net.onnx && test ! -e net.state && ls *.onnx
net.onnx
whole.onnx
