# shellcheck shell=bash
#
# Starting, finding and ending the processes of a cluster. What a component is, is told by two functions elsewhere: argv_COMPONENT sets ARGV,
# and url_of prints where it says that it is ready.

declare -A STARTED=()

# pid_of COMPONENT prints its pid if it runs. A pid alone may since have been given to someone else: the process must have our data folder
# in its command line, as every component does.
pid_of() {
  local pid
  pid=$(cat "$DATA/pids/$1.pid" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] && has_argument_below "$pid" "$DATA/" && printf '%s\n' "$pid"
}

# has_argument_below PID FOLDER: one that has ended has no arguments, even while nobody has waited for it yet.
has_argument_below() {
  local argument
  while IFS= read -r -d '' argument; do
    if [[ $argument == *"$2"* ]]; then return; fi
  done <"/proc/$1/cmdline"
  return 1
} 2>/dev/null

# start COMPONENT, unless it runs. The process writes its own pid before it becomes the component, so that a script killed at any moment leaves
# none that `down` would not find. It has a session of its own, and none of our files, to live on after the script.
start() {
  if pid_of "$1" >/dev/null; then return; fi
  local ARGV=()
  "argv_${1//-/_}"
  STARTED[$1]=$EPOCHREALTIME
  # shellcheck disable=SC2016 # expanded by the inner shell
  setsid bash -c 'echo $$ >"$1" && shift && exec "$@"' - "$DATA/pids/$1.pid" "${ARGV[@]}" \
    </dev/null >>"$DATA/logs/$1.log" 2>&1 9>&- &
  # pid_of must not be asked before there is an answer.
  local n
  for ((n = 0; n < 100; n++)); do
    if pid_of "$1" >/dev/null; then return; fi
    sleep 0.02
  done
}

# stop COMPONENT SIGNAL, and wait until it is gone.
stop() {
  local pid n
  pid=$(pid_of "$1") || return 0
  kill -s "$2" "$pid" 2>/dev/null || true
  for ((n = 0; n < 600; n++)); do
    if ! has_argument_below "$pid" "$DATA/"; then
      rm -f "$DATA/pids/$1.pid"
      return
    fi
    if ((n == 300)); then
      say "$1 (pid $pid) has not ended 15 s after SIG$2: sending SIGKILL"
      kill -s KILL "$pid" 2>/dev/null || true
    fi
    sleep 0.05
  done
  die "$1 (pid $pid) does not end"
}

is_ready() { probe "$1" 0s; }

# probe COMPONENT PATIENCE [FLAGS...]
probe() { "$BIN" probe -ca "$DATA/pki/ca.crt" -for "$2" "${@:3}" "$(url_of "$1")"; }

# await COMPONENT: wait until it is ready and say how long that took; if it does not get so, say why. What it calls must not hold the lock (9) for longer
# than the script lives.
await() {
  local pid problem
  if pid=$(pid_of "$1") && problem=$(probe "$1" 60s -pid "$pid" 2>&1 9>&-) && problem=$("then_${1//-/_}" 2>&1 9>&-); then
    if [[ -n ${STARTED[$1]:-} ]]; then say "$(printf '%-24s ready on port %s after %s s' "$1" "$(port_of "$1")" "$(seconds_since "${STARTED[$1]}")")"; fi
    return
  fi
  say "$1 did not get ready: ${problem:-it has ended}. The last lines of $DATA/logs/$1.log:"
  tail -n 5 "$DATA/logs/$1.log" >&2
  if [[ ! -f $DATA/was-ready ]] && tail -n 50 "$DATA/logs/$1.log" | grep -q 'address already in use'; then exit "$EXIT_PORT_TAKEN"; fi
  exit 1
}

seconds_since() { LC_ALL=C awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'; }
