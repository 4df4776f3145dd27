"""From torch modules to one network and back: the accuracy is that of the command."""

import unittest

import numpy as np
from fixtures import MODELS, InFolder, command, wanted

torch = wanted("torch")
import tenon  # noqa: E402

A, B = MODELS / "fashion-mlp-a.onnx", MODELS / "fashion-mlp-b.onnx"
SPEC = "random:1x28x28,limit=512"


def perceptron(path):
    """The network of a file as a torch module with names of its own."""
    state = tenon.load(path).state_dict()
    layers = [torch.nn.Flatten()]
    for k in range(1, 5):
        weight, bias = state[f"fc{k}.weight"], state[f"fc{k}.bias"]
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data = torch.from_numpy(weight.copy())
        linear.bias.data = torch.from_numpy(bias.copy())
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


class RoundTrip(InFolder):
    def test_fused_modules_are_as_good_as_the_commands_result(self):
        modules = [perceptron(A), perceptron(B)]
        made = tenon.fuse([tenon.load(m, arch="mlp") for m in modules], data=SPEC)
        modules[0].load_state_dict(made.state_dict(like=modules[0]))
        out = self.folder / "out.onnx"
        told = command("fuse", A, B, "-o", out, "--data", SPEC)
        images, labels = tenon.Data(SPEC).read()
        with torch.no_grad():
            answers = modules[0](torch.from_numpy(images)).numpy()
        accuracy = float((answers.argmax(1) == labels).mean())
        self.assertAlmostEqual(accuracy, told["fused"]["accuracy"], delta=1 / len(labels))
        np.testing.assert_allclose(answers, tenon.load(out)(images), atol=1e-4)

    def test_parameters_of_a_module_are_used_where_they_lie(self):
        module = perceptron(A)
        model = tenon.load(module, arch="mlp")
        found = model.state_dict()["fc1.weight"]
        self.assertEqual(found.__array_interface__["data"][0], module[1].weight.data_ptr())

    def test_batch_norms_come_back_with_their_counters(self):
        like = {}
        for name, array in tenon.create("resnet8", seed=1).state_dict().items():
            like[name] = torch.from_numpy(array.copy()).half()
            if name.endswith("running_var"):
                like[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
        made = tenon.fuse([tenon.load(like, arch="resnet8"), tenon.create("resnet8", seed=2)])
        back = made.state_dict(like=like)
        self.assertEqual(list(back), list(like))
        for name, tensor in back.items():
            self.assertEqual((tensor.shape, tensor.dtype),
                             (like[name].shape, like[name].dtype))
        self.assertEqual(int(back["bn1.num_batches_tracked"]), 7)

    def test_tensors_are_images_masses_and_costs(self):
        images, labels = tenon.Data(SPEC).read()
        model = tenon.load(A)
        data = (torch.from_numpy(images), torch.from_numpy(labels).long())
        self.assertEqual(tenon.evaluate(model, data).accuracy,
                         tenon.evaluate(model, SPEC).accuracy)
        plan = tenon.ot.emd(torch.ones(3) / 3, torch.ones(3) / 3, 1 - torch.eye(3))
        self.assertTrue(torch.equal(plan, torch.eye(3) / 3))


if __name__ == "__main__":
    unittest.main()
