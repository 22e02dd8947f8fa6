#!/usr/bin/env bash
# The checks of this repository.
#   scripts/check.sh          fast tier: format, lints, tests, docs, quickstart (every change)
#   scripts/check.sh slow     fast tier and everything that takes longer (before a release)
#   scripts/check.sh ci       what continuous integration runs: all that a change can break but the query engines
#   scripts/check.sh engines  only the query engines of adapters/ (DataFusion, Ballista), which the others but slow leave alone
set -euo pipefail
cd "$(dirname "$0")/.."
tier=${1:-fast}
export CARGO_TERM_COLOR=never
data=${VM_ECOSYSTEM_DATA:-../shared/data}
crates=(ecosystem-core ecosystem-forecast ecosystem-placement ecosystem-reconfig ecosystem-audit)
scratch=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; rm -rf "$scratch"' EXIT

step() {
  printf '\n== %s (after %d s)\n' "$*" "$SECONDS"
}

format_and_lints() {
  step "format"
  cargo fmt --all --check
  step "lints"
  cargo clippy --workspace --all-targets --all-features -- -D warnings
}

# Runs tests into a file, with what passing ones print, so that a skip shows; continuous integration must not skip.
tested() {
  local into=$1
  shift
  if ! "$@" >"$into" 2>&1; then
    cat "$into"
    exit 1
  fi
  grep -E '^(test result:|     Running|   Doc-tests)' "$into"
  if grep '^skipped' "$into" | sort -u && [ -n "${CI:-}" ]; then
    echo "a test was skipped" >&2
    exit 1
  fi
  awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
       END { printf "tests: %d passed, %d failed, %d ignored\n", passed, failed, ignored }' "$into"
}

# All that `cargo test` runs; it would also build every example, which the lints have compiled and which hold no tests.
# Random inputs of property tests are the same in every run here; the slow tier draws new ones.
tests() {
  step "tests"
  export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}
  tested "$scratch/tests.txt" cargo test --all-features --lib --tests -- --show-output
  step "tests in the documentation"
  tested "$scratch/doctests.txt" cargo test --all-features --doc -- --show-output
}

# The second workspace, default members only.
adapters_lints() {
  step "adapters: format and lints"
  cargo fmt --manifest-path adapters/Cargo.toml --all --check
  cargo clippy --manifest-path adapters/Cargo.toml --all-targets -- -D warnings
}

# Against real programs: QEMU, Prometheus, VictoriaMetrics, etcd, NATS, PostgreSQL, LXD, libvirt.
real_systems() {
  step "adapters: tests"
  tested "$scratch/adapters.txt" cargo test --manifest-path adapters/Cargo.toml -- --show-output --test-threads 2
  step "adapters: libvirt"
  if pkg-config --exists libvirt; then
    # The workspace of its own shares what the other has built.
    local libvirt=(--manifest-path adapters/libvirt/Cargo.toml --all-features --target-dir adapters/target)
    cargo fmt --manifest-path adapters/libvirt/Cargo.toml --check
    cargo clippy "${libvirt[@]}" --all-targets -- -D warnings
    tested "$scratch/libvirt.txt" cargo test "${libvirt[@]}" -- --show-output
  elif [ -n "${CI:-}" ]; then
    echo "libvirt-dev is not installed" >&2
    exit 1
  else
    echo "skipped: libvirt's C library is not installed (Debian package libvirt-dev)"
  fi
  step "adapters: a placement by several processes, one of which is killed"
  if [ "${ECO_REAL:-}" = 1 ]; then
    # Built by the tests just now.
    adapters/target/debug/examples/cluster
  elif [ -n "${CI:-}" ]; then
    echo "real systems were not asked for (ECO_REAL=1)" >&2
    exit 1
  else
    echo "skipped: a real nats-server is started only with ECO_REAL=1"
  fi
  step "adapters: two minutes of faults at random on real systems"
  if [ "${ECO_REAL:-}" = 1 ]; then
    # Built by the tests just now.
    adapters/target/debug/examples/real_chaos --minutes 2 --seed 1
  elif [ -n "${CI:-}" ]; then
    echo "real systems were not asked for (ECO_REAL=1)" >&2
    exit 1
  else
    echo "skipped: real systems are started only with ECO_REAL=1"
  fi
}

