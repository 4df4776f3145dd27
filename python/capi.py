#!/usr/bin/env python3
"""Writes tenon/_capi.py: the public headers as ctypes.

Usage: capi.py INCLUDE-FOLDER OUT.py LIBRARY-FOLDER...

The headers stay the one place where the API is declared: enums, structs with their
defaults (TN_..._INIT), functions, and the type hints of the options are read from them at
build time. The folders, seen from the package, are where libtenon is looked for. What is
understood
is what they are written in: one typedef a name, no conditionals inside, no macros in
types but array extents. Anything else ends the build with the text that was met.
"""

from __future__ import annotations

import re
import sys
from os.path import commonprefix
from pathlib import Path

SCALARS = {
    "void": "None",
    "bool": "c_bool",
    "char": "c_char",
    "int": "c_int",
    "float": "c_float",
    "double": "c_double",
    "size_t": "c_size_t",
    "uint8_t": "c_uint8",
    "int32_t": "c_int32",
    "uint32_t": "c_uint32",
    "int64_t": "c_int64",
    "uint64_t": "c_uint64",
}
HEAD = '''"""The C API of libtenon as ctypes; written by capi.py from include/tenon."""

from __future__ import annotations

from ctypes import (CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_double,
                    c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64,
                    c_uint8, c_void_p)
from typing import Literal, Sequence, TypedDict

'''
HINTS = {"c_bool": "bool", "c_double": "float", "c_char_p": "str"}


