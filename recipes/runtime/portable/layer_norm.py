"""LayerNorm and RMSNorm in plain torch, with the zero-centred gain Nemotron calls layernorm1p."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from megatron.core.transformer.transformer_config import TransformerConfig
    from torch import Tensor


class LayerNorm(torch.nn.Module):
    """The norm of megatron-core's local layer spec where apex and Transformer Engine are absent.

    Megatron's own stand-in, WrappedTorchNorm (megatron-core 0.10.0, transformer/torch_norm.py), refuses both the
    zero-centred gain and sequence parallelism; Nemotron needs the first, large layouts the second.

    Args:
        config: `normalization` chooses LayerNorm or RMSNorm; `layernorm_zero_centered_gamma` stores the gain minus
            one; `sequence_parallel` marks the parameters so that Megatron sums their gradients over the
            tensor-parallel group.
        hidden_size: Size of the last dimension, the one normalised.
        eps: Added to the variance.
    """

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float = 1e-5, **_fused_options: bool) -> None:
        super().__init__()
        self.zero_centered = config.layernorm_zero_centered_gamma
        self.is_rms = config.normalization == "RMSNorm"
        self.eps = eps
        gain = torch.zeros if self.zero_centered else torch.ones
        self.weight = torch.nn.Parameter(gain(hidden_size, dtype=config.params_dtype))
        self.bias = None
        if not self.is_rms:
            self.bias = torch.nn.Parameter(torch.zeros(hidden_size, dtype=config.params_dtype))
        for param in self.parameters():
            param.sequence_parallel = config.sequence_parallel

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalises [sequence, batch, hidden] over the last dimension."""
        weight = self.weight + 1 if self.zero_centered else self.weight
        if self.is_rms:
            return functional.rms_norm(hidden, weight.shape, weight, self.eps)
        return functional.layer_norm(hidden, weight.shape, weight, self.bias, self.eps)
