"""What the bench/results_*.py share: runs of `tenon`, kept by their arguments, and tables.

A run that is kept is not made again: a script that was stopped goes on, a second run takes
seconds. Delete the file of answers after a change of tenon.
"""
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
RESULTS = ROOT / "build" / "results"


def run(tenon, *args):
    """What a run prints; ends the script with its message where it fails."""
    words = [str(a) for a in args]
    done = subprocess.run([tenon, *words], text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"tenon {' '.join(words)}\n{done.stderr}")
    return done.stdout


class Runs:
    """Answers of tenon as JSON by their arguments; one file of them a script."""

    def __init__(self, tenon, cache):
        self.tenon, self.cache = tenon, RESULTS / cache
        self.known = json.loads(self.cache.read_text()) if self.cache.exists() else {}
        self.version = run(tenon, "--version").strip()
        RESULTS.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def key(args):
        """The name of a command among the answers, wherever the tree stands."""
        return " ".join(map(str, args)).replace(f"{ROOT}/", "").replace(str(SHARED), "../shared")

    def run(self, *args, without=()):
        """The answer to one command, without these keys."""
        words, key = [str(a) for a in args], self.key(args)
        if key not in self.known:
            print(key, flush=True)
            answer = json.loads(run(self.tenon, *words, "-q", "--json", "--threads", "1"))
            self.known[key] = {k: v for k, v in answer.items() if k not in without}
            self.cache.write_text(json.dumps(self.known, indent=1))
        return self.known[key]


def percent(value, digits=1):
    return f"{100 * value:.{digits}f}"


def table(header, rows):
    """A table of Markdown, closed by an empty line."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
