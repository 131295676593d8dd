#!/bin/sh
# demo.sh BUILD - shows the main job of Signpost: a domain is taken on, its keys are made, published, proven,
# used, and replaced, and no message goes out that cannot be verified. ./setup demo calls it.
# It needs no root and no MTA, and no service of the machine; all that it starts is on loopback, and nothing
# is left behind. Each step is checked: the first that does not do what it says ends the demo with exit
# status 1 and with what the logs say. tools/demo has the parts that are no story.
set -eu

BUILD=$(cd "${1:?usage: demo.sh BUILD}" && pwd)
HERE=$(cd "$(dirname "$0")" && pwd)/demo
PYTHON3=${PYTHON3:-/usr/bin/python3} # for which Debian installs python3-dkim
PATH=$PATH:/usr/sbin:/sbin
umask 077

# shellcheck source=demo/lib.sh
. "$HERE/lib.sh"
# shellcheck source=demo/servers.sh
. "$HERE/servers.sh"

for program in "$BUILD/signpostd" "$BUILD/signpost-admind" "$BUILD/tools/signpost"; do
	[ -x "$program" ] || { echo "demo: there is no $program; build it first" >&2 && exit 1; }
done
for program in knotd unbound dig; do
	command -v $program > /dev/null || { echo "demo: $program is missing; ./setup demo installs it" >&2 && exit 1; }
done

DIR=$(mktemp -d -t signpost-demo.XXXXXX)
trap finish EXIT
trap 'exit 130' INT TERM HUP PIPE
cd "$DIR"

echo "Signpost: a domain from its first key to a rotated one. All is real and on loopback, in $DIR,"
echo "which stands for /etc/signpost. A plan turns months into seconds, so this takes most of a minute."

# Before the name server starts: a key as OpenDKIM has them, for step 9.
mkdir old
"$BUILD/tools/signpost" genkey -D old -d example.net -s mail
dns_address

step "1. An embedded key store, a name server (Knot) that takes signed updates, a resolver (unbound)."
dns_start
echo "knot rfc2136:$ADDRESS:$KNOT_PORT?key=signpost&secretfile=$DIR/tsig" > publishers
cat > signpost-admind.conf << END
KeyStore         sqlite:$DIR/keys.db
SiteKeyFile      $DIR/site.key
DNSPublishers    $DIR/publishers
ProvingResolvers $ADDRESS:$UNBOUND_PORT
ProvingPort      $KNOT_PORT
AdminSocket      $DIR/admin.sock
Syslog           no
RequireSafeKeys  no
END
cat > signpostd.conf << END
KeyStore         sqlite:$DIR/keys.db
SiteKeyFile      $DIR/site.key
Socket           local:$DIR/milter.sock
Mode             s
Canonicalization relaxed/simple
Nameservers      $ADDRESS:$UNBOUND_PORT
GatewayReport    yes
GatewayReportInterval 1
KeyStorePollInterval  1
Syslog           no
SyslogSuccess    yes
RequireSafeKeys  no
END
run 'signpost store sitekey new site.key'
run 'signpost store init'
run 'cat publishers'
echo '$ signpost-admind &'
start signpost-admind "$BUILD/signpost-admind" -c "$DIR/signpost-admind.conf"
wait_for "signpost-admind" '[ -S admin.sock ]'
echo '$ signpostd &'
start signpostd "$BUILD/signpostd" -f -x "$DIR/signpostd.conf"
wait_for "signpostd" '[ -S milter.sock ]'

step "2. A customer, a plan, a domain; and sessions from this machine are the customer's."
cat > plan.json << END
{"manage": true, "publisher": "knot", "algorithms": ["rsa-2048", "ed25519"], "selector": "s{random}",
 "ttl": 2, "negative_floor": 1, "lease": 10, "signature_life": 5, "clock_error": 1, "tombstone": 6,
 "proofs": 2, "proof_interval": 1, "activation_wait": 0, "retry": 1, "retry_max": 2}
END
run 'cat plan.json'
run 'signpost tenant add acme'
run 'signpost policy set --plan plan.json acme standard'
run 'signpost domain add --policy standard example.com acme'
BEGAN=$(date +%s) # for the seconds that moved() prints
run 'echo "binding client:127.0.0.1/32 acme" | signpost store load -'

step "3. Keys are made and published. They do not sign yet: what are they waiting for?"
# Or they are further, on a slow machine.
published() {
	keys
	rsa=$(awk '$2 == "rsa-sha256" && ($8 == "NegativeCaches" || $4 ~ /^(PROVEN|LOADED|ACTIVE)$/) { print $1; exit }' table)
	[ -n "$rsa" ]
}
wait_for "published keys" published
run 'signpost status example.com | tail -n 3'
run "dig @$ADDRESS -p $KNOT_PORT +short TXT $rsa._domainkey.example.com | cut -c 1-80"
grep -q '^"v=DKIM1; k=rsa; p=' output || fail "the key is not in DNS"
cp keys.now keys.before

