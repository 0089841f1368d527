"""`langadapt verify PREFIX ...`: reads token datasets whole and says what is wrong with them, and where.

A word is a prefix, one of its two files, a folder (everything below it), or a fragment of `langadapt blend`. All
datasets are read before the exit, with code 1 if one is faulty. The checks are in data_prep/verify/.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf
from rich.table import Table

from data_prep import vocabulary
from data_prep.console import make_console, progress
from data_prep.errors import UsageError
from data_prep.layout import PREFIX_SUFFIX, RECEIPT_SUFFIX, Layout, append_suffix, receipt_path
from data_prep.settings import load, read_yaml
from data_prep.verify.check import ModelTokenizer, Report, verify
from data_prep.verify.faults import MEANINGS
from data_prep.verify.samples import sample_documents
from data_prep.verify.tokens import KnownIds
from recipes import nemo_file
from recipes.checks.data import PREFIX_KEY, parse_blend

PAIR = (".bin", ".idx")


@dataclass(frozen=True, kw_only=True)
class VerifySettings:
    """What may be told to `verify`."""

    prefix: tuple[str, ...]
    tokenizer: Path | None = None
    """The model's; null: what lies in `../tokenizer` beside the tokens folder of datasets with a receipt."""
    model: Path | None = None
    """A .nemo whose own SentencePiece tokenizer is taken."""
    samples: int = 0
    """Documents of each sound dataset to show as text."""
    workers: int = 1
    """Datasets read at once."""

    def __post_init__(self) -> None:
        if not self.prefix:
            raise ValueError("no dataset is named\nlangadapt verify runs/demo/data/tokens")
        if self.tokenizer and self.model:
            raise ValueError("both tokenizer and model are given\nleave one out: the model has its own tokenizer")
        if self.samples < 0 or self.workers < 1:
            raise ValueError(f"samples={self.samples} workers={self.workers}\nsamples=3 workers=2")


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """What checks need to know of a tokenizer, and the text of ids."""

    facts: ModelTokenizer
    text: Callable[[list[int]], str]


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """The verb `verify`; 1 if a dataset is faulty.

    Raises:
        UsageError: A word names no dataset, or the tokenizer cannot be read.
    """
    settings = load(VerifySettings, configs, overrides)
    prefixes = find_prefixes(settings.prefix)
    given = _given_tokenizer(settings)
    tokenizers = [given or _tokenizer_beside(prefix) for prefix in prefixes]
    if dry_run:
        print("\n".join(map(str, prefixes)))
        return 0
    reports = []
    with progress("verify", len(prefixes)) as bar:
        for report, tokenizer in zip(_reports(prefixes, tokenizers, settings.workers), tokenizers, strict=True):
            print("\n".join(describe(report, _samples(report, tokenizer, settings.samples))), flush=True)
            reports.append(report)
            bar.advance()
    make_console().print(table(reports))
    return 1 if any(report.faults for report in reports) else 0


def find_prefixes(words: Iterable[str]) -> list[Path]:
    """The datasets that words of the command line name, each once.

    Raises:
        UsageError: A word names none.
    """
    return list(dict.fromkeys(prefix for word in words for prefix in _named(Path(word).expanduser().absolute())))


def _named(path: Path) -> list[Path]:
    if path.suffix in (".yaml", ".yml"):
        return _of_fragment(path)
    prefix = path.with_suffix("") if path.suffix in PAIR else path
    if any(append_suffix(prefix, suffix).exists() for suffix in (*PAIR, RECEIPT_SUFFIX)):
        return [prefix]
    if path.is_dir() and (found := _in_folder(path)):
        return found
    raise UsageError(
        f"no token dataset {'in' if path.is_dir() else 'at'} {path}",
        where="command line",
        fix="give a prefix (a path without .bin and .idx), a folder of datasets, or the .yaml `langadapt blend` wrote",
    )


def _in_folder(folder: Path) -> list[Path]:
    """Every index below it, and halves and receipts under the name our datasets have: other tools' .bin are many."""
    names = {path.with_suffix("") for path in folder.rglob("*.idx")}
    for suffix in (".bin", RECEIPT_SUFFIX):
        found = folder.rglob(f"*{PREFIX_SUFFIX}{suffix}")
        names |= {path.with_name(path.name.removesuffix(suffix)) for path in found}
    return sorted(name for name in names if not _is_side_file(name.relative_to(folder)))


def _is_side_file(path: Path) -> bool:
    """Whether it lies in a folder such as `_parts`: data preparation has not finished with it."""
    return any(part.startswith("_") for part in path.parts)


