# tenon prune: a plan does the same again, and what does not fit it is refused.

$ tenon train mlp:48-16-12-10 -q -o a.onnx --data random:3x4x4,limit=256 --epochs 1 >train.txt
$ tenon train mlp:48-16-12-10 -q -o b.onnx --data random:3x4x4,limit=256 --epochs 1 --seed 2 >train.txt
# without images, with drawn ones, with given ones
$ tenon prune a.onnx -q -o 1.onnx -s 0.5 --method delete --repair none --seed 18446744073709551615 --plan-out 1.json >out.txt; tenon prune a.onnx -q -o 2.onnx --plan 1.json >out.txt; cmp 1.onnx 2.onnx && tr -d '\t' <1.json | grep -m 4 '"model"\|"method"\|"seed"\|"count"' | sed 's/[0-9a-f]\{64\}/<hash>/'
"model":"<hash>",
"method":"delete",
"seed":"18446744073709551615",
"count":0,
$ tenon prune a.onnx -q -o 3.onnx -s 0.4 --method intra-fusion --plan-out 3.json >out.txt; tenon prune a.onnx -q -o 4.onnx --plan 3.json --plan-out 4.json >out.txt; cmp 3.onnx 4.onnx && cmp 3.json 4.json && grep -c '"map"' 3.json
2
$ tenon prune a.onnx -q -o 5.onnx -s 0.4 --method refit --data random:3x4x4,limit=200 --plan-out 5.json >out.txt; tenon prune a.onnx -q -o 6.onnx --plan 5.json --data random:3x4x4,limit=200 >out.txt; cmp 5.onnx 6.onnx && echo same
same
$ tenon prune a.onnx -q -o f1.onnx -s 0.5 --method fold --repair data-free --plan-out f.json >out.txt; tenon prune a.onnx -q -o f2.onnx --plan f.json >out.txt; cmp f1.onnx f2.onnx && tr -d '\t' <f.json | grep '"repair"\|tenon_prune_plan'
"tenon_prune_plan":2,
"repair":"data-free",
"repair":"data-free",
$ tenon prune a.onnx -q -o f3.onnx -s 0.5 --repair data-free
! tenon: repair without data puts back what mixing takes from the variance: it wants the method to be fold, nearest or intra-fusion
? 1
# of four images one says which layers stay as deletion left them: a plan says so again
$ tenon prune a.onnx -q --json -o 5b.onnx -s 0.5 --method refit --seed 6 --data random:3x4x4,limit=4,seed=6 --plan-out 5b.json >5b.txt; tenon prune a.onnx -q --json -o 6b.onnx --plan 5b.json --data random:3x4x4,limit=4,seed=6 >6b.txt; cmp 5b.onnx 6b.onnx && python3 -c 'import json; a, b = (json.load(open(f)) for f in ("5b.txt", "6b.txt")); print(a["groups"] == b["groups"], [(g["readers"], (g["method"] == "delete") == (g["readers_refitted"] == 0)) for g in a["groups"]])'
True [(1, True), (1, True)]
# refused: another model, other images, none, not a plan
$ tenon prune b.onnx -q -o 7.onnx --plan 1.json
! tenon: the plan is for another model: SHA-256 <text>..., this one has <text>...
? 1
$ tenon prune a.onnx -q -o 7.onnx --plan 5.json --data random:3x4x4,limit=200,seed=5
! tenon: these are not the images of the plan, which were random:3x4x4<text>
? 1
$ tenon prune a.onnx -q -o 7.onnx --plan 5.json
! tenon: the plan wants its images again: random:3x4x4<text>
? 1
$ tenon prune a.onnx -q -o 7.onnx --plan a.onnx
! tenon: cannot read 'a.onnx': this is no JSON of at most 256 MiB
? 1
$ tenon prune a.onnx -q -o 7.onnx --plan 1.json -s 0.5
! tenon prune: --plan says how much: leave --sparsity and budgets out; see 'tenon help prune'
? 2
$ ls 7.onnx 2>/dev/null
? 2
# widths: fixed, excluded, budgets, shares; the table's deletion has the same
$ tenon prune a.onnx -q --json -o 8.onnx --method delete --repair none --keep fc2.weight=5 >8.json; python3 -c 'import json; o = json.load(open("8.json")); print([(w["name"], w["before"], w["after"]) for w in o["widths"]], o["groups"][0]["name"], o["groups"][0]["left"])'
[('fc1', 16, 16), ('fc2', 12, 5), ('fc3', 10, 10)] fc2.weight 5
$ tenon prune a.onnx -q --json -o 9.onnx -s 0.5 --method delete --repair none --exclude fc1 | python3 -c 'import json, sys; print([(w["before"], w["after"]) for w in json.load(sys.stdin)["widths"]])'
[(16, 16), (12, 6), (10, 10)]
$ for a in even rank error; do tenon prune a.onnx -q --json -f -o 10.onnx --max-params 600 --allocate $a --data random:3x4x4,limit=64 >10.json && python3 -c 'import json; print(json.load(open("10.json"))["pruned"]["params"] <= 600)'; done
True
True
True
$ tenon prune a.onnx -q -f -o 10.onnx --max-latency 1000000 >10.txt && grep -c 'removed by' 10.txt
1
$ tenon prune a.onnx -q -f -o 10.onnx --max-latency 1e-9
! tenon: the budget is out of reach: even with all removed that these groups may lose the network is above it
? 1
$ tenon prune a.onnx -q -f -o 10.onnx --exclude nosuch -s 0.5
! tenon: no node is called 'nosuch'
? 1
$ tenon prune a.onnx -q -f -o 10.onnx --keep fc2.weight=99
! tenon: keep has 'fc2.weight=99', expected 2 to 12 neurons
? 1
$ tenon prune a.onnx -q -f -o 10.onnx --keep fc2.weight
! tenon: keep has 'fc2.weight', expected NAME=N of a group
? 1
