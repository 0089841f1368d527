#!/bin/sh
# Fine-tunes on instructions as a Slurm job.
#   launchers/submit_sft.sh nemo_configs/sft/nemotron_mini_4b_hindi.yaml model.restore_from_path=/shared/hindi/cpt/checkpoints/megatron_gpt.nemo exp_manager.explicit_log_dir=/shared/hindi/sft
# --dry-run prints the script and writes nothing. docs/slurm.md
exec "$(dirname -- "$0")/langadapt.sh" submit sft "$@"
