#!/bin/sh
# All tests, one stage after the other, their sum, and last, so that the end of a log tells what
# to mend, the failures once more. usage: check.sh MAKE
cd "$(dirname "$0")/.." || exit 1
make=${1:-make}
passed=0
failed=0
log=$(mktemp)
failures=$(mktemp)
trap 'rm -f "$log" "$failures"' EXIT

# stage NAME COMMAND...: its last line is "N passed, N failed"; anything else is a failure. Before
# it "--- failed: NAME: WHY" and indented lines, for each that failed.
stage() {
	name=$1
	shift
	echo "== $name"
	start=$(date +%s)
	if ! { "$@" 2>&1; echo "status $?"; } | tee "$log" | grep -v '^status [0-9]*$'; then :; fi
	status=$(sed -n 's/^status //p' "$log" | tail -n 1)
	sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	if [ -n "$sum" ]; then
		passed=$((passed + $(echo "$sum" | cut -d' ' -f1)))
		failed=$((failed + $(echo "$sum" | cut -d' ' -f3)))
	fi
	if [ "$status" != 0 ] || [ -z "$sum" ]; then
		echo "== $name: FAILED (exit status $status)"
		keep_failures
		case $sum in *" 0 failed"* | "") failed=$((failed + 1)) ;; esac
	fi
	echo "== $name: $(($(date +%s) - start)) s"
}

# what the stage says of its failures; of one that says nothing, the end
keep_failures() {
	if grep -q '^--- failed: ' "$log"; then
		awk '/^--- failed: / { on = 1 } on && /^[0-9]+ passed, |^status / { on = 0 } on' "$log" >>"$failures"
	else
		echo "--- failed: $name: exit status $status" >>"$failures"
		grep -v '^status ' "$log" | tail -n 11 | sed 's/^/    /' >>"$failures"
	fi
}

# each failure with as many lines as fit all of them into some thirty, then their names
tell_failures() {
	each=$((30 / $(grep -c '^--- failed: ' "$failures")))
	awk -v each="$each" '/^--- failed: / { n = 0 } n++ < each && n <= 12 { print substr($0, 1, 240) }' "$failures"
	echo
	echo "$passed passed, $failed failed:"
	sed -n 's/^--- failed: \(.\{1,160\}\).*/    \1/p' "$failures" | head -n 24
}

run_make() { "$make" --no-print-directory -s "$@"; }
asan='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'

run_make programs CFLAGS="-g -Werror" || exit 1
stage layers tests/layers.sh
stage documentation run_make docs
stage "accuracy of the shipped rules" python3 tests/corpus/accuracy.py --nixie build/bin/nixie --check tests/corpus/accuracy.md
stage "unit tests (AddressSanitizer, UndefinedBehaviorSanitizer)" run_make unit SANITIZE="$asan" OPTIMIZE=-O1 BUILD=build-asan CFLAGS="-g -Werror"
run_make build-asan/bin/nixie-policyd SANITIZE="$asan" OPTIMIZE=-O1 BUILD=build-asan CFLAGS="-g -Werror"
stage "policy service under load (the same sanitizers)" python3 tests/e2e/run.py --bin build-asan/bin -k Properties.test_one_answer -k UnderLoad
stage "fuzz targets over their seeds" run_make fuzz-seeds
stage "end to end" run_make e2e
echo
echo "$passed passed, $failed failed"
[ ! -s "$failures" ] || tell_failures
[ $failed = 0 ]
