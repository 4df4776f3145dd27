"""Solves transport problems with POT and SciPy for bench_transport.

Reads one request a line from stdin, "SOLVER N M REG COSTS", where COSTS is a file of N x M
float64; answers "SECONDS COST" on stdout. Only the solver's own call is timed. "-" answers a
solver that is not installed, or a plan whose marginals are wrong. Solvers: emd, assign
(linear_sum_assignment), sinkhorn (POT's default method: its stabilized one does not
converge on these problems).
"""

import sys
import time
import warnings

import numpy as np

try:
    import ot
except ImportError:
    ot = None
try:
    from scipy.optimize import linear_sum_assignment
except ImportError:
    linear_sum_assignment = None

TOLERANCE = 1e-6  # of the sum of the marginal errors


def solve_emd(costs, _):
    n, m = costs.shape
    mu, nu = np.full(n, 1 / n), np.full(m, 1 / m)
    start = time.perf_counter()
    plan = ot.emd(mu, nu, costs, numItermax=10**9)
    return time.perf_counter() - start, float((plan * costs).sum())


def solve_assign(costs, _):
    start = time.perf_counter()
    rows, columns = linear_sum_assignment(costs)
    return time.perf_counter() - start, float(costs[rows, columns].mean())


def solve_sinkhorn(costs, reg):
    n, m = costs.shape
    mu, nu = np.full(n, 1 / n), np.full(m, 1 / m)
    start = time.perf_counter()
    # POT stops on the Euclidean norm of the error, Tenon on the sum of absolute errors,
    # which is at most sqrt(m) times that.
    plan = ot.sinkhorn(mu, nu, costs, reg, numItermax=10000,
                       stopThr=TOLERANCE / np.sqrt(m), warn=False)
    seconds = time.perf_counter() - start
    error = abs(plan.sum(1) - mu).sum() + abs(plan.sum(0) - nu).sum()
    if not error <= TOLERANCE:
        return None
    return seconds, float((plan * costs).sum())


def main():
    warnings.simplefilter("ignore")
    solvers = {}
    if ot is not None:
        solvers.update(emd=solve_emd, sinkhorn=solve_sinkhorn)
    if linear_sum_assignment is not None:
        solvers["assign"] = solve_assign
    for line in sys.stdin:
        name, n, m, reg, path = line.rstrip("\n").split(" ", 4)
        if name not in solvers:
            print("-", flush=True)
            continue
        costs = np.fromfile(path, dtype=np.float64).reshape(int(n), int(m))
        answer = solvers[name](costs, float(reg))
        print("%.9g %.17g" % answer if answer else "-", flush=True)


if __name__ == "__main__":
    main()
