#include "test.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailbox.h"
#include "returned.h"
#include "rules.h"

#define CORPUS "tests/corpus/mail"

static struct arena arena;
static struct ruleset *rules;
static struct mail mail;
static struct returned returned;

static void read_bytes(struct sv bytes)
{
	arena_reset(&arena);
	mail_parse(bytes, &arena, &mail);
	returned_read(&mail, ruleset_forms(rules), &arena, &returned);
}

static void add_line(struct buf *b, const char *name, struct sv value)
{
	if (!value.n)
		return;
	buf_addf(b, "%s: ", name);
	buf_add_clean(b, value);
	buf_add_char(b, '\n');
}

static void add_recipient(struct buf *b, const struct returned_recipient *one)
{
	char status[ENHANCED_TEXT_MAX];

	enhanced_format(one->status, status);
	buf_addf(b, "recipient: %s %s final=", returned_action_name(one->action), status);
	buf_add_clean(b, one->final);
	buf_add(b, SV(" original="));
	buf_add_clean(b, one->original);
	buf_add(b, SV(" mta="));
	buf_add_clean(b, one->remote_mta);
	buf_add_char(b, '\n');
	if (!one->diagnostic.n)
		return;
	buf_add(b, SV("diagnostic: "));
	buf_addf(b, "%.*s%s", SV_ARG(one->diagnostic_type), one->diagnostic_type.n ? ": " : "");
	buf_add_clean(b, one->diagnostic);
	buf_add_char(b, '\n');
	if (!sv_eq(one->reply, one->diagnostic))
		add_line(b, "reply", one->reply);
}

/* What was read, in the form of the .want files; of a text its first line. */
static const char *told(void)
{
	static char room[32768];
	struct buf b = BUF_ON(room);
	const struct returned *r = &returned;

	buf_addf(&b, "%s%s%s%s", returned_kind_name(r->kind), r->form ? " " : "", returned_form_name(r->form), r->because.n ? ", by " : "");
	buf_addf(&b, "%.*s\n", SV_ARG(r->because));
	add_line(&b, "id", r->original_id);
	add_line(&b, "envelope", r->envelope_id);
	add_line(&b, "mta", r->reporting_mta);
	if (r->feedback_type.n)
		buf_addf(&b, "feedback: %.*s %.*s %.*s %.*s\n", SV_ARG(r->feedback_type), SV_ARG(r->reported_domain), SV_ARG(r->source_ip), SV_ARG(r->original_from));
	for (size_t i = 0; i < r->n_recipients; i++)
		add_recipient(&b, &r->recipients[i]);
	if (r->redacted)
		buf_add(&b, SV("redacted\n"));
	for (size_t i = 0; i < mail.n_texts; i++) {
		struct sv text = mail.texts[i].text;
		buf_add(&b, mail.texts[i].html ? SV("html: ") : SV("text: "));
		buf_add_clean(&b, sv_cut(&text, '\n'));
		buf_add_char(&b, '\n');
	}
	for (unsigned i = 0; i < MAIL_CUTS; i++)
		if (mail.cut & 1u << i)
			buf_addf(&b, "cut: %s\n", mail_cut_name(i));
	return buf_cstr(&b);
}

/* ---- the corpus ---- */

static struct sv read_file(const char *path)
{
	static char room[65536];
	FILE *from = fopen(path, "r");

	if (!from)
		test_fail("file", "missing", path, __FILE__, __LINE__);
	size_t n = fread(room, 1, sizeof room - 1, from);
	(void)fclose(from);
	room[n] = '\0';
	return sv_make(room, n);
}

static int is_mail(const struct dirent *entry)
{
	return sv_ends_nocase(sv_of(entry->d_name), SV(".eml"));
}

