#!/bin/sh
# Continues the pre-training of a .nemo as a Slurm job.
#   launchers/submit_cpt.sh nemo_configs/cpt/nemotron_mini_4b_hindi.yaml /shared/hindi/blend/cpt.yaml cluster=a100-80gb exp_manager.explicit_log_dir=/shared/hindi/cpt
# --dry-run prints the script and writes nothing. docs/slurm.md
exec "$(dirname -- "$0")/langadapt.sh" submit cpt "$@"
