#include "test.h"

#include "retry.h"

static void times(void **state)
{
	static const struct {
		const char *name, *words;
		int64_t want_s;
	} table[] = {
		{ "minutes", "Please try again in 5 minutes", 300 },
		{ "seconds", "4.7.1 Greylisted, retry after 300 seconds", 300 },
		{ "a clock", "Greylisting in action, please come back in 00:04:58", 298 },
		{ "a clock of two", "try again in 04:58", 298 },
		{ "short unit", "wait 15 min", 900 },
		{ "greylisted for", "You have been greylisted for 300 seconds.", 300 },
		{ "an hour", "come back in 1 hour", 3600 },
		{ "an hour in words", "Try again in an hour.", 3600 },
		{ "a minute", "please retry in a minute", 60 },
		{ "glued", "retry in 10min", 600 },
		{ "letters", "try again in 5m30s", 330 },
		{ "two parts", "Please try again after 1 hour and 5 minutes.", 3900 },
		{ "parts with a comma", "try again in 2 hours, 10 minutes", 7800 },
		{ "at least", "Please wait at least 10 minutes before retrying", 600 },
		{ "the other way round", "Rate limit. After 5 minutes, please try again", 300 },
		{ "wait before", "You must wait 60 seconds before sending another message", 60 },
		{ "no unit", "Too many connections, retry after 120", 120 },
		{ "as a header", "Deferred; Retry-After: 120", 120 },
		{ "with =", "greylisted, retry=300 sec", 300 },
		{ "upper case", "TRY AGAIN IN 30 SECONDS", 30 },
		{ "German", "Bitte versuchen Sie es erneut in 5 Minuten", 300 },
		{ "days", "try again in 2 days", 172800 },
		{ "more than a week", "try again in 30 days", RETRY_AFTER_MAX_S },
		{ "far more", "try again in 99999999 weeks", RETRY_AFTER_MAX_S },
		{ "none at all", "try again in 0 seconds", 0 },
		{ "in brackets", "try again later (in 300 seconds)", 300 },

		{ "no time", "Greylisted, please try again later", -1 },
		{ "nothing", "", -1 },
		{ "a span that is not for us to wait", "mailbox over quota for 3 days", -1 },
		{ "a rate", "you have sent 500 messages in 1 hour", -1 },
		{ "a rate in brackets", "try again later (100 messages in 3600 seconds)", -1 },
		{ "a rate in the next sentence", "Try again later. Limit reached in 60 seconds", -1 },
		{ "a timeout", "Connection timed out after 30 seconds", -1 },
		{ "an address", "try again in 192.0.2.1", -1 },
		{ "an article", "try again in a moment", -1 },
		{ "a few", "try again in a few minutes", -1 },
		{ "a number", "try again, attempt 5", -1 },
		{ "a code behind", "try later, then again in 450 4.7.1", -1 },
		{ "a host", "retry after 4.example.com has an address", -1 },
		{ "too many digits", "try again in 99999999999999999999 seconds", -1 },
		{ "ends in the middle", "try again in 5", -1 },
		{ "ends behind the article", "try again in a", -1 },
		{ "ends in a clock", "try again in 00:0", -1 },
		{ "last failure", "failed for a day, no more", -1 },
	};

	(void)state;
	EACH(row, table)
		WANT_INT(retry_after_s(sv_of(row->words)), row->want_s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(times) };

	return RUN(tests);
}