static void corpus(void **state)
{
	struct dirent **names;
	int n = scandir(CORPUS, &names, is_mail, alphasort);
	char path[512];
	int wrong = 0;

	(void)state;
	assert_true(n > 40);
	for (int i = 0; i < n; i++) {
		struct sv name = sv_head(sv_of(names[i]->d_name), strlen(names[i]->d_name) - 4);
		(void)snprintf(path, sizeof path, CORPUS "/%.*s.eml", SV_ARG(name));
		read_bytes(read_file(path));
		(void)snprintf(path, sizeof path, CORPUS "/%.*s.want", SV_ARG(name));
		const char *got = told(), *want = read_file(path).p;
		if (strcmp(got, want) != 0) {
			print_error("%s is\n%swant\n%s", names[i]->d_name, got, want);
			wrong++;
		}
		free(names[i]);
	}
	free(names);
	WANT_INT(wrong, 0);
}

/* ---- what would be too much for a file ---- */

/* Repeats `piece` up to so many bytes, between head and tail. To be freed. */
static struct sv big(const char *head, const char *piece, size_t bytes, const char *tail)
{
	struct buf b = { .size = strlen(head) + bytes + strlen(piece) + strlen(tail) };

	b.p = malloc(b.size);
	assert_non_null(b.p);
	buf_add(&b, sv_of(head));
	while (b.n < strlen(head) + bytes)
		buf_add(&b, sv_of(piece));
	buf_add(&b, sv_of(tail));
	return buf_sv(&b);
}

#define REPORT "From: a@x.example\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"

/* What is left out must not join the lines around it: each of them is within its limit, together they are not. */
static void left_out(void **state)
{
	struct sv dashes = big("", "--\n", 3 * (MAIL_DASHES_MAX + 10), ""), groups = big(" ", "a:", MAIL_LINE_MAX - 8, "\n");

	(void)state;
	struct buf b = { .size = MAIL_BYTES_MAX };
	b.p = malloc(b.size);
	assert_non_null(b.p);
	buf_add(&b, SV("Content-Type: message/rfc822\n\n"));
	buf_add(&b, dashes);
	buf_add(&b, SV("\nAuto-Submitted: no\nTo: a\n"));
	while (!b.full) {
		buf_add(&b, SV("--x: y\n"));
		buf_add(&b, groups);
	}
	read_bytes(buf_sv(&b));
	WANT(mail.cut & MAIL_CUT_PARTS);
	WANT(arena.total < (size_t)16 * 1024 * 1024);
	free(b.p);
	free((void *)(uintptr_t)dashes.p);
	free((void *)(uintptr_t)groups.p);
	arena_free(&arena);
}

