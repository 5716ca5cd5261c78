#include "test.h"

#include "plain.h"

static struct arena arena;

static const struct { const char *name, *html, *want; } table[] = {
	{ "nothing", "", "" },
	{ "no markup", "550 no such user", "550 no such user\n" },
	{ "tags and blanks", " <b>no</b>  such\n\t<i class=\"x\">user</i> ", "no such user\n" },
	{ "words that tags part", "mail<b>box</b>", "mailbox\n" },
	{ "blocks end lines", "<html><body><div>a</div><div>b<div>c</div></div></body></html>", "a\nb\nc\n" },
	{ "paragraphs are an empty line apart", "<P>a</P>\n<p>b<h1>c</h1>d", "a\n\nb\n\nc\n\nd\n" },
	{ "line breaks", "a<br>b<br />\nc<br><br><br>d<BR>", "a\nb\nc\n\nd\n" },
	{ "a table", "<table><tr><td>To:</td><td>a@x.example</td></tr><tr><th>Why<td>550 no</table>.", "To: a@x.example\nWhy 550 no\n\n.\n" },
	{ "what nobody sees", "<head><title>t</title><style>a > b { c }</style></head>a<script>x = '</p>'; if (a < b) </SCRIPT>b<!-- <p>no</p> -- > -->c", "abc\n" },
	{ "comments of Word", "a<!--[if gte mso 9]><xml>no</xml><![endif]-->b<![if !x]>c<![endif]><?xml version=\"1.0\"?>d<!---->e<!-->f", "abcdef\n" },
	{ "doctype", "<!DOCTYPE html PUBLIC \"-//W3C//DTD\">\na", "a\n" },
	{ "entities", "&lt;a&commat;x.example&gt; &amp;amp; &quot;&apos;&#39;&#x27;&#X27; &uuml;&Uuml;&szlig;&yuml;&euro;", "<a@x.example> &amp; \"''''" " \xc3\xbc\xc3\x9c\xc3\x9f\xc3\xbf\xe2\x82\xac\n" },
	{ "blanks that do not break", "a&nbsp;&#160; &#xa0;\xc2\xa0" "b&nbsp;<br>&nbsp;c&#10;d", "a b\nc d\n" },
	{ "no entities", "a & b && &; &x; &lt &#; &#x; &#12345678; &#-1; &nosuchentity; &", "a & b && &; &x; &lt &#; &#x; &#12345678; &#-1; &nosuchentity; &\n" },
	{ "characters that are none", "&#0;&#27;&#128;&#x9f;&#xd800;&#1114112;", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n" },
	{ "addresses that nobody escaped", "<p><user.name+x@x.example>: 550 no</p><mailto:a@b>", "<user.name+x@x.example>: 550 no\n\n<mailto:a@b>\n" },
	{ "less than", "1 < 2 <3 <= 4 <> </> <-", "1 < 2 <3 <= 4 <> </> <-\n" },
	{ "quotes within tags", "<a title=\"a > b\" href='x>y'>c</a>", "c\n" },
	{ "a quote that is not closed", "<a href=\"x>b</a> c", "b c\n" },
	{ "a tag that is not closed", "a<b", "a<b\n" },
	{ "nor that", "a<b c", "a\n" },
	{ "a comment that is not closed", "a<!-- b", "a\n" },
	{ "a script that is not closed", "a<script>b</b>", "a\n" },
	{ "as it is written", "x<pre>  a  b\n  c\n\n\n\nd</pre>e\nf", "x\n\na b\nc\n\nd\n\ne f\n" },
	{ "other scripts", "<p>\xe9\x80\x80\xe4\xbf\xa1</p>", "\xe9\x80\x80\xe4\xbf\xa1\n" },
};

static void texts(void **state)
{
	(void)state;
	EACH(row, table) {
		WANT_TEXT(plain_of_html(&arena, sv_of(row->html)), row->want);
		arena_reset(&arena);
	}
	arena_free(&arena);
}

/* Of each of these so much that what is not linear in it takes minutes; and what comes out is never longer. */
static void hostile(void **state)
{
	static const struct { const char *name, *piece; } pieces[] = { { "less than", "<" }, { "tags that begin", "<a" }, { "with a blank", "<a " }, { "quotes", "<a \"" },
		{ "both", "<a \"' >" }, { "one and the other", "<a '><b \">" }, { "comments", "<!--" }, { "scripts", "<script>" }, { "their ends", "<script></" }, { "declarations", "<!" },
		{ "ampersands", "&" }, { "entities", "&yuml;" }, { "numbers", "&#1;" }, { "breaks", "<p>a" }, { "short ones", "<p>" }, { "ends", "</" }, { "cells", "a<td>" } };
	static char room[1024 * 1024];

	(void)state;
	EACH(row, pieces) {
		struct buf b = BUF_ON(room);
		while (!b.full)
			buf_add(&b, sv_of(row->piece));
		WANT(plain_of_html(&arena, buf_sv(&b)).n <= b.n + 1);
		arena_reset(&arena);
	}
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(hostile),
	};

	return RUN(tests);
}
