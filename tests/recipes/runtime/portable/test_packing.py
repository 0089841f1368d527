"""Examples packed into one sequence are to each other as if each were alone: logits, losses and gradients."""

import numpy as np
import pytest
import torch

from recipes.examples.packing import as_array
from recipes.examples.tokens import Tokens

LENGTHS = (9, 5, 14, 3)
VOCABULARY = 64


class NoTokens:
    """As much of a tokenizer as a dataset of ids asks for."""

    eos_id = 3


@pytest.fixture(scope="module")
def examples() -> list[Tokens]:
    random = np.random.default_rng(0)
    ids = [random.integers(4, VOCABULARY, length, dtype=np.uint32) for length in LENGTHS]
    return [Tokens(each, np.arange(len(each)) >= 2) for each in ids]


@pytest.fixture
def batch(examples, tmp_path) -> dict[str, torch.Tensor]:
    """One pack of all examples, as NeMo's dataset hands it to the model: padding at its end."""
    from nemo.collections.nlp.data.language_modeling.megatron.gpt_sft_dataset import GPTSFTPackedDataset

    np.save(tmp_path / "packs.npy", as_array(examples, 64), allow_pickle=True)
    dataset = GPTSFTPackedDataset(
        str(tmp_path / "packs.npy"), NoTokens(), max_seq_length=64, prompt_template="{input} {output}",
        label_key="output", truncation_field="input",
    )  # fmt: skip
    assert len(dataset) == 1
    return dataset.collate_fn([dataset[0]])


@pytest.fixture
def model(portable_ground, transformer_config) -> torch.nn.Module:
    """Two layers with grouped queries and rotary positions on half of each head, as Nemotron has."""
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.models.gpt.gpt_model import GPTModel
    from megatron.core.tensor_parallel.random import model_parallel_cuda_manual_seed

    torch.manual_seed(0)
    model_parallel_cuda_manual_seed(1)
    config = transformer_config(
        num_layers=2, hidden_dropout=0.0, layernorm_zero_centered_gamma=True, add_bias_linear=False, kv_channels=8
    )
    return GPTModel(
        config, get_gpt_layer_local_spec(), vocab_size=VOCABULARY, max_sequence_length=64,
        position_embedding_type="rope", rotary_percent=0.5, parallel_output=False,
        share_embeddings_and_output_weights=False,
    )  # fmt: skip


def bounds(batch, name: str = "cu_seqlens") -> torch.Tensor:
    """Where the examples of a pack begin, without the padding (megatron_gpt_model.py, fwd_output_and_loss_func)."""
    return batch[name].squeeze()[: batch[f"{name}_argmin"].item()]


def packed_logits(model, batch, begins: torch.Tensor) -> torch.Tensor:
    from megatron.core.packed_seq_params import PackedSeqParams

    longest = (begins[1:] - begins[:-1]).max()
    packing = PackedSeqParams(
        cu_seqlens_q=begins, cu_seqlens_kv=begins, cu_seqlens_q_padded=begins, cu_seqlens_kv_padded=begins,
        max_seqlen_q=longest, max_seqlen_kv=longest, qkv_format="thd",
    )  # fmt: skip
    logits = model(batch["tokens"], batch["position_ids"], batch["attention_mask"], packed_seq_params=packing)
    return logits[0]


def in_pack_order(examples) -> list[Tokens]:
    return sorted(examples, key=lambda each: -len(each.ids))


def alone(model, example: Tokens) -> torch.Tensor:
    ids = torch.from_numpy(example.ids[:-1].astype(np.int64))[None]
    return model(ids, torch.arange(ids.shape[1])[None], None)[0]


def test_logits_of_packed_examples_are_those_of_each_alone(model, batch, examples) -> None:
    begins = bounds(batch)
    logits = packed_logits(model, batch, begins)
    for example, begin in zip(in_pack_order(examples), begins.tolist(), strict=False):
        expected = alone(model, example)
        torch.testing.assert_close(logits[begin : begin + len(expected)], expected, atol=1e-5, rtol=1e-5)


def test_without_their_bounds_examples_do_see_each_other(model, batch, examples) -> None:
    """What the test above would find: the same pack as one causal sequence."""
    whole = torch.tensor([0, batch["tokens"].shape[1]], dtype=torch.int32)
    logits = packed_logits(model, batch, whole)
    second = in_pack_order(examples)[1]
    begin = bounds(batch)[1].item()
    assert (logits[begin : begin + len(second.ids) - 1] - alone(model, second)).abs().max() > 1e-2


def test_loss_and_gradients_of_a_pack_are_those_of_its_examples(model, batch, examples) -> None:
    weight = model.output_layer.weight
    logits = packed_logits(model, batch, bounds(batch))
    losses = torch.nn.functional.cross_entropy(logits, batch["labels"][0], reduction="none") * batch["loss_mask"][0]
    losses.sum().backward()
    packed, weight.grad = weight.grad.clone(), None
    total = torch.zeros(())
    for example in examples:
        labels = torch.from_numpy(example.ids[1:].astype(np.int64))
        each = torch.nn.functional.cross_entropy(alone(model, example), labels, reduction="none")
        total = total + (each * torch.from_numpy(example.learnt[1:])).sum()
    total.backward()
    torch.testing.assert_close(losses.sum(), total, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(packed, weight.grad, atol=1e-4, rtol=1e-4)
