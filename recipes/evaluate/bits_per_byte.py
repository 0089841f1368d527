"""Bits per byte: how many bits a model needs, on average, for one UTF-8 byte of a document."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from recipes.evaluate.statistics import Values, bootstrap, paired_bootstrap, ratio


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of a document that the model reads at once.

    Attributes:
        start: First token read.
        end: One past the last token read.
        first: First token scored; those before it are context.
    """

    start: int
    end: int
    first: int


def windows(tokens: int, size: int) -> list[Window]:
    """Windows that score every token but the first exactly once.

    Windows overlap by half: but for the first window, every scored token has at least size // 2 tokens before it.

    Args:
        tokens: Length of the sequence, the end-of-document token that opens it included.
        size: Tokens the model reads at once, 2 or more.
    """
    if tokens < 2:
        return []
    stride = size - size // 2
    ends = [min(size, tokens)]
    while ends[-1] < tokens:
        ends.append(min(ends[-1] + stride, tokens))
    later = [Window(start=before - size // 2, end=end, first=before) for before, end in pairwise(ends)]
    return [Window(start=0, end=ends[0], first=1), *later]


def batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices grouped so that little is padded: the longest first, no batch over `tokens` unless it is a single one.

    Args:
        lengths: Tokens of each item.
        tokens: Tokens of a batch, padding included.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    groups: list[list[int]] = []
    for index in order:
        if not groups or lengths[groups[-1][0]] * (len(groups[-1]) + 1) > tokens:
            groups.append([])
        groups[-1].append(index)
    return groups


def score(
    model: Any, sequences: Sequence[Sequence[int]], *, size: int, tokens_per_batch: int, label: str
) -> list[float]:
    """Bits a causal language model needs for each sequence, its first token given.

    Args:
        model: A transformers model in evaluation mode.
        sequences: Token ids of documents, each opened by the end-of-document token, as in training.
        size: Tokens the model reads at once.
        tokens_per_batch: Tokens of a batch; its logits take this times the vocabulary times 4 bytes.
        label: Shown beside the progress bar.
    """
    from rich.console import Console
    from rich.progress import track

    stretches = [(number, window) for number, ids in enumerate(sequences) for window in windows(len(ids), size)]
    groups = batches([window.end - window.start for _, window in stretches], tokens_per_batch)
    bits = [0.0] * len(sequences)
    hidden = not Console().is_terminal
    for group in track(groups, description=label, disable=hidden, transient=True):
        members = [stretches[index] for index in group]
        for (number, _), value in zip(members, _score_batch(model, sequences, members), strict=True):
            bits[number] += value
    return bits


def _score_batch(
    model: Any, sequences: Sequence[Sequence[int]], members: Sequence[tuple[int, Window]]
) -> Iterable[float]:
    """Bits of each window's scored tokens; what pads a window on the right is seen by no token before it."""
    import torch

    longest = max(window.end - window.start for _, window in members)
    ids = torch.zeros(len(members), longest, dtype=torch.long)
    for row, (number, window) in enumerate(members):
        ids[row, : window.end - window.start] = torch.tensor(sequences[number][window.start : window.end])
    with torch.inference_mode():
        logits = model(ids.to(model.device), use_cache=False).logits.float()
    for row, (_, window) in enumerate(members):
        scored = slice(window.first - window.start, window.end - window.start)
        predictions = logits[row, scored.start - 1 : scored.stop - 1]
        targets = ids[row, scored].to(predictions.device)
        loss = torch.nn.functional.cross_entropy(predictions, targets, reduction="none")
        yield float(loss.double().sum()) / math.log(2)


def per_byte(bits: Sequence[float], sizes: Sequence[int]) -> float:
    """Bits of all documents together over their bytes: long documents count by their length."""
    return sum(bits) / sum(sizes)


def standard_error(bits: Sequence[float], sizes: Sequence[int], *, samples: int, seed: int) -> float | None:
    """How much `per_byte` would vary with other documents of the same kind, by bootstrap over documents.

    Args:
        bits: Of each document.
        sizes: Bytes of each document.
        samples: Bootstrap samples; 0 leaves it out.
        seed: The same seed draws the same documents for every model.

    Returns:
        The standard deviation over the samples; None for fewer than two documents.
    """
    return bootstrap(_rows(bits, sizes), ratio, samples=samples, seed=seed).standard_error


def _rows(bits: Sequence[float], sizes: Sequence[int]) -> Values:
    return np.stack([np.asarray(bits, dtype=float), np.asarray(sizes, dtype=float)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A held-out document and what each model needs for it.

    Attributes:
        lang: BCP-47 with script.
        kind: real, translated or romanized.
        size: UTF-8 bytes of its text.
        bits: By model.
    """

    lang: str
    kind: str
    size: int
    bits: Mapping[str, float]


def differences(group: Sequence[Scored], *, samples: int, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """How every model but the first differs from the first on the same documents, by both.

    Args:
        group: Documents of one language.
        samples: Bootstrap samples of documents; fewer than two leave the differences out.
        seed: Of the bootstrap.

    Returns:
        delta, its standard error, low and high (the 95 % interval), in bits per byte; empty for one document or model.
    """
    first, *others = group[0].bits
    if samples < 2 or len(group) < 2 or not others:
        return {}
    before = _rows(*_columns(group, first))
    found = {
        model: paired_bootstrap(before, _rows(*_columns(group, model)), ratio, samples=samples, seed=seed)
        for model in others
    }
    kept = ("delta", "standard_error", "low", "high")
    return {first: {model: {name: round(getattr(each, name), 6) for name in kept} for model, each in found.items()}}


def tally(documents: Sequence[Scored], *, samples: int, seed: int) -> dict[str, Any]:
    """The figures of the output file, by language, and by language and kind.

    Args:
        documents: At least one; all with the same models.
        samples: Bootstrap samples for standard errors and differences.
        seed: Of the bootstrap.
    """
    by_lang = _group(documents, lambda document: document.lang)
    by_kind = {lang: _group(group, lambda document: document.kind) for lang, group in by_lang.items()}

    def rates(group: Sequence[Scored]) -> dict[str, float]:
        return {model: round(per_byte(*_columns(group, model)), 6) for model in group[0].bits}

    def errors(group: Sequence[Scored]) -> dict[str, float | None]:
        found = {model: standard_error(*_columns(group, model), samples=samples, seed=seed) for model in group[0].bits}
        return {model: None if error is None else round(error, 6) for model, error in found.items()}

    return {
        "bits_per_byte": {lang: rates(group) for lang, group in by_lang.items()},
        "standard_error": {lang: errors(group) for lang, group in by_lang.items()},
        "difference": {lang: differences(group, samples=samples, seed=seed) for lang, group in by_lang.items()},
        "by_kind": _inner(by_kind, rates),
        "standard_error_by_kind": _inner(by_kind, errors),
        "documents": _inner(by_kind, len),
        "bytes": _inner(by_kind, lambda group: sum(document.size for document in group)),
    }


def _columns(group: Sequence[Scored], model: str) -> tuple[list[float], list[int]]:
    return [document.bits[model] for document in group], [document.size for document in group]


def _group(documents: Sequence[Scored], key: Any) -> dict[str, list[Scored]]:
    groups: dict[str, list[Scored]] = {}
    for document in sorted(documents, key=key):
        groups.setdefault(key(document), []).append(document)
    return groups


def _inner(by_kind: Mapping[str, Mapping[str, list[Scored]]], figure: Any) -> dict[str, dict[str, Any]]:
    return {lang: {kind: figure(group) for kind, group in kinds.items()} for lang, kinds in by_kind.items()}
