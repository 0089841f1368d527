#!/bin/sh
# Submits data, CPT, SFT, DPO, conversion and evaluation as jobs that wait for each other; again: only what is not done.
#   launchers/submit_pipeline.sh nemo_configs/pipeline/nemotron_mini_4b_hindi.yaml folder=/shared/hindi
# --dry-run prints the script and writes nothing. docs/slurm.md
exec "$(dirname -- "$0")/langadapt.sh" submit pipeline "$@"
