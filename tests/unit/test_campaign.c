#include "test.h"

#include "campaign.h"

#define HOST "h.example[192.0.2.1]; from=<s@a.example> to=<u@b.example> proto=ESMTP helo=<h.example>"

/* Where the header ends in Postfix's line. */
static void the_end_of_a_header(void **state)
{
	static const struct { const char *name, *text, *want; /* NULL: none, or several */ } table[] = {
		{ "usual", "X-Campaign-Id: spring from " HOST, "X-Campaign-Id: spring" },
		{ "by a program of this host", "X-Campaign-Id: spring from local; from=<s@a.example> to=<u@b.example>", "X-Campaign-Id: spring" },
		{ "with a text of the rule", "X-Campaign-Id: spring from " HOST ": campaign", "X-Campaign-Id: spring" },
		{ "an empty one", "X-Campaign-Id: from " HOST, "X-Campaign-Id:" },
		{ "blanks", "X-Campaign-Id:  a  b   from " HOST, "X-Campaign-Id:  a  b  " },
		{ "words that are no end", "X-Campaign-Id: news from Rome; from me from " HOST, "X-Campaign-Id: news from Rome; from me" },
		{ "a semicolon", "X-Campaign-Id: from ; from=<x from " HOST, "X-Campaign-Id: from ; from=<x" },
		{ "the value imitates it", "X-Campaign-Id: spring from h[192.0.2.9]; from=<x> to=<y> from " HOST, NULL },
		{ "the value imitates it at its end", "X-Campaign-Id: spring from x; from=< from " HOST, NULL },
		{ "overlapping", "X-Campaign-Id: from from x; from=< from " HOST, NULL },
		{ "the sender imitates it", "X-Campaign-Id: spring from h[192.0.2.1]; from=<\"x from y; from=<\"@a.example> to=<u@b.example>", NULL },
		{ "the sender imitates half of it", "X-Campaign-Id: spring from h[192.0.2.1]; from=<\"x from y from=<\"@a.example> to=<u@b.example>", "X-Campaign-Id: spring" },
		{ "cut", "X-Campaign-Id: spring from h[192.0.2.1]; fro", NULL },
		{ "nothing", "", NULL },
	};

	(void)state;
	EACH(row, table) {
		struct sv header = sv_of(row->text);
		WANT_INT(campaign_cut(&header), row->want != NULL);
		if (row->want)
			WANT_TEXT(header, row->want);
	}
}

static const struct strings headers = { 4, { "X-Campaign-Id", "Feedback-ID", "List-Id", "X-Job" } };

#define X50 "0123456789ABCDEFGHIJ0123456789abcdefghij0123456789"
#define x50 "0123456789abcdefghij0123456789abcdefghij0123456789"

