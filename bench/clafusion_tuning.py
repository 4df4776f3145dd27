"""Networks of different depth after fusion: the same budget of training, many starts.

Asks of a fused network that is tuned whether it reaches the better parent, and whether it
beats what the same budget makes of plain parameter transfer and of one parent alone. For
each pair, images that nothing is tuned on choose the learning rate, once for starts that
work and once for starts at chance, and the weights of the parents in one of the fusions.
"""
import collections

from clafusion_runs import CACHE, command, kept, percent, table

OPTIONS = "--warmup 0.1 --batch 64 --pad 4 --flip".split()
RATES = {"working": ("0.001", "0.003", "0.01", "0.03"), "chance": ("0.03", "0.1")}
# Rows of one-shot fusions: the usual start, and those of which held images take one.
FUSED = "segments, layers refitted"
WEIGHTED = (FUSED, f"{FUSED}, deep 0.75", f"{FUSED}, deep 0.9")

# kind: of learning rate; taught: by both parents, else by labels alone; row: the one-shot
# row of this network, None at chance; how: the command that makes it, None where row does
Start = collections.namedtuple("Start", "name kind taught row how")
FUSIONS = ("fused", "fused, taught by both parents",
           "fused, weights chosen, taught by both parents")
ALONE = ("the deep parent alone", "the shallow parent alone, identities inserted")
TAUGHT = "the deep parent, taught by both"
TRANSFERS = ("the shallow parent in a random net, chain",
             "the shallow parent in a random net, random")


def best_fusion(pair):
    """The row of the weights best on held images, or None where some are not tried."""
    runs = {row: kept(f"{pair.label}-{row}") for row in WEIGHTED}
    return max(runs, key=lambda row: runs[row]["held"]) if all(runs.values()) else None


def starts(pair):
    deep, shallow = pair.names
    parent = ["convert", pair.files[0], "--arch", deep]
    padded = ["fuse", *pair.files, *pair.arch, "--data", pair.images.probe, "--weights",
              "0/1", "--insert", "share", "--recalibrate", "none", "--eval-data", "none"]
    over = ["transfer", pair.files[1], deep, "--arch", shallow, "--align"]
    return [Start(FUSIONS[0], "working", False, FUSED, None),
            Start(FUSIONS[1], "working", True, FUSED, None),
            Start(FUSIONS[2], "working", True, best_fusion(pair), None),
            Start(ALONE[0], "working", False, deep, parent),
            Start(TAUGHT, "working", True, deep, parent),
            Start(ALONE[1], "working", False, shallow, padded),
            Start(TRANSFERS[0], "chance", False, None, [*over, "chain"]),
            Start(TRANSFERS[1], "chance", False, None, [*over, "random"])]


def made(b, pair, start):
    """The file of a start."""
    if not start.how:
        return pair.fused(start.row)
    path = CACHE / f"{pair.label}-{start.name.replace(' ', '')}.onnx"
    if not path.exists():
        verb, *rest = start.how
        words = [rest[0], path, *rest[1:]] if verb == "convert" else [*rest, "-o", path]
        b.run(verb, *words, "-f", "-q", "--threads", 1)
    return path


def run_name(pair, start, rate, budget):
    return f"tuned-{pair.label}-{start.name}-{rate}-{budget.images * budget.epochs}"


def tuned(b, pair, start, rate, budget, **images):
    """Kept: accuracies on these images after the budget."""
    name = run_name(pair, start, rate, budget)

    def make():
        path = made(b, pair, start)
        words = ["distill", *pair.files, path, *pair.arch] if start.taught else \
            ["finetune", path]
        return b.train(CACHE / f"{name}.onnx", words,
                       f"{pair.images.train},limit={budget.images}", "--epochs",
                       budget.epochs, "--learning-rate", rate, *OPTIONS, **images)
    return b.cached(name, make)


def first(pair, kind):
    return next(s for s in starts(pair) if s.kind == kind)


def best_rate(pair, kind):
    """That of the best answers to held images, or None where some are not tried."""
    pair = pair.like
    runs = {rate: kept(run_name(pair, first(pair, kind), rate, pair.images.trial))
            for rate in RATES[kind]}
    return max(runs, key=lambda rate: runs[rate]["held"]) if all(runs.values()) else None


def tune(b, pair):
    images = pair.images
    for kind, rates in RATES.items():
        for rate in rates:
            tuned(b, pair.like, first(pair.like, kind), rate, images.trial,
                  held=images.held)
    for start in starts(pair):
        tuned(b, pair, start, best_rate(pair, start.kind), images.budget,
              accuracy=images.test)


# --- the page ---

def result(pair, name):
    """The accuracy of a tuned start, or None where it was not run."""
    start = next(s for s in starts(pair) if s.name == name)
    found = kept(run_name(pair, start, best_rate(pair, start.kind), pair.images.budget))
    return found and found["accuracy"]


