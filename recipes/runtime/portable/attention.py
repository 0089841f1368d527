"""Attention of the local layer spec through torch's scaled_dot_product_attention."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from megatron.core.packed_seq_params import PackedSeqParams
    from megatron.core.transformer.enums import AttnMaskType
    from megatron.core.transformer.transformer_config import TransformerConfig
    from torch import Tensor


class ScaledDotProductAttention(torch.nn.Module):
    """Drop-in for megatron-core's DotProductAttention without its [batch, heads, sequence, sequence] buffer.

    Same arguments, same result up to rounding (softmax(q k^T / sqrt(d)) v with grouped queries); torch picks the
    kernel. Upstream: megatron-core 0.10.0, transformer/dot_product_attention.py. Packed sequences, which upstream
    leaves to Transformer Engine's kernels, are attended to one example at a time.
    """

    def __init__(
        self,
        config: TransformerConfig,
        layer_number: int,  # noqa: ARG002
        attn_mask_type: AttnMaskType,
        attention_type: str,  # noqa: ARG002
        attention_dropout: float | None = None,
        softmax_scale: float | None = None,
        cp_comm_type: str | None = None,  # noqa: ARG002
    ) -> None:
        super().__init__()
        if config.context_parallel_size > 1 or config.window_size is not None:
            raise NotImplementedError("Context parallelism and sliding windows need Transformer Engine.")
        self.is_causal = attn_mask_type.name == "causal"
        self.dropout = config.attention_dropout if attention_dropout is None else attention_dropout
        # apply_query_key_layer_scaling divides by the layer number and multiplies it back inside the softmax.
        self.scale = config.kv_channels**-0.5 if softmax_scale is None else softmax_scale
        self.is_sequence_parallel = config.sequence_parallel

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        attn_mask_type: AttnMaskType | None = None,  # noqa: ARG002
        attention_bias: Tensor | None = None,
        packed_seq_params: PackedSeqParams | None = None,
    ) -> Tensor:
        """Attends; the mask, if given, is True where attention is forbidden.

        Args:
            query: [sequence, batch, heads of this rank, head size]; without a batch where sequences are packed.
            key: [sequence of keys, batch, query groups of this rank, head size].
            value: As key.
            attention_mask: [batch or 1, 1, sequence, sequence of keys], or None for a causal mask; not looked at
                where sequences are packed.
            attn_mask_type: Unused, as upstream.
            attention_bias: Must be None.
            packed_seq_params: Where each packed sequence begins; none sees another.

        Returns:
            [sequence, batch, heads of this rank * head size].
        """
        if attention_bias is not None:
            raise NotImplementedError("Attention bias needs Transformer Engine.")
        if packed_seq_params is not None:
            return self._packed(query, key, value, packed_seq_params)
        return self._attend(query, key, value, attention_mask)

    def _packed(self, query: Tensor, key: Tensor, value: Tensor, packing: PackedSeqParams) -> Tensor:
        """[tokens, 1, heads * head size]: every sequence of a pack causally and by itself, padding like a sequence."""
        begins = packing.cu_seqlens_q_padded if packing.cu_seqlens_q_padded is not None else packing.cu_seqlens_q
        lengths = (begins[1:] - begins[:-1]).tolist()
        parts = zip(*(tensor.unsqueeze(1).split(lengths) for tensor in (query, key, value)), strict=True)
        return torch.cat([self._attend(query, key, value, None) for query, key, value in parts])

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None) -> Tensor:
        query, key, value = (tensor.permute(1, 2, 0, 3) for tensor in (query, key, value))
        is_causal = self.is_causal and attention_mask is None and query.shape[2] > 1
        with self._dropout_randomness():
            context = functional.scaled_dot_product_attention(
                query,
                key,
                value,
                attn_mask=None if attention_mask is None else ~attention_mask,
                dropout_p=self.dropout if self.training else 0.0,
                is_causal=is_causal,
                scale=self.scale,
                enable_gqa=query.shape[1] != key.shape[1],
            )
        return context.permute(2, 0, 1, 3).flatten(2)

    def _dropout_randomness(self) -> AbstractContextManager[object]:
        """Tensor-parallel ranks draw different dropout masks; without dropout nothing is drawn."""
        if self.dropout == 0.0 or not self.training or self.is_sequence_parallel:
            return nullcontext()
        from megatron.core import tensor_parallel

        return tensor_parallel.get_cuda_rng_tracker().fork()
