# Groups of a shipped network with the nodes that tie their tensors, and its picture.
$ cp "$TENON_MODELS/fashion-mlp-a.onnx" net.onnx; cp "$TENON_MODELS/fashion-resnet-a.onnx" res.onnx
$ tenon inspect net.onnx --groups | sed -n '/^Groups/,$p'
Groups
  fc1.weight  256 neurons on 3 tensors and 2 activations
      makes    fc1.weight[0]
      makes    fc1.bias[0]  by fc1
      reads    fc2.weight[1]  by fc1 > relu1 > fc2
  fc2.weight  128 neurons on 3 tensors and 2 activations
      makes    fc2.weight[0]
      makes    fc2.bias[0]  by fc2
      reads    fc3.weight[1]  by fc2 > relu2 > fc3
  fc3.weight  64 neurons on 3 tensors and 2 activations
      makes    fc3.weight[0]
      makes    fc3.bias[0]  by fc3
      reads    fc4.weight[1]  by fc3 > relu3 > fc4
  fc1.weight  784 frozen on axis 1: position at flatten of flatten  by fc1
  fc4.weight  10 frozen on axis 0: graph output at logits  by fc4
  fc4.bias  10 frozen on axis 0: graph output at logits  by fc4
$ tenon inspect net.onnx --groups --json | grep -o '"tensor":"fc2.weight"[^}]*}' | head -n 1
"tensor":"fc2.weight","axis":1,"blocked":false,"role":"consumer","repeats":1,"chain":["fc1","relu1","fc2"]}
$ tenon inspect res.onnx -q --dot res.dot >/dev/null; head -n 1 res.dot; tail -n 1 res.dot; grep -c bgcolor res.dot
digraph "resnet8" {
}
49
$ tenon inspect res.onnx -q --dot res.dot
! tenon: 'res.dot' is there already, and is kept unless -f is given
? 1
$ tenon inspect res.onnx -q --dot res.txt
! tenon: cannot write 'res.txt': its name must end in .dot
? 1
