#!/usr/bin/env bash
# Deltas between weight files against the whole file: bytes, and seconds to make and to apply.
#
#   bench/delta.sh [ROWS]     rows of 64 bytes (k = 24 in f16); 7,600,000 make a file of 500 MB
#
# Needs fm and make_weights on PATH (./run build release fm make_weights). A retrained row has weights that have nothing to
# do with the old ones, which is the worst case; a renewed row is a key that is gone and another one that came.
set -euo pipefail

rows="${1:-7600000}"
dir="$(mktemp -d "${TMPDIR:-/tmp}/delta.XXXXXX")"
trap 'rm -rf "$dir"' EXIT

make() { make_weights --rows "$rows" --k 24 --quantization f16 "$@"; }

make --out "$dir/base.fmw"
printf '%-28s %14s %14s %8s %8s %8s %9s\n' 'changed' 'whole bytes' 'delta bytes' 'share' 'diff s' 'patch s' 'copy s'
for case in '0.01 0' '0.05 0' '0.2 0' '0.05 0.01'; do
  read -r retrained renewed <<< "$case"
  make --retrained "$retrained" --renewed "$renewed" --out "$dir/new.fmw"
  made="$(fm diff "$dir/base.fmw" "$dir/new.fmw" --out "$dir/d.fmd" --json)"
  applied="$(fm patch "$dir/base.fmw" "$dir/d.fmd" --out "$dir/again.fmw" --json)"
  begin="$(date +%s.%N)"
  cp "$dir/new.fmw" "$dir/copy.fmw"
  sha256sum "$dir/copy.fmw" > "$dir/sum"
  sync "$dir/copy.fmw"
  end="$(date +%s.%N)"
  cmp "$dir/new.fmw" "$dir/again.fmw"
  python3 - "$retrained" "$renewed" "$made" "$applied" "$begin" "$end" <<'EOF'
import json, sys
retrained, renewed, made, applied = float(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4])
what = f"{retrained:.0%} of the rows" + (f", {renewed:.0%} of keys" if renewed else "")
print(f"{what:28} {made['result_bytes']:14,} {made['bytes']:14,} {made['share']:8.2%} {made['seconds']:8.2f} {applied['seconds']:8.2f}"
      f" {float(sys.argv[6]) - float(sys.argv[5]):9.2f}")
EOF
  rm "$dir/new.fmw" "$dir/again.fmw" "$dir/copy.fmw" "$dir/d.fmd"
done