static void bounds(void **state)
{
	static const struct { const char *name, *head, *piece; size_t bytes; const char *tail; unsigned cut; enum returned_kind kind; } table[] = {
		{ "a body of 20 MB", REPORT "Final-Recipient: rfc822; a@y.example\nAction: failed\n\n--b\n\n", "twenty million letters\n", 20000000, "--b--\n",
			MAIL_CUT_BYTES | MAIL_CUT_TEXT, RETURNED_DSN },
		{ "one line of 20 MB", "From: a@x.example\n\n", "letters ", 20000000, "", MAIL_CUT_BYTES | MAIL_CUT_LINES, RETURNED_ORDINARY },
		{ "one header of 20 MB", "From: a@x.example\nX: ", "a", 20000000, "", MAIL_CUT_BYTES | MAIL_CUT_LINES, RETURNED_ORDINARY },
		{ "a header that is continued for ever", "Auto-Submitted: auto-replied\nX: a\n", " a\n", 400000, "\n\nx\n", MAIL_CUT_LINES, RETURNED_AUTOREPLY },
		{ "headers without end", "Auto-Submitted: auto-replied\n", "To: a@b\n", 400000, "\n\nx\n", MAIL_CUT_LINES, RETURNED_AUTOREPLY },
		{ "groups in groups", "Auto-Submitted: auto-replied\nTo: ", "a:", 400000, "\n\nx\n", MAIL_CUT_LINES, RETURNED_AUTOREPLY },
		{ "groups in groups, a blank before the colon", "Auto-Submitted: auto-replied\nTo : ", "a:", 400000, "\n\nx\n", MAIL_CUT_LINES, RETURNED_AUTOREPLY },
		{ "the same, folded", "Auto-Submitted: auto-replied\nTo : a\n", " a:\n", 400000, "\n\nx\n", MAIL_CUT_LINES, RETURNED_AUTOREPLY },
		{ "groups in groups, folded", "Auto-Submitted: auto-replied\nTo: a\n", " a:\n", 400000, "\n\nx\n", MAIL_CUT_LINES, RETURNED_AUTOREPLY },
		{ "groups in groups, many", "Auto-Submitted: auto-replied\n", "To: a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:\n", 400000, "\n\nx\n", MAIL_CUT_LINES, RETURNED_AUTOREPLY },
		{ "comments in comments", "Auto-Submitted: auto-replied\nTo: ", "(", 16000, "\n\nx\n", 0, RETURNED_AUTOREPLY },
		{ "parts without end", "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nx\n", 400000, "--b--\n", MAIL_CUT_PARTS, RETURNED_ORDINARY },
		{ "multiparts in multiparts", "Auto-Submitted: auto-replied\nContent-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: multipart/mixed; boundary=b\n\n", 400000, "",
			MAIL_CUT_PARTS | MAIL_CUT_DEPTH, RETURNED_AUTOREPLY },
		{ "messages in messages", "", "Content-Type: message/rfc822\n\n", 400000, "", 0, RETURNED_ORDINARY },
		{ "recipients without end", REPORT, "Final-Recipient: rfc822; a@y.example\nAction: failed\n\n", 400000, "--b--\n", MAIL_CUT_RECIPIENTS, RETURNED_DSN },
		{ "fields without end", REPORT "Final-Recipient: rfc822; a@y.example\nAction: failed\n", "X-More: a\n", 20000, "\n--b--\n", MAIL_CUT_LINES, RETURNED_DSN },
		{ "failed recipients without end", "X-Failed-Recipients: ", "a@y.example, ", 16000, "b@y.example\n\nx\n", 0, RETURNED_DSN },
		{ "a QSBMF without end", "From: a@x.example\n\nHi. This is the x\n\n", "<a@y.example>:\nno\n\n", 400000, "", MAIL_CUT_TEXT | MAIL_CUT_LINES, RETURNED_DSN },
	};

	(void)state;
	EACH(row, table) {
		struct sv bytes = big(row->head, row->piece, row->bytes, row->tail);
		read_bytes(bytes);
		free((void *)(uintptr_t)bytes.p);
		WANT_INT(mail.cut, row->cut);
		WANT_INT(returned.kind, row->kind);
		WANT(returned.n_recipients <= MAIL_RECIPIENTS_MAX);
		WANT(arena.total < (size_t)16 * 1024 * 1024);
	}
	arena_free(&arena);
}

/* ---- values ---- */

static void values(void **state)
{
	struct sv v[3];

	(void)state;
	WANT_TEXT(mail_decode(&arena, SV("=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?b?/A==?= and")), "Gr\xc3\xbc\xc3\x9f" "e\xc3\xbc and");
	WANT_INT(mail_addresses(&arena, SV("A <a@x.example>, list: \"b c\"@y.example, c@z.example;, d@x.example"), v, COUNT(v)), 3);
	WANT_TEXT(v[0], "a@x.example");
	WANT_TEXT(v[1], "\"b c\"@y.example");
	WANT_TEXT(v[2], "c@z.example");
	WANT_INT(mail_addresses(&arena, SV(""), v, COUNT(v)), 0);
	arena_free(&arena);
}

/* ---- mailboxes ---- */

static char directory[64];

static const char *in_directory(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *to = fopen(in_directory(name), "w");

	assert_non_null(to);
	WANT(fputs(text, to) >= 0);
	WANT_INT(fclose(to), 0);
}

