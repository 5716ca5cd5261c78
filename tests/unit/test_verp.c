#include "chance.h"

#include <unistd.h>
#include <sys/stat.h>

#include "verp_file.h"

#define DAY 20779 /* 2026-11-22 */
#define SIGNED "bounces+{recipient}-{sig}@news.example"
#define SECRET "0123456789abcdef0123456789abcdef"

static struct verp_templates templates;
static struct verp_secrets secrets;
static const struct span lifetime = { .ms = 90 * CLOCK_DAY_S * 1000 };

static void add_template(enum verp_use use, const char *text)
{
	struct err err = { "" };

	if (!verp_template_parse(use, sv_of(text), &templates.v[templates.n], &err))
		test_fail(text, err.text, "a template", __FILE__, __LINE__);
	templates.n++;
}

static int set_up(void **state)
{
	struct err err;

	(void)state;
	templates.n = 0;
	add_template(VERP_BOUNCES, "Bounces+{recipient}-{sig}@News.Example");
	add_template(VERP_UNSUBSCRIBE, "bounces+leave-{recipient}-{sig}@news.example");
	add_template(VERP_UNSUBSCRIBE, "l.{sig}.{recipient}@news.example");
	add_template(VERP_BOUNCES, "bounces+{recipient}@news.example");
	add_template(VERP_COMPLAINTS, "fbl@news.example");
	return verp_secrets_parse(SV(SECRET "\n\n  another secret of old  \r\n"), &secrets, &err) ? 0 : -1;
}

static int64_t noon(int64_t day)
{
	return day * CLOCK_DAY_S + CLOCK_DAY_S / 2;
}

static enum verp_result read_on(int64_t day, struct sv address, struct verp *verp)
{
	return verp_read(&templates, &secrets, address, noon(day), lifetime, verp);
}

static void make(size_t template, const char *recipient, char address[VERP_ADDRESS_MAX + 1])
{
	WANT_INT(verp_make(&templates.v[template], &secrets, sv_of(recipient), noon(DAY), address), VERP_MADE);
}

/* What another program, in another language, has made by the book (nixie.1). */
static void addresses_to_the_byte(void **state)
{
	static const struct {
		const char *name;
		size_t template;
		const char *recipient, *want;
	} table[] = {
		{ "plain", 0, "user@example.com", "bounces+user=example.com-ujlaydgc5cotyiome26@news.example" },
		{ "quote and tag", 0, "o'brien+tag@example.com", "bounces+o~27brien+tag=example.com-ujlzbl6p7lswckbxo6p@news.example" },
		{ "equals", 0, "a=b@example.com", "bounces+a=b=example.com-ujl5mtylpkrzjffnwwd@news.example" },
		{ "dots where none may be", 0, ".a..b@docomo.example", "bounces+~2ea.~2eb=docomo.example-ujln6hxeleyjmx4twzr@news.example" },
		{ "UTF-8", 0, "j\xc3\xa3rg@x.example", "bounces+j~c3~a3rg=x.example-ujlmivrturhkz5sow3q@news.example" },
		{ "a capital that matters", 0, "User@example.com", "bounces+~55ser=example.com-ujlhfw52dhwko4baevq@news.example" },
		{ "address literal", 0, "x@[192.0.2.1]", "bounces+x=~5b192.0.2.1~5d-ujlqnurb4dsjvvepbco@news.example" },
		{ "the escape itself", 0, "a~b@example.com", "bounces+a~7eb=example.com-ujldtgn2ncxhpqdxyer@news.example" },
		{ "signature first", 2, "user@example.com", "l.ujluwqu7w2q7fdt2ix7.user=example.com@news.example" },
	};

	(void)state;
	EACH(row, table) {
		char address[VERP_ADDRESS_MAX + 1];
		struct verp verp;
		make(row->template, row->recipient, address);
		WANT_STRING(address, row->want);
		WANT_INT(read_on(DAY, sv_of(address), &verp), VERP_SIGNED);
		WANT_TEXT(verp_recipient(&verp), row->recipient);
		WANT_INT(verp.use, templates.v[row->template].use);
		WANT(verp.template == &templates.v[row->template]);
		WANT_INT(verp.day, DAY);
	}
}

#define GOOD "bounces+user=example.com-ujlaydgc5cotyiome26"
#define IN "@news.example"

