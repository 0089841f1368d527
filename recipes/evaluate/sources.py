"""Data that no path in a task's YAML can name.

Those of this package, those of hub repositories that hold a script (`datasets` no longer runs any), and
IndicInstruct's zipped MMLU.

lm-evaluation-harness calls these with the task's `metadata` and `dataset_kwargs` as keywords.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data_prep.errors import DataError
from recipes.evaluate.registry import OURS

_COLUMNS = ("question", "A", "B", "C", "D", "answer")


def packaged(*, folder: str, **_: Any) -> Any:
    """The items of one of our own sets, `tasks/FOLDER/SPLIT.jsonl`."""
    import datasets

    files = {path.stem: str(path) for path in sorted((OURS / folder).glob("*.jsonl"))}
    return datasets.load_dataset("json", data_files=files)


def converted(*, repo: str, config: str, splits: Sequence[str], **_: Any) -> Any:
    """A dataset whose repository holds a script, from the Parquet files into which the hub has converted it."""
    import datasets
    from huggingface_hub import HfFileSystem

    paths = HfFileSystem().find(f"datasets/{repo}@refs/convert/parquet/{config}")
    files = {split: [f"hf://{path}" for path in parquet_files(paths, split)] for split in splits}
    return datasets.load_dataset("parquet", data_files=files)


def parquet_files(paths: Iterable[str], split: str) -> list[str]:
    """Those of a split among a configuration's files.

    The hub writes test/0000.parquet, and once wrote NAME-test.parquet; `partial-` marks the beginning of a large set.
    """
    of_split = re.compile(rf"(?<!partial)[/-]{re.escape(split)}(/|-\d[^/]*\.|\.)[^/]*parquet$")
    return sorted(path for path in paths if of_split.search(path))


def mmlu_hi(*, url: str, **_: Any) -> Any:
    """IndicInstruct's translated MMLU: a zip of SPLIT/SUBJECT_SPLIT.csv with five columns of text and a letter.

    Lines that are not six columns with a letter at the end are left out; the archive has a few, broken in translation.

    Raises:
        DataError: The archive holds no such lines.
    """
    import datasets

    path = datasets.DownloadManager().download(url)
    rows: dict[str, list[dict[str, str]]] = {"dev": [], "test": []}
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            split = Path(name).parent.name
            if split in rows and name.endswith(".csv"):
                subject = Path(name).stem.removesuffix(f"_{split}").replace("_", " ")
                with archive.open(name) as file:
                    lines = csv.reader(io.TextIOWrapper(file, encoding="utf-8"))
                    rows[split] += [_row(subject, line) for line in lines if _is_whole(line)]
    if not rows["test"]:
        raise DataError("this archive holds no test/SUBJECT_test.csv with questions", where=url)
    return datasets.DatasetDict({split: datasets.Dataset.from_list(found) for split, found in rows.items() if found})


def _is_whole(line: list[str]) -> bool:
    return len(line) == len(_COLUMNS) and line[-1].strip() in ("A", "B", "C", "D")


def _row(subject: str, line: list[str]) -> dict[str, str]:
    return {"subject": subject, **dict(zip(_COLUMNS, map(str.strip, line), strict=True))}


def labelled_reviews(items: Any) -> Any:
    """IndicSentiment's items that have a label: the text under a name a template can hold, the label as a number."""
    labels = ["positive", "negative"]
    return items.filter(lambda item: item["LABEL"] is not None).map(
        lambda item: {"review": item["INDIC REVIEW"].strip(), "label": labels.index(item["LABEL"].strip().lower())}
    )


def whole_endings(items: Any) -> Any:
    """HellaSwag-hi's items without an empty ending: the translation lost some, and nothing is the likeliest answer."""
    return items.filter(lambda item: all(ending.strip() for ending in item["endings"]))
