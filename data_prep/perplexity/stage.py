"""Stage perplexity: drop the synthetic documents that read least like real text.

Steps: `tokenizer` learns the pieces, `text` cuts the trusted real text into them, `model` learns its n-grams, `scores`
has the perplexity of every synthetic, held-out and compared document, `threshold` finds the cut, `documents` makes it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep import bpe, jsonl
from data_prep.documents import Record
from data_prep.errors import UsageError
from data_prep.files import read_shard
from data_prep.flow import Shard, characters_into, shard_task, shards_into, written_by
from data_prep.layout import receipt_path
from data_prep.perplexity import lmplz, steps, tokenizers
from data_prep.perplexity.kneser_ney import LARGEST_TEXT
from data_prep.perplexity.scores import Scorer
from data_prep.perplexity.settings import REAL_HELDOUT, SYNTHETIC, PerplexitySettings
from data_prep.perplexity.threshold import ScoreFile
from data_prep.tasks import Stage, Step, Task, no_records

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

NAME = "perplexity"

PIECES_CHARACTERS = 5_000_000
"""Of real text, for the SentencePiece model: plenty for a few thousand pieces, and 80 MB of memory."""


def stage(settings: "PrepSettings") -> Stage:
    """Six steps; none while there is nothing to filter."""
    plan = _plan(settings)
    if not plan.filtered:
        return Stage(name=NAME, steps=())
    return Stage(name=NAME, steps=tuple(plan.steps()))


def check(settings: "PrepSettings") -> None:
    """Refuse what cannot work before any work: no kenlm, no real text, missing files."""
    rules = settings.perplexity
    _require_kenlm()
    real = {source.source for source in settings.sources if (source.lang, source.kind) == (rules.lang, "real")}
    missing = sorted(set(rules.trusted or ()) - real)
    if missing or not real:
        raise UsageError(
            f"no source holds real {rules.lang} text" + (f" under the name {missing[0]}" if missing else ""),
            where="perplexity.trusted" if missing else "perplexity.lang",
            why="translations are judged by a model of real text of the same language",
            fix="add such a source with kind: real, or perplexity.enabled=false",
        )
    if rules.vocab_input:
        tokenizers.wordpiece(rules.vocab_input)
    for path in rules.compare_inputs.values():
        jsonl.check_start(path, steps.text_fault, "error")


def notices(_settings: "PrepSettings") -> list[str]:
    """Which estimator learns the n-grams, where it is not KenLM's."""
    own = f"lmplz is not installed: our own estimator learns the same n-grams, of at most {LARGEST_TEXT:,} tokens"
    return [] if lmplz.find("lmplz") else [f"{own}; make lmplz builds it"]