static void what_an_address_says(void **state)
{
	static const struct {
		const char *name, *address;
		enum verp_result want;
		enum verp_use use;
		const char *recipient;
	} table[] = {
		{ "signed", GOOD IN, VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "capitals", "BOUNCES+User=Example.COM-UJLAYDGC5COTYIOME26@News.EXAMPLE", VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "quoted", "\"" GOOD "\"" IN, VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "hexadecimal capitals", "bounces+o~27brien+tag=example.com-ujlzbl6p7lswckbxo6p@news.example", VERP_SIGNED, VERP_BOUNCES, "o'brien+tag@example.com" },
		{ "BATV", "prvs=2777f0e1a2=" GOOD IN, VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "BATV of a draft", "prvs=2777f0e1a2/" GOOD IN, VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "BATV of another draft", "prvs=" GOOD "/2777F0E1A2" IN, VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "SRS", "SRS0=HHHH=TT=news.example=" GOOD "@forwarder.example", VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "SRS with plus", "SRS0+HHHH=TT=news.example=" GOOD "@forwarder.example", VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "SRS of two", "SRS1=GGGG=forwarder.example==HHHH=TT=news.example=" GOOD "@second.example", VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "SRS of two, with marks", "srs1+GGGG=forwarder.example=-HHHH=TT=news.example=" GOOD "@second.example", VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "BATV within SRS", "SRS0=HHHH=TT=news.example=prvs=2777f0e1a2=" GOOD "@forwarder.example", VERP_SIGNED, VERP_BOUNCES, "user@example.com" },
		{ "BATV around nothing of ours", "prvs=2777f0e1a2=other@news.example", VERP_NONE, 0, "" },
		{ "BATV with a tag that is none", "prvs=27X7f0e1a2=" GOOD IN, VERP_NONE, 0, "" },
		{ "wrapped too often", "prvs=2777f0e1a2=prvs=2777f0e1a2=prvs=2777f0e1a2=prvs=2777f0e1a2=prvs=2777f0e1a2=" GOOD IN, VERP_NONE, 0, "" },
		{ "SRS, of another domain", "SRS0=HHHH=TT=other.example=" GOOD "@news.example", VERP_NONE, 0, "" },
		{ "SRS without anything", "SRS0=" IN, VERP_NONE, 0, "" },
		{ "SRS1 without anything", "SRS1=" IN, VERP_NONE, 0, "" },
		{ "another recipient", "bounces+user2=example.com-ujlaydgc5cotyiome26" IN, VERP_FORGED, VERP_BOUNCES, "user2@example.com" },
		{ "for another use", "bounces+leave-user=example.com-ujlaydgc5cotyiome26" IN, VERP_FORGED, VERP_BOUNCES, "leave-user@example.com" },
		{ "of another template", "l.ujlaydgc5cotyiome26.user=example.com" IN, VERP_FORGED, VERP_UNSUBSCRIBE, "user@example.com" },
		{ "another day", "bounces+user=example.com-ujmaydgc5cotyiome26" IN, VERP_FORGED, VERP_BOUNCES, "user@example.com" },
		{ "another domain", GOOD "@shop.example", VERP_NONE, 0, "" },
		{ "without a signature", "bounces+user=example.com" IN, VERP_UNSIGNED, VERP_BOUNCES, "user@example.com" },
		{ "Postfix escapes nothing", "bounces+a~7eb=c+d=example.com" IN, VERP_UNSIGNED, VERP_BOUNCES, "a~7eb=c+d@example.com" },
		{ "no recipient", "bounces+user" IN, VERP_NONE, 0, "" },
		{ "a recipient without a domain", "bounces+user=" IN, VERP_NONE, 0, "" },
		{ "a recipient without a local part", "bounces+=example.com" IN, VERP_NONE, 0, "" },
		{ "nothing for a recipient", "bounces+" IN, VERP_NONE, 0, "" },
		{ "an escape that is none", "bounces+us~7ger=example.com-ujlaydgc5cotyiome26" IN, VERP_UNSIGNED, VERP_BOUNCES, "us~7ger@example.com-ujlaydgc5cotyiome26" },
		{ "plain", "FBL@news.example", VERP_PLAIN, VERP_COMPLAINTS, "" },
		{ "plain, with more", "fbl2@news.example", VERP_NONE, 0, "" },
		{ "somebody else", "postmaster@news.example", VERP_NONE, 0, "" },
		{ "no address", "bounces", VERP_NONE, 0, "" },
		{ "the null address", "", VERP_NONE, 0, "" },
	};

	(void)state;
	EACH(row, table) {
		struct verp verp;
		enum verp_result got = read_on(DAY, sv_of(row->address), &verp);
		WANT_STRING(verp_result_name(got), verp_result_name(row->want));
		WANT_INT(verp.use, row->use);
		WANT_TEXT(verp_recipient(&verp), row->recipient);
		WANT_INT(verp.recipient[verp.n], '\0');
		WANT((verp.template != NULL) == (row->want != VERP_NONE));
	}
}

