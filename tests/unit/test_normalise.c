/* normalise: replies of one kind come out the same. */
#include "test.h"

#include "normalise.h"

static void what_differs_is_taken_out(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "nothing", "", "" },
		{ "code and status", "550 5.7.9 flux capacitor", "550 5.7.9 flux capacitor" },
		{ "as Postfix logs it", "host mx.example.com[192.0.2.1] said: 550 flux (in reply to RCPT TO command)", "550 flux" },
		{ "an address", "550 <user.name+tag@example.com>: flux", "550 <{addr}>: flux" },
		{ "an address at the end of a sentence", "550 no u@example.com. Bye", "550 no {addr}. Bye" },
		{ "IPv4", "554 client [192.0.2.1] flux", "554 client [{ip}] flux" },
		{ "IPv6 without letters", "554 client [2001::1:2] flux", "554 client [{ip}] flux" },
		{ "IPv6", "554 client [2001:db8::1] flux", "554 client [{ip}] flux" },
		{ "a host", "550 go to mx1.example.com now", "550 go to {host} now" },
		{ "a URL", "550 see https://example.com/a?b=c#d now", "550 see {url}?b=c#d now" },
		{ "numbers", "452 result 17 of 18, again", "452 result {n} of {n}, again" },
		{ "an id", "550 flux (a1b2c3d4e5) gone", "550 flux ({id}) gone" },
		{ "a short word with a digit", "550 use smtp2 x", "550 use smtp2 x" },
		{ "sentences", "550 flux. Capacitor: gone.", "550 flux. Capacitor: gone." },
		{ "a time", "451 at 12:30:01 flux", "451 at {n} flux" },
		{ "UTF-8", "550 Empf\xc3\xa4nger flux", "550 Empf\xc3\xa4nger flux" },
		{ "controls", "550 a\x1b[31mb", "550 a\\x1b[31mb" },
	};

	(void)state;
	EACH(row, table) {
		char room[NORMALISE_MAX];
		struct buf b = BUF_ON(room);
		normalise_failure(sv_of(row->text), &b);
		WANT_TEXT(buf_sv(&b), row->want);
	}
}

static void long_ones_are_cut(void **state)
{
	char text[4000], room[NORMALISE_MAX];
	struct buf b = BUF_ON(room);

	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t i = 5; i < sizeof text; i += 7)
		text[i] = ' ';
	normalise_failure(sv_make(text, sizeof text), &b);
	WANT(b.n <= NORMALISE_MAX && b.n > NORMALISE_MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_differs_is_taken_out),
		cmocka_unit_test(long_ones_are_cut),
	};

	return RUN(tests);
}
