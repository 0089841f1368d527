#!/bin/sh
# Converts a .nemo to a Hugging Face folder as a Slurm job, with the parity proof.
#   launchers/submit_convert.sh model=/shared/hindi/dpo/checkpoints/megatron_gpt.nemo output=/shared/hindi/hf/dpo
# --dry-run prints the script and writes nothing. docs/slurm.md
exec "$(dirname -- "$0")/langadapt.sh" submit convert "$@"
