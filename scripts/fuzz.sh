#!/usr/bin/env bash
# Runs fuzz targets on the stable toolchain, without sanitizers (the crates forbid unsafe code), on a small corpus that is
# seeded from the test data, or by the target itself, and thrown away afterwards.
#   scripts/fuzz.sh SECONDS [TARGET...]     every target for so many seconds; FUZZ_RUNS=N ends earlier
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?seconds per target}
shift
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for file in fuzz/fuzz_targets/*.rs; do
    name=${file##*/}
    targets+=("${name%.rs}")
  done
fi
host=$(rustc -vV | sed -n 's/^host: //p')
# what `cargo fuzz run -s none` hands to the compiler: edge counters and comparisons, nothing else
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=on -Coverflow-checks=on"
bins=()
for target in "${targets[@]}"; do
  bins+=(--bin "$target")
done
cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target "$host" "${bins[@]}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for target in "${targets[@]}"; do
  mkdir -p "$scratch/$target"
  case $target in
    manifest_formats) # the first byte is the format
      number=0
      for kind in native kubernetes compose score oam tosca traces graphml; do
        for seed in crates/ecosystem-core/tests/data/manifest/"$kind"*; do
          [ -f "$seed" ] && { printf "\\x0$number"; cat "$seed"; } >"$scratch/$target/${seed##*/}"
        done
        number=$((number + 1))
      done ;;
    manifest_values)
      number=0
      for seed in 500m 0.5 1.5Gi '4096 MB' 10ms 5Gbit '1,000' 99.95% 8080:80/udp postgres://u:p@db:5432/x?y=z host=db,port=5432 \
        'nc -z db 5432' registry:5000/a/b:1@sha256:00 'sat,sun 23:00-03:00' 2026-12-01T02:00:00Z/2026-12-01T04:00:00+01:00; do
        printf '%s' "$seed" >"$scratch/$target/$((number += 1))"
      done ;;
    audit_*) FUZZ_SEEDS="$scratch/$target" "fuzz/target/$host/release/$target" 2>/dev/null ;;
    manifest_*) cp crates/ecosystem-core/tests/data/manifest/*.{yaml,json,xml} "$scratch/$target/" ;;
  esac
  echo "-- $target"
  "fuzz/target/$host/release/$target" "$scratch/$target" -max_total_time="$seconds" -runs="${FUZZ_RUNS:--1}" \
    -max_len=4096 -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$scratch/" -print_final_stats=1 \
    -seed=1 >"$scratch/log" 2>&1 || {
    tail -30 "$scratch/log"
    for crash in "$scratch"/{crash,timeout,oom}-*; do
      [ -f "$crash" ] && base64 "$crash"
    done
    exit 1
  }
  grep -E 'stat::(number_of_executed_units|peak_rss_mb)' "$scratch/log"
done
