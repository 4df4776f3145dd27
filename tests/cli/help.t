# The first screen, a command's help with defaults from the option structs, the topics.

$ tenon
tenon makes one better neural network out of networks that are already
trained, without training from scratch.
Usage: tenon COMMAND [operands and options]
Commands:
  inspect    what is in a model: nodes, parameters, MACs, groups, legal cuts
  eval       accuracy, loss and calibration of models, and of their ensemble
  fuse       one network out of several, by optimal transport of their neurons
  prune      a smaller network out of one, without training
  slim       a smaller network, with training
  assemble   one network within budgets, out of blocks of several
  train      trains a built-in architecture from random weights
  finetune   goes on training a model
  distill    trains a student on what one or more teachers say
  transfer   parameters of one network put into another of other depth or width
  compare    largest output difference of two models; layer-by-layer similarity
  check      permutes every group at random: how far do the outputs move?
  infer      runs a model on the inputs in an .npy file
  convert    from one file format to another
  run        a job that is written down: inputs, data, options, seed
A model is an .onnx file, or .safetensors, .pt, .pth, .th or .checkpoint
weights with --arch NAME. Images are named kind:path[,key=value...].
  tenon help COMMAND   the options of a command, with their defaults
  tenon help data      how images are named
  tenon help arch      built-in architectures
  tenon help man, tenon help completion bash|zsh|fish
                       manual pages; what a shell completes
  tenon --version      the version
Results go to stdout, progress to stderr. Exit status: 0 done, 1 failed,
2 usage.
$ tenon | head -n 1; tenon --help | head -n 1; tenon help | head -n 1
tenon makes one better neural network out of networks that are already
tenon makes one better neural network out of networks that are already
tenon makes one better neural network out of networks that are already
$ tenon --version
tenon <text>
$ tenon help check
Usage: tenon check MODEL [options]
Permutes each neuron group by itself, then all at once, and compares the outputs
on random inputs. A permutation of a true group changes nothing but rounding;
ends with status 1 where outputs move by more than --tolerance.
Checking:
  --rounds N              random permutations of each group [3]
  --images N              random inputs [8]
  --tolerance X           how far outputs may move, relative to the largest
                          output [1e-05]
  --seed N                of the permutations and the inputs [1]
  --permuted OUT          write a copy with every group permuted: the same
                          function
  -f, --force             replace OUT where it is there already
Model files:
  --arch NAME             architecture of files that carry weights but no graph:
                          one name for all, or one for each such file in their
                          order, separated by commas. 'tenon help arch' lists
                          them
  --graph FILE.onnx       take the graph of these files from an ONNX file
                          instead
Common options:
  --threads N             worker threads; 0 takes one for each processor.
                          Results do not depend on it [0]
  --json                  print the result as one JSON object
  -q, --quiet             no progress and no notes, only the result and errors
  -v, --verbose           say more
  -h, --help              print this and end
Examples:
  tenon check net.onnx
  tenon check net.pth --arch vgg11 --rounds 10
  tenon check net.onnx --permuted copy.onnx --seed 2
$ tenon check --help | head -n 1
Usage: tenon check MODEL [options]
$ tenon fuse a.onnx b.onnx -h | head -n 1
Usage: tenon fuse MODEL MODEL... -o OUT [options]
$ tenon help train | grep -e '--epochs' -e '--learning-rate'
  -e, --epochs N          how often each image is seen [10]
  -l, --learning-rate X   at its highest [0.1]
  tenon train resnet20 -o net.onnx --data cifar10:DIR --epochs 30 --pad 4 --flip
$ tenon help finetune | grep -e '--epochs' -e '--learning-rate'
  -e, --epochs N          how often each image is seen [10]
  -l, --learning-rate X   at its highest [0.01]
  tenon finetune fused.onnx -o tuned.onnx --data fashion-mnist --epochs 3
$ tenon help data | head -n 1
SPEC names labelled images: kind:path[,key=value...]
$ for c in inspect eval fuse prune slim train finetune compare check infer convert; do tenon help $c | head -n 1; done
Usage: tenon inspect MODEL [options]
Usage: tenon eval MODEL... --data SPEC [options]
Usage: tenon fuse MODEL MODEL... -o OUT [options]
Usage: tenon prune MODEL -o OUT [options]
Usage: tenon slim MODEL|ARCH -o OUT --data SPEC [options]
Usage: tenon train ARCH -o OUT --data SPEC [options]
Usage: tenon finetune MODEL -o OUT --data SPEC [options]
Usage: tenon compare MODEL MODEL [options]
Usage: tenon check MODEL [options]
Usage: tenon infer MODEL INPUT.npy -o OUT [options]
Usage: tenon convert IN OUT [options]
$ tenon help | awk 'length > 80'; for c in inspect eval fuse prune slim train finetune compare check infer convert data; do tenon help $c | awk 'length > 80'; done
$ tenon help man fuse | head -n 5
.TH "TENON-FUSE" 1 "" "tenon <text>" "Tenon"
.SH NAME
tenon\-fuse \- one network out of several, by optimal transport of their neurons
.SH SYNOPSIS
.B tenon fuse
$ tenon help man | head -n 3 | tail -n 1
tenon \- makes one better neural network out of trained ones
$ tenon help man fsue
! tenon: unknown command 'fsue' (did you mean 'fuse'?); see 'tenon help'
? 2
$ tenon help completion fish | grep -c -- '-n __fish_use_subcommand'
<number>
$ tenon help completion tcsh
! tenon: no completion for 'tcsh', wanted is bash, zsh or fish; see 'tenon help'
? 2
