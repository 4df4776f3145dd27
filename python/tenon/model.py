"""Networks: loaded, looked at, run, saved."""

from __future__ import annotations

import ctypes
import json
import os
import weakref
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Union

import numpy as np

from . import _arrays, _capi, _options
from ._library import call, lib

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._capi import EvalOptions

Path = Union[str, "os.PathLike[str]"]


class Model:
    """A network: a graph and its parameters. Made by load(), create() and the jobs; never
    changed by a job that takes it.

    `report` says how a job made it; None where none did.
    """

    report: Any = None

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._finalizer = weakref.finalize(self, lib.tn_model_free, handle)

    def _info(self) -> Any:
        info = _capi.tn_model_info()
        call("tn_model_info_get", ctypes.byref(info), self._handle)
        return info

    @property
    def name(self) -> str:
        return _options.text(self._info().name)

    @property
    def parameters(self) -> int:
        """Elements of float parameters, running statistics left out."""
        return self._info().parameters

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self._info().macs

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one image: without the batch."""
        info = self._info()
        return tuple(info.input[1:info.input_rank])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of one image: without the batch."""
        info = self._info()
        return tuple(info.output[1:info.output_rank])

    @property
    def source(self) -> Optional[str]:
        """The file it came from."""
        return _options.text(lib.tn_model_source(self._handle)) or None

    @property
    def sha256(self) -> Optional[str]:
        """Of that file."""
        return _options.text(lib.tn_model_source_sha256(self._handle)) or None

    def metadata(self, key: str) -> Optional[str]:
        """Text that travels with the file; "tenon.options" says how it was made."""
        return _options.text(lib.tn_model_metadata_get(self._handle, key.encode())) or None

    def set_metadata(self, key: str, text: str) -> None:
        call("tn_model_metadata_set", self._handle, key.encode(), text.encode())

    def _list(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def line(_: Any, __: bytes, text: bytes) -> int:
            found.append(json.loads(text))
            return 0

        call(f"tn_model_list_{what}", self._handle, _capi.tn_line_callback(line), None)
        return found

    def groups(self) -> list[dict[str, Any]]:
        """The neuron groups: what must be indexed, permuted and shrunk together. Each has
        `name`, `neurons` and `tensors` (tensor, axis, role)."""
        return [g for g in self._list("groups") if g["kind"] == "group"]

    def frozen(self) -> list[dict[str, Any]]:
        """What cannot be permuted: `tensor`, `axis`, how many indices, `reason`."""
        return [g for g in self._list("groups") if g["kind"] == "frozen"]

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes in order: `name`, `type`, `shape`, `params`, `macs`."""
        return self._list("nodes")

    def cuts(self) -> list[dict[str, Any]]:
        """Where exactly one tensor is alive: the places to part the network."""
        return self._list("cuts")

    def _weights(self) -> list[Any]:
        found = []
        for k in range(lib.tn_model_array_count(self._handle)):
            array = _capi.tn_array()
            lib.tn_model_array_get(ctypes.byref(array), self._handle, k)
            found.append(array)
        return found

    def state_dict(self, like: Any = None) -> dict[str, Any]:
        """The weights by name.

        As NumPy arrays they are not copied: read-only views that keep the model alive.
        With `like`, a torch module or a state dict, names and types are those it has
        (and what it counts besides, such as num_batches_tracked, is taken over): torch
        tensors where it has torch tensors, which are copies and fit load_state_dict().
        """
        arrays = self._weights()
        if like is None:
            return {_options.text(a.name): _arrays.view(a, self) for a in arrays}
        like = like.state_dict() if hasattr(like, "state_dict") else like
        given = {name: _arrays.as_numpy(value) for name, value in like.items()}
        index = (ctypes.c_size_t * len(given))()
        call("tn_model_match_arrays", index, self._handle, _arrays.describe_all(given),
             len(given))
        made = {}
        for (name, value), k in zip(like.items(), index):
            if k < len(arrays):
                value = _as(value, _arrays.view(arrays[k], self))
            made[name] = value
        return made

    def save(self, path: Path, replace: bool = False) -> None:
        """Writes by the ending: .onnx (graph and weights) or .safetensors (weights)."""
        options = _capi.tn_save_options(replace=replace)
        call("tn_model_save", self._handle, os.fsencode(path), ctypes.byref(options))

    def clone(self) -> "Model":
        out = ctypes.c_void_p()
        call("tn_model_clone", ctypes.byref(out), self._handle)
        return Model(_owned(out))

    def __call__(self, images: Any, **options: "Unpack[EvalOptions]") -> np.ndarray:
        """Outputs [n, K], before softmax, for images [n, ...], normalised."""
        inputs = np.ascontiguousarray(_arrays.as_numpy(images), np.float32)
        if inputs.shape[1:] != self.input_shape:
            raise ValueError(f"images are {list(inputs.shape)}, wanted is "
                             f"{['n', *self.input_shape]}")
        outputs = np.empty((len(inputs), *self.output_shape), np.float32)
        chosen = _options.options(_capi.tn_eval_options, options)
        call("tn_infer", _floats(outputs), self._handle, _floats(inputs), len(inputs),
             ctypes.byref(chosen))
        return outputs

    def latency(self, batch: int = 1, runs: int = 15) -> float:
        """Median seconds of a forward pass on one thread."""
        seconds = ctypes.c_double()
        call("tn_latency", ctypes.byref(seconds), self._handle, batch, runs)
        return seconds.value

    def __repr__(self) -> str:
        return (f"<tenon.Model {self.name}: {self.parameters} parameters, "
                f"{self.macs} MACs>")


def _owned(out: ctypes.c_void_p) -> int:
    assert out.value is not None
    return out.value


def _floats(array: np.ndarray) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def _as(like: Any, array: np.ndarray) -> Any:
    """The array in the type of `like`; as a torch tensor where that is one."""
    if _arrays.is_tensor(like):
        import torch
        return torch.from_numpy(array.copy()).to(like.dtype)
    return array.astype(np.asarray(like).dtype, copy=False)


def handles(models: Sequence["Model"]) -> Any:
    """models as the array of pointers that the library takes."""
    return (ctypes.c_void_p * len(models))(*(m._handle for m in models))


def create(arch: str, *, input: Optional[Sequence[int]] = None, classes: int = 0,
           seed: int = 1) -> Model:
    """A built-in architecture ("resnet20", "vgg11", "mlp:784-100-10") with random weights;
    `input` is (channels, height, width)."""
    out = ctypes.c_void_p()
    shape = (ctypes.c_int64 * 3)(*input) if input else None
    call("tn_model_create", ctypes.byref(out), arch.encode(), shape, classes, seed)
    return Model(_owned(out))


def load(source: Union[Path, Mapping[str, Any], Any], *, arch: Optional[str] = None,
         graph: Optional[Path] = None, classes: int = 0, copy: bool = False) -> Model:
    """A model out of a file, a state dict (names to NumPy arrays or torch tensors) or a
    torch module.

    Whatever carries weights but no graph wants `arch`, a built-in architecture, or
    `graph`, an ONNX file. Arrays of f32 are used where they lie and must not change while
    the model lives; `copy` takes a copy.
    """
    out = ctypes.c_void_p()
    options = _capi.tn_load_options(
        arch=arch.encode() if arch else None,
        graph=os.fsencode(graph) if graph else None, classes=classes)
    if isinstance(source, (str, os.PathLike)):
        call("tn_model_load", ctypes.byref(out), os.fsencode(source), ctypes.byref(options))
        return Model(_owned(out))
    if hasattr(source, "state_dict"):
        source = source.state_dict()
    if not isinstance(source, Mapping):
        raise TypeError(f"a path, a state dict or a torch module is wanted, got "
                        f"{type(source).__name__}")
    arrays = {name: _arrays.as_numpy(value) for name, value in source.items()}
    owner = None if copy else ctypes.byref(_arrays.owner(arrays))
    call("tn_model_from_arrays", ctypes.byref(out), _arrays.describe_all(arrays),
         len(arrays), owner, ctypes.byref(options))
    return Model(_owned(out))
