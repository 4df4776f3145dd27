"""Models from files and from arrays, and back, copied only where that is said."""

import gc
import unittest
import weakref

import numpy as np
from fixtures import MODELS, InFolder

import tenon
from tenon import _arrays


def weights():
    random = np.random.default_rng(1)
    return {"fc1.weight": random.normal(size=(8, 12)).astype(np.float32),
            "fc2.weight": random.normal(size=(3, 8)).astype(np.float32)}


class FromArrays(unittest.TestCase):
    def test_arrays_are_used_where_they_lie_and_kept_alive(self):
        given = weights()
        model = tenon.load(given, arch="mlp")
        address = given["fc1.weight"].__array_interface__["data"][0]
        found = model.state_dict()["fc1.weight"]
        self.assertEqual(found.__array_interface__["data"][0], address)
        seen = weakref.ref(given["fc1.weight"])
        del given
        gc.collect()
        self.assertIsNotNone(seen())
        del model
        gc.collect()
        self.assertIsNotNone(seen())  # the view still needs the model, the model them
        del found
        gc.collect()
        self.assertIsNone(seen())

    def test_a_copy_is_a_copy(self):
        given = weights()
        model = tenon.load(given, arch="mlp", copy=True)
        given["fc1.weight"][:] = 0
        self.assertNotEqual(float(np.abs(model.state_dict()["fc1.weight"]).max()), 0)

    def test_views_cannot_be_written(self):
        model = tenon.load(weights(), arch="mlp")
        with self.assertRaises(ValueError):
            model.state_dict()["fc1.weight"][0, 0] = 1

    def test_half_and_double_become_single(self):
        given = weights()
        for dtype in (np.float16, np.float64):
            model = tenon.load({k: v.astype(dtype) for k, v in given.items()}, arch="mlp")
            found = model.state_dict()["fc1.weight"]
            self.assertEqual(found.dtype, np.float32)
            np.testing.assert_allclose(found, given["fc1.weight"], atol=2e-3)
        gc.collect()

    def test_names_come_back_as_they_were(self):
        given = {f"net.{2 * k}.weight": v for k, v in enumerate(weights().values())}
        model = tenon.load(given, arch="mlp")
        self.assertEqual(list(model.state_dict()), ["fc1.weight", "fc2.weight"])
        back = model.state_dict(like=given)
        self.assertEqual(list(back), list(given))
        for name in given:
            np.testing.assert_array_equal(back[name], given[name])

    def test_nothing_is_kept_after_a_failure(self):
        before = len(_arrays._kept)
        with self.assertRaisesRegex(tenon.MismatchError, "fc2.weight"):
            tenon.load(dict(weights(), **{"fc2.weight": np.zeros((3, 9), np.float32)}),
                       arch="mlp:12-8-3")
        gc.collect()
        self.assertEqual(len(_arrays._kept), before)

    def test_an_architecture_is_asked_for_with_those_that_fit(self):
        state = tenon.create("lenet5").state_dict()
        with self.assertRaisesRegex(tenon.ArgumentError, "these fit: lenet5"):
            tenon.load(state)

    def test_running_a_model_is_what_numpy_says(self):
        given = weights()
        model = tenon.load(given, arch="mlp")
        x = np.random.default_rng(2).normal(size=(5, *model.input_shape)).astype(np.float32)
        hidden = np.maximum(x.reshape(5, -1) @ given["fc1.weight"].T, 0)
        np.testing.assert_allclose(model(x), hidden @ given["fc2.weight"].T, atol=1e-5)


class FromFiles(InFolder):
    def test_a_file_is_loaded_saved_and_loaded_again(self):
        model = tenon.load(MODELS / "fashion-mlp-a.onnx")
        self.assertEqual(model.input_shape, (1, 28, 28))
        self.assertEqual(model.output_shape, (10,))
        self.assertIsNotNone(model.metadata("tenon.options"))
        path = self.folder / "a.safetensors"
        model.save(path)
        with self.assertRaises(FileExistsError):
            model.save(path)
        model.save(path, replace=True)
        again = tenon.load(path, arch="mlp")
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(again.state_dict()[name], array)

    def test_groups_are_those_of_the_graph(self):
        groups = tenon.load(MODELS / "fashion-mlp-a.onnx").groups()
        self.assertEqual([g["neurons"] for g in groups], [256, 128, 64])
        self.assertEqual(groups[0]["tensors"][0]["tensor"], "fc1.weight")

    def test_errors_have_the_librarys_words(self):
        with self.assertRaisesRegex(OSError, "cannot read 'nowhere.onnx': No such file"):
            tenon.load("nowhere.onnx")
        (self.folder / "x.onnx").write_bytes(b"no model")
        with self.assertRaisesRegex(tenon.FormatError, "neither ONNX nor safetensors"):
            tenon.load(self.folder / "x.onnx")


class Images(unittest.TestCase):
    def test_arrays_are_a_data_set(self):
        pixels = np.random.default_rng(1).normal(size=(6, 1, 4, 4)).astype(np.float32)
        data = tenon.Data(pixels, np.array([0, 1, 2, 0, 1, 2]))
        self.assertEqual((len(data), data.shape, len(data.classes)), (6, (1, 4, 4), 3))
        images, labels = data.read(2, 3)
        np.testing.assert_array_equal(images, pixels[2:5])
        self.assertEqual(list(labels), [2, 0, 1])

    def test_what_is_wrong_with_images_is_said(self):
        with self.assertRaisesRegex(tenon.ArgumentError, r"expected \[n, C, H, W\]"):
            tenon.Data(np.zeros((3, 4), np.float32))
        with self.assertRaisesRegex(tenon.NumericError, "image 1 is nan"):
            tenon.Data(np.array([0, np.nan], np.float32).reshape(2, 1, 1, 1))
        with self.assertRaisesRegex(tenon.MismatchError, "label 7 of image 0"):
            tenon.Data(np.zeros((1, 1, 2, 2), np.float32), [7], classes=3)
        with self.assertRaisesRegex(ValueError, "labels are wanted"):
            tenon.evaluate(tenon.create("mlp:4-3-2"), np.zeros((2, 1, 2, 2), np.float32))


if __name__ == "__main__":
    unittest.main()