# Forecasts in SQL, in one process and in several: hundreds of packages that nothing else needs.
engines() {
  # Always both, so that what they share is built once.
  local which=(--manifest-path adapters/Cargo.toml -p ecosystem-datafusion -p ecosystem-ballista)
  local built=adapters/target/debug/examples
  step "query engines: lints"
  cargo clippy "${which[@]}" --all-targets -- -D warnings
  step "query engines: tests"
  tested "$scratch/engines.txt" cargo test "${which[@]}" -- --show-output --test-threads 1
  step "query engines: a small file by SQL and directly"
  # Built by the tests just now.
  "$built/sql_forecast" --series 100 --points 200 --repeat 1 | tee "$scratch/sql.json"
  grep -q '"different":0' "$scratch/sql.json"
  step "query engines: three questions to a fleet"
  "$built/fleet_in_sql" | tee "$scratch/fleet.txt"
  # Who will run out of processors, who behaves unlike itself, of whom nothing can be said.
  grep -q '| vm-09 ' "$scratch/fleet.txt" && grep -q '| vm-07 ' "$scratch/fleet.txt" && grep -q '| vm-12 ' "$scratch/fleet.txt"
}

# Four hosts, twelve real machines, and one story of each fault.
real_loop() {
  step "the closed loop on real systems"
  cargo run --release --manifest-path adapters/Cargo.toml --example real_loop -- --out "$scratch/real"
}

docs() {
  step "documentation"
  RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --all-features
}

# Two runs, and runs on one and two threads, must print and write the same bytes.
quickstart() {
  step "quickstart"
  # The others are compiled by the lints.
  cargo build --release --example quickstart
  local run=target/release/examples/quickstart
  twice "$run"
  if [ -d "$data" ]; then
    twice "$run" --manifest "$data/manifests/online-boutique.k8s.yaml" --metrics "$data/forecast/azure_v1_vm_cpu_5min.csv.gz"
  elif [ -n "${CI:-}" ]; then
    echo "no data at $data" >&2
    exit 1
  else
    echo "skipped: no data at $data"
  fi
  step "quickstart refuses bad input with exit code 2"
  printf 'version: 1\ncomponents:\n  web: {cpuu: 1}\n   bad: [\n' >"$scratch/broken.yaml"
  refused "$run" --no-such-flag
  refused "$run" --manifest "$scratch/missing.yaml"
  refused "$run" --manifest "$scratch/broken.yaml"
  refused "$run" --metrics "$scratch/broken.yaml"
}

twice() {
  RAYON_NUM_THREADS=1 "$@" --out "$scratch/a" >"$scratch/a.txt"
  RAYON_NUM_THREADS=2 "$@" --out "$scratch/b" >"$scratch/b.txt"
  diff <(sed "s#$scratch/.#OUT#g" "$scratch/a.txt") <(sed "s#$scratch/.#OUT#g" "$scratch/b.txt")
  cmp "$scratch/a/report.html" "$scratch/b/report.html"
  tail -n 3 "$scratch/a.txt"
}

refused() {
  local code=0
  "$@" --out "$scratch/refused" >/dev/null 2>"$scratch/error.txt" || code=$?
  if [ "$code" != 2 ] || [ "$(wc -l <"$scratch/error.txt")" != 1 ]; then
    echo "expected exit code 2 and one line, got $code from: $*" >&2
    cat "$scratch/error.txt" >&2
    exit 1
  fi
  cat "$scratch/error.txt"
}

examples() {
  step "examples"
  local example shown=(map_one_application forecast_one_metric place_one_stack heal_one_failure audit_one_change embed joint_vs_single)
  cargo build --release "${shown[@]/#/--example=}"
  for example in "${shown[@]}"; do
    echo "-- $example"
    "target/release/examples/$example"
  done
}

# Each crate alone, so that feature unification hides nothing; the fresh crates use the default features.
features() {
  step "each crate with no and with all features"
  local crate
  for crate in "${crates[@]}" vm-ecosystem; do
    cargo check --quiet -p "$crate" --lib --no-default-features
    cargo check --quiet -p "$crate" --lib --all-features
  done
  step "libraries for wasm32-unknown-unknown"
  RUSTFLAGS='--cfg getrandom_backend="unsupported"' \
    cargo check --quiet "${crates[@]/#/--package=}" --package=vm-ecosystem --lib --target wasm32-unknown-unknown
}

