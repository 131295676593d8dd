# shellcheck shell=sh disable=SC2154
# What the steps of demo.sh are made of: commands that are shown and checked, daemons that end with it.

DAEMONS= # NAME:PID of each, the last one first
WHY=
BEGAN=
LIMIT=200 # seconds for anything that is waited for; most of it takes less than one

step() {
	printf '\n== %s\n' "$*"
}

fail() {
	WHY=$*
	exit 1
}

# start NAME COMMAND... - a daemon, with a log by its name.
start() {
	name=$1
	shift
	"$@" > "$name.log" 2>&1 < /dev/null &
	DAEMONS="$name:$! $DAEMONS"
}

# stop PID - asks it to end, and kills it if it does not within ten seconds.
stop() {
	kill "$1" 2> /dev/null || return 0
	tries=0
	while kill -0 "$1" 2> /dev/null; do
		tries=$((tries + 1))
		[ $tries -ne 100 ] || kill -KILL "$1" 2> /dev/null || :
		sleep 0.1
	done
}

# The end, whatever it is: no process and no file is left.
finish() {
	status=$?
	trap '' INT TERM HUP PIPE
	for daemon in $DAEMONS; do
		stop "${daemon#*:}"
	done
	cd /
	[ -z "$WHY" ] || explain >&2 || :
	rm -rf "$DIR"
	exit "$status"
}

explain() {
	printf '\ndemo: %s\n' "$WHY"
	for file in "$DIR"/errors "$DIR"/*.log; do
		[ -s "$file" ] || continue
		printf -- '-- the end of %s:\n' "${file##*/}"
		tail -n 15 "$file"
	done
}

# wait_for WHAT CONDITION - while all daemons live.
wait_for() {
	end=$(($(date +%s) + LIMIT))
	until eval "$2"; do
		for daemon in $DAEMONS; do
			kill -0 "${daemon#*:}" 2> /dev/null || fail "${daemon%:*} ended while $1 was waited for"
		done
		[ "$(date +%s)" -lt $end ] || fail "$LIMIT seconds were too short for $1"
		sleep 0.1
	done
}

# run 'COMMAND' - shows what is typed, does it, shows what it says; it has to go well. Warnings (files in
# /tmp are not as safe as those in /etc) are kept for the case that something does not.
run() {
	printf '$ %s\n' "$1"
	eval "$1" > output 2>> errors || fail "this did not work: $1"
	[ ! -e failed ] || fail "this did not work: $1"
	sed 's/^/    /' output
}

# The commands as they are typed. What they would find in /etc stands in our folder: that is all that is added.
signpost() {
	case "$1 ${2:-}" in
	genkey* | "store sitekey") "$BUILD/tools/signpost" "$@" ;;
	*) "$BUILD/tools/signpost" "$@" -x "$DIR/signpost-admind.conf" ;;
	esac || {
		: > "$DIR/failed"
		return 1
	}
}

# ---------------------------------------------------------------------------------------------
# Mail: a milter conversation as an MTA has it, and a verifier that is not ours, at unbound.

# send RESULT [MESSAGE [SOCKET]]
send() {
	"$PYTHON3" "$HERE/milter.py" "local:$DIR/${3:-milter.sock}" < "${2:-message}" > "$1" 2>> errors ||
		fail "the message did not go through the milter"
}

# verify MESSAGE - writes to output what dkimpy says; its exit status.
verify() {
	"$PYTHON3" "$HERE/verify.py" "$ADDRESS" "$UNBOUND_PORT" < "$1" > output 2>> errors
}

must_verify() {
	verify "$1" || fail "dkimpy: $(cat output)"
}

# show_verdict good|bad MESSAGE
show_verdict() {
	status=0
	verify "$2" || status=$?
	sed 's/^/    dkimpy: /' output
	case "$1$status" in
	good0 | bad1) ;;
	*) fail "this should be $1" ;;
	esac
}

# ---------------------------------------------------------------------------------------------
# Keys

# "SELECTOR STATE" of each key of example.com, also of those that are gone.
keys() {
	signpost key list -a example.com > table 2>> errors || fail "signpost key list does not answer"
	awk 'NR > 1 { print $1, $4 }' table > keys.now
}

# in_state STATE... - the selectors with one of these.
in_state() {
	for state in "$@"; do
		awk -v state="$state" '$2 == state { print $1 }' keys.now
	done
}

# moved - looks at the keys, and prints one line if some have another state than when it last looked; those
# that are over in a moment are left out.
moved() {
	keys
	awk 'FILENAME == "keys.before" { was[$1] = $2; next }
	$2 !~ /^(CREATED|PREPARED|PUBLISHING|REVOKING|REMOVING|REMOVED)$/ && was[$1] != $2 { if (!($2 in who)) order[++n] = $2; who[$2] = who[$2] " " $1 }
	END { for (i = 1; i <= n; i++) printf("%s%s:%s", (i > 1 ? "   " : ""), order[i], who[order[i]]) }' \
	    keys.before keys.now > news || fail "awk failed"
	cp keys.now keys.before
	[ ! -s news ] || printf '%5d s  %s\n' $(($(date +%s) - BEGAN)) "$(cat news)"
}
