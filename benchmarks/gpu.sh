#!/usr/bin/env bash
# All that there is to see on one GPU, most valuable first, in at most eight
# minutes. Each part is a process with a limit of its own; what is done stays
# done, and the same command goes on with the rest.
#
#   benchmarks/gpu.sh                # on the GPU
#   benchmarks/gpu.sh --small        # tiny sizes, also on CPU: tries the script
#
# Flags: --out=FOLDER (default workdir/benchmarks/gpu, or .../gpu_small),
# --minutes=N (default 8; with --small 60). PYTHON names another interpreter.
# In the folder: a log a part, the figures as JSON, and results.json with all.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
PYTHON=${PYTHON:-python3}

small='' out='' minutes=''
for flag in "$@"; do
  case $flag in
    --small) small=1 ;;
    --out=?*) out=${flag#*=} ;;
    --minutes=[1-9]*) minutes=${flag#*=} ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *)
      echo "gpu.sh: unknown flag $flag; there are --small, --out=FOLDER and" \
        '--minutes=N.' >&2
      exit 2
      ;;
  esac
done
minutes=${minutes:-$([[ $small ]] && echo 60 || echo 8)}
if ! [[ $minutes =~ ^[0-9]+$ ]]; then
  echo "gpu.sh: --minutes=$minutes: give a whole number." >&2
  exit 2
fi
out=${out:-workdir/benchmarks/gpu${small:+_small}}

"$PYTHON" -m benchmarks.missing_packages || exit 2
export XLA_PYTHON_CLIENT_PREALLOCATE=false
device=$("$PYTHON" -c 'import jax; print(jax.default_backend())') || exit 2
if [[ $device != gpu && ! $small ]]; then
  echo "gpu.sh: JAX finds no GPU here, only $device; --small tries the script" \
    'on CPU.' >&2
  exit 2
fi
mkdir -p "$out/status" || exit 2
started=$SECONDS
stop_at=$((SECONDS + 60 * minutes))

# part NAME LIMIT COMMAND...: runs a part, unless it is done already.
part() {
  local name=$1 limit=$2 code=0 begin=$SECONDS status=$out/status/$1
  shift 2
  if [[ $(cat "$status" 2>/dev/null) == done* ]]; then
    echo "$name: done before"
    return
  fi
  local left=$((stop_at - SECONDS))
  if ((left < 10)); then
    echo 'not run: no time was left' >"$status"
    echo "$name: no time is left"
    return
  fi
  # A CPU takes its time even for tiny sizes.
  [[ $small ]] && limit=$((3 * limit))
  ((limit < left)) || limit=$left
  echo "$name: started at $((SECONDS - started)) s, limit $limit s"
  # In the background, so that a signal to this script is heeded at once.
  timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1 &
  local child=$!
  echo "killed while it ran as process $child" >"$status"
  wait "$child" || code=$?
  case $code in
    0) echo "done in $((SECONDS - begin)) s" ;;
    124 | 137) echo "cut off after $((SECONDS - begin)) s" ;;
    *) echo "failed with exit code $code after $((SECONDS - begin)) s" ;;
  esac >"$status"
  echo "$name: $(cat "$status")"
  [[ $code == 0 ]] || tail -n 3 "$out/$name.log"
}

