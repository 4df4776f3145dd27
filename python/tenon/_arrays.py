"""NumPy arrays and torch tensors as tn_array and back, without copying where that can be.

What is handed to the library is kept alive here until the library lets go of it.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
from typing import Any, Mapping, Sequence

import numpy as np

from . import _capi

_DTYPES = {"f32": "<f4", "f16": "<f2", "f64": "<f8", "u8": "u1", "i8": "i1", "u16": "<u2",
           "i16": "<i2", "i32": "<i4", "i64": "<i8", "bool": "?", "u32": "<u4",
           "u64": "<u8"}
_CODE = {np.dtype(d): _capi.tn_dtype[name] for name, d in _DTYPES.items()}
_DTYPE = {code: dtype for dtype, code in _CODE.items()}
_BF16 = _capi.tn_dtype["bf16"]

_kept: dict[int, Any] = {}
_keys = itertools.count(1)


_Release: Any = dict(_capi.tn_array_owner._fields_)["release"]


@_Release
def _release(key: int) -> None:
    _kept.pop(key, None)


def owner(kept: Any) -> _capi.tn_array_owner:
    """Keeps `kept` alive until the library says that it is done with it."""
    key = next(_keys)
    _kept[key] = kept
    return _capi.tn_array_owner(_release, key)


def is_tensor(value: Any) -> bool:
    """Whether it is torch's; torch itself is never imported for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_numpy(value: Any) -> np.ndarray:
    """Dense, in C order and native bytes; the same memory where that is so already."""
    if is_tensor(value):
        torch = sys.modules["torch"]
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
        value = value.contiguous().numpy()
    array = np.asarray(value)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in _CODE:
        raise TypeError(f"arrays of {array.dtype} are not understood")
    return np.require(array, requirements=["C", "A"])


def describe(name: str, array: np.ndarray) -> _capi.tn_array:
    if array.ndim > 8:
        raise ValueError(f"array '{name}' has rank {array.ndim}, at most 8 is wanted")
    made = _capi.tn_array(name=name.encode(), dtype=_CODE[array.dtype], rank=array.ndim,
                          data=array.ctypes.data)
    made.shape[:array.ndim] = array.shape
    return made


def describe_all(arrays: Mapping[str, np.ndarray]) -> Any:
    kind = _capi.tn_array * len(arrays)
    return kind(*(describe(name, array) for name, array in arrays.items()))


def view(array: _capi.tn_array, keeper: Any) -> np.ndarray:
    """The array where it lies, read-only; `keeper` lives as long as the view."""
    shape: Sequence[int] = array.shape[:array.rank]
    dtype = np.dtype("<u2") if array.dtype == _BF16 else _DTYPE[array.dtype]
    count = int(np.prod(shape, dtype=np.int64))
    if count == 0:
        return np.zeros(shape, dtype)
    memory: Any = (ctypes.c_char * (count * dtype.itemsize)).from_address(array.data)
    memory.keeper = keeper
    made = np.frombuffer(memory, dtype).reshape(shape)
    if array.dtype == _BF16:
        made = (made.astype("<u4") << 16).view("<f4")
    made.flags.writeable = False
    return made
