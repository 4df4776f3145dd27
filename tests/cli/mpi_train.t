# Two processes that share the shards of each batch, one each, write the file of one, to the byte.
% require mpirun
% when ! tenon train mlp:16-4 -o no/y.onnx --data random:1x4x4,classes=4 --mpi 2>&1 | grep 'without MPI'

$ echo 'export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ASAN_OPTIONS=detect_leaks=0; exec mpirun --oversubscribe -n 2 "$@"' > two
$ tenon train resnet8x0.5 -q -o start.onnx --data random:3x16x16,limit=256 -e 1 --eval-data none >log
$ tenon finetune start.onnx -q -o one.onnx --data random:3x16x16,limit=512 --holdout 0.1 -e 2 --flip --eval-data none --log one.jsonl --log-steps 1 >log
$ sh two tenon finetune start.onnx -q -o two.onnx --data random:3x16x16,limit=512 --holdout 0.1 -e 2 --flip --eval-data none --log two.jsonl --log-steps 1 --threads 1 --mpi | tail -n 1
wrote two.onnx
$ cmp one.onnx two.onnx
$ for f in one two; do sed 's/,"images_per_second.*//' $f.jsonl >$f.txt; done; diff one.txt two.txt && wc -l <two.txt
8
$ tenon distill start.onnx mlp:768-300-10 -q -o one.onnx -f --data random:3x16x16,limit=256 -e 1 --eval-data none >log
$ sh two tenon distill start.onnx mlp:768-300-10 -q -o two.onnx -f --data random:3x16x16,limit=256 -e 1 --eval-data none --threads 1 --mpi >log
$ cmp one.onnx two.onnx
$ sh two tenon train mlp:768-10 -q -o two.onnx -f --data random:3x16x16,limit=256 --batch 64 --mpi 2>&1 | grep -c '^tenon: 2 processes for the 1 shards of a step'
1
$ tenon eval start.onnx two.onnx --data random:3x16x16,limit=301 -q --json >one.json
$ sh two tenon eval start.onnx two.onnx --data random:3x16x16,limit=301 -q --json --threads 1 --mpi >two.json
$ for f in one two; do tr , '\n' <$f.json | grep -E '"(accuracy|images)"' >$f.txt; done; diff one.txt two.txt && wc -l <two.txt
6