# end_children: ends what runs, or what an earlier start has left running.
# `timeout` is the leader of a process group.
end_children() {
  local file child
  for file in "$out"/status/*; do
    child=$(sed -n 's/^killed while it ran as process //p' "$file" 2>/dev/null)
    if [[ $child && $(cat "/proc/$child/comm" 2>/dev/null) == timeout ]]; then
      kill -- "-$child"
    fi
  done
}
end_children
trap 'end_children; exit 130' INT TERM

# Sizes: the paper's network on a GPU, and what a CPU does in seconds.
compare=("$PYTHON" -m benchmarks.compare "--device=$device")
breakdown=("$PYTHON" -m benchmarks.breakdown "--device=$device")
if [[ $small ]]; then
  compare+=(--size=toy --rounds=2 --seconds=0.1 --dives=8 --input_dives=4)
  breakdown+=(--size=toy --steps=1)
  batch=2 large_batch=4
  dataset=simulated_dives/tiny
  training=(--config=configs/quickstart.py --config.input.window_frames=20
    --config.input.frames=18 --config.input.crop=16 --config.model.clips=3
    --config.model.width=2 --config.validation.fraction=0.25)
  steps=8 kills=1 kill_steps=40
else
  compare+=(--size=full --rounds=5 --seconds=1)
  breakdown+=(--size=full --steps=5)
  batch=3 large_batch=12
  dataset=simulated_dives/clips_171x128
  # The training of docs/scaling.md.
  training=(--config=configs/c3davg.py --config.model.batch_norm=True
    --config.model.initial_score=3.94 --config.optimizer.learning_rate=1e-3
    --config.optimizer.schedule=cosine --config.optimizer.warmup=30steps
    --config.optimizer.clip_norm=10 --config.batch_size=12
    --config.eval_batch_size=32 --config.validation.whole_events=True)
  steps=100 kills=3 kill_steps=60
fi
training+=("--config.dataset.name=$dataset" "--config.dataset.data_dir=$out/data"
  --config.meteor=False --config.tensorboard=False)

# Rendered while the first part compiles.
part dives 240 nice "$PYTHON" -m tfds_mtl_aqa.prepare "$dataset" \
  "--data_dir=$out/data" &
part "step_batch$batch" 240 "${compare[@]}" --what=step "--batch_size=$batch" \
  "--out=$out/step_batch$batch.json"
part "step_batch$large_batch" 200 "${compare[@]}" --what=step --one_start \
  "--batch_size=$large_batch" "--out=$out/step_batch$large_batch.json"
wait

# These time nothing, and run side by side.
part parity 240 "$PYTHON" -m pytest -q -p no:cacheprovider -rA \
  tests/parity_test.py ${small:+-k "test_every_entry_has_its_place"} &
part determinism 200 "$PYTHON" tests/determinism_drill.py \
  "--workdir=$out/determinism" "${training[@]}" --config.duration=10steps \
  --config.checkpoint_every=10steps --config.log_steps=1 &
part kill 240 "$PYTHON" tests/kill_drill.py "--kills=$kills" \
  "--steps=$kill_steps" --deterministic &
wait

part breakdown 150 "${breakdown[@]}" --network=c3davg "--batch_size=$batch" \
  "--out=$out/breakdown.json"
part mscadc_step 200 "${compare[@]}" --network=mscadc --what=step --one_start \
  "--batch_size=$batch" "--out=$out/mscadc_step.json"
rm -rf "$out/training"
part training 200 "$PYTHON" -m aqa_jax.main "--workdir=$out/training" \
  "${training[@]}" "--config.duration=${steps}steps" \
  "--config.checkpoint_every=${steps}steps" --config.progress_seconds=2
rm -rf "$out/cached_training"
part cached_training 150 "$PYTHON" -m aqa_jax.main \
  "--workdir=$out/cached_training" "${training[@]}" \
  --config.input.cache=device "--config.duration=${steps}steps" \
  "--config.checkpoint_every=${steps}steps" --config.progress_seconds=2
part forward_captions 150 "${compare[@]}" --what=forward,captions --one_start \
  "--batch_size=$batch" "--out=$out/forward_captions.json"
part input 150 "${compare[@]}" --what=input,cached_input,device_input \
  "--batch_size=$batch" \
  "--out=$out/input.json"
part mscadc_breakdown 150 "${breakdown[@]}" --network=mscadc \
  "--batch_size=$batch" "--out=$out/mscadc_breakdown.json"

"$PYTHON" -m benchmarks.gpu_results "$out"
