#!/bin/sh
# The rules of the house about who includes whom, as a test.
#  1. common/ knows nothing of the programs, and they know nothing of each other.
#  2. A third-party header is included by exactly one module.
#  3. Only clock.c asks what time it is.
cd "$(dirname "$0")/.." || exit 1
passed=0
failed=0
says() { # says WHAT FOUND: FOUND must be empty
	if [ -n "$2" ]; then
		printf -- '--- failed: %s\n%s\n' "$1" "$2"
		failed=$((failed + 1))
	else
		passed=$((passed + 1))
	fi
}

for room in policyd logtail ctl; do
	for other in common policyd logtail ctl; do
		[ $room = $other ] && continue
		for header in "$room"/*.h; do
			says "$other includes $header" "$(grep -ln "#include \"\(.*/\)\?$(basename "$header")\"" $other/*.c $other/*.h)"
		done
	done
done

only() { # only HEADER FILE
	says "<$1> is for $2 alone" "$(grep -l "#include <$1>" common/*.[ch] policyd/*.[ch] logtail/*.[ch] ctl/*.[ch] | grep -vx "$2")"
	says "$2 includes <$1>" "$(grep -q "#include <$1>" "$2" || echo missing)"
}
only pcre2.h common/match.c
only hiredis/hiredis.h common/redis.c
only hiredis/read.h common/redis_value.c
only openssl/ssl.h common/tls.c
only openssl/err.h common/tls.c
only libconfig.h common/conffile.c
only idn2.h common/address.c
only gmime/gmime.h common/mail.c
only zlib.h common/unpack.c
only lzma.h common/unpack.c
only zstd.h common/unpack.c
only systemd/sd-journal.h common/journal.c

says "time functions outside clock.c" "$(grep -nE '\b(time|gettimeofday|clock_gettime|localtime|localtime_r|gmtime|gmtime_r|mktime|strftime)\(' \
	common/*.c policyd/*.c logtail/*.c ctl/*.c | grep -v '^common/clock.c:')"
says "store.h speaks of Redis's library" "$(grep -nE 'hiredis|redisReply|HGETALL|EVALSHA' common/store.h)"
says "unsafe string functions" "$(grep -nE '\b(strcpy|strncpy|strtok|gets|vsprintf|ctime|asctime)\(' common/*.c policyd/*.c logtail/*.c ctl/*.c)"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