/* "where=message|", line ends as "\x0a", errors as "!text|" */
static const char *messages(const char *name)
{
	static char room[4096];
	struct buf b = BUF_ON(room);
	struct err err;
	struct sv bytes;
	struct mailbox *box = mailbox_open(in_directory(name), &err);

	while (box) {
		bool got = mailbox_next(box, &bytes, &err);
		if (!got && !mailbox_failed(box))
			break;
		if (got) {
			buf_add(&b, sv_skip(sv_of(mailbox_where(box)), strlen(directory) + 1));
			buf_add_char(&b, '=');
			buf_add_clean(&b, bytes);
		} else {
			buf_addf(&b, "!%s", err.text);
		}
		buf_add_char(&b, '|');
	}
	if (!box)
		buf_addf(&b, "!%s|", err.text);
	mailbox_close(box);
	return buf_cstr(&b);
}

static void make_directory(void)
{
	(void)snprintf(directory, sizeof directory, "/tmp/nixie-test-mailbox-XXXXXX");
	assert_non_null(mkdtemp(directory));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void remove_directory(void)
{
	WANT_INT(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void make_maildir(void)
{
	static const char *const made[] = { "dir", "dir/new", "dir/cur" };

	make_directory();
	for (size_t i = 0; i < COUNT(made); i++)
		WANT_INT(mkdir(in_directory(made[i]), 0700), 0);
}

static void mailboxes(void **state)
{
	static const struct { const char *name, *text, *want; } files[] = {
		{ "one", "A: b\n\nFrom here\n\nFrom there", "one=A: b\\x0a\\x0aFrom here\\x0a\\x0aFrom there|" },
		{ "empty", "", "empty=|" },
		{ "mbox", "From x Fri Nov 20\nA: b\n\n>From here\n>>From there\nFrom within\n\nFrom y Fri Nov 20\nC: d\n\nx\n",
			"mbox, message 1=A: b\\x0a\\x0aFrom here\\x0a>From there\\x0aFrom within\\x0a\\x0a|mbox, message 2=C: d\\x0a\\x0ax\\x0a|" },
		{ "crlf", "From x Fri Nov 20\r\nA: b\r\n\r\n>From here\r\n\r\nFrom y Fri Nov 20\r\nC: d\r\n",
			"crlf, message 1=A: b\\x0d\\x0a\\x0d\\x0aFrom here\\x0d\\x0a\\x0d\\x0a|crlf, message 2=C: d\\x0d\\x0a|" },
		/* a stranger wrote the length, or the program that filled the box did: nobody knows */
		{ "length", "From x Fri Nov 20\nContent-Length: 1000\n\nx\n\nFrom y Fri Nov 20\nContent-Length: 0\n\ny\n",
			"length, message 1=Content-Length: 1000\\x0a\\x0ax\\x0a\\x0a|length, message 2=Content-Length: 0\\x0a\\x0ay\\x0a|" },
		{ "nothing", "From x", "nothing, message 1=|" },
		{ "nothings", "From x\n\nFrom y\n\nFrom z\n", "nothings, message 1=\\x0a|nothings, message 2=\\x0a|nothings, message 3=|" },
	};

	(void)state;
	make_maildir();
	EACH(row, files) {
		write_file(row->name, row->text);
		WANT_STRING(messages(row->name), row->want);
	}
	WANT_STRING(messages("dir"), "");
	WANT_PART(messages("dir/new"), "no Maildir");
	WANT_PART(messages("none"), "No such file");
	remove_directory();
}

/* What lies in a Maildir and is no message does not stop what is, nor does what cannot be read. */
static void maildirs(void **state)
{
	(void)state;
	make_maildir();
	write_file("dir/new/2.x", "From two");
	write_file("dir/new/1.x", "one");
	write_file("dir/cur/3.x:2,S", "three");
	write_file("dir/new/.hidden", "none");
	WANT_INT(mkdir(in_directory("dir/new/0.directory"), 0700), 0);
	WANT_INT(mkfifo(in_directory("dir/new/0.fifo"), 0600), 0);
	WANT_INT(symlink("/dev/zero", in_directory("dir/new/0.device")), 0);
	WANT_INT(symlink("nowhere", in_directory("dir/new/0.removed")), 0);
	WANT_INT(symlink("1.y", in_directory("dir/new/1.y")), 0);
	WANT_STRING(strstr(messages("dir"), "new/2.x"), "new/2.x=From two|dir/cur/3.x:2,S=three|");
	WANT_PART(messages("dir"), "dir/new/1.x=one|!cannot read ");
	WANT_PART(messages("dir"), "dir/new/1.y: Too many levels");
	char to[512];
	(void)snprintf(to, sizeof to, "%s/elsewhere", directory);
	WANT_INT(rename(in_directory("dir/new"), to), 0);
	WANT_STRING(messages("dir"), "dir/cur/3.x:2,S=three|");
	remove_directory();
}

/* Many more than there are names in memory, and some are gone before they are read. */
static void big_maildir(void **state)
{
	enum { MANY = 10000, STEP = 7919 };
	char path[128], name[64], where[64];
	struct err err;
	struct sv bytes;
	uint64_t done, all, read = 0;

	(void)state;
	make_maildir();
	write_file("one", "");
	for (int i = 0; i < MANY; i++) {
		char from[512];
		(void)snprintf(name, sizeof name, "dir/new/%05d.x", i * STEP % MANY);
		(void)snprintf(from, sizeof from, "%s/one", directory);
		WANT_INT(link(from, in_directory(name)), 0);
	}
	(void)snprintf(path, sizeof path, "%s/dir", directory);
	struct mailbox *box = mailbox_open(path, &err);
	assert_non_null(box);
	for (int i = 0; mailbox_next(box, &bytes, &err); i++, read++) {
		if (i == 10)
			for (int gone = 11; gone < MANY; gone += gone < 100 ? 1 : 1000) {
				(void)snprintf(name, sizeof name, "dir/new/%05d.x", gone);
				WANT_INT(unlink(in_directory(name)), 0);
			}
		while (i > 10 && (i < 100 || (i - 100) % 1000 == 0))
			i++;
		(void)snprintf(where, sizeof where, "dir/new/%05d.x", i);
		WANT_STRING(mailbox_where(box) + strlen(directory) + 1, where);
		mailbox_progress(box, &done, &all);
		WANT(done >= read && done <= all);
		WANT_INT(all, MANY);
	}
	WANT(!mailbox_failed(box));
	WANT_INT(read, MANY - 99);
	mailbox_close(box);
	remove_directory();
}

static void progress(void **state)
{
	struct err err;
	struct sv bytes;
	uint64_t done, all;

	(void)state;
	make_directory();
	write_file("mbox", "From x\nA: b\n\nFrom y\nC: d\n");
	struct mailbox *box = mailbox_open(in_directory("mbox"), &err);
	assert_non_null(box);
	WANT(mailbox_next(box, &bytes, &err));
	mailbox_progress(box, &done, &all);
	WANT_INT(all, 25);
	WANT_INT(done, 20);
	WANT(mailbox_next(box, &bytes, &err) && !mailbox_next(box, &bytes, &err));
	mailbox_progress(box, &done, &all);
	WANT_INT(done, 25);
	mailbox_close(box);
	box = mailbox_open("/dev/null", &err);
	assert_non_null(box);
	mailbox_progress(box, &done, &all);
	WANT_INT(all, 0);
	mailbox_close(box);
	remove_directory();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corpus),
		cmocka_unit_test(bounds),
		cmocka_unit_test(left_out),
		cmocka_unit_test(values),
		cmocka_unit_test(mailboxes),
		cmocka_unit_test(maildirs),
		cmocka_unit_test(big_maildir),
		cmocka_unit_test(progress),
	};

	const char *shipped = "conf/rules.d";
	struct err err;

	rules = ruleset_load(&shipped, 1, &err);
	if (!rules)
		test_fail("rules", err.text, shipped, __FILE__, __LINE__);
	int failed = RUN(tests);
	arena_free(&arena);
	ruleset_free(rules);
	return failed;
}