static void days(void **state)
{
	static const struct {
		const char *name;
		int64_t now;
		enum verp_result want;
	} table[] = {
		{ "the same day", DAY, VERP_SIGNED },
		{ "signed by a clock that is a day ahead", DAY - 1, VERP_SIGNED },
		{ "two days ahead", DAY - 2, VERP_EXPIRED },
		{ "the last day", DAY + 90, VERP_SIGNED },
		{ "the day after", DAY + 91, VERP_EXPIRED },
		{ "when stamps come around again, no more than that", DAY + 32767, VERP_SIGNED },
		{ "half way there", DAY + 16384, VERP_EXPIRED },
		{ "in 1970", 0, VERP_EXPIRED },
	};

	(void)state;
	EACH(row, table) {
		struct verp verp;
		WANT_INT(read_on(row->now, SV(GOOD IN), &verp), row->want);
		WANT_TEXT(verp_recipient(&verp), "user@example.com");
	}
}

static void secrets_follow_each_other(void **state)
{
	struct verp_secrets old = { .n = 1 }, none = { .n = 0 };
	char address[VERP_ADDRESS_MAX + 1], again[VERP_ADDRESS_MAX + 1];
	struct verp verp;

	(void)state;
	old.v[0] = secrets.v[1];
	WANT_INT(old.v[0].n, strlen("another secret of old"));
	WANT_INT(verp_make(&templates.v[0], &old, SV("user@example.com"), noon(DAY), address), VERP_MADE);
	make(0, "user@example.com", again);
	WANT(strcmp(address, again) != 0);
	WANT_INT(read_on(DAY, sv_of(address), &verp), VERP_SIGNED);
	WANT_INT(verp_read(&templates, &old, SV(GOOD IN), noon(DAY), lifetime, &verp), VERP_FORGED);
	WANT_INT(verp_read(&templates, &none, SV(GOOD IN), noon(DAY), lifetime, &verp), VERP_FORGED);
	WANT_INT(verp_make(&templates.v[0], &none, SV("user@example.com"), noon(DAY), address), VERP_NO_SECRET);
}

static void what_cannot_be_made(void **state)
{
	static const struct {
		const char *name, *recipient;
		size_t template;
		enum verp_made want;
	} table[] = {
		{ "64 bytes", "a234567890123456789012345@b23456.com", 0, VERP_MADE },
		{ "65 bytes", "a2345678901234567890123456@b23456.com", 0, VERP_TOO_LONG },
		{ "65 bytes by an escape", "a'3456789012345678901234@b23456.com", 0, VERP_TOO_LONG },
		{ "unsigned", "user@example.com", 3, VERP_NO_SIG },
		{ "plain", "user@example.com", 4, VERP_NO_SIG },
		{ "no address", "user", 0, VERP_BAD_RECIPIENT },
		{ "controls", "us\ner@example.com", 0, VERP_BAD_RECIPIENT },
	};

	(void)state;
	EACH(row, table) {
		char address[VERP_ADDRESS_MAX + 1] = "";
		WANT_INT(verp_make(&templates.v[row->template], &secrets, sv_of(row->recipient), noon(DAY), address), row->want);
		WANT((row->want == VERP_MADE) == (address[0] != '\0'));
		WANT((row->want == VERP_MADE) == (verp_made_problem(row->want)[0] == '\0'));
		WANT(row->want != VERP_MADE || strchr(address, '@') - address == VERP_LOCAL_MAX);
	}
	WANT(verp_signing(&templates, VERP_BOUNCES) == &templates.v[0]);
	WANT(verp_signing(&templates, VERP_UNSUBSCRIBE) == &templates.v[1]);
	WANT(verp_signing(&templates, VERP_COMPLAINTS) == NULL);
}

/* ---- with chance ---- */

