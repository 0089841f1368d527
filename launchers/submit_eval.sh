#!/bin/sh
# Evaluates Hugging Face folders as a Slurm job.
#   launchers/submit_eval.sh nemo_configs/eval/tiny.yaml models.dpo=/shared/hindi/hf/dpo documents=/shared/hindi/data/documents output=/shared/hindi/evaluation.json
# --dry-run prints the script and writes nothing. docs/slurm.md
exec "$(dirname -- "$0")/langadapt.sh" submit eval "$@"
