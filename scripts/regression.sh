#!/usr/bin/env bash
# ./run regression
source scripts/common.sh

usage() {
  cat <<'TEXT'
usage: ./run regression [--against COMMIT] [arguments of bench/cpu_against.sh]

Does the server take more processor time per request than before? Builds the work tree, and fmserve of COMMIT (the parent of
HEAD if not given, of a merge its first) in a folder that is removed afterwards, and sends both servers the same requests in
turns: packed, friendly, known items, the best 100. Takes a minute or two beside the builds.

Exit code: 0 no loss, or nothing to compare; 1 a kind takes over 10 % more, three measurements in a row; 2 could not measure.
example: ./run regression --against main
TEXT
}

against=''
measuring=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --against)
      [[ $# -ge 2 ]] || { usage >&2; exit 2; }
      against=$2
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) measuring+=("$1"); shift ;;
  esac
done

# Exit code 1 means a loss, and nothing else.
fail() {
  printf 'could not measure: %s\n' "$*" >&2
  exit 2
}
set -E
trap 'fail "the command in line $LINENO of $0 failed"' ERR

# commit_of NAME: its full hash; fails when there is none in this repository.
commit_of() { git rev-parse --verify --quiet --end-of-options "$1^{commit}"; }

if [[ -n $against ]]; then
  commit=$(commit_of "$against") || fail "'$against' is no commit of this repository"
elif ! commit=$(commit_of HEAD^1); then
  say 'HEAD has no parent here: it is the first commit, or the clone is shallow. Nothing to compare with'
  exit 0
fi

install_packages build
build release fm fmserve make_weights echo_server

# ccache finds what both have in common, because build/release lies as deep in this tree as in ours.
mkdir -p "$build_root"
tree=$(mktemp -d "$(realpath "$build_root")/against.XXXXXX")
trap 'rm -rf "$tree"' EXIT
trap 'exit 130' INT TERM

# What formats a file gets is up to the commit: where they differ, its server needs files of its own.
programs=(fmserve)
git diff --quiet "$commit" -- model/weight_format.h model/catalogue_format.h || programs+=(fm make_weights)
say "building ${programs[*]} of $(git log -1 --format='%h (%s)' "$commit")"
git archive "$commit" | tar -x -C "$tree"
if ! (cd "$tree" && FMSERVE_BUILD_ROOT=build ./run build release "${programs[@]}"); then
  [[ -z $against ]] || fail "$against does not build here: see above"
  # Whoever mends the build should not be stopped by it.
  say 'the parent does not build here: see above. Nothing to compare with'
  exit 0
fi

# What runs of a program: without its debug information, which tells of folders and lines.
code_of() { objcopy --strip-debug --remove-section .note.gnu.build-id "$1" "$2"; }
code_of "$build_root/release/bin/fmserve" "$tree/now"
code_of "$tree/build/release/bin/fmserve" "$tree/before"
if cmp --silent "$tree/now" "$tree/before"; then
  say 'fmserve is the same program, to the byte: nothing to measure'
  exit 0
fi

code=0
FMSERVE_BUILD=$build_root/release bench/cpu_against.sh --against "$tree/build/release" "${measuring[@]}" || code=$?
if [[ $code == 1 ]]; then
  cat >&2 <<TEXT
run: a request costs more than at ${commit:0:12}. Where: perf record -g on fmserve under fm load, at both commits; the micro
benchmarks (./run bench --only scoring) when the loss is in scoring. The same comparison: ./run regression --against ${commit:0:12}.
A loss that is meant is told in the commit's message; the next commit is compared with this one.
TEXT
fi
exit "$code"
