"""What Tenon does: fuse, prune, assemble; train, distil and evaluate beside it.

Options are keyword arguments with the names of the C structs (tenon/fuse.h and so on),
their defaults and, for choices, the words of the command: fuse(models,
support="activations", recalibrate="norm").
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Union

import numpy as np

from . import _capi, _options
from ._library import ProgressCallback, call, lib, run, version
from .data import Data, DataLike, opened
from .model import Model, Path, _owned, handles

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._capi import (AssembleOptions, EvalOptions, FuseOptions, PruneOptions,
                        TrainOptions)


def _known(number: float) -> Optional[float]:
    return None if math.isnan(number) else number


def _record(model: Model, command: str, options: Mapping[str, Any],
            inputs: Sequence[Model], data: Optional[Data]) -> None:
    """How the model was made goes into its metadata, as the command does it."""
    told = {key: value for key, value in options.items() if key != "threads"}
    if data is not None:
        told["data"] = data.spec
    files = [{"file": os.path.basename(m.source), "sha256": m.sha256}
             for m in inputs if m.source]
    model.set_metadata("tenon.version", version())
    model.set_metadata("tenon.command", f"python {command}")
    model.set_metadata("tenon.options", json.dumps(told, default=str))
    model.set_metadata("tenon.inputs", json.dumps(files))


# --- evaluation


@dataclass(frozen=True)
class Score:
    """accuracy and calibration_error as fractions, loss in nats."""

    images: int
    accuracy: float
    loss: float
    calibration_error: float
    seconds: float

    @classmethod
    def _of(cls, r: Any) -> "Score":
        return cls(r.images, r.accuracy, r.loss, r.calibration_error, r.seconds)


def evaluate(models: Union[Model, Sequence[Model]], data: DataLike, *,
             progress: Optional[ProgressCallback] = None,
             **options: "Unpack[EvalOptions]") -> Any:
    """The Score of one model on all of data (its split `test` where a spec has splits);
    of several: their scores, and that of the mean of their probabilities."""
    members = [models] if isinstance(models, Model) else list(models)
    images = opened(data, "test", True)
    scores = (_capi.tn_eval_report * len(members))()
    ensemble = _capi.tn_eval_report()
    chosen = _options.options(_capi.tn_eval_options, options)
    run("tn_eval", scores, ctypes.byref(ensemble), handles(members), len(members),
        images._handle, ctypes.byref(chosen), progress=progress)
    made = [Score._of(score) for score in scores]
    return made[0] if isinstance(models, Model) else (made, Score._of(ensemble))


# --- fusion


@dataclass(frozen=True)
class FuseGroup:
    """How the neurons of one group of one parent were transported."""

    name: str
    model: int
    neurons: int
    target: int
    cost: float
    gap: float
    marginal_error: float
    moved: float


@dataclass(frozen=True)
class Candidate:
    """One way that method="auto" tried, or a parent, on images kept aside."""

    name: str
    agreement: float
    divergence: float
    seconds: float


@dataclass(frozen=True)
class LayerAlignment:
    """How a shallow network was aligned with a deep one: slots[i] is the deep unit of unit
    i, cost [deep, units]."""

    model: int
    onto: int
    units: list[str]
    deep: list[str]
    slots: list[int]
    cost: np.ndarray
    total: float
    error: float


@dataclass(frozen=True)
class FuseReport:
    groups: list[FuseGroup]
    layers_recalibrated: int
    layers_refitted: int
    alignments: list[LayerAlignment]
    candidates: list[Candidate]
    chosen: Optional[int]
    seconds: dict[str, float] = field(default_factory=dict)


def _alignment(a: Any) -> LayerAlignment:
    cost = np.ctypeslib.as_array(a.cost, (a.deep_count, a.count)).copy()
    return LayerAlignment(a.model, a.onto,
                          [_options.text(a.units[k].name) for k in range(a.count)],
                          [_options.text(a.deep[k].name) for k in range(a.deep_count)],
                          [a.slot[k] for k in range(a.count)], cost, a.total, a.error)


def _fuse_report(r: Any, parents: int) -> FuseReport:
    groups = [FuseGroup(_options.text(g.name), g.model, g.neurons, g.target, g.cost, g.gap,
                        g.marginal_error, g.moved) for g in r.groups[:r.group_count]]
    count = r.candidate_count + parents if r.candidate_count else 0
    candidates = [Candidate(_options.text(c.name), c.agreement, c.divergence, c.seconds)
                  for c in r.candidates[:count]]
    return FuseReport(groups, r.layers_recalibrated, r.layers_refitted,
                      [_alignment(a) for a in r.alignments[:r.alignment_count]], candidates,
                      r.chosen if candidates else None,
                      {"statistics": r.seconds_statistics, "transport": r.seconds_transport,
                       "recalibrate": r.seconds_recalibrate})


def fuse(models: Sequence[Model], *, data: Optional[DataLike] = None,
         weights: Optional[Sequence[float]] = None,
         progress: Optional[ProgressCallback] = None,
         **options: "Unpack[FuseOptions]") -> Model:
    """One network out of several, by optimal transport of their neurons.

    Without images neurons are matched by their weights; with `data`, by what they answer
    to its images (split `train`), and the statistics of the result are corrected. Labels
    are never used. `weights` of the models default to equal ones. The result's `report` is
    a FuseReport.
    """
    chosen = _options.options(_capi.tn_fuse_options, options)
    images = opened(data, "train", False) if data is not None else None
    if weights is not None:
        if len(weights) != len(models):
            raise ValueError(f"{len(weights)} weights for {len(models)} models")
        chosen.weights = (ctypes.c_double * len(weights))(*weights)
    out, report = ctypes.c_void_p(), _capi.tn_fuse_report()
    run("tn_fuse", ctypes.byref(out), ctypes.byref(report), handles(models), len(models),
        images._handle if images else None, ctypes.byref(chosen), progress=progress)
    made = Model(_owned(out))
    made.report = _fuse_report(report, len(models))
    lib.tn_fuse_report_release(ctypes.byref(report))
    told = dict(options, weights=list(weights)) if weights is not None else options
    _record(made, "fuse", told, models, images)
    return made


# --- pruning


@dataclass(frozen=True)
class PruneGroup:
    """`error`: share of their answers that the layers which read the group miss, where
    these were fitted."""

    name: str
    neurons: int
    left: int
    method: str
    error: Optional[float]
    kept: Optional[list[int]]


@dataclass(frozen=True)
class PruneReport:
    """`error`: mean squared change of the outputs on the images, relative to their
    variance."""

    groups: list[PruneGroup]
    sparsity: float
    method: str
    error: Optional[float]
    images: int
    synthetic: bool
    layers_refitted: int
    norms: int
    layers_repaired: int


def _prune_report(r: Any) -> PruneReport:
    groups = [PruneGroup(_options.text(g.name), g.neurons, g.left,
                         _options.name_of(g, "method"), _known(g.error),
                         g.kept[:g.left] if g.kept else None)
              for g in r.groups[:r.group_count]]
    return PruneReport(groups, r.sparsity, _options.name_of(r, "method"), _known(r.error),
                       r.images, r.synthetic, r.layers_refitted, r.norms,
                       r.layers_repaired)


def prune(model: Model, sparsity: float = 0.0, *,  # type: ignore[misc] # it is in both
          data: Optional[DataLike] = None,
          progress: Optional[ProgressCallback] = None,
          **options: "Unpack[PruneOptions]") -> Model:
    """A smaller network out of one, without training.

    `sparsity` is the share of the neurons of each group that go; max_params, max_macs and
    max_latency raise it until they hold. Images are of the split `train` of `data`, and
    drawn where there is none. The result's `report` is a PruneReport.
    """
    given = dict(options, sparsity=sparsity)
    chosen = _options.options(_capi.tn_prune_options, given)
    labelled = given.get("importance") == "taylor"
    images = opened(data, "train", labelled) if data is not None else None
    out, report = ctypes.c_void_p(), _capi.tn_prune_report()
    run("tn_prune", ctypes.byref(out), ctypes.byref(report), model._handle,
        images._handle if images else None, ctypes.byref(chosen), progress=progress)
    made = Model(_owned(out))
    made.report = _prune_report(report)
    lib.tn_prune_report_release(ctypes.byref(report))
    _record(made, "prune", given, [model], images)
    return made


# --- assembling


class Zoo:
    """Networks that blocks are taken from.

        zoo = tenon.Zoo([a, b])
        zoo.add(c, name="c", licence="MIT", mean=[0.5], std=[0.25])
    """

    def __init__(self, models: Sequence[Model] = ()) -> None:
        out = ctypes.c_void_p()
        call("tn_zoo_create", ctypes.byref(out))
        self._handle = out.value
        self._finalizer = weakref.finalize(self, lib.tn_zoo_free, out.value)
        self._members: list[Model] = []
        for model in models:
            self.add(model)

    def add(self, model: Model, *, name: Optional[str] = None,
            licence: Optional[str] = None, mean: Optional[Sequence[float]] = None,
            std: Optional[Sequence[float]] = None) -> None:
        """mean and std, of pixels in 0..1, are those the member was trained with where they
        are not those of the data."""
        if (mean is None) != (std is None) or (mean and std and len(mean) != len(std)):
            raise ValueError("mean and std go together, one number a channel")
        member = _capi.tn_zoo_member(name=name.encode() if name else None,
                                     licence=licence.encode() if licence else None)
        if mean and std:
            member.channels = len(mean)
            member.mean = (ctypes.c_double * len(mean))(*mean)
            member.std = (ctypes.c_double * len(std))(*std)
        call("tn_zoo_add", self._handle, model._handle, ctypes.byref(member))
        self._members.append(model)

    def load(self, path: Path) -> None:
        """Adds the members that a JSON file names."""
        call("tn_zoo_load", self._handle, os.fsencode(path))

    def __len__(self) -> int:
        return lib.tn_zoo_count(self._handle)

    @property
    def names(self) -> list[str]:
        return [_options.text(lib.tn_zoo_name(self._handle, k)) for k in range(len(self))]


@dataclass(frozen=True)
class Block:
    """Units first to last of a member (all from 0), in set `set`."""

    member: int
    first: int
    last: int
    set: int


@dataclass(frozen=True)
class Chain:
    """A chain that was stitched: (member, first, last) of each block, and what it is worth:
    `stitched` is its accuracy on the images kept apart."""

    blocks: list[tuple[int, int, int]]
    params: int
    macs: int
    stitched: float
    residual: float
    similarity: float


@dataclass(frozen=True)
class AssembleReport:
    partition: list[Block]
    chain: list[Block]
    residuals: list[float]
    params: int
    macs: int
    memory: int
    candidates: list[Chain]


def _assemble_report(r: Any) -> AssembleReport:
    def block(b: Any) -> Block:
        return Block(b.member, b.first, b.last, b.set)

    def chain(c: Any) -> Chain:
        parts = list(zip(c.member, c.first, c.last))[:r.chain_length]
        return Chain(parts, c.params, c.macs, c.stitched, c.residual, c.similarity)

    return AssembleReport([block(b) for b in r.blocks[:r.block_count]],
                          [block(b) for b in r.chain[:r.chain_length]],
                          r.residual[:max(r.chain_length - 1, 0)], r.params, r.macs,
                          r.memory, [chain(c) for c in r.chains[:r.chain_count]])


def assemble(zoo: Union[Zoo, Sequence[Model]], *, data: DataLike,
             progress: Optional[ProgressCallback] = None,
             **options: "Unpack[AssembleOptions]") -> Model:
    """One network out of blocks of several, within max_params, max_macs and the other
    budgets. Labels choose among the best chains. The result's `report` is an
    AssembleReport."""
    zoo = zoo if isinstance(zoo, Zoo) else Zoo(zoo)
    chosen = _options.options(_capi.tn_assemble_options, options)
    images = opened(data, "train", True)
    out, report = ctypes.c_void_p(), _capi.tn_assemble_report()
    run("tn_assemble", ctypes.byref(out), None, ctypes.byref(report), zoo._handle,
        images._handle, ctypes.byref(chosen), progress=progress)
    made = Model(_owned(out))
    made.report = _assemble_report(report)
    lib.tn_assemble_report_release(ctypes.byref(report))
    _record(made, "assemble", options, zoo._members, images)
    return made


# --- training


@dataclass(frozen=True)
class TrainReport:
    epochs: int
    best_epoch: int
    loss: float
    accuracy: float
    holdout_accuracy: Optional[float]
    images_per_second: float
    seconds: float


def _trained(out: ctypes.c_void_p, r: Any) -> Model:
    made = Model(_owned(out))
    made.report = TrainReport(r.epochs, r.best_epoch, r.loss, r.accuracy,
                              _known(r.holdout_accuracy), r.images_per_second, r.seconds)
    return made


def train(start: Model, data: DataLike, *, progress: Optional[ProgressCallback] = None,
          **options: "Unpack[TrainOptions]") -> Model:
    """A trained copy of `start`, on the split `train` of `data`. The result's `report` is a
    TrainReport."""
    chosen = _options.options(_capi.tn_train_options, options)
    images = opened(data, "train", True)
    out, report = ctypes.c_void_p(), _capi.tn_train_report()
    run("tn_train", ctypes.byref(out), ctypes.byref(report), start._handle, images._handle,
        ctypes.byref(chosen), progress=progress)
    made = _trained(out, report)
    _record(made, "train", options, [start], images)
    return made


def distill(teachers: Sequence[Model], student: Model, data: DataLike, *,
            temperature: float = 4.0, teaching: float = 0.9,
            progress: Optional[ProgressCallback] = None,
            **options: "Unpack[TrainOptions]") -> Model:
    """A trained copy of `student`, whose loss of an image is (1 - teaching) its
    cross-entropy + teaching temperature² KL(mean of teachers ‖ student)."""
    chosen = _options.options(_capi.tn_train_options, options)
    images = opened(data, "train", True)
    listed = handles(teachers)
    said = _capi.tn_teachers(models=ctypes.cast(listed, ctypes.POINTER(ctypes.c_void_p)),
                             count=len(teachers), temperature=temperature, weight=teaching)
    out, report = ctypes.c_void_p(), _capi.tn_train_report()
    run("tn_distill", ctypes.byref(out), ctypes.byref(report), student._handle,
        ctypes.byref(said), images._handle, ctypes.byref(chosen), progress=progress)
    made = _trained(out, report)
    _record(made, "distill", dict(options, temperature=temperature, teaching=teaching),
            [*teachers, student], images)
    return made
