# Features shared by two processes give the file of one, to the byte; an error is said once.
% require mpirun
% when ! tenon assemble x -o y --data random:1x4x4 --mpi 2>&1 | grep 'without MPI'

$ tenon train mlp:16-12-10-4 -o a.onnx --data random:1x4x4,classes=4,limit=256 -e 1 -q > log
$ tenon train mlp:16-9-8-4 -o b.onnx --data random:1x4x4,classes=4,limit=256 -e 1 -q --seed 2 > log
$ echo 'export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ASAN_OPTIONS=detect_leaks=0; exec mpirun --oversubscribe -n 2 "$@"' > two
$ mkdir one both
$ tenon assemble a.onnx b.onnx -o one/ab.onnx --data random:1x4x4,classes=4,limit=256 --samples 200 --cache one -k 2 -q | tail -n 1
wrote one/ab.onnx
$ sh two tenon assemble a.onnx b.onnx -o both/ab.onnx --data random:1x4x4,classes=4,limit=256 --samples 200 --cache both -k 2 --mpi -q | tail -n 1
wrote both/ab.onnx
$ diff -r one both
$ ls both | grep -c features
2
$ sh two tenon assemble a.onnx b.onnx -o both/ab.onnx --data random:1x4x4,classes=4,limit=256 --samples 200 --cache both -k 2 --mpi -q 2>&1 | grep -c 'is there already'
1
