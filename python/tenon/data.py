"""Images, from files or from memory."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Optional, Tuple, Union

import numpy as np

from . import _arrays, _capi, _options
from ._library import call, lib


class Data:
    """Images and labels, as networks are to see them.

    Of a spec as the command takes it ("fashion-mnist", "cifar10:data,limit=1000"); or of
    images [n, C, H, W], normalised already, with or without labels [n]. Images of f32 are
    used where they lie, and must not change while this lives.
    """

    def __init__(self, images: Any, labels: Any = None, *, split: Optional[str] = None,
                 classes: Optional[int] = None) -> None:
        out = ctypes.c_void_p()
        if isinstance(images, str):
            self.labelled = True
            call("tn_dataset_open", ctypes.byref(out), images.encode(),
                 split.encode() if split else None)
        else:
            self.labelled = labels is not None
            self._open_arrays(out, images, labels, classes)
        self._handle = out.value
        self._finalizer = weakref.finalize(self, lib.tn_dataset_free, out.value)

    @staticmethod
    def _open_arrays(out: ctypes.c_void_p, images: Any, labels: Any,
                     classes: Optional[int]) -> None:
        pixels = np.ascontiguousarray(_arrays.as_numpy(images), np.float32)
        numbers = None
        if labels is not None:
            found = np.ascontiguousarray(_arrays.as_numpy(labels), np.int32)
            if found.shape != pixels.shape[:1]:
                raise ValueError(f"labels are {list(found.shape)} for images "
                                 f"{list(pixels.shape)}")
            classes = classes or int(found.max(initial=0)) + 1
            numbers = found.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        array = _arrays.describe("images", pixels)
        call("tn_dataset_from_array", ctypes.byref(out), ctypes.byref(array), numbers,
             classes or 1, ctypes.byref(_arrays.owner(pixels)))

    def __len__(self) -> int:
        return lib.tn_dataset_count(self._handle)

    @property
    def shape(self) -> Tuple[int, int, int]:
        """Channels, height and width."""
        shape = (ctypes.c_int64 * 3)()
        lib.tn_dataset_shape(shape, self._handle)
        return shape[0], shape[1], shape[2]

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        count = lib.tn_dataset_classes(self._handle)
        return [_options.text(lib.tn_dataset_class_name(self._handle, k))
                for k in range(count)]

    @property
    def spec(self) -> str:
        """As opened, every key spelt out."""
        return _options.text(lib.tn_dataset_spec(self._handle))

    def read(self, first: int = 0, count: Optional[int] = None
             ) -> Tuple[np.ndarray, np.ndarray]:
        """Images [n, C, H, W] and labels [n], copied."""
        count = len(self) - first if count is None else count
        images = np.empty((count, *self.shape), np.float32)
        labels = np.empty(count, np.int32)
        call("tn_dataset_read", images.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
             labels.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)), self._handle, None,
             first, count)
        return images, labels

    def __repr__(self) -> str:
        return f"<tenon.Data {self.spec}: {len(self)} images>"


DataLike = Union[Data, str, Tuple[Any, Any], Any]


def opened(data: DataLike, split: str, labelled: bool) -> Data:
    """A spec, images, or (images, labels) as Data; `labelled`: labels are wanted."""
    if not isinstance(data, Data):
        pair = isinstance(data, (tuple, list)) and len(data) == 2
        data = (Data(data, split=split) if isinstance(data, str) else
                Data(*data) if pair else Data(data))
    if labelled and not data.labelled:
        raise ValueError("labels are wanted, and these images have none")
    return data
