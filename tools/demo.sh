#!/bin/sh
# demo.sh BUILD - shows the main job of Signpost on one message: two keys, a daemon, a milter
# conversation as an MTA has it, and a verifier that is not ours. ./setup demo calls it.
# It needs no root and no MTA, listens on a socket in its own folder, and leaves nothing behind.
set -eu

BUILD=${1:?usage: demo.sh BUILD}
SOURCE=$(cd "$(dirname "$0")/.." && pwd)
PYTHON3=${PYTHON3:-python3}
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

step "3. The daemon starts in the foreground."
[ -x "$BUILD/signpostd" ] || {
	echo "demo: there is no $BUILD/signpostd; build it first" >&2
	exit 1
}
"$BUILD/signpostd" -f -x "$DIR/signpostd.conf" > "$DIR/log" 2>&1 &
DAEMON=$!
tries=0
until [ -S "$DIR/socket" ]; do
	tries=$((tries + 1))
	kill -0 "$DAEMON" 2> /dev/null || { echo "demo: the daemon ended at once" >&2; exit 1; }
	[ $tries -lt 100 ] || { echo "demo: no socket after ten seconds" >&2; exit 1; }
	sleep 0.1
done
echo "ready on local:$DIR/socket"

step "4. Alice sends a message; the MTA asks the daemon about it."
printf '%s\r\n' 'From: Alice <alice@example.com>' 'To: Bob <bob@example.net>' \
    'Subject: Signpost shows the way' 'Date: Thu, 01 Jan 2026 12:00:00 +0000' \
    'Message-ID: <demo.1@example.com>' 'MIME-Version: 1.0' 'Content-Type: text/plain' '' \
    'Dear Bob,' '' 'this message is signed twice.' '' 'Alice' > "$DIR/message"
"$PYTHON3" "$SOURCE/tools/demo_milter.py" "local:$DIR/socket" < "$DIR/message" > "$DIR/signed"
echo "The message as it leaves:"
sed 's/^/    /' "$DIR/signed"

step "5. A verifier that shares no code with Signpost looks at it."
"$PYTHON3" "$SOURCE/tools/demo_verify.py" "$DIR/keys/rsa1.txt" "$DIR/keys/ed1.txt" < "$DIR/signed"

step "6. The same message with one word changed in the body must not verify."
sed 's/twice/thrice/' "$DIR/signed" > "$DIR/forged"
if "$PYTHON3" "$SOURCE/tools/demo_verify.py" "$DIR/keys/rsa1.txt" "$DIR/keys/ed1.txt" \
    < "$DIR/forged" > "$DIR/forged.result"; then
	if grep -q 'not installed' "$DIR/forged.result"; then
		cat "$DIR/forged.result"
	else
		echo "demo: the forged message verified" >&2
		exit 1
	fi
else
	cat "$DIR/forged.result"
fi

step "Done. README says how to use it with Postfix and Sendmail."
