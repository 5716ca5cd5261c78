#include "help.h"

#include <getopt.h>
#include <string.h>

#include "buf.h"
#include "log.h"
#include "term.h"
#include "typo.h"
#include "verbs.h"

#define USAGE_WIDTH 78
#define ALL_MAX 8192
/* Where the text of an option begins, and of a verb in nixie --help. */
#define OPTION_COLUMN 23
#define VERB_COLUMN 25
#define NAMES_MAX 64

static const char *const group_titles[HELP_GROUPS] = {
	[HELP_LOOK] = "Look", [HELP_CHANGE] = "Change", [HELP_LISTS] = "Lists", [HELP_RULES] = "Rules", [HELP_SHELL] = "Help",
};

const struct help *help_find(const char *verb)
{
	for (size_t i = 0; i < help_verbs_n; i++)
		if (strcmp(verb, help_verbs[i].name) == 0)
			return &help_verbs[i];
	return NULL;
}

/* "list" of "rules list", when the verb is "rules"; else NULL. */
static const char *subverb_of(const struct help *help, const char *verb)
{
	size_t n = strlen(verb);

	return strncmp(help->name, verb, n) == 0 && help->name[n] == ' ' ? help->name + n + 1 : NULL;
}

bool help_has_subverbs(const char *verb)
{
	for (size_t i = 0; i < help_verbs_n; i++)
		if (subverb_of(&help_verbs[i], verb))
			return true;
	return false;
}

/* ---- nixie --help ---- */

static const char head[] = "usage: nixie [-c FILE] [-o NAME=VALUE] [--json] VERB [options] ...\n\n";
static const char tail[] =
	"\n"
	"nixie VERB --help tells the options of a verb, and shows examples.\n"
	"-c FILE is the configuration, -o NAME=VALUE overrides one of its options.\n"
	"Every verb that prints takes --json: one object a line.\n"
	"Exit status: 0 done or found, 1 not found or not as it should be, 2 usage,\n"
	"3 Redis, 4 configuration.\n"
	"\n"
	"  nixie check user@example.com\n"
	"  nixie suppress --reason \"asked by phone\" user@example.com\n"
	"  nixie explain '550 5.1.1 <user@example.com>: no such user'\n"
	"Manual: nixie(1), nixie(7), nixie-rules(5), nixie-redis(7)\n";

static void add_brief(struct buf *b, const struct help *help)
{
	char name[64];

	(void)snprintf(name, sizeof name, "  %s %s", help->name, help->arguments);
	buf_addf(b, "%-*s%s\n", VERB_COLUMN, name, help->brief);
}

const char *help_all(void)
{
	static char room[ALL_MAX];
	struct buf b = BUF_ON(room);

	buf_add(&b, sv_of(head));
	for (int group = 0; group < HELP_GROUPS; group++) {
		buf_addf(&b, "%s\n", group_titles[group]);
		for (size_t i = 0; i < help_verbs_n; i++)
			if ((int)help_verbs[i].group == group && help_verbs[i].brief)
				add_brief(&b, &help_verbs[i]);
	}
	buf_add(&b, sv_of(tail));
	return buf_cstr(&b);
}

/* ---- nixie VERB --help ---- */

/* A word of the usage line, which breaks before it where it is full. */
static void add_word(struct buf *line, size_t *used, size_t indent, const char *word)
{
	size_t n = strlen(word);

	if (*used + 1 + n > USAGE_WIDTH) {
		buf_addf(line, "\n%*s", (int)indent, "");
		*used = indent;
	}
	buf_addf(line, " %s", word);
	*used += 1 + n;
}

static void add_option(char *word, size_t size, const struct help_option *o)
{
	size_t n = strlen(word);
	const char *space = o->value ? " " : "", *value = o->value ? o->value : "";

	(void)snprintf(word + n, size - n, "%s--%s%s%s%s", n ? " | " : o->needed ? "" : "[", o->name, space, value, o->many ? "..." : "");
	if (!o[1].instead && !o->needed) /* the last one of its kind closes */
		strcat(word, "]");
}

