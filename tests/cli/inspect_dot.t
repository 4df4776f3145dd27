# Graphviz reads the picture that inspect draws.
% require dot
$ tenon inspect "$TENON_MODELS/fashion-resnet-a.onnx" -q --dot res.dot >/dev/null; dot -Tsvg res.dot | grep -c '</svg>'
1
