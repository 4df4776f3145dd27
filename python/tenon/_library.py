"""libtenon itself: found, called, its errors raised, its progress passed on."""

from __future__ import annotations

import ctypes
import logging
import math
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from . import _capi

log = logging.getLogger("tenon")


class Error(Exception):
    """Anything libtenon refuses; the text is the library's."""


class ArgumentError(Error, ValueError):
    """An option or argument has no meaning here."""


class OutOfMemory(Error, MemoryError):
    """Out of memory."""


class FileError(Error, OSError):
    """The operating system refused to read or write."""


class ExistsError(FileError, FileExistsError):
    """The file is there already and may not be replaced."""


class FormatError(Error, ValueError):
    """A file is truncated, lying or malformed."""


class UnsupportedError(Error, NotImplementedError):
    """Well formed, but beyond what Tenon does."""


class MismatchError(Error, ValueError):
    """Two things that must fit do not: shapes, graphs, data."""


class NumericError(Error, ArithmeticError):
    """NaN, infinity, or a solver that did not converge."""


class Cancelled(Error):
    """The call was asked to stop."""


_ERRORS = {
    "error-argument": ArgumentError,
    "error-memory": OutOfMemory,
    "error-io": FileError,
    "error-exists": ExistsError,
    "error-format": FormatError,
    "error-unsupported": UnsupportedError,
    "error-mismatch": MismatchError,
    "error-numeric": NumericError,
    "error-cancelled": Cancelled,
}
_BY_CODE = {_capi.tn_status[name]: error for name, error in _ERRORS.items()}


@dataclass(frozen=True)
class Progress:
    """How far a call is; `total` is 0 where the end is not known."""

    stage: str
    done: float
    total: float
    unit: str
    loss: Optional[float]
    accuracy: Optional[float]
    seconds: float


ProgressCallback = Callable[[Progress], Any]


def _find() -> str:
    """The library beside the package, or where TENON_LIBRARY says; else the system's."""
    name = "libtenon.so.0"
    given = os.environ.get("TENON_LIBRARY")
    if given:
        return given
    for folder in _capi.FOLDERS:
        path = Path(__file__).resolve().parent / folder / name
        if path.exists():
            return str(path.resolve())
    return name


def _open() -> ctypes.CDLL:
    path = _find()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"cannot load '{path}': {error}; TENON_LIBRARY may name "
                          "another libtenon.so") from None
    _capi.declare(library)
    found = library.tn_version().decode()
    if found != _capi.VERSION:
        raise ImportError(f"'{path}' is version {found}, this package wants "
                          f"{_capi.VERSION}")
    return library


lib = _open()


def version() -> str:
    """The version of libtenon."""
    return lib.tn_version().decode()


def call(name: str, *arguments: Any) -> None:
    """Calls a function that takes a tn_error last, and raises what it says."""
    error = _capi.tn_error()
    status = getattr(lib, name)(*arguments, ctypes.byref(error))
    if status:
        raise _BY_CODE[status](error.message.decode(errors="replace"))


class _Interrupt:
    """While a long call runs, ^C is remembered instead of raised inside of it."""

    def __enter__(self) -> "_Interrupt":
        self.pressed = False
        self.before = None
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if before is signal.default_int_handler:
                self.before = signal.signal(signal.SIGINT, self._press)
        return self

    def _press(self, *_: Any) -> None:
        self.pressed = True

    def __exit__(self, *_: Any) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


def _known(number: float) -> Optional[float]:
    return None if math.isnan(number) else number


def run(name: str, *arguments: Any, progress: Optional[ProgressCallback] = None) -> None:
    """call() of a long function, which takes a tn_observer before its tn_error. What
    `progress` raises ends the call and is raised again."""
    raised: list[BaseException] = []
    kinds: Any = dict(_capi.tn_observer._fields_)

    def on_progress(_: Any, at: Any) -> int:
        try:
            if progress is not None and not interrupt.pressed:
                p = at.contents
                progress(Progress((p.stage or b"").decode(), p.done, p.total,
                                  (p.unit or b"").decode(), _known(p.loss),
                                  _known(p.accuracy), p.seconds))
        except BaseException as error:  # it cannot pass through C
            raised.append(error)
        return 1 if raised or interrupt.pressed else 0

    def on_log(_: Any, level: int, message: bytes) -> None:
        log.log(logging.DEBUG if level > 1 else logging.INFO, "%s", message.decode())

    observer = _capi.tn_observer(kinds["log"](on_log), kinds["progress"](on_progress), None)
    with _Interrupt() as interrupt:
        try:
            call(name, *arguments, ctypes.byref(observer))
        except Cancelled:
            if raised:
                raise raised[0] from None
            if not interrupt.pressed:
                raise
        if interrupt.pressed:
            raise KeyboardInterrupt