step "4. When no resolver can remember that there was none: proven, tried, active. Another pair stands by."
ready() {
	moved
	[ "$(in_state ACTIVE | wc -l)" = 2 ] && [ "$(in_state LOADED | wc -l)" = 2 ]
}
wait_for "two active keys and two that stand by" ready

step "5. Alice sends a message. The MTA asks signpostd, and this is what leaves:"
printf '%s\r\n' 'From: Alice <alice@example.com>' 'To: Bob <bob@example.net>' \
    'Subject: Signpost shows the way' 'Date: Thu, 01 Jan 2026 12:00:00 +0000' \
    'Message-ID: <demo.1@example.com>' '' 'Dear Bob,' 'this message is signed twice.' 'Alice' > message
# A gateway hears of new keys within its KeyStorePollInterval.
signed() {
	send before && [ "$(grep -c "^DKIM-Signature" before)" = 2 ]
}
wait_for "a signed message" signed
sed '/^DKIM-Signature: v=1; a=ed/,/^From/d; s/^/    /' before | head -n 3
echo "    ..."
echo "A verifier that shares no code with Signpost, with keys from DNS, before and after a change to the body:"
show_verdict good before
sed 's/twice/thrice/' before > forged
show_verdict bad forged

step "6. Time for new keys. What would happen, and then let it happen."
run 'signpost rotate --dry-run --reason "spring cleaning" example.com'
old=$(in_state ACTIVE)
run 'signpost rotate --reason "spring cleaning" example.com'
BEGAN=$(date +%s) # for the seconds that moved() prints

step "7. Meanwhile mail goes on, each message verified at once, and the one of before again and again."
mails=0
old_ones_are() {
	for selector in $old; do
		in_state "$@" | grep -qx "$selector" || return 1
	done
}
turn() {
	moved
	send mail
	must_verify mail
	mails=$((mails + 1))
	again=good
	verify before || again=bad
	moved
	# It was RETIRING still after it was asked for.
	[ $again = good ] || ! old_ones_are ACTIVE RETIRING || fail "the message of before: $(cat output)"
}
revoked() {
	turn
	old_ones_are REVOKED REMOVING REMOVED DESTROYED
}
wait_for "revocation" revoked
run "dig @$ADDRESS -p $KNOT_PORT +short TXT $(echo "$old" | head -n 1)._domainkey.example.com"
revocation=$(cat output)
keys
[ "$revocation" = '"v=DKIM1; p="' ] || ! old_ones_are REVOKED || fail "the old key is not revoked in DNS"
gone() {
	turn
	old_ones_are DESTROYED && [ "$(in_state LOADED | wc -l)" = 2 ]
}
wait_for "removal of the old keys, and others that stand by" gone
run "dig @$ADDRESS -p $KNOT_PORT +short TXT $(echo "$old" | head -n 1)._domainkey.example.com"
[ ! -s output ] || fail "the record of the old key is still there"
for selector in $old; do
	! grep -q "s=$selector;" mail || fail "the old key still signs"
done
echo "$mails messages were sent meanwhile, all were signed, and all verify."

step "8. Everything as it should be: in the store, where keys are sealed, in DNS, and at the gateway."
run 'signpost status example.com | tail -n 5'
run 'signpost drift | head -n 1'
run 'signpost store check | tail -n 1'

step "9. Coming from OpenDKIM: its configuration, its KeyTable and its SigningTable, unchanged."
echo "mail._domainkey.example.net example.net:mail:$DIR/old/mail.private" > old/KeyTable
echo "*@example.net mail._domainkey.example.net" > old/SigningTable
cat > old/opendkim.conf << END
Syslog no
Mode s
Socket local:$DIR/old.sock
KeyTable file:$DIR/old/KeyTable
SigningTable refile:$DIR/old/SigningTable
RequireSafeKeys no
END
run 'cat old/KeyTable old/SigningTable'
echo '$ signpostd -x old/opendkim.conf &'
start opendkim "$BUILD/signpostd" -f -x "$DIR/old/opendkim.conf"
wait_for "signpostd" '[ -S old.sock ]'
sed 's/alice@example.com/alice@example.net/' message > message.net
send mail message.net old.sock
show_verdict good mail

printf '\nThat is it; nothing of it is left. README says how to go on, doc/ROTATION has the life of keys.\n'
