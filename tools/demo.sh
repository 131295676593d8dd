#!/bin/sh
# demo.sh BUILD - shows the main job of Signpost on one message: two keys, a daemon, a milter
# conversation as an MTA has it, and a verifier that is not ours. ./setup demo calls it.
# It needs no root and no MTA, listens on a socket in its own folder, and leaves nothing behind.
# Each step is checked: the first that does not do what it says ends the demo with exit status 1.
set -eu

BUILD=${1:?usage: demo.sh BUILD}
SOURCE=$(cd "$(dirname "$0")/.." && pwd)
PYTHON3=${PYTHON3:-/usr/bin/python3} # for which Debian installs python3-dkim
DIR=$(mktemp -d)
DAEMON=

finish() {
	status=$?
	[ -z "$DAEMON" ] || kill "$DAEMON" 2> /dev/null || :
	[ $status -eq 0 ] || [ ! -s "$DIR/log" ] || {
		echo "The daemon's log:"
		cat "$DIR/log"
	}
	rm -rf "$DIR"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

step() {
	printf '\n== %s\n' "$*"
}

fail() {
	echo "demo: $*" >&2
	exit 1
}

# wait_for CONDITION WORDS - a minute at most.
wait_for() {
	tries=0
	until eval "$1"; do
		tries=$((tries + 1))
		kill -0 "$DAEMON" 2> /dev/null || fail "the daemon ended at once"
		[ $tries -lt 600 ] || fail "$2"
		sleep 0.1
	done
}

# send RESULT [MESSAGE] - the message through the milter, as an MTA gives it; its {daemon_name} is "demo".
send() {
	"$PYTHON3" "$SOURCE/tools/demo_milter.py" "local:$DIR/socket" < "${2:-$DIR/message}" > "$1"
}

# verify STATUS MESSAGE RECORD... - the records stand in for DNS; STATUS is 0 when all signatures must be
# good, 1 when one must not be.
verify() {
	wanted=$1
	signed=$2
	shift 2
	status=0
	"$PYTHON3" "$SOURCE/tools/demo_verify.py" "$@" < "$signed" || status=$?
	[ "$status" -eq "$wanted" ] || fail "the verifier ended with $status instead of $wanted"
}

[ -x "$BUILD/signpostd" ] || fail "there is no $BUILD/signpostd; build it first"

step "1. Two keys for example.com: RSA, which everybody verifies, and Ed25519, which is short."
mkdir -m 700 "$DIR/keys"
"$BUILD/tools/signpost" genkey -v -a -D "$DIR/keys" -d example.com -s rsa1
"$BUILD/tools/signpost" genkey -v -a -D "$DIR/keys" -d example.com -s ed1 --ed25519
echo "What goes into DNS:"
cat "$DIR/keys/rsa1.txt" "$DIR/keys/ed1.txt"

step "2. The same files that OpenDKIM reads: a KeyTable, a SigningTable, a configuration."
cat > "$DIR/KeyTable" << END
rsa1._domainkey.example.com example.com:rsa1:$DIR/keys/rsa1.private
ed1._domainkey.example.com example.com:ed1:$DIR/keys/ed1.private
END
cat > "$DIR/SigningTable" << END
*@example.com rsa1._domainkey.example.com
*@example.com ed1._domainkey.example.com
END
# RequireSafeKeys: the folder of this demo is below one where everybody may write.
cat > "$DIR/signpostd.conf" << END
Syslog no
SyslogSuccess yes
Mode s
Socket local:$DIR/socket
KeyTable file:$DIR/KeyTable
SigningTable refile:$DIR/SigningTable
MultipleSignatures yes
Canonicalization relaxed/simple
OversignHeaders From
RequireSafeKeys no
END
cat "$DIR/signpostd.conf"

step "3. signpostd -n opens all of it, the keys too, and says whether it is good."
"$BUILD/signpostd" -n -x "$DIR/signpostd.conf"
echo "It is. And with a key that is not there:"
sed 's|ed1.private|ed2.private|' "$DIR/KeyTable" > "$DIR/KeyTable.bad"
if "$BUILD/signpostd" -n -x /dev/stdin 2>&1 << END
Mode s
KeyTable file:$DIR/KeyTable.bad
SigningTable refile:$DIR/SigningTable
RequireSafeKeys no
END
then
	fail "a missing key was not noticed"
fi

step "4. The daemon starts in the foreground."
"$BUILD/signpostd" -f -x "$DIR/signpostd.conf" > "$DIR/log" 2>&1 &
DAEMON=$!
# shellcheck disable=SC2016
wait_for '[ -S "$DIR/socket" ]' "no socket after ten seconds"
echo "ready on local:$DIR/socket"

step "5. Alice sends a message; the MTA asks the daemon about it."
printf '%s\r\n' 'From: Alice <alice@example.com>' 'To: Bob <bob@example.net>' \
    'Subject: Signpost shows the way' 'Date: Thu, 01 Jan 2026 12:00:00 +0000' \
    'Message-ID: <demo.1@example.com>' 'MIME-Version: 1.0' 'Content-Type: text/plain' '' \
    'Dear Bob,' '' 'this message is signed twice.' '' 'Alice' > "$DIR/message"
send "$DIR/signed"
echo "The message as it leaves:"
sed 's/^/    /' "$DIR/signed"

step "6. A verifier that shares no code with Signpost looks at it."
verify 0 "$DIR/signed" "$DIR/keys/rsa1.txt" "$DIR/keys/ed1.txt"

step "7. The same message with one word changed in the body must not verify."
sed 's/twice/thrice/' "$DIR/signed" > "$DIR/forged"
verify 1 "$DIR/forged" "$DIR/keys/rsa1.txt" "$DIR/keys/ed1.txt"

step "8. The RSA key is replaced by renaming a new file over it: no signal, no restart."
mkdir -m 700 "$DIR/new"
"$BUILD/tools/signpost" genkey -a -D "$DIR/new" -d example.com -s rsa1
mv "$DIR/new/rsa1.private" "$DIR/keys/rsa1.private"
send "$DIR/signed.2"
echo "The next message against the old record, which must fail for RSA,"
verify 1 "$DIR/signed.2" "$DIR/keys/rsa1.txt" "$DIR/keys/ed1.txt"
echo "and against the new one:"
verify 0 "$DIR/signed.2" "$DIR/new/rsa1.txt" "$DIR/keys/ed1.txt"

step "9. A rotation to another selector: a new line in each table, then SIGUSR1 reloads."
"$BUILD/tools/signpost" genkey -a -D "$DIR/keys" -d example.com -s rsa2
echo "rsa2._domainkey.example.com example.com:rsa2:$DIR/keys/rsa2.private" >> "$DIR/KeyTable"
sed 's/rsa1/rsa2/' "$DIR/SigningTable" > "$DIR/SigningTable.new"
mv "$DIR/SigningTable.new" "$DIR/SigningTable"
kill -USR1 "$DAEMON"
# shellcheck disable=SC2016
wait_for 'grep -q "configuration reloaded" "$DIR/log"' "the daemon did not reload"
send "$DIR/signed.3"
grep -o 's=[a-z0-9]*;' "$DIR/signed.3" | sed 's/^/    signed with /'
grep -q 's=rsa2;' "$DIR/signed.3" || fail "the new selector is not used"
verify 0 "$DIR/signed.3" "$DIR/keys/rsa2.txt" "$DIR/keys/ed1.txt"

step "10. SIGTERM: it finishes what it has and ends."
kill -TERM "$DAEMON"
wait "$DAEMON" || fail "the daemon ended with an error"
DAEMON=
echo "What it logged:"
sed 's/^/    /' "$DIR/log"

step "11. The same with a key store: two tenants, and keys that are sealed."
"$BUILD/tools/signpost" store sitekey new "$DIR/site.key"
cat > "$DIR/store.conf" << END
Syslog no
SyslogSuccess yes
Mode s
Socket local:$DIR/socket
KeyStore sqlite:$DIR/store.db
KeyStorePollInterval 1
SiteKeyFile $DIR/site.key
RequireSafeKeys no
END
"$BUILD/tools/signpost" store init -x "$DIR/store.conf"
cat > "$DIR/list" << END
tenant acme
domain acme example.com subdomains=yes
key acme example.com rsa2 $DIR/keys/rsa2.private active=now
binding listener:demo acme
tenant other
domain other example.org
key other example.org ed1 $DIR/keys/ed1.private active=now
END
sed 's/^/    /' "$DIR/list"
"$BUILD/tools/signpost" store load -x "$DIR/store.conf" "$DIR/list"
"$BUILD/tools/signpost" store check -x "$DIR/store.conf"

step "12. What would sign for whom? A session of acme, and two senders."
"$BUILD/tools/signpost" resolve -x "$DIR/store.conf" --listener=demo alice@sales.example.com
if "$BUILD/tools/signpost" resolve -x "$DIR/store.conf" --listener=demo eve@example.org; then
	fail "a session signs for another tenant"
fi

step "13. The daemon reads the store; the session of the MTA's listener speaks for acme."
"$BUILD/signpostd" -f -x "$DIR/store.conf" > "$DIR/log" 2>&1 &
DAEMON=$!
# shellcheck disable=SC2016
wait_for '[ -S "$DIR/socket" ]' "no socket after ten seconds"
send "$DIR/signed.4"
verify 0 "$DIR/signed.4" "$DIR/keys/rsa2.txt"
sed 's/@example.com/@example.org/' "$DIR/message" > "$DIR/foreign"
send "$DIR/unsigned" "$DIR/foreign"
! grep -qi '^dkim-signature' "$DIR/unsigned" || fail "a session signed for another tenant"
echo "As example.org, which is another tenant's, the same session got no signature:"
grep 'may not send' "$DIR/log" | sed 's/^/    /'

step "14. The key rotates in the store: one line retires, one begins, in one transaction."
cat > "$DIR/list" << END
key acme example.com rsa2 $DIR/keys/rsa2.private active=now retiring=now
key acme example.com rsa1 $DIR/keys/rsa1.private active=now
END
"$BUILD/tools/signpost" store load --strict -x "$DIR/store.conf" "$DIR/list"
# shellcheck disable=SC2016
wait_for 'send "$DIR/signed.5"; grep -q "s=rsa1;" "$DIR/signed.5"' "the new key does not sign"
verify 0 "$DIR/signed.5" "$DIR/new/rsa1.txt"
kill -TERM "$DAEMON"
wait "$DAEMON" || fail "the daemon ended with an error"
DAEMON=

step "Done. README says how to use it with Postfix and Sendmail."
