# shellcheck shell=sh disable=SC2154
# The DNS of the demo, read by demo.sh: Knot, which has the root and two zones and takes updates that are
# signed with a key (TSIG), and unbound, the resolver of all the world. Both listen on an address that
# nobody else has, 127.x.y.z made of our process id, and on ports of the kernel's.

# zone NAME TTL_OF_NO - the head of a zone whose name server is Knot; "there is none" is kept so many seconds.
# shellcheck disable=SC2016
zone() {
	printf '$ORIGIN %s\n$TTL 2\n@ SOA ns hostmaster 1 3600 600 86400 %s\n@ NS ns\nns A %s\n' \
	    "$1" "$2" "$ADDRESS"
}

delegation() {
	printf '%s. NS ns.%s.\nns.%s. A %s\n' "$1" "$1" "$1" "$ADDRESS"
}

# Before anything: the address, and the ports of both.
dns_address() {
	ADDRESS=127.$((64 + $$ / 65536 % 64)).$(($$ / 256 % 256)).$(($$ % 256))
	# shellcheck disable=SC2046
	set -- $("$PYTHON3" "$HERE/ports.py" "$ADDRESS" 2)
	KNOT_PORT=${1:?}
	UNBOUND_PORT=${2:?}
}

knot_write() {
	{ zone . 3600 && delegation example.com && delegation example.net; } > root.zone
	zone example.com. 3 > example.com.zone
	{ zone example.net. 3600 && cat old/mail.txt; } > example.net.zone
	cat > knot.conf << END
server:
    rundir: "$DIR"
    listen: $ADDRESS@$KNOT_PORT
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: "$DIR"
control:
    listen: "$DIR/knot.sock"
key:
  - id: signpost
    algorithm: hmac-sha256
    secret: $(cat tsig)
acl:
  - id: signpost
    key: signpost
    action: update
    update-type: TXT
zone:
  - domain: .
    file: "$DIR/root.zone"
  - domain: example.net
    file: "$DIR/example.net.zone"
  - domain: example.com
    file: "$DIR/example.com.zone"
    acl: signpost
    zonefile-sync: -1
END
}

unbound_write() {
	cat > unbound.conf << END
server:
    directory: "$DIR"
    chroot: ""
    username: ""
    pidfile: ""
    logfile: ""
    use-syslog: no
    num-threads: 1
    interface: $ADDRESS@$UNBOUND_PORT
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    module-config: "iterator"
    so-rcvbuf: 0
remote-control:
    control-enable: no
END
	for name in . example.com example.net; do
		printf 'stub-zone:\n    name: "%s"\n    stub-addr: %s@%s\n' "$name" "$ADDRESS" "$KNOT_PORT"
	done >> unbound.conf
}

# Debian's AppArmor lets /usr/sbin/unbound read nothing but its own folders; a copy is not meant.
unbound_copy() {
	UNBOUND=$DIR/unbound
	cp "$(command -v unbound)" "$UNBOUND"
	"$UNBOUND" -V > /dev/null 2>&1 || UNBOUND=unbound # such as when nothing in /tmp may be run
}

answers() {
	[ -n "$(dig +short +tries=1 +time=1 "@$ADDRESS" -p "$1" SOA "$2")" ]
}

dns_start() {
	head -c 32 /dev/urandom | base64 > tsig
	chmod 600 tsig
	knot_write
	unbound_write
	unbound_copy
	start knot knotd -c "$DIR/knot.conf"
	start unbound "$UNBOUND" -d -c "$DIR/unbound.conf"
	wait_for "Knot" "answers $KNOT_PORT ."
	wait_for "example.com at Knot" "answers $KNOT_PORT example.com"
	wait_for "unbound" "answers $UNBOUND_PORT example.com"
}
