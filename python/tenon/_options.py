"""Keyword arguments into the option structs of the C API, and structs into Python."""

from __future__ import annotations

import ctypes
import difflib
from typing import Any, Mapping

from . import _capi


def _unknown(kind: str, name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f", did you mean '{near[0]}'?" if near else f", known are {', '.join(known)}"
    return f"unknown {kind} '{name}'{hint}"


def _choice(name: str, value: Any, choices: Mapping[str, int]) -> int:
    text = value.replace("_", "-") if isinstance(value, str) else ""
    if text not in choices:
        raise ValueError(f"{name} is {value!r}, wanted is one of {', '.join(choices)}")
    return choices[text]


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or int(value) != value or value < 0:
        raise ValueError(f"{name} is {value!r}, a whole number is wanted")
    return int(value)


def fill(struct: ctypes.Structure, options: Mapping[str, Any]) -> ctypes.Structure:
    """Sets the named fields; enums by their names, structs inside by dictionaries."""
    kinds = {name: kind for name, kind, *_ in struct._fields_
             if not (isinstance(kind, type) and issubclass(kind, ctypes._Pointer))
             and kind is not ctypes.c_void_p}
    for name, value in options.items():
        if name not in kinds:
            raise TypeError(_unknown("option", name, list(kinds)))
        kind = kinds[name]
        if name in struct.enums:
            setattr(struct, name, _choice(name, value, struct.enums[name]))
        elif issubclass(kind, ctypes.Structure):
            fill(getattr(struct, name), value)
        elif issubclass(kind, ctypes.Array):
            field = getattr(struct, name)
            if len(value) >= len(field):
                raise ValueError(f"{name} has {len(value)} values, at most "
                                 f"{len(field) - 1} are wanted")
            for i, one in enumerate(value):
                field[i] = _whole(name, one)
            field[len(value)] = 0
        elif kind is ctypes.c_char_p:
            setattr(struct, name, None if value is None else str(value).encode())
        elif kind is ctypes.c_bool:
            setattr(struct, name, bool(value))
        elif kind is ctypes.c_double:
            setattr(struct, name, float(value))
        else:
            setattr(struct, name, _whole(name, value))
    return struct


def options(kind: Any, given: Mapping[str, Any]) -> Any:
    """A struct with its defaults and what was given."""
    return fill(_capi.default(kind), given)


def name_of(struct: Any, field: str) -> str:
    """The name of an enum's value."""
    value = getattr(struct, field)
    return next(name for name, number in struct.enums[field].items() if number == value)


def text(value: Any) -> str:
    return value.decode(errors="replace") if value else ""