/* Local parts of bytes that like to break things. */
static void hostile_address(char *text)
{
	static const char *const pieces[] = { "=", "+", "-", ".", "..", "~", "~41", "@", "\"", "\\", " ", "A", "z", "\xc3\xbc", "\xe6\x97\xa5", "%", "!", "/",
		"{sig}", "{recipient}", "prvs=", "SRS0=", "0123456789", "'", "#", "(", ">", "," };
	static const char *const domains[] = { "a.example", "x.com", "[10.0.0.1]", "xn--bcher-kva.example", "news.example", "my_host.example" };
	size_t n = below(6) + 1;

	*text = '\0';
	while (n--)
		(void)strcat(text, pieces[below(COUNT(pieces))]);
	(void)strcat(text, "@");
	(void)strcat(text, domains[below(COUNT(domains))]);
}

static bool is_dot_atom(struct sv s)
{
	char before = '.';

	for (size_t i = 0; i < s.n; before = s.p[i++])
		if (s.p[i] == '.' ? before == '.' : !sv_is_alnum(s.p[i]) && !strchr("!#$%&'*+-/=?^_`{|}~", s.p[i]))
			return false;
	return s.n > 0 && before != '.';
}

static void whatever_is_signed_is_read_again(void **state)
{
	const struct address_options keep = { .keep_case = true };
	unsigned made = 0;

	(void)state;
	set_seed();
	for (int i = 0; i < 20000; i++) {
		char text[200], address[VERP_ADDRESS_MAX + 1];
		struct address key;
		struct verp verp;
		hostile_address(text);
		if (address_parse(sv_of(text), ADDRESS_INTERNAL, &keep, &key) != ADDRESS_OK)
			continue;
		size_t template = below(3);
		enum verp_made result = verp_make(&templates.v[template], &secrets, address_key(&key), noon(DAY), address);
		if (result == VERP_TOO_LONG)
			continue;
		WANT_INT(result, VERP_MADE);
		made++;
		WANT(is_dot_atom(sv_make(address, (size_t)(strchr(address, '@') - address))));
		WANT_INT(read_on(DAY + below(91), sv_of(address), &verp), VERP_SIGNED);
		WANT_SV(verp_recipient(&verp), address_key(&key));
		WANT(verp.template == &templates.v[template]);
		for (char *p = address; *p; p++) /* as some servers do */
			*p = below(2) ? sv_lower(*p) : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
		WANT_INT(read_on(DAY, sv_of(address), &verp), VERP_SIGNED);
		WANT_SV(verp_recipient(&verp), address_key(&key));
	}
	WANT(made > 5000);
	test_row = "";
}

/* Every byte changed to every other, one taken out, two swapped. */
static void no_other_address_is_signed(void **state)
{
	struct verp verp;

	(void)state;
	for (size_t template = 0; template < 3; template++) {
		char address[VERP_ADDRESS_MAX + 1], other[VERP_ADDRESS_MAX + 1];
		make(template, "us.er+1@example.com", address);
		size_t n = strlen(address);
		for (size_t i = 0; i < n; i++) {
			for (int byte = 1; byte < 256; byte++) {
				memcpy(other, address, n + 1);
				other[i] = (char)byte;
				if (sv_eq_nocase(sv_of(address), sv_of(other)))
					continue;
				WANT(read_on(DAY, sv_of(other), &verp) != VERP_SIGNED);
			}
			memcpy(other, address, i);
			memcpy(other + i, address + i + 1, n - i);
			WANT(read_on(DAY, sv_of(other), &verp) != VERP_SIGNED);
			memcpy(other, address, n + 1);
			if (i + 1 < n && other[i] != other[i + 1]) {
				other[i] = address[i + 1];
				other[i + 1] = address[i];
				WANT(read_on(DAY, sv_of(other), &verp) != VERP_SIGNED);
			}
		}
	}
}

/* ---- templates and secrets ---- */

