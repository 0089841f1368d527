"""Saves the weights of a .nemo again as training checkpoints lie on disk, cut in every way, through megatron-core.

Two ranks, each with what torchrun sets in its environment, so that NeMo's global state stays out of the tests':
    python -m tests.recipes.convert.make_layouts FOLDER ...
FOLDER is a .nemo unpacked. Leaves beside it FOLDER-tp2, FOLDER-tp2-by-layer and FOLDER-pp2, each with its
model_config.yaml and tokenizer.
"""

import shutil
import sys
from pathlib import Path

import torch
from omegaconf import OmegaConf

from recipes.runtime import ground
from recipes.runtime.inference import ONE_DEVICE

LAYOUTS = {
    "tp2": {"tensor_model_parallel_size": 2, "make_vocab_size_divisible_by": 128},
    "pp2": {"pipeline_model_parallel_size": 2, "make_vocab_size_divisible_by": 256},
}

RUN = {"epoch": 0, "global_step": 4, "loops": {"fit_loop": {}}, "optimizer_states": [], "lr_schedulers": []}
"""What Lightning keeps beside the weights."""


def main(folders: list[Path]) -> None:
    ground.prepare()
    ground.quiet_nemo()
    for unpacked in folders:
        for name, sizes in LAYOUTS.items():
            save(unpacked, unpacked.with_name(f"{unpacked.name}-{name}"), sizes)


def save(source: Path, target: Path, sizes: dict[str, int]) -> None:
    """Loads a one-rank checkpoint into two ranks and saves it."""
    from lightning.pytorch import Trainer
    from megatron.core import dist_checkpointing, parallel_state
    from nemo.collections.nlp.models.language_modeling.megatron_gpt_model import MegatronGPTModel
    from nemo.collections.nlp.parts.nlp_overrides import NLPDDPStrategy

    trainer = Trainer(
        strategy=NLPDDPStrategy(), accelerator="cpu", devices=2, precision="32-true", logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
    )  # fmt: skip
    config = {**OmegaConf.to_container(OmegaConf.load(source / "model_config.yaml")), **ONE_DEVICE, **sizes}
    tokenizer = str(config["tokenizer"]["model"])
    config["tokenizer"]["model"] = str(source / tokenizer.removeprefix("nemo:"))
    parallel_state.destroy_model_parallel()
    if torch.distributed.is_initialized():  # tied tables of a second model look for their ranks
        ranks = [sizes.get(f"{kind}_model_parallel_size", 1) for kind in ("tensor", "pipeline")]
        parallel_state.initialize_model_parallel(*ranks)
    model = MegatronGPTModel(OmegaConf.create(config), trainer)
    trainer.strategy.launcher.launch(lambda: None, trainer=trainer)
    trainer.strategy.setup_environment()
    state = dist_checkpointing.load(model.model.sharded_state_dict(prefix="model."), str(source / "model_weights"))
    model.model.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})
    for by_layer in (False, True) if "tensor_model_parallel_size" in sizes else (False,):
        folder = target.with_name(f"{target.name}-by-layer") if by_layer else target
        if torch.distributed.get_rank() == 0:
            folder.mkdir()
        torch.distributed.barrier()
        sharded = model.model.sharded_state_dict(prefix="model.", metadata={"non_homogeneous_layers": by_layer})
        dist_checkpointing.save({**sharded, **RUN}, str(folder))
        if torch.distributed.get_rank() == 0:
            for path in (source / "model_config.yaml", Path(config["tokenizer"]["model"])):
                shutil.copy(path, folder)


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