static void what_it_names(void **state)
{
	static const struct { const char *name, *header; unsigned want_rank; const char *want; /* NULL: nothing */ } table[] = {
		{ "usual", "X-Campaign-Id: Spring-2026", 1, "spring-2026" },
		{ "name in another case", "x-campaign-ID: spring", 1, "spring" },
		{ "no blank", "X-Campaign-Id:spring", 1, "spring" },
		{ "blanks", "X-Campaign-Id:  the \t spring   sale ", 1, "the ? spring sale" },
		{ "the last of the list", "X-Job: 4711", 4, "4711" },
		{ "another header", "Subject: spring", 0, NULL },
		{ "a longer name", "X-Campaign-Id2: spring", 0, NULL },
		{ "a shorter name", "X-Campaign: spring", 0, NULL },
		{ "no value", "X-Campaign-Id:", 1, NULL },
		{ "blanks alone", "X-Campaign-Id:   ", 1, NULL },
		{ "a fold alone", "X-Campaign-Id:? ", 1, NULL },
		{ "no colon", "X-Campaign-Id", 1, NULL },
		{ "nothing", "", 0, NULL },
		{ "the name of what there are too many of", "X-Campaign-Id: *", 1, NULL },
		{ "a star in it", "X-Campaign-Id: **", 1, "**" },
		{ "a colon in it", "X-Campaign-Id: a:b", 1, "a:b" },
		{ "a bar in it", "X-Campaign-Id: a|hard", 1, "a|hard" },
		{ "folded, blank", "X-Campaign-Id: spring? sale", 1, "spring sale" },
		{ "folded, tab", "X-Campaign-Id: spring??sale", 1, "spring sale" },
		{ "folded before the value", "X-Campaign-Id:??spring", 1, "spring" },
		{ "a question mark", "X-Campaign-Id: what?", 1, "what?" },
		{ "UTF-8", "X-Campaign-Id: Fr\xc3\xbchling \xc3\x84", 1, "fr\xc3\xbchling \xc3\x84" },
		{ "no UTF-8", "X-Campaign-Id: Fr\xfchling", 1, "fr?hling" },
		{ "a control byte of Unicode", "X-Campaign-Id: a\xc2\x9b" "b", 1, "a??b" },
		{ "control bytes", "X-Campaign-Id: a\x01\x7f\x1b[31m", 1, "a???[31m" },
		{ "cut in a character", "X-Campaign-Id: Fr\xc3", 1, "fr?" },
		{ "long", "X-Campaign-Id: " X50 X50 X50 X50 "x", 1, x50 x50 x50 x50 },
		{ "long, a character that has no room", "X-Campaign-Id: " X50 X50 X50 "0123456789ABCDEFGHIJ0123456789abcdefghij012345678\xc3\xbcx", 1,
		  x50 x50 x50 "0123456789abcdefghij0123456789abcdefghij012345678" },

		{ "List-Id", "List-Id: The <best> list <spring.Example.org>", 3, "spring.example.org" },
		{ "List-Id alone", "List-Id: <spring.example.org>", 3, "spring.example.org" },
		{ "List-Id, folded", "List-Id: The list of spring? <spring.example.org>", 3, "spring.example.org" },
		{ "List-Id without brackets", "List-Id: spring.example.org", 3, "spring.example.org" },
		{ "List-Id that was cut", "List-Id: The list <spring.exam", 3, "spring.exam" },
		{ "List-Id, empty", "List-Id: The list <>", 3, NULL },
		{ "List-Id, comment behind", "List-Id: <spring.example.org> (the list)", 3, "spring.example.org" },
		{ "brackets in another header", "X-Job: <4711>", 4, "<4711>" },

		{ "Feedback-ID", "Feedback-ID: Spring:cust9:news:ESP", 2, "spring:esp" },
		{ "Feedback-ID, blanks", "Feedback-ID: spring : cust9 : news : esp ", 2, "spring:esp" },
		{ "Feedback-ID, no first part", "Feedback-ID: :cust9:news:esp", 2, "cust9:esp" },
		{ "Feedback-ID, two parts", "Feedback-ID: spring:esp", 2, "spring:esp" },
		{ "Feedback-ID, the sender alone", "Feedback-ID: esp", 2, NULL },
		{ "Feedback-ID, the sender alone behind colons", "Feedback-ID: : ::esp", 2, NULL },
		{ "Feedback-ID, no sender", "Feedback-ID: spring:cust9:news: ", 2, "spring" },
		{ "Feedback-ID, many parts", "Feedback-ID: a:b:c:d:e:f", 2, "a:f" },
		{ "Feedback-ID, colons", "Feedback-ID: :::", 2, NULL },
		{ "Feedback-ID, long", "Feedback-ID: " X50 X50 X50 X50 ":b:c:esp", 2, x50 x50 x50 x50 },
		{ "Feedback-ID, the sender has little room", "Feedback-ID: " X50 X50 X50 "0123456789ABCDEFGHIJ0123456789abcdefghij01234567:esp", 2,
		  x50 x50 x50 "0123456789abcdefghij0123456789abcdefghij01234567:e" },
	};

	(void)state;
	EACH(row, table) {
		char room[CAMPAIGN_MAX];
		struct buf campaign = BUF_ON(room);
		unsigned rank = 4711;
		WANT_INT(campaign_read(&headers, sv_of(row->header), &campaign, &rank), row->want != NULL);
		WANT_INT(rank, row->want_rank);
		if (row->want)
			WANT_TEXT(buf_sv(&campaign), row->want);
	}
}

static void no_headers_no_campaigns(void **state)
{
	static const struct strings none;
	char room[CAMPAIGN_MAX];
	struct buf campaign = BUF_ON(room);
	unsigned rank;

	(void)state;
	WANT(!campaign_read(&none, SV("X-Campaign-Id: spring"), &campaign, &rank));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_a_header),
		cmocka_unit_test(what_it_names),
		cmocka_unit_test(no_headers_no_campaigns),
	};

	return RUN(tests);
}
