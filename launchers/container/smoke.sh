#!/bin/sh
# Shows in some minutes that an image can train: doctor, imports, data, two steps on one device.
#   docker run --rm --gpus 1 --ipc=host langadapt:0.1.0 launchers/container/smoke.sh
#   srun --gpus=1 --container-image=/shared/langadapt.sqsh /opt/langadapt/launchers/container/smoke.sh /tmp/smoke
# GROUND=portable runs it on a machine without GPU, apex and Transformer Engine. Ends with 0 and "smoke: good".
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
ground=${GROUND:-container}
folder=${1:-$(mktemp -d)}
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
langadapt() { "${PYTHON:-python}" -m recipes.cli "$@"; }

"${PYTHON:-python}" - "$ground" <<'PYTHON'
import importlib
import sys

from recipes.runtime import ground

found = ground.detect()
if found.name != sys.argv[1]:
    sys.exit(f"smoke: the ground is {found.name}, not {sys.argv[1]}: missing {', '.join(found.missing)}")
gpu = ["apex.multi_tensor_apply", "amp_C", "transformer_engine.pytorch"] if found.name == "container" else []
ground.prepare()
for name in [*gpu, "megatron.core", "nemo.collections.nlp", "nemo_aligner"]:
    importlib.import_module(name)
print(f"smoke: {found.name} on {found.device}, everything imports")
PYTHON
langadapt doctor

# The tiny model with the GPU ground's own kernels; head size and widths are multiples of 8, as fused attention needs.
case $ground in
  container) set -- /ground/container bf16 mcore_distributed_optim ;;
  *) set -- /ground/portable 32 fused_adam ;;
esac
mkdir -p "$folder"
cat >"$folder/smoke.yaml" <<YAML
# @package _global_
defaults: [tiny_base, $1, _self_]
trainer: {max_steps: 2, val_check_interval: 2, limit_val_batches: 1, precision: $2}
model:
  optim: {name: $3, sched: {warmup_steps: 1}}
YAML
cp "$root/nemo_configs/cpt/tiny_base.yaml" "$root/nemo_configs/cpt/_common.yaml" "$folder"
langadapt prep "$root/nemo_configs/data/sample.yaml" output_dir="$folder/data"
langadapt blend "$root/nemo_configs/data/blend_tiny_base.yaml" tokens_dir="$folder/data/tokens" output="$folder/blend.yaml"
langadapt pretrain "$folder/smoke.yaml" "$folder/blend.yaml" exp_manager.explicit_log_dir="$folder/run"
echo "smoke: good ($ground, $folder)"
