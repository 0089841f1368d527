from collections import Counter
from pathlib import Path

from data_prep.documents import Dataset, Reject
from data_prep.files import open_binary, read_shard
from data_prep.layout import Layout
from data_prep.receipts import Tally
from data_prep.split import write_documents

from .test_documents import document


def sides(layout: Layout, dataset: Dataset, shard: str) -> dict[str, set[str]]:
    return {
        side: {item.group for item in read_shard(layout.document_shard(dataset.name, side, shard))}
        for side in ("train", "heldout")
    }


def test_parallel_documents_fall_on_the_same_side_whatever_their_shard(tmp_path: Path) -> None:
    layout, found = Layout(tmp_path), []
    for lang in ("en-Latn", "hi-Deva"):
        dataset = Dataset(source="s", lang=lang, kind="real")
        records = [document(id=f"{lang}{n}", group=f"p{n}") for n in range(100)]
        write_documents(layout, "split", dataset, "00000", 0.2, records[:50], Tally())
        write_documents(layout, "split", dataset, "00001", 0.2, records[50:], Tally())
        both = [sides(layout, dataset, shard) for shard in ("00000", "00001")]
        found.append(both[0]["heldout"] | both[1]["heldout"])
    assert found[0] == found[1]
    assert 8 < len(found[0]) < 35


def test_every_record_ends_exactly_once_and_the_sides_are_counted(tmp_path: Path) -> None:
    layout, dataset = Layout(tmp_path), Dataset(source="s", lang="hi-Deva", kind="real")
    records = [
        document(id=str(n), group=str(n)) if n % 3 else Reject(id=str(n), reason="r", where="w", text="t")
        for n in range(90)
    ]
    written = write_documents(layout, "romanize", dataset, "real_00000", 0.3, records, Tally())
    counts = {side: len(groups) for side, groups in sides(layout, dataset, "real_00000").items()}
    assert written.details == counts
    with open_binary(layout.rejects("romanize", dataset.name, "real_00000")) as rejects:
        assert Counter(counts.values()).total() == 2
        assert (sum(counts.values()), len(list(rejects))) == (60, 30)
