#!/usr/bin/env bash
# How well, how fast and in how much memory `fm train` learns: the bars of quality on the public data sets in DATA_DIR, beside
# the best figures of other tools, those of speed, what several ranks lose, and in how much memory a log is learned that does not
# fit into it. Exits with 1 if a bar is missed.
#
#   bench/learning.sh [--only quality|speed|ranks|large] [--sets criteo,frappe] [--turns 5] [--seeds 3] [--large-rows 100000000]
#                     [--json FILE]
#
# DATA_DIR  where the data sets are (default: ../shared/data beside the repository)
# FM        the fm program (default: build/release/bin/fm)
# TMPDIR    where that log is generated (default: /tmp); it takes 330 bytes a row
#
# Options are those of bench/model_options.json, which were chosen on the valid files, seeds among them. One thread: quality repeats itself.
# Ranks are started by mpirun (apt-get install openmpi-bin); their losses are means over seeds.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
given=${DATA_DIR:+1} given=${given:-0}  # a folder that was named has to be there
DATA_DIR=${DATA_DIR:-$repository/../shared/data}
FM=${FM:-$repository/build/release/bin/fm}

if [[ ! -d $DATA_DIR ]]; then
  echo "learning.sh: there is no $DATA_DIR; set DATA_DIR to the folder of the public data sets."
  echo "Nothing was measured."
  exit "$given"
fi
if [[ ! -x $FM ]]; then
  echo "learning.sh: there is no $FM; ./run build makes it, or set FM" >&2
  exit 1
fi
exec python3 "$repository/bench/learning.py" --fm "$FM" --data "$DATA_DIR" "$@"
