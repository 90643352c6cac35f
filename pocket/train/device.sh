#!/bin/bash
# Stages on a GPU machine that has PyTorch, from a checkout: device.sh SECONDS STAGE[=SECONDS] ...
# WARM=N compiles for N GPUs beside the first stage.
# Needs .studio/pocket/rig.safetensors (the body) and .studio/ComfyUI/comfy/sd1_tokenizer (the vocabulary).
# States stay in $WORK between calls; what is to be kept goes to $OUT in parts: cat part-* | tar x
set -u
limit=$1
shift
WORK=${WORK:-/tmp/pocket}
mkdir -p "$WORK/site" "$WORK/out" "$OUT"
ln -sfn "$PWD" "$WORK/site/portrait_studio"
export PYTHONPATH="$WORK/site" PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore OMP_NUM_THREADS=4
export TORCHINDUCTOR_CACHE_DIR="$WORK/inductor"
gpus=$(nvidia-smi -L | wc -l)
for ((i = 0; i < ${WARM:-0}; i++)); do
    LOCAL_RANK=$i timeout 260 python3 -m portrait_studio.pocket.train --work "$WORK/warm$i" warm >"$WORK/warm$i.txt" 2>&1 &
done
timeout "$limit" python3 -m torch.distributed.run --standalone --nproc-per-node "$gpus" \
    -m portrait_studio.pocket.train --work "$WORK/work" --out "$WORK/out" "$@" 2>&1 | tee "$WORK/out/log.txt" | tail -150
code=${PIPESTATUS[0]}
tar c -C "$WORK/out" . | split -b 15000000 - "$OUT/part-"
exit "$code"
