#!/bin/sh
# Prepares data on Slurm: the shards of a stage are one array job, a small job drives the stages.
#   launchers/submit_data.sh nemo_configs/data/sample.yaml output_dir=/shared/hindi/data cluster.slurm.cpu_partition=cpu
# --dry-run prints the script and writes nothing. docs/slurm.md
exec "$(dirname -- "$0")/langadapt.sh" submit data "$@"
