"""Models that megatron-core builds for one rank, and the bytes their forward pass keeps.

Started by torchrun it is a test's second half: it prints what a rank keeps under sequence parallelism, which needs
ranks that really exchange their parts.
"""

from __future__ import annotations

import torch

SEQUENCE = 128
SHAPES = {
    "Nemotron": {"normalization": "layernorm1p", "activation": "squared-relu"},
    "Llama": {"normalization": "rmsnorm", "activation": "fast-swiglu", "share_embeddings_and_output_weights": True},
    "tied GPT": {
        "normalization": "layernorm",
        "activation": "gelu",
        "num_query_groups": None,
        "bias": True,
        "position_embedding_type": "learned_absolute",
        "share_embeddings_and_output_weights": True,
    },
    "Qwen": {"normalization": "rmsnorm", "activation": "swiglu", "qkv_bias": True},
}


def section(name: str) -> dict:
    """A small `model` section."""
    small = {
        "num_layers": 4,
        "hidden_size": 192,
        "ffn_hidden_size": 576,
        "num_attention_heads": 8,
        "num_query_groups": 4,
        "kv_channels": 32,  # 8 x 32 = 256, another width than hidden_size
        "encoder_seq_length": SEQUENCE,
        "hidden_dropout": 0.0,
        "bias": False,
        "bias_activation_fusion": False,
        "position_embedding_type": "rope",
        "share_embeddings_and_output_weights": False,
    }
    return {**small, **SHAPES[name]}


def believe(tensor: int | None, pipeline: int | None, stage: int | None) -> None:
    from megatron.core import parallel_state

    parallel_state.set_tensor_model_parallel_world_size(tensor)
    parallel_state.set_tensor_model_parallel_rank(None if tensor is None else 0)
    parallel_state.set_pipeline_model_parallel_world_size(pipeline)
    parallel_state.set_pipeline_model_parallel_rank(stage)


def build(model: dict, rows: int, tensor: int = 1, pipeline: int = 1, stage: int = 0, **options: object):
    """The rank's part of a GPTModel, made as NeMo 2.1.0 makes it (megatron_gpt_model.py, `model_provider_func`)."""
    from megatron.core.models.gpt import GPTModel, gpt_layer_specs
    from megatron.core.transformer.transformer_config import TransformerConfig
    from nemo.collections.nlp.parts.utils_funcs import activation_to_func

    believe(tensor, pipeline, stage)
    config = TransformerConfig(
        num_layers=model["num_layers"],
        hidden_size=model["hidden_size"],
        ffn_hidden_size=model["ffn_hidden_size"],
        num_attention_heads=model["num_attention_heads"],
        num_query_groups=model["num_query_groups"],
        kv_channels=model["kv_channels"],
        add_bias_linear=model["bias"],
        add_qkv_bias=model.get("qkv_bias", False),
        normalization="RMSNorm" if model["normalization"] == "rmsnorm" else "LayerNorm",
        layernorm_zero_centered_gamma=model["normalization"] == "layernorm1p",
        activation_func=activation_to_func(model["activation"]),
        gated_linear_unit=model["activation"].endswith("glu"),
        hidden_dropout=model["hidden_dropout"],
        attention_dropout=0.0,
        bias_activation_fusion=False,
        bias_dropout_fusion=False,
        masked_softmax_fusion=False,
        use_cpu_initialization=True,
        tensor_model_parallel_size=tensor,
        pipeline_model_parallel_size=pipeline,
        pipeline_dtype=torch.float32,
        **options,
    )
    return GPTModel(
        config=config,
        transformer_layer_spec=gpt_layer_specs.get_gpt_layer_local_spec(),
        vocab_size=rows,
        max_sequence_length=model["encoder_seq_length"],
        pre_process=stage == 0,
        post_process=stage == pipeline - 1,
        parallel_output=True,
        share_embeddings_and_output_weights=model["share_embeddings_and_output_weights"],
        position_embedding_type=model["position_embedding_type"],
        rotary_percent=0.5,
    )


def saved_bytes(built, batch: int) -> int:
    """Bytes autograd keeps of one forward pass to the loss, weights and constant tables left out."""
    ids = torch.randint(0, 512, (batch, SEQUENCE))
    own = {weight.untyped_storage().data_ptr() for weight in built.parameters()}
    seen: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and not is_rotary(tensor):
            seen[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        built(ids, torch.arange(SEQUENCE)[None], None, labels=ids)
    return sum(storage.nbytes() for storage in seen.values())


def is_rotary(tensor: torch.Tensor) -> bool:
    """Cosines and sines of the positions, [sequence, 1, 1, ...]: fused into one table on a GPU."""
    return tensor.shape[:3] == (SEQUENCE, 1, 1)


def main() -> None:
    """Prints the bytes rank 0 keeps of a Nemotron with sequence parallelism over all ranks."""
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel.random import model_parallel_cuda_manual_seed

    from recipes.runtime import ground

    ground.prepare()
    torch.distributed.init_process_group("gloo")
    ranks = torch.distributed.get_world_size()
    parallel_state.initialize_model_parallel(tensor_model_parallel_size=ranks)
    model_parallel_cuda_manual_seed(1)
    kept = saved_bytes(build(section("Nemotron"), 1024, ranks, sequence_parallel=True), batch=3)
    if torch.distributed.get_rank() == 0:
        print(f"kept {kept}")


if __name__ == "__main__":
    main()