class Headers:
    """What has been read, in the order of the text."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {"SIZE_MAX": 2**64 - 1}
        self.texts: dict[str, str] = {}
        self.enums: dict[str, dict[str, int]] = {}
        self.short: dict[str, dict[str, int]] = {}  # enums by the names of options
        self.enum_fields: dict[str, dict[str, str]] = {}
        self.structs: dict[str, list[tuple[str, str]]] = {}
        self.opaque: list[str] = []
        self.callbacks: dict[str, str] = {}
        self.functions: dict[str, tuple[str, list[str]]] = {}
        self.defaults: dict[str, dict[str, str]] = {}
        self.items: list[str] = []  # what is written, in the order of the text


def fail(text: str) -> None:
    sys.exit(f"capi.py: not understood: {' '.join(text.split())[:200]}")


def strip_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"\\\n", " ", text)


def split_commas(text: str) -> list[str]:
    """The parts between commas that stand in no brackets."""
    parts, depth, part = [], 0, ""
    for c in text:
        depth += (c in "({[") - (c in ")}]")
        if c == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += c
    return [p.strip() for p in parts + [part] if p.strip()]


def ctype(h: Headers, text: str) -> str:
    """The ctypes expression for a C type, as of a field or parameter."""
    words = re.sub(r"\b(const|struct|enum)\b", " ", text).replace("*", " * ").split()
    base, stars = words[0], words[1:].count("*")
    if len(words) != 1 + stars:
        fail(text)
    if base in h.callbacks:
        return base if stars == 1 else fail(text)
    if base == "char" and stars:
        return "c_char_p" if stars == 1 else "POINTER(c_char_p)"
    if base == "void" or base in h.opaque:
        name = "c_void_p" if stars else "None"
        stars = max(stars - 1, 0)
    elif base in h.enums:
        name = "c_int"
    elif base in h.structs:
        name = base
    else:
        name = SCALARS.get(base) or fail(text)
    return "POINTER(" * stars + name + ")" * stars


def declared(h: Headers, text: str) -> list[tuple[str, str]]:
    """Names and ctypes of "double done, total", "size_t member[8]", "void (*log)(...)"."""
    function = re.fullmatch(r"\s*(.+?)\(\s*\*\s*(\w+)\s*\)\s*\((.*)\)\s*", text, re.S)
    if function:
        return [(function[2], prototype(h, function[1], function[3]))]
    first, *others = split_commas(text)
    match = re.fullmatch(r"(.+?[\s*])(\w+)((?:\[\w+\])*)", first, re.S)
    if not match:
        fail(text)
    base = match[1]
    found = [(match[2], base, match[3])]
    for other in others:
        star, name, extents = re.fullmatch(r"(\**)\s*(\w+)((?:\[\w+\])*)", other).groups()
        found.append((name, base.replace("*", "") + star, extents))
    result = []
    for name, kind, extents in found:
        made = ctype(h, kind)
        for extent in re.findall(r"\[(\w+)\]", extents):
            made += f" * {int(h.numbers.get(extent, extent))}"
        result.append((name, made))
    return result


def prototype(h: Headers, result: str, parameters: str) -> str:
    kinds = [ctype(h, result)]
    for parameter in split_commas(parameters):
        if parameter != "void":
            kinds.append(argument(h, parameter))
    return f"CFUNCTYPE({', '.join(kinds)})"


def argument(h: Headers, text: str) -> str:
    """The ctype of a parameter, named or not; arrays are pointers."""
    text = re.sub(r"(\w+)\s*\[\w*\]\s*$", r"*\1", text)
    match = re.fullmatch(r"(.+?[\s*])(\w+)", text, re.S)
    known = match and (match[2] in SCALARS or match[2] in ("const",))
    return ctype(h, match[1] if match and not known else text)


def read_enum(h: Headers, body: str, name: str) -> None:
    values, value = {}, 0
    for part in split_commas(body):
        key, _, number = (p.strip() for p in part.partition("="))
        value = int(number, 0) if number else value
        values[key] = value
        value += 1
    h.enums[name] = values
    h.numbers.update(values)
    shared = commonprefix(list(values)).rpartition("_")[0] + "_"
    short = {key[len(shared):].lower().replace("_", "-"): v for key, v in values.items()}
    h.short[name] = short
    h.items.append(f"{name} = {short!r}\n")


def read_struct(h: Headers, body: str, name: str) -> None:
    fields: list[tuple[str, str]] = []
    enums: list[tuple[str, str]] = []
    while body.strip():
        inner = re.match(r"\s*struct\s*\{(.*?)\}\s*(\w+)\s*;", body, re.S)
        if inner:
            read_struct(h, inner[1], f"{name}_{inner[2]}")
            fields.append((inner[2], f"{name}_{inner[2]}"))
            body = body[inner.end():]
            continue
        text, _, body = body.partition(";")
        found = declared(h, text)
        fields += found
        if text.split()[0] in h.enums:
            enums += [(f, text.split()[0]) for f, _ in found]
    h.structs[name] = fields
    h.enum_fields[name] = dict(enums)
    out = [f"\n\nclass {name}(Structure):\n    _fields_ = ["]
    out += [f'\n        ("{f}", {kind}),' for f, kind in fields]
    out.append("\n    ]\n    enums: dict[str, dict[str, int]] = {" + ", ".join(f'"{f}": {e}' for f, e in enums))
    h.items.append("".join(out) + "}\n")


def read_default(h: Headers, macro: str, body: str) -> None:
    """TN_X_INIT: values by name of field, as Python expressions."""
    name = "tn_" + macro[3:-5].lower()
    values: dict[str, str] = {}
    for position, part in enumerate(split_commas(body.strip()[1:-1])):
        match = re.fullmatch(r"\.(\w+)\s*=\s*(.*)", part, re.S)
        field, value = match.groups() if match else (h.structs[name][position][0], part)
        if value.endswith("_INIT"):
            value = f"default(tn_{value[3:-5].lower()})"
        elif value in ("true", "false"):
            value = value.capitalize()
        elif value.startswith('"'):
            value = "b" + value
        else:
            value = repr(h.numbers.get(value, value)).strip("'")
        values[field] = value
    h.defaults[name] = values


def read(h: Headers, text: str) -> None:
    text = strip_comments(text)
    for macro, value in re.findall(r"^#define (TN_\w+) (.*)$", text, re.M):
        value = value.strip()
        if re.fullmatch(r"\d+", value):
            h.numbers[macro] = int(value)
        elif value.startswith('"'):
            h.texts[macro] = value
    macros = re.findall(r"^#define (TN_\w+_INIT)\s+(\{.*\})\s*$", text, re.M)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M).replace("TN_MUST_USE", "")
    text = text.replace('extern "C" {', "")
    pattern = re.compile(
        r"typedef enum (?P<enum>\w+) \{(?P<values>.*?)\} (?P=enum);"
        r"|typedef struct (?P<struct>\w+) \{(?P<fields>.*?)\n\} (?P=struct);"
        r"|typedef struct (?P<opaque>\w+) (?P=opaque);"
        r"|typedef (?P<result>\w+) (?P<callback>\w+)\((?P<parameters>.*?)\);"
        r"|TN_API (?P<type>.*?)(?P<function>\w+)\((?P<arguments>.*?)\);", re.S)
    for m in pattern.finditer(text):
        if m["enum"]:
            read_enum(h, m["values"], m["enum"])
        elif m["struct"]:
            read_struct(h, m["fields"], m["struct"])
        elif m["opaque"]:
            h.opaque.append(m["opaque"])
        elif m["callback"]:
            made = prototype(h, m["result"], m["parameters"])
            h.callbacks[m["callback"]] = made
            h.items.append(f"\n\n{m['callback']} = {made}\n")
        else:
            kinds = [argument(h, a) for a in split_commas(m["arguments"]) if a != "void"]
            h.functions[m["function"]] = (ctype(h, m["type"]), kinds)
    left = re.sub(r"[\s}]|static inline.*", "", pattern.sub("", text))
    if left:
        fail(left)
    for macro, body in macros:
        read_default(h, macro, body)


def in_order(include: Path) -> list[Path]:
    """The headers, each behind those that it includes."""
    done: list[Path] = []

    def visit(path: Path) -> None:
        for name in re.findall(r'#include "tenon/(\w+\.h)"', path.read_text()):
            visit(include / "tenon" / name)
        if path not in done:
            done.append(path)

    visit(include / "tenon" / "tenon.h")
    return done


def hints(h: Headers, struct: str) -> str:
    """The options of a struct as a TypedDict; pointers are no options."""
    out = [f"\n\nclass {hint_name(struct)}(TypedDict, total=False):\n"]
    enums = h.enum_fields[struct]
    for field, kind in h.structs[struct]:
        if field in enums:
            names = ", ".join(f'"{n}"' for n in h.short[enums[field]])
            hint = f"Literal[{names}]"
        elif kind in h.structs:
            hint = hint_name(kind)
        elif " * " in kind:
            hint = "Sequence[int]"
        elif kind.startswith("POINTER") or kind == "c_void_p":
            continue
        else:
            hint = HINTS.get(kind, "int")
        out.append(f"    {field}: {hint}\n")
    return "".join(out)


def hint_name(struct: str) -> str:
    """tn_fuse_options: FuseOptions."""
    return "".join(word.capitalize() for word in struct.split("_")[1:])


def write(h: Headers, folders: list[str]) -> str:
    out = [HEAD]
    out.append(f"VERSION = {h.texts['TN_VERSION']}\nFOLDERS = {folders!r}\n")
    out += h.items
    out += [hints(h, name) for name in h.defaults]
    out.append("\n\nDEFAULTS = {\n")
    for name, values in h.defaults.items():
        inner = ", ".join(f'"{k}": {v}' for k, v in values.items() if k != "0")
        body = "" if list(values.values()) == ["0"] else inner
        out.append(f"    {name}: lambda: {{{body}}},\n")
    out.append("}\n\n\ndef default(kind):\n"
               '    """A struct as its TN_..._INIT says."""\n'
               "    return kind(**DEFAULTS[kind]())\n\n\n")
    out.append("def declare(library):\n    " + '"""Gives each function its types."""\n')
    for name, (result, kinds) in h.functions.items():
        out.append(f"    library.{name}.restype = {result}\n")
        out.append(f"    library.{name}.argtypes = [{', '.join(kinds)}]\n")
    return "".join(out)


def main() -> None:
    headers = Headers()
    for path in in_order(Path(sys.argv[1])):
        read(headers, path.read_text())
    Path(sys.argv[2]).write_text(write(headers, sys.argv[3:]))


main()
