"""What the tests of the package share: models, the command, and visible skips."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(os.environ["TENON_SOURCE"])
MODELS = SOURCE / "models"
PROBE = "random:1x28x28,limit=256"

try:
    import numpy  # noqa: F401
except ImportError:
    print("skipped: python3-numpy is not installed")
    sys.exit(77)


def wanted(module: str):
    """The module; without it the whole file is a visible skip."""
    try:
        return importlib.import_module(module)
    except ImportError:
        print(f"skipped: the Python module {module} is not installed")
        sys.exit(77)


def command(*arguments: object) -> dict:
    """What `tenon ... --json` answers."""
    done = subprocess.run([os.environ["TENON_COMMAND"], *map(str, arguments), "--json", "-q"],
                          check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


class InFolder(unittest.TestCase):
    """A case with an empty folder of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
