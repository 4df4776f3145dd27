# A recipe is a job written down; what is wrong in it is told with its place, and a result's own recipe makes the same bytes.

$ tenon train mlp:48-16-12-10 -q -o a.onnx --data random:3x4x4,limit=256 --epochs 1 >log
$ tenon train mlp:48-16-12-10 -q -o b.onnx --data random:3x4x4,limit=256 --epochs 1 --seed 2 --steps 1/2 --schedule step >log
$ printf 'job: fuse\ninputs:\n  - a.onnx\n  - b.onnx\ndata: random:3x4x4,limit=256\noutput: ab.onnx\noptions:\n  support: activations\n  samples: 64\n  weights: [0.25, 0.75]\n' >ab.yaml
$ tenon run ab.yaml --dry-run -q
job         fuse
options     weights: [0.25,0.75]
            support: "activations"
            samples: 64
data        256 images of random:3x4x4,limit=256,mean=0,std=1,classes=10,seed=1
eval data   256 images of random:3x4x4,limit=256,mean=0,std=1,classes=10,seed=1
writes      ab.onnx
costs       at least 1,664 passes of an image, <number> s on one thread
model   parameters    MACs  latency ms
a.onnx       1,080  1.08 k       <number>
b.onnx       1,080  1.08 k       <number>
$ tenon run ab.yaml -q >log; tail -1 log
wrote ab.onnx
$ tenon fuse a.onnx b.onnx -q -o typed.onnx --data random:3x4x4,limit=256 --support activations --samples 64 --weights 0.25/0.75 >log; cmp ab.onnx typed.onnx
$ tenon run ab.yaml -q
! tenon: 'ab.onnx' is there already, and is kept unless -f is given
? 1
$ tenon run ab.yaml -q --json -o json.onnx | grep -c '"fused":{"file":"json.onnx"'
1

# back

$ tenon inspect ab.onnx --recipe >back.yaml; head -n 1 back.yaml; grep -v '^#' back.yaml
<text> makes ab.onnx
job: fuse
version: 0.1.0
inputs:
  - file: a.onnx
    sha256: <text>
  - file: b.onnx
    sha256: <text>
seed: 1
data: random:3x4x4,limit=256
options:
  method: transport
<lines>
$ tenon run back.yaml -q -o again.onnx >log; cmp ab.onnx again.onnx
$ tenon inspect b.onnx --recipe | tenon run /dev/stdin -q -o b2.onnx >log; cmp b.onnx b2.onnx
$ tenon prune a.onnx -q -o small.onnx -s 0.5 >log; tenon inspect small.onnx --recipe >small.yaml; tenon run small.yaml -q -o small2.onnx >log; cmp small.onnx small2.onnx
$ tenon convert a.onnx a.safetensors >log; tenon inspect a.safetensors --arch mlp --recipe >convert.yaml; tenon run convert.yaml -q -o other.safetensors; cmp a.safetensors other.safetensors
wrote other.safetensors
$ tenon check a.onnx -q --permuted p.onnx --seed 3 >log; tenon inspect p.onnx --recipe >check.yaml; tenon run check.yaml -q -o p2.onnx >log; cmp p.onnx p2.onnx
$ tenon distill a.onnx mlp:48-8-10 -q -o s.onnx --data random:3x4x4,limit=256 --epochs 1 >log; tenon inspect s.onnx --recipe >s.yaml; tenon run s.yaml -q -o s2.onnx >log; cmp s.onnx s2.onnx
$ cp b.onnx kept.onnx; cp a.onnx b.onnx; tenon run back.yaml -q -o no.onnx; cp kept.onnx b.onnx; ls no.onnx 2>/dev/null
! tenon: 'b.onnx' has the SHA-256 <text>, the recipe wants <text>
? 2

# what is wrong