static void templates_that_are_none(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} table[] = {
		{ "empty", "", "no domain" },
		{ "no domain", "bounces+{recipient}-{sig}", "no domain" },
		{ "an empty domain", "bounces@", "no domain" },
		{ "a domain that is none", "bounces@a..b", "behind the @ is no domain" },
		{ "a placeholder there", "bounces@{recipient}.example", "behind the @ is no domain" },
		{ "nothing before", "@news.example", "nothing before the @" },
		{ "two recipients", "{recipient}{recipient}@news.example", "{recipient} is there twice" },
		{ "two signatures", "{recipient}-{sig}-{sig}@news.example", "{sig} is there twice" },
		{ "a signature of nothing", "bounces-{sig}@news.example", "{sig} signs a recipient" },
		{ "another placeholder", "bounces-{address}@news.example", "there are the placeholders {recipient} and {sig}" },
		{ "a brace", "bounces{@news.example", "there are the placeholders {recipient} and {sig}" },
		{ "a brace that closes", "bounces}@news.example", "there can be letters" },
		{ "a byte that needs quotes", "boun ces@news.example", "there can be letters" },
		{ "what escapes", "boun~ces@news.example", "there can be letters" },
		{ "a dot in front", ".bounces@news.example", "no dot at its ends" },
		{ "a dot behind", "bounces.@news.example", "no dot at its ends" },
		{ "two dots", "bounces..x@news.example", "no dot at its ends" },
		{ "no room", "bounces-of-the-greatest-newsletter-of-all+{recipient}-{sig}@news.example", "no room for a recipient" },
		{ "two @", "bounces@x@news.example", "there can be letters" },
	};

	(void)state;
	EACH(row, table) {
		struct verp_template t;
		struct err err = { "" };
		WANT(!verp_template_parse(VERP_BOUNCES, sv_of(row->text), &t, &err));
		WANT_PART(err.text, row->want);
	}
}

static void a_template_as_it_is_kept(void **state)
{
	struct verp_template t;
	struct err err;

	(void)state;
	WANT(verp_template_parse(VERP_BOUNCES, SV("B.{sig}{recipient}_x@B\xc3\xbc" "cher.Example."), &t, &err));
	WANT_STRING(t.text, "b.{sig}{recipient}_x@xn--bcher-kva.example");
	WANT(t.sig && t.recipient);
	WANT(verp_template_parse(VERP_BOUNCES, SV("{recipient}@x.example"), &t, &err));
	WANT(!t.sig && t.recipient);
}

static void secrets_that_are_none(void **state)
{
	struct verp_secrets s;
	struct err err = { "" };
	char many[9 * 17 + 1] = "";

	(void)state;
	WANT(!verp_secrets_parse(SV("\n \n"), &s, &err));
	WANT_PART(err.text, "no secret in it; nixie verp --new-secret");
	WANT(!verp_secrets_parse(SV("0123456789abcdef\n\nfifteen bytes..\n"), &s, &err));
	WANT_PART(err.text, "line 3: a secret has 16 to 128 bytes");
	for (int i = 0; i < 9; i++)
		(void)strcat(many, "0123456789abcdef\n");
	WANT(!verp_secrets_parse(sv_of(many), &s, &err));
	WANT_PART(err.text, "line 9: there are more than 8");
	many[8 * 17] = '\0';
	WANT(verp_secrets_parse(sv_of(many), &s, &err));
	WANT_INT(s.n, 8);
}

static void a_file_of_secrets(void **state)
{
	char path[] = "/tmp/nixie-secrets-XXXXXX";
	struct verp_secrets s;
	struct err err = { "" };
	int fd = mkstemp(path);

	(void)state;
	WANT(fd >= 0 && write(fd, SECRET "\n", strlen(SECRET) + 1) > 0);
	WANT(fchmod(fd, 0640) == 0 && verp_secrets_read(path, &s, &err));
	WANT_INT(s.n, 1);
	WANT_SV(sv_make(s.v[0].bytes, s.v[0].n), SV(SECRET));
	WANT(fchmod(fd, 0644) == 0 && !verp_secrets_read(path, &s, &err));
	WANT_PART(err.text, "chmod o-rwx /tmp/nixie-secrets-");
	WANT(fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0 && !verp_secrets_read(path, &s, &err));
	WANT_PART(err.text, "there is no secret in it");
	WANT(ftruncate(fd, 5000) == 0 && !verp_secrets_read(path, &s, &err));
	WANT_PART(err.text, "too long");
	WANT(unlink(path) == 0 && !verp_secrets_read(path, &s, &err));
	WANT_PART(err.text, "receive.secret-file: /tmp/nixie-secrets-");
	WANT(!verp_secrets_read("/tmp", &s, &err));
	WANT(verp_secrets_read("", &s, &err) && s.n == 0);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_to_the_byte),
		cmocka_unit_test(what_an_address_says),
		cmocka_unit_test(days),
		cmocka_unit_test(secrets_follow_each_other),
		cmocka_unit_test(what_cannot_be_made),
		cmocka_unit_test(whatever_is_signed_is_read_again),
		cmocka_unit_test(no_other_address_is_signed),
		cmocka_unit_test(templates_that_are_none),
		cmocka_unit_test(a_template_as_it_is_kept),
		cmocka_unit_test(secrets_that_are_none),
		cmocka_unit_test(a_file_of_secrets),
	};

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, NULL);
}