def tuned_table(pairs):
    rows = []
    for k, start in enumerate(starts(pairs[0])):
        cells = []
        for pair in pairs:
            row, after = starts(pair)[k].row, result(pair, start.name)
            cells += [percent(f"{pair.label}-{row}") if start.row else "chance",
                      f"{100 * after:.2f}" if after is not None else "not run"]
        if any(cell != "not run" for cell in cells[1::2]):
            rows.append((start.name, *cells))
    return table(("start", *(text for p in pairs for text in (p.label, "tuned"))), rows)


def bars(pair):
    """What a fused and tuned network is held against: accuracies of each kind."""
    parents = [kept(f"{pair.label}-{name}") for name in pair.names]
    return {"the better parent as it was": [p and p["accuracy"] for p in parents],
            "the better transfer": [result(pair, name) for name in TRANSFERS],
            **{name: [result(pair, name)] for name in (*ALONE, TAUGHT)}}


def gap(pair, name, bar):
    """By how much a fused start, tuned, is above a bar; None where either was not run."""
    own, others = result(pair, name), [x for x in bars(pair)[bar] if x is not None]
    return own - max(others) if own is not None and others else None


def gaps_table(pairs):
    """Of the bars that were run for some pair."""
    found = [bar for bar in bars(pairs[0])
             if any(gap(pair, FUSIONS[2], bar) is not None for pair in pairs)]
    rows = []
    for pair in pairs:
        for name in FUSIONS:
            gaps = [gap(pair, name, bar) for bar in found]
            rows.append((f"{pair.label}, {name}", *("not run" if g is None else
                                                    f"{100 * g:+.2f}" for g in gaps)))
    return table(("tuned, points above", *found), rows)


def where(pairs, name, bar, equal):
    """In which pairs a start passes a bar, by reaching it or by more."""
    gaps = {pair.label: gap(pair, name, bar) for pair in pairs}
    passed = {label: g >= 0 if equal else g > 0 for label, g in gaps.items()
              if g is not None}
    yes, no = ([label for label, p in passed.items() if p is want] for want in (True, False))
    if not passed:
        return "not run"
    if not yes or not no:
        every = "yes" if yes else "**no**"
        if len(pairs) == 1:
            return every
        return every + (" for all" if len(passed) == len(pairs) else
                        f" with {' and '.join(passed)}")
    return f"yes with {' and '.join(yes)}, **no** with {' and '.join(no)}"


def answers(pairs):
    """Of each fused start that was run."""
    better, transfer, deep, shallow, _ = bars(pairs[0])
    return [f"* {name[0].upper() + name[1:]}: at least as good as the better parent? "
            f"{where(pairs, name, better, True)}. Better than the shallow parent "
            f"transferred? {where(pairs, name, transfer, False)}. Better, with the same "
            f"budget, than the deep parent alone? {where(pairs, name, deep, False)}. Than "
            f"the shallow one alone? {where(pairs, name, shallow, False)}."
            for name in FUSIONS if any(result(pair, name) is not None for pair in pairs)]


def choices(pairs):
    """What the held images took."""
    rates = " and ".join(f"{best_rate(pairs[0], kind)} for starts {words} (of "
                         f"{', '.join(RATES[kind])})" for kind, words in
                         (("working", "that work"), ("chance", "at chance")))
    some = f" of {pairs[0].label}" if len(pairs) > 1 else ""
    out = [f"The held images chose the learning rate, with a quarter of the budget and the "
           f"first start of each kind{some}: {rates}. They chose the weights of the parents, "
           "by the answers of the fused network before tuning, with 1/2, 3/4 and 9/10 for "
           "the deep one:"]
    for pair in pairs:
        tried = [kept(f"{pair.label}-{row}") for row in WEIGHTED]
        if all(tried):
            text = ", ".join(f"{100 * run['held']:.2f}" for run in tried)
            best = ("1/2", "3/4", "9/10")[WEIGHTED.index(best_fusion(pair))]
            out.append(f"{best} with {pair.label} ({text})"
                       + (" and" if pair is not pairs[-1] else "."))
    return " ".join(out)


def page(pairs, text):
    """A section on these pairs, which have images and budget in common."""
    found = tuned_table(pairs)
    if not found:
        return []
    budget = pairs[0].images.budget
    return ["### The same budget from different starts", "",
            f"{budget.images * budget.epochs:,} training images a row, "
            f"`{command(OPTIONS)} --epochs {budget.epochs}`, with labels only (`tenon "
            f"finetune`) or with both parents as teachers (`tenon distill`). {text}", "",
            choices(pairs), "", *found, *gaps_table(pairs), *answers(pairs), ""]
