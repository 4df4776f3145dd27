"""The jobs: as the command does them, stopped by ^C, and beside other threads."""

import os
import signal
import threading
import unittest

import numpy as np
from fixtures import MODELS, PROBE, InFolder, command

import tenon

A, B = MODELS / "fashion-mlp-a.onnx", MODELS / "fashion-mlp-b.onnx"


class AsTheCommand(InFolder):
    def same(self, made: tenon.Model, path) -> None:
        want = tenon.load(path).state_dict()
        found = made.state_dict()
        self.assertEqual(list(found), list(want))
        for name in want:
            np.testing.assert_array_equal(found[name], want[name])

    def test_fusion_gives_the_commands_weights(self):
        out = self.folder / "out.onnx"
        command("fuse", A, B, "-o", out, "--data", PROBE, "--eval-data", "none",
                "--recalibrate", "repair", "--samples", 64)
        made = tenon.fuse([tenon.load(A), tenon.load(B)], data=PROBE, recalibrate="repair",
                          samples=64)
        self.same(made, out)
        self.assertEqual([g.neurons for g in made.report.groups], [256, 128, 64])
        self.assertGreater(made.report.layers_recalibrated, 0)
        self.assertEqual(made.metadata("tenon.command"), "python fuse")

    def test_fusion_on_arrays_is_fusion_on_the_same_images(self):
        models = [tenon.load(A), tenon.load(B)]
        images, _ = tenon.Data(PROBE).read()
        one = tenon.fuse(models, data=PROBE, samples=64).state_dict()
        other = tenon.fuse(models, data=images, samples=64).state_dict()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])

    def test_weights_of_the_parents_decide(self):
        models = [tenon.load(A), tenon.load(B)]
        made = tenon.fuse(models, weights=[1, 0], recalibrate="none")
        for name, array in models[0].state_dict().items():
            np.testing.assert_allclose(made.state_dict()[name], array, atol=1e-6)

    def test_pruning_gives_the_commands_weights(self):
        out = self.folder / "out.onnx"
        told = command("prune", A, "-o", out, "--sparsity", 0.5, "--method", "fold",
                       "--data", PROBE, "--eval-data", "none")
        made = tenon.prune(tenon.load(A), 0.5, method="fold", data=PROBE)
        self.same(made, out)
        self.assertEqual(made.report.method, told["method"])
        self.assertEqual([g.left for g in made.report.groups],
                         [g["left"] for g in told["groups"]])

    def test_assembling_gives_the_commands_weights(self):
        parents = [MODELS / "fashion-resnet-a.onnx", MODELS / "fashion-resnet-b.onnx"]
        out = self.folder / "out.onnx"
        spec = "random:1x28x28,limit=64"
        command("assemble", *parents, "-o", out, "--data", spec, "--eval-data", "none",
                "--blocks", 2, "--samples", 32, "--calibration", 32, "--candidates", 2)
        made = tenon.assemble([tenon.load(p) for p in parents], data=spec, blocks=2,
                              samples=32, calibration=32, candidates=2)
        self.same(made, out)
        self.assertEqual(len(made.report.chain), 2)

    def test_evaluation_agrees_with_the_command(self):
        told = command("eval", A, B, "--data", PROBE)
        scores, ensemble = tenon.evaluate([tenon.load(A), tenon.load(B)], PROBE)
        self.assertEqual(scores[0].accuracy, told["models"][0]["accuracy"])
        self.assertAlmostEqual(ensemble.loss, told["ensemble"]["loss"], places=6)

    def test_training_and_distilling_learn(self):
        images = np.random.default_rng(1).normal(size=(256, 1, 4, 4)).astype(np.float32)
        labels = (images.mean((1, 2, 3)) > 0).astype(int)
        data = (images, labels)
        options = {"batch": 64, "learning_rate": 0.05, "epochs": 40, "warmup_epochs": 0}
        teacher = tenon.train(tenon.create("mlp:16-8-2", input=(1, 4, 4)), data, **options)
        self.assertGreater(tenon.evaluate(teacher, data).accuracy, 0.8)
        student = tenon.distill([teacher], tenon.create("mlp:16-4-2", input=(1, 4, 4), seed=2), data,
                                teaching=1.0, **options)
        self.assertGreater(tenon.evaluate(student, data).accuracy, 0.75)
        self.assertEqual(teacher.report.epochs, 40)


class Stopping(unittest.TestCase):
    def long(self, **more):
        data = (np.zeros((512, 1, 28, 28), np.float32), np.zeros(512, int))
        return tenon.train(tenon.load(A), tenon.Data(*data, classes=10), epochs=100000,
                           **more)

    def test_control_c_stops_a_long_call(self):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with self.assertRaises(KeyboardInterrupt):
            self.long()
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_what_the_callback_raises_stops_the_call_and_comes_out(self):
        class Enough(Exception):
            pass

        seen = []

        def progress(p):
            seen.append(p)
            if len(seen) == 3:
                raise Enough

        with self.assertRaises(Enough):
            self.long(progress=progress)
        self.assertEqual(len(seen), 3)
        self.assertIn("epoch", seen[0].stage)

    def test_other_threads_run_meanwhile(self):
        ticks, stop = [], threading.Event()

        def tick():
            while not stop.wait(0.005):
                ticks.append(1)

        def progress(_):
            if len(ticks) > 20:
                raise StopIteration

        thread = threading.Thread(target=tick)
        thread.start()
        try:
            with self.assertRaises(StopIteration):
                self.long(progress=progress)
        finally:
            stop.set()
            thread.join()


class Refusing(unittest.TestCase):
    def test_misspelt_options_and_choices_are_named(self):
        models = [tenon.load(A), tenon.load(B)]
        with self.assertRaisesRegex(TypeError, "'suport', did you mean 'support'"):
            tenon.fuse(models, suport="weights")
        with self.assertRaisesRegex(ValueError, "wanted is one of auto, weights"):
            tenon.fuse(models, support="wieghts")
        with self.assertRaisesRegex(ValueError, "samples is -1, a whole number"):
            tenon.fuse(models, samples=-1)
        with self.assertRaisesRegex(ValueError, "1 weights for 2 models"):
            tenon.fuse(models, weights=[1])

    def test_networks_that_do_not_fit_are_named(self):
        with self.assertRaises(tenon.MismatchError):
            tenon.fuse([tenon.load(A), tenon.create("lenet5")])


if __name__ == "__main__":
    unittest.main()
