#!/bin/sh
# Optimises preferences (DPO) as a Slurm job.
#   launchers/submit_dpo.sh nemo_configs/dpo/nemotron_mini_4b_hindi.yaml pretrained_checkpoint.restore_from_path=/shared/hindi/sft/checkpoints/megatron_gpt_sft.nemo exp_manager.explicit_log_dir=/shared/hindi/dpo
# --dry-run prints the script and writes nothing. docs/slurm.md
exec "$(dirname -- "$0")/langadapt.sh" submit dpo "$@"
