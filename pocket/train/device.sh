#!/bin/bash
# Phases on a GPU machine that has PyTorch, from a checkout: device.sh SECONDS PHASE[=SECONDS] ...
# WARM=N compiles for N GPUs beside the first phase.
# Needs .studio/pocket/rig.safetensors (the body) and .studio/ComfyUI/comfy/sd1_tokenizer (the vocabulary).
# SECONDS must end before the caller's own limit does. States stay in $WORK between calls; after every phase what is
# worth keeping is in $OUT: cat part-* | tar x
set -u
limit=$1
shift
WORK=${WORK:-/tmp/pocket}
mkdir -p "$WORK/site" "$OUT"
ln -sfn "$PWD" "$WORK/site/portrait_studio"
export PYTHONPATH="$WORK/site" PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore OMP_NUM_THREADS=4
export TORCHINDUCTOR_CACHE_DIR="$WORK/inductor"
gpus=$(nvidia-smi -L | wc -l)
for ((i = 0; i < ${WARM:-0}; i++)); do
    LOCAL_RANK=$i timeout 260 python3 -m portrait_studio.pocket.train --work "$WORK/warm$i" warm >"$WORK/warm$i.txt" 2>&1 &
done
timeout "$limit" python3 -m torch.distributed.run --standalone --nproc-per-node "$gpus" \
    -m portrait_studio.pocket.train --work "$WORK/work" --out "$OUT" "$@" >"$OUT/log.txt" 2>&1
code=$?
tail -c 9000 "$OUT/log.txt"
exit "$code"
