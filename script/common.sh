# Shared by the scripts beside it; sourced, never run.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${CRAYON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/crayon}

# Ctrl-C: bash waits for the command that runs, which ends too, and then ends with this.
trap 'exit 130' INT TERM

say() { printf '==> %s\n' "$*" >&2; }
fail() {  # fail STATUS MESSAGE
  local status=$1
  shift
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit "$status"
}

# Prints the comment at the top of the calling script as its help.
show_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# A value of third_party/llama.cpp/VERSION.
llama_value() { sed -n "s/^$1=//p" "$root/third_party/llama.cpp/VERSION"; }

# Where our llama.cpp belongs: its build depends on this CPU, this compiler and our options.
llama_prefix() {
  local key
  key=$({
    grep -m1 -E '^(flags|Features)' /proc/cpuinfo 2>/dev/null || uname -m
    "${CXX:-c++}" -dumpfullversion -dumpmachine
    llama_value sha256
    llama_value options
    llama_value flags
    cat "$root/third_party/llama.cpp/mend.h"
  } | sha256sum | cut -c1-12)
  printf '%s/llama.cpp/%s-%s\n' "$cache" "$(llama_value version)" "$key"
}

# The folder of the user's own llama-config.cmake; fails when there is none or CRAYON_LLAMA=pinned.
own_llama() {
  local prefix file prefixes
  [ "${CRAYON_LLAMA:-}" != pinned ] || return 1
  if [ -n "${llama_DIR:-}" ] && [ -f "$llama_DIR/llama-config.cmake" ]; then
    printf '%s\n' "$llama_DIR"
    return 0
  fi
  IFS=: read -r -a prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}" "${llama_ROOT:-}" /usr/local /usr; do
    [ -n "$prefix" ] || continue
    for file in "$prefix"/lib{,64,/*-linux-gnu}/cmake/llama/llama-config.cmake; do
      [ -f "$file" ] || continue
      dirname "$file"
      return 0
    done
  done
  return 1
}

# Jobs that run side by side: one a core, and about 1.5 GiB of memory for each.
jobs_at_once() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  printf '%s\n' "$((cores < memory ? cores : memory))"
}

# Lets ninja draw its line on a terminal; in a log every twentieth step and all else is enough.
run_ninja() {
  export NINJA_STATUS='[%f/%t, %e s] '
  if [ -t 1 ]; then
    ninja "$@" >&2
  else
    ninja "$@" | awk '/^\[[0-9]+\/[0-9]+, / {if (n++ % 20) next} /^ninja: (no work|Entering)/ {next}
                      {print; fflush()}' >&2
  fi
}

# Serves a model on loopback until the script ends: serve_model MODEL FOLDER [FLAG...]. Its address is then in $url,
# its output in FOLDER/server-MODEL.out and .log. May be called for several models.
servers=() url=
stop_servers() {
  [ "${#servers[@]}" -eq 0 ] || { kill "${servers[@]}" 2>/dev/null && wait "${servers[@]}" 2>/dev/null; } || true
}
serve_model() {
  local model=$1 out=$2/server-$1.out log=$2/server-$1.log
  shift 2
  trap stop_servers EXIT
  : >"$log"
  crayon serve --model "$model" --port 0 "$@" >"$out" 2>>"$log" &
  servers+=("$!")
  for _ in $(seq 600); do
    url=$(grep -oE 'http://[0-9.:]+' "$out" | head -n 1) && [ -n "$url" ] && return 0
    kill -0 "${servers[-1]}" 2>/dev/null || { cat "$log" >&2; fail 7 "the server did not start"; }
    sleep 0.2
  done
  fail 7 "the server did not say its address within two minutes; see $log"
}