$ : >r.yaml; tenon run r.yaml
! tenon: r.yaml: the recipe is empty
? 1
$ printf 'a: [' >r.yaml; tenon run r.yaml
! tenon: r.yaml:2:1: no YAML: did not find expected node content
? 1
$ { printf 'job: fuse\n'; head -c 300000 /dev/zero | tr '\0' '#'; } >r.yaml; tenon run r.yaml
! tenon: r.yaml: the recipe is larger than 256 KiB
? 1
$ printf -- '- fuse\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:1:1: the recipe is a list, names with values are wanted
? 1
$ printf 'inputs: a\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:1:1: no 'job': fuse, prune, ... is wanted
? 1
$ printf 'job: fues\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:1:6: unknown job 'fues' (did you mean 'fuse'?)
? 1
$ printf 'job: run\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:1:6: unknown job 'run', 'tenon' alone lists them
? 1
$ printf 'job: fuse\ninput: [a, b]\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:2:1: unknown name 'input' in the recipe (did you mean 'inputs'?)
? 1
$ printf 'job: fuse\ninputs: [a, b]\noptions:\n  suport: weights\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:4:3: unknown option '--suport' (did you mean '--support'?); see 'tenon help fuse'
? 1
$ printf 'job: fuse\ninputs: [a, b]\noptions:\n  support: wieghts\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:4:12: --support is 'wieghts', wanted is auto, weights, activations or both; see 'tenon help fuse'
? 1
$ printf 'job: fuse\ninputs: [a, b]\noptions: {samples: 12x}\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:3:20: --samples is '12x', a whole number is wanted; see 'tenon help fuse'
? 1
$ printf 'job: fuse\ninputs: [a, b]\noptions: {compat: 1}\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:3:11: unknown option '--compat'; see 'tenon help fuse'
? 1
$ printf 'job: prune\ninputs: a\noptions: {compat: 1}\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:3:19: 'compat' is '1', true or false is wanted
? 1
$ printf 'job: prune\ninputs: a\noptions: {force: true}\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:3:11: 'force' is no part of a recipe, it is an option of 'tenon run'
? 1
$ printf 'job: prune\ninputs: a\noptions: 3\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:3:10: 'options' has a single value, names with values are wanted
? 1
$ printf 'job: prune\njob: fuse\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:2:1: 'job' is there twice
? 1
$ printf 'job: convert\ninputs: a.onnx\nseed: 3\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:3:1: unknown option '--seed'; see 'tenon help convert'
? 1
$ printf 'job: fuse\ninputs: [a.onnx]\noutput: x.onnx\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml: 1 operand given, wanted is: tenon fuse MODEL MODEL...; see 'tenon help fuse'
? 1
$ printf 'job: fuse\ninputs: [{sha256: 12}]\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml:2:10: an input has no 'file'
? 1
$ printf 'job: fuse\ninputs: [a.onnx, b.onnx]\n' >r.yaml; tenon run r.yaml
! tenon: r.yaml: -o OUT is wanted; see 'tenon help fuse'
? 1
$ printf 'job: eval\ninputs: a.onnx\ndata: random:3x4x4\n' >r.yaml; tenon run r.yaml -o x.onnx
! tenon: r.yaml: 'eval' writes no file, and an output is given
? 1
$ mkdir far; cd far; tenon run ../back.yaml -o x.onnx
! tenon: input 'a.onnx' of '../back.yaml' is not in the current folder but beside the recipe: go to '..' first
? 1
$ cp back.yaml far; cd far; tenon run back.yaml -o x.onnx --dry-run
! tenon: input 'a.onnx' of 'back.yaml' is not in the current folder: run the recipe where its inputs are, or write their paths into it
? 1
$ tenon run nosuch.yaml
! tenon: cannot read 'nosuch.yaml': No such file or directory
? 1
$ sed 's/^version.*/version: 0.0.1/' small.yaml >old.yaml; tenon run old.yaml -o old.onnx >log
! note: the recipe is of version 0.0.1, this is 0.1.0: bytes may differ
$ tenon inspect "$TENON_MODELS/fashion-mlp-a.onnx" --recipe
! tenon: 'fashion-mlp-a.onnx' does not say all of how it was made: it has no 'tenon.operands' or 'tenon.options' (an earlier tenon or another program wrote it); what it says is in 'tenon inspect fashion-mlp-a.onnx'
? 1

# what a file says of its making cannot add lines to its recipe, nor options that are none

$ tenon train mlp:48-16-10 -q -o t.safetensors --data random:3x4x4,limit=256 --epochs 1 >log
$ sed 's/"tenon.version":"0.1.0"/"tenon.version":"0\\nab"/' t.safetensors >forged.safetensors; tenon inspect forged.safetensors --arch mlp --recipe | grep version
version: "0\nab"
$ sed 's/\\"epochs\\"/\\"output\\"/' t.safetensors >forged.safetensors; tenon inspect forged.safetensors --arch mlp --recipe
! tenon: 'forged.safetensors' was made with an option 'output', which 'train' does not record
? 1
