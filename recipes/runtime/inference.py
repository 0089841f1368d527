"""What a NeMo model computes, stage by stage: the reference that a converted model is compared with."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Trace = dict[str, Tensor]
"""Output [positions, width] of each stage of a model, in order: embedding, layer 0, ..., final norm, logits."""


def nemo_trace(path: Path, sequences: Sequence[Sequence[int]]) -> Trace:
    """Runs a .nemo's MegatronGPTModel over token ids, in fp32 on one device.

    Call `ground.prepare()` first. On a GPU, TF32 is switched off for the process: Transformer Engine would use it
    for fp32 matrices and lose half of the digits.

    Args:
        path: A .nemo file, saved at any tensor and pipeline parallel size.
        sequences: Token ids; every sequence is one document on its own.
    """
    no_tf32()
    return trace_stages(restore(path)[0].model, sequences)


def no_tf32() -> None:
    """Switches TF32 off for the process."""
    os.environ["NVIDIA_TF32_OVERRIDE"] = "0"


def trace_stages(model: Any, sequences: Sequence[Sequence[int]]) -> Trace:
    """What megatron-core's GPTModel computes for token ids, stage by stage;."""
    device = next(model.parameters()).device

    def run(ids: Tensor) -> None:
        ids = ids.to(device)
        model(ids, torch.arange(ids.shape[1], device=device)[None], None)

    layers = {f"layer {index}": layer for index, layer in enumerate(model.decoder.layers)}
    stages = {"embedding": model.embedding, **layers, "final norm": model.decoder.final_layernorm}
    return record_stages({**stages, "logits": model.output_layer}, run, sequences)


def record_stages(
    stages: Mapping[str, Any], run: Callable[[Tensor], object], sequences: Sequence[Sequence[int]]
) -> Trace:
    """Keeps what the named modules return while `run` is called with each sequence.

    Args:
        stages: Modules that return hidden states, alone or first in a tuple, batch and sequence in any order.
        run: Calls the model with token ids [1, sequence].
        sequences: Token ids.
    """
    outputs: dict[str, list[Tensor]] = {name: [] for name in stages}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: object, _inputs: object, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            outputs[name].append(hidden.detach().float().cpu().reshape(-1, hidden.shape[-1]))

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in stages.items()]
    try:
        with torch.inference_mode():
            for ids in sequences:
                run(torch.tensor([list(ids)]))
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(parts) for name, parts in outputs.items()}


def restore(path: Path) -> tuple[Any, Any]:
    """The model in fp32, evaluation mode, tensor and pipeline parallel size 1; and the settings it was saved with."""
    from nemo.collections.nlp.models.language_modeling.megatron_gpt_model import MegatronGPTModel
    from nemo.collections.nlp.parts.nlp_overrides import NLPSaveRestoreConnector
    from omegaconf import OmegaConf, open_dict

    source: dict[str, Any] = {
        "restore_path": str(path),
        "trainer": make_trainer(),
        "save_restore_connector": NLPSaveRestoreConnector(),
    }
    config = MegatronGPTModel.restore_from(**source, return_config=True)
    saved = OmegaConf.create(OmegaConf.to_container(config))
    with open_dict(config):
        # The tables have as many rows of padding as they were saved with.
        divisor, tensor = config.get("make_vocab_size_divisible_by", 128), config.get("tensor_model_parallel_size", 1)
        config.make_vocab_size_divisible_by = divisor * tensor
        config.update(ONE_DEVICE)
        # NeMo builds the class named here, such as NeMo-Aligner's DPO model with its reference policy.
        config.target = f"{MegatronGPTModel.__module__}.{MegatronGPTModel.__name__}"
    model = MegatronGPTModel.restore_from(**source, override_config_path=config)
    model.freeze()
    return model, saved


def make_trainer() -> Any:
    """Lightning's trainer of a single process in fp32, which trains nothing: NeMo's models want one."""
    from lightning.pytorch import Trainer
    from nemo.collections.nlp.parts.nlp_overrides import NLPDDPStrategy

    return Trainer(
        strategy=NLPDDPStrategy(),
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=1,
        num_nodes=1,
        precision="32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )


ONE_DEVICE = {
    "tensor_model_parallel_size": 1,
    "pipeline_model_parallel_size": 1,
    "virtual_pipeline_model_parallel_size": None,
    "context_parallel_size": 1,
    "sequence_parallel": False,
    "activations_checkpoint_granularity": None,
    "activations_checkpoint_method": None,
    "activations_checkpoint_num_layers": None,
    "precision": "32-true",
    "megatron_amp_O2": False,
    "micro_batch_size": 1,
    "global_batch_size": 1,
}
"""Settings of the training run that a single process in fp32 replaces."""
