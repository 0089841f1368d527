"""What the audit counts is what Megatron's own datasets hand out, token by token."""

from types import SimpleNamespace

import numpy as np
import pytest
from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
from megatron.core.datasets.utils import get_blend_from_list

from data_prep.indexed_dataset import dataset_writer
from recipes import audit
from recipes.runtime import blend_index

LENGTH = 16
IDS = 100
"""Every source has token ids of its own: 100 times its number and up."""
DOCUMENTS = {"a": [37, 5, 90, 21, 64], "b": [33, 48], "c": [70, 9, 20, 30, 40]}


@pytest.fixture
def prefixes(tmp_path):
    """Three datasets whose token ids tell them apart."""
    for number, (name, lengths) in enumerate(DOCUMENTS.items()):
        with dataset_writer(tmp_path / name, "uint16") as add:
            for length in lengths:
                add([number * IDS + place % IDS for place in range(length)])
    return [str(tmp_path / name) for name in DOCUMENTS]


def built(samples, cache=None, **blend):
    """The training data NeMo 2.1.0 would build."""
    config = GPTDatasetConfig(
        random_seed=1,
        sequence_length=LENGTH,
        path_to_cache=cache,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        tokenizer=SimpleNamespace(unique_identifiers={}, eod=999, pad=998),
        **blend,
    )
    return BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, config).build()[0]


def audited(dataset, folder, consumed):
    """Rows by way of the note on disk, as a run leaves it."""
    data = SimpleNamespace(seq_length=LENGTH, dataloader_type="single")
    blend_index.write(blend_index.describe(dataset, data, folder), folder)
    note = folder / audit.NOTE_NAME
    index = audit.read_note(note)
    return audit.compare(index, audit.count(index, consumed, note), None)


def read_by_hand(dataset, consumed):
    """Tokens by source of the samples a run would have trained on."""
    ids = np.concatenate([dataset[place]["tokens"].numpy() for place in range(consumed)])
    return np.bincount(ids // IDS, minlength=len(DOCUMENTS)).tolist()


@pytest.mark.parametrize("consumed", [0, 1, 57, 200])
def test_the_tokens_counted_are_the_tokens_handed_out(consumed, prefixes, tmp_path, one_process_group):
    blend = get_blend_from_list([0.6, prefixes[0], 0.3, prefixes[1], 0.1, prefixes[2]])
    dataset = built(200, str(tmp_path / "cache"), blend_per_split=[blend, None, None])
    rows = audited(dataset, tmp_path, consumed)
    handed_out = read_by_hand(dataset, consumed) if consumed else [0, 0, 0]
    assert [row.tokens_seen for row in rows] == handed_out
    assert [row.tokens_available for row in rows] == [217, 81, 169]
    assert [row.epochs for row in rows] == [
        seen / row.tokens_available for seen, row in zip(handed_out, rows, strict=True)
    ]
    if consumed == 200:
        assert handed_out == [120 * LENGTH, 60 * LENGTH, 20 * LENGTH]


def test_without_a_cache_the_run_keeps_a_copy_of_the_index(prefixes, tmp_path):
    blend = get_blend_from_list([0.5, prefixes[0], 0.5, prefixes[2]])
    dataset = built(40, blend_per_split=[blend, None, None])
    rows = audited(dataset, tmp_path, 30)
    assert [row.samples for row in rows] == [15, 15]
    assert (tmp_path / "record" / "dataset_index.npy").is_file()


def test_a_single_prefix_has_no_blending_index(prefixes, tmp_path):
    dataset = built(40, blend_per_split=[get_blend_from_list([prefixes[0]]), None, None])
    (row,) = audited(dataset, tmp_path, 30)
    assert (row.samples, row.tokens_seen) == (30, 30 * LENGTH)


def test_with_a_splits_string_an_epoch_is_the_training_documents_alone(prefixes, tmp_path):
    """Of five documents 60 % are three: 37 + 5 + 90 tokens, 70 + 9 + 20."""
    dataset = built(40, blend=get_blend_from_list([0.7, prefixes[0], 0.3, prefixes[2]]), split="60,20,20")
    rows = audited(dataset, tmp_path, 20)
    assert [row.tokens_available for row in rows] == [132, 99]
    assert [row.samples for row in rows] == [14, 6]
    assert rows[0].epochs == pytest.approx(14 * LENGTH / 132)
