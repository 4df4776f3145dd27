"""Optimal transport, with the argument names of POT."""

from __future__ import annotations

import ctypes
from typing import Any, Optional, Tuple

import numpy as np

from . import _arrays, _capi, _options
from ._library import call, lib

_DOUBLES = ctypes.POINTER(ctypes.c_double)


def _pointer(array: Optional[np.ndarray]) -> Any:
    return None if array is None else array.ctypes.data_as(_DOUBLES)


def _doubles(value: Any) -> np.ndarray:
    return np.ascontiguousarray(_arrays.as_numpy(value), np.float64)


def _problem(a: Any, b: Any, M: Any) -> Tuple[Any, Any, np.ndarray]:
    """Masses and costs as the library takes them; masses that are empty are uniform."""
    costs = _doubles(M)
    if costs.ndim != 2:
        raise ValueError(f"M has rank {costs.ndim}, a matrix is wanted")
    masses = []
    for name, mass, size in (("a", a, costs.shape[0]), ("b", b, costs.shape[1])):
        mass = None if mass is None else _doubles(mass)
        if mass is not None and mass.size == 0:
            mass = None
        if mass is not None and mass.shape != (size,):
            raise ValueError(f"{name} has shape {list(mass.shape)}, [{size}] is wanted")
        masses.append(mass)
    return masses[0], masses[1], costs


def _like(result: np.ndarray, M: Any) -> Any:
    if not _arrays.is_tensor(M):
        return result
    import torch
    return torch.from_numpy(result).to(M.dtype)


def emd(a: Any, b: Any, M: Any, log: bool = False) -> Any:
    """The exact plan [n, m] that moves masses a [n] onto b [m] at costs M [n, m]; empty
    masses (or None) are uniform. With log also a dictionary: `cost`, `gap` (primal minus
    dual value, relative), `marginal_error` and `iterations`."""
    mu, nu, costs = _problem(a, b, M)
    plan = _capi.tn_ot_plan()
    call("tn_ot_emd", ctypes.byref(plan), _pointer(mu), _pointer(nu), _pointer(costs),
         *costs.shape)
    dense = np.zeros(costs.shape)
    source = np.ctypeslib.as_array(plan.source, (plan.count,))
    target = np.ctypeslib.as_array(plan.target, (plan.count,))
    dense[source, target] = np.ctypeslib.as_array(plan.mass, (plan.count,))
    told = {"cost": plan.cost, "gap": plan.gap, "marginal_error": plan.marginal_error,
            "iterations": plan.iterations}
    lib.tn_ot_plan_release(ctypes.byref(plan))
    return (_like(dense, M), told) if log else _like(dense, M)


def emd2(a: Any, b: Any, M: Any) -> float:
    """The cost of emd()'s plan."""
    return emd(a, b, M, log=True)[1]["cost"]


def sinkhorn(a: Any, b: Any, M: Any, reg: float, *, reg_m: float = 0.0,
             numItermax: int = 10000, stopThr: float = 1e-6, log: bool = False) -> Any:
    """The entropic plan [n, m]. `reg`, and `reg_m` of unbalanced transport (0: balanced),
    are in units of the costs, as POT has them."""
    mu, nu, costs = _problem(a, b, M)
    mean = float(costs.mean()) or 1.0
    options = _options.options(
        _capi.tn_ot_sinkhorn_options,
        {"regularization": reg / mean, "relaxation": reg_m / mean,
         "iterations": numItermax, "tolerance": stopThr})
    plan = np.zeros(costs.shape)
    cost, error, steps = ctypes.c_double(), ctypes.c_double(), ctypes.c_size_t()
    call("tn_ot_sinkhorn", _pointer(plan), ctypes.byref(cost), ctypes.byref(error),
         ctypes.byref(steps), _pointer(mu), _pointer(nu), _pointer(costs), *costs.shape,
         ctypes.byref(options))
    told = {"cost": cost.value, "marginal_error": error.value, "iterations": steps.value}
    return (_like(plan, M), told) if log else _like(plan, M)


def dist(x1: Any, x2: Optional[Any] = None, metric: str = "sqeuclidean") -> np.ndarray:
    """Costs [n, m] between the rows of x1 [n, d] and x2 [m, d] (None: x1): sqeuclidean,
    euclidean or cosine."""
    names = {"sqeuclidean": "squared-euclidean"}
    metrics = _capi.tn_ot_metric
    if names.get(metric, metric) not in metrics:
        raise ValueError(f"metric is '{metric}', wanted is sqeuclidean, euclidean or cosine")
    x = _doubles(x1)
    y = x if x2 is None else _doubles(x2)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"points are {list(x.shape)} and {list(y.shape)}, [n, d] and "
                         "[m, d] are wanted")
    out = np.empty((len(x), len(y)))
    call("tn_ot_cost", _pointer(out), _pointer(x), _pointer(y), len(x), len(y), x.shape[1],
         metrics[names.get(metric, metric)])
    return out


