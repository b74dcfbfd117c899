#!/usr/bin/env bash
# ./run lint
source scripts/common.sh

if [[ ${1:-} == --help ]]; then
  cat <<'TEXT'
usage: ./run lint

Formatting, clang-tidy, shellcheck, the direction of includes, forgotten markers; lists long files.
Changes nothing: ./run format does. clang-tidy remembers in ~/.cache/fmserve-lint what it has seen clean.
TEXT
  exit 0
fi

install_packages build lint

say "checking formatting"
sources | xargs -d '\n' clang-format --dry-run -Werror --ferror-limit=1 || fail "./run format mends this"

say "checking shell scripts"
mapfile -t shell_scripts < <(git ls-files --cached --others --exclude-standard -- run .ci/run '*.sh' '*.sbatch')
shellcheck "${shell_scripts[@]}"

say "checking the direction of includes"
python3 tests/layering/check_layers.py

say "looking for forgotten markers"
# Written so that this file does not find itself.
if git grep --untracked -nIwE 'TO[D]O|FIXM[E]|XX[X]'; then
  fail "finish these, or open an issue for them"
fi

say "listing sources over 400 lines"
sources | xargs -d '\n' wc -l | awk '$2 != "total" && $1 > 400'

build lint fmserve_proto fmserve_bench_onnx_subset
say "running clang-tidy"
python3 scripts/clang_tidy.py --build "$build_root/lint" --cache "${XDG_CACHE_HOME:-$HOME/.cache}/fmserve-lint" --jobs "$(nproc)"