# The crates stay as independent as ARCHITECTURE.md says.
dependency_rules() {
  step "dependency rules"
  must_not ecosystem-forecast petgraph ecosystem-core ecosystem-placement ecosystem-reconfig ecosystem-audit
  must_not ecosystem-audit petgraph nalgebra ecosystem-core ecosystem-forecast ecosystem-placement ecosystem-reconfig
  must_not ecosystem-core ecosystem-forecast ecosystem-placement ecosystem-reconfig ecosystem-audit
  must_not ecosystem-placement ecosystem-forecast ecosystem-reconfig ecosystem-audit
  must_not ecosystem-reconfig ecosystem-forecast ecosystem-placement ecosystem-audit
  must_not vm-ecosystem tokio openssl-sys
}

must_not() {
  local crate=$1 other
  shift
  for other in "$@"; do
    if cargo tree -p "$crate" --all-features --edges normal --prefix none | grep -q "^$other v"; then
      echo "$crate must not depend on $other" >&2
      exit 1
    fi
  done
  echo "$crate does not reach: $*"
}

# A newcomer's crate outside of the repository can use the façade and each crate alone. It shares with the adapters what
# these have built: the same crates with the same features and profile.
outside_crates() {
  step "fresh crates outside of the repository"
  local root=$PWD name
  for name in vm-ecosystem "${crates[@]}"; do
    local dir=crates/${name#ecosystem-}
    [ "$name" = ecosystem-core ] && dir=crates/ecosystem-core
    [ "$name" = vm-ecosystem ] && dir=.
    local fresh=$scratch/uses-$name
    cargo new --quiet --vcs none "$fresh"
    (cd "$fresh" && cargo add --quiet --path "$root/$dir")
    cp "scripts/outside/${name//-/_}.rs" "$fresh/src/main.rs"
    (cd "$fresh" && CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$root/adapters/target" \
      cargo run --quiet --config profile.dev.package.serde_json.opt-level=2)
  done
}

# Each package is unpacked and built alone; its dependencies are those that the fresh crates have built. Cargo unpacks a
# package of one version once for all time, so what an earlier run left would be built in place of what is here.
package() {
  step "packages"
  rm -rf "${CARGO_HOME:-$HOME/.cargo}"/registry/src/-*/{ecosystem,vm-ecosystem}-*
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=adapters/target cargo package --workspace --quiet --allow-dirty
}

benches() {
  step "every bench once"
  cargo bench -- --test
}

# A short run of every fuzz target; longer ones by hand.
fuzzing() {
  step "every fuzz target for 20 seconds"
  scripts/fuzz.sh 20
}

simulations() {
  step "10,000 random event sequences through the engine and the simulator"
  PROPTEST_CASES=10000 cargo test --release -p ecosystem-reconfig --all-features --test all storms
  step "1,000 simulated days"
  SIM_DAYS=1000 cargo test --release -p ecosystem-reconfig --all-features --test all days
  step "model checking, further"
  MODEL_STATES=300000 cargo test --release -p ecosystem-reconfig --all-features --lib model
}

if [ "$tier" = engines ]; then
  engines
  exit
fi
format_and_lints
tests
if [ "$tier" = fast ]; then
  docs
  quickstart
else
  quickstart
  examples
  adapters_lints
  # They wait more than they compute, so what only computes runs beside them.
  real_systems >"$scratch/real.txt" 2>&1 &
  real=$!
  docs
  features
  dependency_rules
  code=0
  wait "$real" || code=$?
  cat "$scratch/real.txt"
  [ "$code" = 0 ] || exit "$code"
  outside_crates
fi
if [ "$tier" = slow ]; then
  package
  benches
  fuzzing
  simulations
  real_loop
  engines
fi
awk '/^test result:/ { p += $4; f += $6 } END { printf "\n%d passed, %d failed\n", p, f }' "$scratch"/{tests,doctests}.txt
