"""The structs that Python sees are those of the compiler: offsets, sizes, defaults."""

import ctypes
import os
import subprocess
import unittest

from fixtures import SOURCE, InFolder
from tenon import _capi


def leaves(struct, prefix=""):
    """(path, offset, size, kind) of every field that is no struct."""
    for name, kind in struct._fields_:
        field = getattr(struct, name)
        if isinstance(kind, type) and issubclass(kind, ctypes.Structure):
            for path, offset, size, inner in leaves(kind, f"{prefix}{name}."):
                yield path, field.offset + offset, size, inner
        else:
            yield prefix + name, field.offset, field.size, kind


def structs():
    for name, kind in vars(_capi).items():
        inside = name == "tn_assemble_report_seconds"  # has no name in C
        if name.startswith("tn_") and isinstance(kind, type) and not inside:
            if issubclass(kind, ctypes.Structure):
                yield name, kind


class Layout(InFolder):
    def compiled(self, body: str) -> list:
        """What a C program prints that sees the headers."""
        source, program = self.folder / "layout.c", self.folder / "layout"
        source.write_text("#include <stdio.h>\n#include <stddef.h>\n"
                          "#include <tenon/tenon.h>\nint main(void)\n{\n" + body + "}\n")
        subprocess.run([os.environ.get("CC", "cc"), "-I", SOURCE / "include", "-w", source,
                        "-o", program], check=True)
        return subprocess.run([program], check=True, stdout=subprocess.PIPE,
                              text=True).stdout.split()

    def test_offsets_and_sizes_are_those_of_the_compiler(self):
        body, wanted = "", []
        for name, kind in structs():
            body += f'    printf("%zu\\n", sizeof({name}));\n'
            wanted.append((name, ctypes.sizeof(kind)))
            for path, offset, size, _ in leaves(kind):
                body += (f'    printf("%zu %zu\\n", offsetof({name}, {path}), '
                         f'sizeof((({name} *)0)->{path}));\n')
                wanted += [(f"{name}.{path} at", offset), (f"{name}.{path} size", size)]
        self.assertGreater(len(wanted), 300)
        for (what, value), found in zip(wanted, self.compiled(body), strict=True):
            self.assertEqual((what, value), (what, int(found)))

    def test_defaults_are_those_of_the_headers(self):
        body, wanted = "", []
        for kind in _capi.DEFAULTS:
            name = kind.__name__
            body += f"    static const {name} {name}_0 = {name.upper()}_INIT;\n"
            made = bytes(_capi.default(kind))
            for path, offset, size, inner in leaves(kind):
                if inner in (ctypes.c_char_p, ctypes.c_void_p):
                    continue
                body += (f"    for (size_t i = 0; i < {size}; i++)\n        printf(\"%02x\", "
                         f"((const unsigned char *)&{name}_0)[{offset} + i]);\n"
                         '    printf("\\n");\n')
                wanted.append((f"{name}.{path}", made[offset:offset + size].hex()))
        for (what, value), found in zip(wanted, self.compiled(body), strict=True):
            self.assertEqual((what, value), (what, found))

    def test_hints_name_the_fields_and_choices_of_the_structs(self):
        options = _capi.FuseOptions.__annotations__
        self.assertIn("support", options)
        self.assertNotIn("weights", options)  # a pointer: an argument of its own
        self.assertIn("data-free", str(options["recalibrate"]))


if __name__ == "__main__":
    unittest.main()
