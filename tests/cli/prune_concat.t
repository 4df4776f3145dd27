# tenon prune tells where concatenations no longer give whole blocks of 16 channels.

% require /usr/bin/python3
% when /usr/bin/python3 -c 'import onnx, numpy'
$ /usr/bin/python3 -c 'import numpy as n; from onnx import helper as h, numpy_helper as p, save; r = n.random.RandomState(1); w = lambda k, *s: p.from_array(r.randn(*s).astype("f4"), k); c = lambda x, k: h.make_node("Conv", [x, k + ".w"], [k], k); t = lambda k, *s: h.make_tensor_value_info(k, 1, s); save(h.make_model(h.make_graph([c("x", "a"), c("x", "b"), h.make_node("Concat", ["a", "b"], ["c"], axis=1), h.make_node("Relu", ["c"], ["d"]), c("d", "e"), h.make_node("GlobalAveragePool", ["e"], ["f"]), h.make_node("Flatten", ["f"], ["y"])], "g", [t("x", "N", 3, 8, 8)], [t("y", "N", 5)], [w("a.w", 16, 3, 1, 1), w("b.w", 16, 3, 1, 1), w("e.w", 5, 32, 1, 1)]), ir_version=8, opset_imports=[h.make_opsetid("", 13)]), "net.onnx")'
$ tenon prune net.onnx -q -o small.onnx -s 0.3 --method delete --repair none | grep concatenations
concatenations that no longer give a multiple of 16 channels: 1; runtimes that compute in such blocks gain less there (see --round-to)
$ tenon prune net.onnx -q -f -o even.onnx -s 0.3 --method delete --repair none --round-to 8 | grep -c concatenations
0
? 1
$ tenon prune net.onnx -q -f -o small.onnx -s 0.3 --method delete --repair none --json | tr ',' '\n' | grep uneven
"uneven_concats":1
