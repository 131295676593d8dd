#!/bin/sh
# Replays the seeds of every fuzz target and runs some mutations of them; prints TAP.
# With targets linked with libFuzzer (configure --enable-fuzzers) each runs FUZZ_SECONDS instead; an
# input that breaks one is kept in BUILDDIR/fuzz-findings/. The mutations are the same each time, as far
# as a run gets, so that a change is to blame for what is new; FUZZ_SEED=0 draws others.
findings=$BUILDDIR/fuzz-findings
count=0
failed=0
for target in $FUZZ_TARGETS; do
	count=$((count + 1))
	name=$(basename "$target" | sed 's/^fuzz_//')
	log=$(mktemp)
	if "$BUILDDIR/$target" -help=1 2>&1 | grep -q libFuzzer; then
		corpus=$(mktemp -d)
		mkdir -p "$findings"
		"$BUILDDIR/$target" -max_total_time="${FUZZ_SECONDS:-5}" -seed="${FUZZ_SEED:-1}" -close_fd_mask=1 \
		    -artifact_prefix="$findings/$name-" "$corpus" "$SRCDIR/tests/fuzz/seeds/$name" > "$log" 2>&1
		status=$?
		rm -rf "$corpus"
	else
		"$BUILDDIR/$target" "$SRCDIR/tests/fuzz/seeds/$name" > "$log" 2>&1
		status=$?
	fi
	if [ $status -eq 0 ]; then
		echo "ok $count - $name: $(tail -n 1 "$log" | cut -c 1-100)"
	else
		echo "not ok $count - $name"
		sed 's/^/# /' "$log" | tail -n 60
		failed=1
	fi
	rm -f "$log"
done
echo "1..$count"
exit $failed