static void print_usage(FILE *to, const struct help *help)
{
	char room[2048], word[256] = "";
	struct buf line = BUF_ON(room);
	size_t indent;

	buf_addf(&line, "usage: nixie %s", help->name);
	indent = line.n;
	size_t used = indent;
	for (const struct help_option *o = help->options; o->name; o++) {
		add_option(word, sizeof word - 1, o);
		if (!o[1].instead) {
			add_word(&line, &used, indent, word);
			word[0] = '\0';
		}
	}
	if (help->group != HELP_SHELL)
		add_word(&line, &used, indent, "[--json]");
	if (*help->arguments)
		add_word(&line, &used, indent, help->arguments);
	(void)fprintf(to, "%s\n", buf_cstr(&line));
}

/* Words up to the width of the page; behind the first line with so many spaces before them. */
static void print_text(FILE *to, size_t indent, const char *text)
{
	struct sv rest = sv_of(text);
	size_t used = indent;

	for (bool first = true; rest.n; first = false) {
		struct sv word = sv_cut(&rest, ' ');
		if (!first && used + 1 + word.n > USAGE_WIDTH) {
			(void)fprintf(to, "\n%*s%.*s", (int)indent, "", SV_ARG(word));
			used = indent + word.n;
		} else {
			(void)fprintf(to, "%s%.*s", first ? "" : " ", SV_ARG(word));
			used += !first + word.n;
		}
	}
	(void)putc('\n', to);
}

static void print_option(FILE *to, const char *name, const char *value, const char *what)
{
	char left[64];

	(void)snprintf(left, sizeof left, "  %s%s%s", name, value ? " " : "", value ? value : "");
	(void)fprintf(to, "%-*s", OPTION_COLUMN, left);
	print_text(to, OPTION_COLUMN, what);
}

static void print_title(FILE *to, const char *title)
{
	(void)fprintf(to, "\n%s%s%s\n", term_colour(to, COLOUR_BOLD), title, term_colour(to, COLOUR_PLAIN));
}

static void print_options(FILE *to, const struct help *help)
{
	char name[32];

	print_title(to, "Options");
	for (const struct help_option *o = help->options; o->name; o++) {
		(void)snprintf(name, sizeof name, "--%s", o->name);
		print_option(to, name, o->value, o->what);
	}
	if (help->group != HELP_SHELL)
		print_option(to, "--json", NULL, "one JSON object a line; nixie(1) tells its members");
	print_option(to, "-h, --help", NULL, "this");
}

static void print_subverbs(FILE *to, const char *verb)
{
	char room[2048];
	struct buf b = BUF_ON(room);

	for (size_t i = 0; i < help_verbs_n; i++)
		if (subverb_of(&help_verbs[i], verb))
			add_brief(&b, &help_verbs[i]);
	(void)fprintf(to, "\n%s\nnixie %s SUBVERB --help tells the options of each, and shows examples.\n", buf_cstr(&b), verb);
}

void help_print(FILE *to, const struct help *help)
{
	print_usage(to, help);
	(void)putc('\n', to);
	print_text(to, 0, help->what);
	if (help_has_subverbs(help->name)) {
		print_subverbs(to, help->name);
		return;
	}
	print_options(to, help);
	print_title(to, "Examples");
	for (size_t i = 0; i < HELP_EXAMPLES_MAX && help->examples[i]; i++)
		(void)fprintf(to, "  %s\n", help->examples[i]);
}

/* ---- what is wrong ---- */

/* Two errors in a short word make another one. */
static unsigned errors_of(size_t n)
{
	return n < 5 ? 1 : 2;
}