def _of_fragment(path: Path) -> list[Path]:
    value = OmegaConf.select(read_yaml(path), PREFIX_KEY)
    if value is None:
        raise UsageError(
            f"{path} has no {PREFIX_KEY}", where="command line", fix="give the .yaml that `langadapt blend` wrote"
        )
    lists = dict(value) if OmegaConf.is_dict(value) else {None: value}
    keys = {part: f"{PREFIX_KEY}.{part} in {path}" if part else f"{PREFIX_KEY} in {path}" for part in lists}
    return [Path(prefix).absolute() for part, each in lists.items() for _, prefix in parse_blend(each, keys[part])]


def _given_tokenizer(settings: VerifySettings) -> Tokenizer | None:
    if settings.model is None:
        return _load(settings.tokenizer.expanduser()) if settings.tokenizer else None
    inside = nemo_file.read_tokenizer(settings.model.expanduser(), "model")
    if inside is None:
        raise UsageError(
            f"{settings.model} holds no SentencePiece tokenizer", where="model", fix="tokenizer=PATH of the model's own"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.model"
        path.write_bytes(inside)
        return _load(path, f"the tokenizer in {settings.model}")


def _tokenizer_beside(prefix: Path) -> Tokenizer | None:
    """The one `langadapt prep` left beside the tokens folder; another tool's datasets may lie anywhere."""
    if len(prefix.parents) < 3 or not receipt_path(prefix).is_file():
        return None
    folder = Layout(prefix.parents[2]).tokenizer.parent
    found = any((folder / name).is_file() for name in (vocabulary.JSON_NAME, vocabulary.SENTENCEPIECE_NAME))
    return _load(folder) if found else None


def _load(path: Path, name: str = "") -> Tokenizer:
    """A tokenizer; `name` stands in messages for its path."""
    loaded = vocabulary.load(path)
    known = KnownIds(size=loaded.size, eod_id=loaded.eod_id)
    facts = ModelTokenizer(name=name or str(loaded.path), sha256=loaded.sha256, known=known)
    return Tokenizer(facts=facts, text=loaded.decode)


def _reports(prefixes: list[Path], tokenizers: list[Tokenizer | None], workers: int) -> Iterator[Report]:
    """One report after the other, in order."""
    facts = [tokenizer.facts if tokenizer else None for tokenizer in tokenizers]
    if workers == 1:
        yield from map(verify, prefixes, facts)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(verify, prefixes, facts)


def _samples(report: Report, tokenizer: Tokenizer | None, count: int) -> Iterator[str]:
    """Lines that show documents of a sound dataset as text."""
    if not count or not report.bytes:
        return
    if report.faults or not report.index or not tokenizer:
        yield f"no samples: {'it is not sound' if report.faults else 'tokenizer=PATH is needed to read its ids'}"
        return
    for document, ids in sample_documents(append_suffix(report.prefix, ".bin"), report.index, count):
        yield f"document {document:,} begins:"
        yield from (f"  {line}" for line in tokenizer.text(ids).splitlines())


def describe(report: Report, samples: Iterable[str]) -> list[str]:
    """What is to be said about one dataset beside its row in the table."""
    lines = []
    for fault in report.faults:
        times = f" ({fault.count:,} times, the first:)" if fault.count > len(fault.places) else ""
        lines += [f"{fault.code}: {MEANINGS[fault.code]}{times}", *(f"  {place}" for place in fault.places)]
    if report.faults:
        lines.append(f"fix: {_fix(report)}")
    lines += [f"not checked: {line}" for line in report.unchecked]
    lines += [f"note: {line}" for line in report.notes]
    lines += samples
    return [f"{report.prefix}: {verdict(report)}", *(f"  {line}" for line in lines)]


def _fix(report: Report) -> str:
    if all(fault.code == "wrong_tokenizer" for fault in report.faults):
        return "tokenizer=PATH of the one it was made with; or tokenise the text again with the model's"
    again = "copy both files again from where they are sound"
    if receipt_path(report.prefix).is_file():
        return f"{again}; or rm {report.prefix}.idx and run the same `langadapt prep` again: it makes both anew"
    return f"{again}; or tokenise the text again"


def verdict(report: Report) -> str:
    """One word or two for a dataset."""
    if report.faults:
        return f"FAULTY: {', '.join(fault.code for fault in report.faults)}"
    if not report.tokens:
        return "no documents"
    return "sound, as far as checked" if report.unchecked else "sound"


def table(reports: Iterable[Report]) -> Table:
    """One row a dataset."""
    result = Table(title="token datasets", title_justify="left")
    result.add_column("prefix", overflow="fold")
    for column in ("documents", "tokens", "seconds", "MB/s"):
        result.add_column(column, justify="right")
    result.add_column("verdict", overflow="fold")
    for report in reports:
        speed = f"{report.bytes / 1e6 / report.seconds:,.0f}" if report.seconds else "-"
        counts = ("-" if count is None else f"{count:,}" for count in (report.documents, report.tokens))
        result.add_row(str(report.prefix), *counts, f"{report.seconds:,.1f}", speed, verdict(report))
    return result
