#!/bin/sh
# run.sh BUILD MILTERGEN - signpostd of a build under load while everything changes under it: its
# keys, its tables, its configuration. Prints TAP. It is there for the builds with a sanitizer, whose
# reports ./setup test collects; messages are counted too: not one may go unsigned.
set -u

BUILD=${1:?usage: run.sh BUILD MILTERGEN}
MILTERGEN=${2:?usage: run.sh BUILD MILTERGEN}
MESSAGES=${LOAD_MESSAGES:-400} # in each round
ROUNDS=${LOAD_ROUNDS:-5}
DIR=$(mktemp -d)
DAEMON=
LOAD=
COUNT=0
changed=

finish() {
	[ -z "$LOAD" ] || kill "$LOAD" 2> /dev/null
	[ -z "$DAEMON" ] || kill -KILL "$DAEMON" 2> /dev/null
	rm -rf "$DIR"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# result STATUS WORDS - one TAP line; the daemon's log explains a failure.
result() {
	COUNT=$((COUNT + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $COUNT - $2"
	else
		echo "not ok $COUNT - $2"
		tail -n 20 "$DIR/log" | sed 's/^/# /'
		tail -n 5 "$DIR/load" 2> /dev/null | sed 's/^/# /'
	fi
}

new_keys() {
	rm -rf "$DIR/new"
	mkdir "$DIR/new"
	"$BUILD/tools/signpost" genkey -D "$DIR/new" -d example.com -s rsa &&
		"$BUILD/tools/signpost" genkey -D "$DIR/new" -d example.com -s ed --ed25519
}

# By rename, as every careful program replaces a file.
swap_keys() {
	new_keys && mv "$DIR/new/rsa.private" "$DIR/rsa.private" && mv "$DIR/new/ed.private" "$DIR/ed.private"
}

write_tables() {
	{
		echo "# edition $1"
		echo "rsa %:rsa:$DIR/rsa.private"
		echo "ed %:ed:$DIR/ed.private"
	} > "$DIR/KeyTable.new"
	{
		echo "# edition $1"
		echo "*@*.example rsa"
		echo "*.example ed"
		echo "*@d0*.example ed"
	} > "$DIR/SigningTable.new"
	mv "$DIR/KeyTable.new" "$DIR/KeyTable"
	mv "$DIR/SigningTable.new" "$DIR/SigningTable"
}

wait_for_socket() {
	tries=0
	until [ -S "$DIR/socket" ]; do
		tries=$((tries + 1))
		kill -0 "$DAEMON" 2> /dev/null && [ $tries -lt 3000 ] || return 1
		sleep 0.1
	done
}

swap_keys && write_tables 0 || exit 1
cat > "$DIR/signpostd.conf" << END
Syslog no
Mode s
Socket local:$DIR/socket
KeyTable file:$DIR/KeyTable
SigningTable refile:$DIR/SigningTable
MultipleSignatures yes
Canonicalization relaxed/relaxed
OversignHeaders From
RequireSafeKeys no
LogWhy yes
SyslogSuccess yes
Frontends 2
KeeperThreads 4
DrainTimeout 300
END
"$BUILD/signpostd" -f -x "$DIR/signpostd.conf" > "$DIR/log" 2>&1 &
DAEMON=$!
wait_for_socket
result $? "the daemon listens"

round=0
while [ $round -lt "$ROUNDS" ]; do
	round=$((round + 1))
	"$MILTERGEN" --socket "unix:$DIR/socket" --connections 8 --messages 10 --total "$MESSAGES" \
	    --domains 50 --body 20000 --timeout 300000 --json > "$DIR/load" 2>&1 &
	LOAD=$!
	swap_keys && write_tables $round && kill -USR1 "$DAEMON" && changed=$round
	wait "$LOAD" && [ "$changed" = $round ] &&
		grep -q "\"signed\": *$MESSAGES\b" "$DIR/load"
	result $? "$MESSAGES messages signed while keys, tables and configuration changed"
	LOAD=
done
! grep -q 'died\|killed\|malformed\|cannot' "$DIR/log"
result $? "no process died and nothing was misunderstood"
kill -TERM "$DAEMON"
wait "$DAEMON"
status=$?
DAEMON=
result $status "SIGTERM ends it with exit status 0 (it was $status)"
echo "1..$COUNT"