/* The name among these that was probably meant; NULL when none is near. */
static const char *find_meant(const char *wrong, const char *const *names, size_t n)
{
	const char *meant = NULL;
	size_t length = strlen(wrong), begins = 0;
	unsigned best = errors_of(length) + 1;

	for (size_t i = 0; i < n; i++) {
		unsigned distance = typo_distance(sv_of(wrong), sv_of(names[i]), errors_of(length));
		if (distance < best) {
			best = distance;
			meant = names[i];
		}
	}
	for (size_t i = 0; !meant && length > 1 && i < n; i++)
		begins += strncmp(names[i], wrong, length) == 0;
	for (size_t i = 0; begins == 1 && i < n; i++)
		if (strncmp(names[i], wrong, length) == 0)
			meant = names[i];
	return meant;
}

static const char *option_meant(const struct help *help, const char *wrong)
{
	const char *names[HELP_OPTIONS_MAX + 2] = { "json", "help" };
	size_t n = 2;

	for (const struct help_option *o = help->options; o->name; o++)
		names[n++] = o->name;
	return find_meant(wrong, names, n);
}

static const struct help_option *find_option(const struct help *help, const char *name)
{
	for (const struct help_option *o = help->options; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

/* Of getopt_long(3)'s '?': the argument that it did not take. */
static void say_wrong(const struct help *help, const char *argument)
{
	char name[64];
	bool valued = strchr(argument, '=') != NULL;

	if (strncmp(argument, "--", 2) != 0) {
		log_error("%s: there is no option %s", help->name, argument);
		return;
	}
	(void)snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
	const struct help_option *o = find_option(help, name);
	const char *meant = o ? NULL : option_meant(help, name);
	if (o && o->value && !valued)
		log_error("%s: --%s needs a value: --%s %s", help->name, name, name, o->value);
	else if (valued && (o ? !o->value : (help->group != HELP_SHELL && strcmp(name, "json") == 0) || strcmp(name, "help") == 0))
		log_error("%s: --%s takes no value", help->name, name);
	else if (!o && meant)
		log_error("%s: there is no option --%s; did you mean --%s?", help->name, name, meant);
	else
		log_error("%s: there is no option --%s%s", help->name, name, o ? " here" : "");
}

int help_refuse(const char *verb, int c, char **argv)
{
	const struct help *help = help_find(verb);

	if (c == 'h') {
		help_print(stdout, help);
		return EXIT_OK;
	}
	if (c == '?')
		say_wrong(help, argv[optind - 1]);
	print_usage(stderr, help);
	(void)fprintf(stderr, "nixie %s --help tells more\n", help->name);
	return EXIT_USAGE;
}

int help_no_verb(const char *verb, const char *wrong)
{
	const char *names[NAMES_MAX], *space = *verb ? " " : "";
	size_t n = 0;

	for (size_t i = 0; i < help_verbs_n && n < NAMES_MAX; i++) {
		const char *name = *verb ? subverb_of(&help_verbs[i], verb) : help_verbs[i].name;
		if (name && !strchr(name, ' '))
			names[n++] = name;
	}
	const char *meant = find_meant(wrong, names, n);
	if (meant)
		log_error("there is no verb \"%s%s%s\"; did you mean nixie %s%s%s? nixie%s%s --help lists them", verb, space, wrong,
			verb, space, meant, space, verb);
	else
		log_error("there is no verb \"%s%s%s\"; nixie%s%s --help lists them", verb, space, wrong, space, verb);
	return EXIT_USAGE;
}

int verb_help(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c = getopt_long(argc, argv, "h", options, NULL);

	(void)ctl;
	if (c != -1)
		return help_refuse("help", c, argv);
	if (optind == argc) {
		(void)fputs(help_all(), stdout);
		return EXIT_OK;
	}
	char verb[64];
	const char *word = argv[optind], *sub = optind + 1 < argc && help_has_subverbs(word) ? argv[optind + 1] : NULL;
	(void)snprintf(verb, sizeof verb, "%s%s%s", word, sub ? " " : "", sub ? sub : "");
	const struct help *help = help_find(verb);
	if (!help || strcmp(help->name, verb) != 0)
		return sub ? help_no_verb(word, sub) : help_no_verb("", word);
	help_print(stdout, help);
	return EXIT_OK;
}
