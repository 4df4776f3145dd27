"""Transport against brute force, its own duality gap, and its marginals."""

import itertools
import unittest

import fixtures  # noqa: F401
import numpy as np
import tenon


class Transport(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(1)

    def test_uniform_emd_is_the_best_permutation(self):
        M = self.random.random((6, 6))
        best = min(sum(M[i, p[i]] for i in range(6))
                   for p in itertools.permutations(range(6)))
        self.assertAlmostEqual(tenon.ot.emd2(None, None, M), best / 6, places=12)

    def test_emd_has_the_marginals_and_no_gap(self):
        a, b = self.random.random(9), self.random.random(5)
        a, b = a / a.sum(), b / b.sum()
        M = self.random.random((9, 5))
        plan, told = tenon.ot.emd(a, b, M, log=True)
        np.testing.assert_allclose(plan.sum(1), a, atol=1e-12)
        np.testing.assert_allclose(plan.sum(0), b, atol=1e-12)
        self.assertLess(abs(told["gap"]), 1e-9)
        self.assertAlmostEqual(told["cost"], float((plan * M).sum()), places=12)

    def test_sinkhorn_nears_emd_as_the_regularisation_falls(self):
        M = self.random.random((7, 7))
        exact = tenon.ot.emd2([], [], M)
        far, near = (abs((tenon.ot.sinkhorn([], [], M, reg) * M).sum() - exact)
                     for reg in (0.2, 0.02))
        self.assertLess(near, far)
        self.assertLess(near, 0.02)

    def test_sinkhorn_is_the_fixed_point_in_units_of_the_costs(self):
        M, reg = 3 * self.random.random((4, 6)), 0.4
        plan = tenon.ot.sinkhorn(None, None, M, reg, stopThr=1e-12)
        scaled = np.log(plan) + M / reg  # = f (+) g: no mixed differences
        mixed = scaled[1:, 1:] - scaled[:1, 1:] - scaled[1:, :1] + scaled[0, 0]
        np.testing.assert_allclose(mixed, 0, atol=1e-8)

    def test_distances_are_those_of_numpy(self):
        x, y = self.random.random((5, 3)), self.random.random((4, 3))
        full = ((x[:, None] - y[None]) ** 2).sum(-1)
        np.testing.assert_allclose(tenon.ot.dist(x, y), full, atol=1e-12)
        np.testing.assert_allclose(tenon.ot.dist(x, y, "euclidean"), np.sqrt(full),
                                   atol=1e-9)

    def test_float32_and_transposed_costs_are_taken(self):
        M = self.random.random((5, 4)).astype(np.float32)
        self.assertAlmostEqual(tenon.ot.emd2(None, None, M.T),
                               tenon.ot.emd2(None, None, np.asarray(M.T, float)), places=12)

    def test_what_does_not_fit_is_refused_by_name(self):
        M = self.random.random((3, 3))
        with self.assertRaisesRegex(ValueError, r"b has shape \[2\], \[3\] is wanted"):
            tenon.ot.emd(None, [0.5, 0.5], M)
        with self.assertRaises(tenon.NumericError):
            tenon.ot.emd(None, None, M * np.nan)
        with self.assertRaises(tenon.ArgumentError):
            tenon.ot.emd([1, 1, 1], [1, 1, 2], M)


if __name__ == "__main__":
    unittest.main()
