# A report is one page that holds the object of --json and everything that draws it.
% require /usr/share/javascript/d3/d3.min.js

$ tenon train mlp:48-16-12-10 -q -o a.onnx --data random:3x4x4,limit=256 --epochs 2 --report a.html >log; grep -c '"curve":\[{"epoch":1,' a.html
1
$ cp a.onnx 'x<!--.onnx'; tenon eval a.onnx 'x<!--.onnx' -q --data random:3x4x4 --report b.html >log; grep -c '<script' b.html; grep -c '"file":"x\\u003c!--.onnx"' b.html
3
1
$ grep -E -c 'src=|<link' b.html
0
? 1
$ tenon eval a.onnx --data random:3x4x4 --report b.html
! tenon: 'b.html' is there already, and is kept unless -f is given
? 1
$ tenon eval a.onnx -q --data random:3x4x4 --report b.html -f --json | cut -c 1-29
{"models":[{"file":"a.onnx","
$ tenon eval a.onnx --data random:3x4x4 --report b.pdf
! tenon: cannot write 'b.pdf': its name must end in .html
? 1
$ tenon eval a.onnx --data random:3x4x4 --report nowhere/b.html
! tenon: cannot write 'nowhere/b.html': folder 'nowhere': No such file or directory
? 1
$ printf 'job: eval\ninputs: a.onnx\ndata: random:3x4x4\n' >r.yaml; tenon run r.yaml -q --report r.html >log; grep -c '"command":"eval"' r.html
1
$ printf 'job: convert\ninputs: a.onnx\noutput: c.onnx\n' >r.yaml; tenon run r.yaml -q --report s.html
! tenon: 'convert' has no report
? 1
