#!/usr/bin/env bash
# Trains on the public data sets in DATA_DIR with the schemas of examples/, evaluates on their test
# files and prints a table: plain and field-weighted FM, beside the figures of other tools' plain and
# field-aware FM. Options were chosen on the valid files. Seed and one thread make a run repeat itself, so that the f16 and int8 files differ
# from the f32 file in nothing but their encoding.
#
#   bench/real_data.sh [data set …]      default: all
#
# DATA_DIR  where the data sets are (default: ../shared/data beside the repository)
# FM        the fm program (default: build/release/bin/fm)
# OUT_DIR   keeps the weight files (default: a temporary directory)
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
given=${DATA_DIR:+1} given=${given:-0}  # a folder that was named has to be there
DATA_DIR=${DATA_DIR:-$repository/../shared/data}
FM=${FM:-$repository/build/release/bin/fm}

if [[ ! -d $DATA_DIR ]]; then
  echo "real_data.sh: there is no $DATA_DIR; set DATA_DIR to the folder of the public data sets."
  echo "Nothing was measured."
  exit "$given"
fi
if [[ ! -x $FM ]]; then
  echo "real_data.sh: there is no $FM; ./run build makes it, or set FM" >&2
  exit 1
fi
if [[ -z ${OUT_DIR:-} ]]; then
  OUT_DIR=$(mktemp -d)
  trap 'rm -rf "$OUT_DIR"' EXIT
fi
mkdir -p "$OUT_DIR"

declare -A options=(
  [criteo]="--k 8 --learning-rate 0.02 --l2-factors 0.3"
  [avazu]="--k 8 --learning-rate 0.02 --l2-factors 0.1"
  [mind]="--k 8 --learning-rate 0.05 --l2-factors 0.001"
  [ml-1m]="--k 16 --learning-rate 0.1 --l2-factors 0.03"
  [ml-100k]="--k 16 --learning-rate 0.05 --l2-factors 0.1 --l2-linear 0.02"
  [frappe]="--k 16 --learning-rate 0.2 --l2-factors 0.03"
)
# With --kind fwfm. Those of avazu, mind and ml-1m are the options of the FM, of rank 2.
declare -A field_weighted_options=(
  [criteo]="--rank 8 --k 16 --learning-rate 0.02 --linear-learning-rate 0.1 --l2-factors 0.0001
    --l2-linear 0.003 --init-stddev 0.01 --init-accumulator 300 --field-learning-rate 0.01"
  [avazu]="--rank 2 ${options[avazu]}"
  [mind]="--rank 2 ${options[mind]}"
  [ml-1m]="--rank 2 ${options[ml-1m]}"
  [ml-100k]="--rank 3 --k 8 --learning-rate 0.05 --l2-factors 0.2 --l2-linear 0.02
    --init-accumulator 1 --step-decay 0.9 --field-learning-rate 0.003"
  [frappe]="--rank 3 --k 16 --learning-rate 0.2 --l2-factors 0.06 --init-accumulator 1
    --field-learning-rate 0.01 --init-field-stddev 1"
)
sets=("$@")
((${#sets[@]})) || sets=(criteo avazu mind ml-1m ml-100k frappe)

# train_and_evaluate SET KIND OPTIONS: in each quantization
train_and_evaluate() {
  local set=$1 kind=$2 suffix=tsv quantization file
  [[ $set == frappe ]] && suffix=libsvm
  for quantization in f32 f16 int8; do
    file=$OUT_DIR/$set-$kind-$quantization
    echo "training $set, $kind, $quantization" >&2
    # shellcheck disable=SC2086  # the options are words
    "$FM" train --schema "$repository/examples/$set.yaml" --out "$file.fmw" --name "$set" \
      --train "$DATA_DIR/$set/train.$suffix" --valid "$DATA_DIR/$set/valid.$suffix" \
      --epochs 60 --kind "$kind" $3 --quantization $quantization \
      --json > "$file.train.json" 2> "$file.log" || { cat "$file.log" >&2; exit 1; }
    "$FM" eval "$file.fmw" --data "$DATA_DIR/$set/test.$suffix" --json > "$file.test.json"
  done
}

models=()
for set in "${sets[@]}"; do
  if [[ -z ${options[$set]:-} ]]; then
    echo "real_data.sh: unknown data set '$set'; there are: ${!options[*]}" >&2
    exit 2
  fi
  train_and_evaluate "$set" fm "${options[$set]}"
  train_and_evaluate "$set" fwfm "${field_weighted_options[$set]}"
  models+=("$set-fm" "$set-fwfm")
done
python3 "$repository/bench/real_data_table.py" "$OUT_DIR" "${models[@]}"