def _require_kenlm() -> None:
    try:
        import kenlm  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"the Python module kenlm cannot be imported: {error}",
            where="perplexity.enabled=true",
            why="it computes the perplexities; pip compiles it, which needs g++",
            fix="apt-get install g++ (or your system's C++ compiler), then make setup",
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """The shards at hand and the paths of the side files."""

    settings: "PrepSettings"
    filtered: tuple[Shard, ...]
    trusted: tuple[Shard, ...]

    @property
    def rules(self) -> PerplexitySettings:
        return self.settings.perplexity

    @property
    def pieces(self) -> Path | None:
        """The SentencePiece model or WordPiece vocabulary."""
        ready = {"sentencepiece": self._side("tokenizer") / "tokenizer.model", "wordpiece": self.rules.vocab_input}
        return ready.get(self.rules.tokenizer)

    @property
    def model(self) -> Path:
        return self._side("model") / "model.kenlm"

    @property
    def threshold(self) -> Path:
        return self._side("threshold") / "threshold.json"

    @property
    def tokenizer_inputs(self) -> tuple[Path, ...]:
        return () if self.pieces is None else (self.pieces,)

    def _side(self, step: str) -> Path:
        return self.settings.layout.side(NAME, step)

    def _text(self, shard: Shard) -> Path:
        return self._side("text") / shard.dataset.name / f"{shard.name}.txt.zst"

    def _scores(self, series: str, dataset: str, name: str) -> ScoreFile:
        path = self._side("scores") / series / dataset / f"{name}.jsonl.zst"
        return ScoreFile(series=series, dataset=dataset, path=path)

    def steps(self) -> Iterator[Step]:
        """In order."""
        if self.rules.tokenizer == "sentencepiece":
            yield Step(name="tokenizer", tasks=(self._tokenizer_task(),))
        yield Step(name="text", tasks=tuple(map(self._text_task, self.trusted)))
        yield Step(name="model", tasks=(self._model_task(),))
        scored = tuple(self._score_tasks())
        yield Step(name="scores", tasks=tuple(task for _, task in scored))
        yield Step(name="threshold", tasks=(self._threshold_task([file for file, _ in scored]),))
        yield Step(name="documents", tasks=tuple(map(self._documents_task, self.filtered)))

    def _choice(self) -> dict[str, Any]:
        """What decides which real documents are learnt from."""
        return {"train_share": self.rules.train_share, "heldout_fraction": self.rules.heldout_fraction}

    def _tokenizer_task(self) -> Task:
        output, paths = self._side("tokenizer") / "tokenizer.model", [shard.path for shard in self.trusted]
        trusted = dict.fromkeys(shard.dataset for shard in self.trusted)
        share = bpe.share(characters_into(self.settings, NAME, trusted), PIECES_CHARACTERS)
        return Task(
            name="pieces",
            settings=self._choice() | {"vocab_size": self.rules.vocab_size, "share": share},
            inputs=tuple(paths),
            receipt=receipt_path(output),
            read=partial(steps.read_for_pieces, paths, self.rules, share),
            write=partial(steps.write_tokenizer, output, self.rules.vocab_size),
        )

    def _text_task(self, shard: Shard) -> Task:
        output = self._text(shard)
        return Task(
            name=f"{shard.dataset.name}/{shard.name}",
            group=shard.dataset.name,
            settings=self._choice() | {"tokenizer": self.rules.tokenizer},
            inputs=(shard.path, *self.tokenizer_inputs),
            receipt=receipt_path(output),
            read=partial(steps.read_part, [shard.path], self.rules, "train"),
            write=partial(steps.write_text, output, self.rules, self.pieces),
        )

    def _model_task(self) -> Task:
        texts = tuple(map(self._text, self.trusted))
        return Task(
            name="n-grams",
            settings={"order": self.rules.order, "prune": self.rules.prune},
            inputs=texts,
            receipt=receipt_path(self.model),
            read=no_records,
            write=partial(steps.write_model, texts, self.model, self.rules),
        )

    def _score_tasks(self) -> Iterator[tuple[ScoreFile, Task]]:
        for shard in self.filtered:
            file = self._scores(SYNTHETIC, shard.dataset.name, shard.name)
            yield file, self._score_task(file, shard.path, partial(read_shard, shard.path), {})
        for shard in self.trusted:
            file = self._scores(REAL_HELDOUT, shard.dataset.name, shard.name)
            read = partial(steps.read_part, [shard.path], self.rules, "heldout")
            yield file, self._score_task(file, shard.path, read, self._choice())
        for name, path in sorted(self.rules.compare_inputs.items()):
            file = self._scores(name, name, "00000")
            yield file, self._score_task(file, path, partial(steps.read_compared, path, self.rules.lang, name), {})

    def _score_task(
        self, file: ScoreFile, source: Path, read: Callable[[], Iterable[Record]], shaping: dict[str, Any]
    ) -> Task:
        scorer = Scorer(kind=self.rules.tokenizer, pieces=self.pieces, model=self.model)
        return Task(
            name=f"{file.series} {file.dataset}/{file.path.name}",
            group=f"{file.series} {file.dataset}",
            settings=shaping | {"tokenizer": self.rules.tokenizer},
            inputs=(source, self.model, *self.tokenizer_inputs),
            receipt=receipt_path(file.path),
            read=read,
            write=partial(steps.write_scores, file.path, scorer),
        )

    def _threshold_task(self, files: Sequence[ScoreFile]) -> Task:
        return Task(
            name="threshold",
            settings={"of": self.rules.of, "percentile": self.rules.percentile},
            inputs=tuple(file.path for file in files),
            receipt=receipt_path(self.threshold),
            read=no_records,
            write=partial(steps.write_threshold, self.threshold, tuple(files), self.rules),
        )

    def _documents_task(self, shard: Shard) -> Task:
        file = self._scores(SYNTHETIC, shard.dataset.name, shard.name)
        task = shard_task(self.settings, NAME, shard, shaping={}, extra_inputs=(file.path, self.threshold))
        return replace(task, read=partial(steps.read_judged, shard.path, file.path, self.threshold))


def _plan(settings: "PrepSettings") -> _Plan:
    rules, shards = settings.perplexity, shards_into(settings, NAME)
    filtered = written_by(settings, NAME)
    return _Plan(
        settings=settings,
        filtered=tuple(shard for shard in shards if shard.dataset in filtered),
        trusted=tuple(
            shard
            for shard in shards
            if (shard.dataset.lang, shard.dataset.kind) == (rules.lang, "real")
            and (rules.trusted is None or shard.dataset.source in rules.trusted)
        ),
    )
