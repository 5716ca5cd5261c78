#!/bin/sh
# Runs the test programs given as arguments, shows what those that fail have to
# say, then of each failure its essence, and sums up: "N passed, N failed". A program
# that crashes, or that fails after its last test (a leak), counts as one more failure.
passed=0
failed=0
log=$(mktemp) || exit 2
essences=$(mktemp) || exit 2
trap 'rm -f "$log" "$essences"' EXIT

# essence PROGRAM: of each test what was said before its "not ok" and right behind it; of a crash
# from the sanitizer's own words on
essence() {
	grep -v '^ok [0-9]\|^1\.\.[0-9]\|^# not ok\|^=*$' "$log" | awk -v program="${1##*/}" '
		function tell(i) {
			print "--- failed: " program (name == "" ? "" : "." name) ": " substr(n ? said[0] : "no reason", 1, 200)
			for (i = 1; i < n && i < 12; i++)
				print "    " substr(said[i], 1, 200)
			n = 0
			name = ""
		}
		name != "" && !/^# / { tell() }
		/^not ok [0-9]+ - / { name = $5; next }
		/^==[0-9]+==ERROR/ { n = 0 }
		{ said[n++] = $0 }
		END { if (name != "" || n) tell() }'
}

for program; do
	CMOCKA_MESSAGE_OUTPUT=TAP "$program" >"$log" 2>&1
	status=$?
	ok=$(grep -c '^ok [0-9]' "$log")
	bad=$(grep -c '^not ok [0-9]' "$log")
	planned=$(sed -n 's/^1\.\.\([0-9][0-9]*\)$/\1/p' "$log" | head -n 1)
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ "$((ok + bad))" -ne "${planned:-0}" ]; then
		bad=$((bad + 1))
		echo "exit status $status after $((ok + bad - 1)) of ${planned:-no} tests" >>"$log"
	fi
	if [ "$bad" -ne 0 ]; then
		echo "--- $program"
		grep -v '^ok [0-9]' "$log"
		essence "$program" >>"$essences"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
done

cat "$essences"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -ne 0 ]
