#!/bin/sh
# All tests, one stage after the other, and their sum. usage: check.sh MAKE
cd "$(dirname "$0")/.." || exit 1
make=${1:-make}
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# stage NAME COMMAND...: its last line is "N passed, N failed"; anything else is a failure
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
		case $sum in *" 0 failed"* | "") failed=$((failed + 1)) ;; esac
	fi
	echo "== $name: $(($(date +%s) - start)) s"
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
[ $failed = 0 ]
