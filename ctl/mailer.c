#include "mailer.h"

#include <stdio.h>
#include <unistd.h>

#include "program.h"

static bool postconf(struct mailer *m, const char *first, const char *second, struct sv *output_r, struct err *err)
{
	const char *argv[6] = { "postconf" };
	size_t n = 1;

	if (m->directory) {
		argv[n++] = "-c";
		argv[n++] = m->directory;
	}
	argv[n++] = first;
	argv[n] = second;
	return program_output(&m->arena, argv, output_r, err);
}

static struct sv next_line(struct sv *rest)
{
	return sv_cut(rest, '\n');
}

/* Up to the next blanks, which are skipped. */
static struct sv next_word(struct sv *rest)
{
	*rest = sv_trim(*rest);
	size_t n = 0;
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	struct sv word = sv_head(*rest, n);
	*rest = sv_trim(sv_skip(*rest, n));
	return word;
}

/* "name = value" */
static void take_parameters(struct mailer *m, struct sv output)
{
	while (output.n) {
		struct sv line = next_line(&output), name = sv_trim(sv_cut(&line, '='));
		struct sv *value = arena_alloc(&m->arena, sizeof *value);
		*value = sv_trim(line);
		if (name.n)
			map_put(&m->parameters, name, value);
	}
}

/* "smtp inet n - y - - smtpd"; lines that go on begin with a blank. '-' is a chroot for who has not set compatibility_level. */
static void take_services(struct mailer *m, struct sv output)
{
	struct sv level = mailer_value(m, "compatibility_level");
	bool old = !level.n || level.p[0] == '0';

	while (output.n && m->n_services < MAILER_SERVICES_MAX) {
		struct sv line = next_line(&output), words[8];
		if (!line.n || line.p[0] == ' ' || line.p[0] == '\t')
			continue;
		for (int i = 0; i < 8; i++)
			words[i] = next_word(&line);
		m->services[m->n_services++] = (struct mailer_service){ words[0], words[1], words[7],
			sv_eq(words[4], SV("y")) || (sv_eq(words[4], SV("-")) && old) };
	}
}

bool mailer_open(struct mailer *m, const char *directory, struct err *err)
{
	struct sv parameters, services, overrides;

	*m = (struct mailer){ .directory = directory };
	if (!postconf(m, "-x", NULL, &parameters, err) || !postconf(m, "-M", NULL, &services, err) || !postconf(m, "-Px", NULL, &overrides, err))
		return false;
	take_parameters(m, parameters);
	take_parameters(m, overrides);
	take_services(m, services);
	return true;
}

void mailer_free(struct mailer *m)
{
	map_free(&m->parameters);
	arena_free(&m->arena);
}

bool mailer_here(void)
{
	const char *const argv[] = { "postconf", "-dh", "config_directory", NULL };
	struct arena arena = { 0 };
	struct sv directory;
	char path[4096];
	struct err err;

	bool here = program_exists("postconf") && program_output(&arena, argv, &directory, &err) &&
		(size_t)snprintf(path, sizeof path, "%.*s/main.cf", SV_ARG(sv_cut(&directory, '\n'))) < sizeof path && access(path, F_OK) == 0;
	arena_free(&arena);
	return here;
}

struct sv mailer_value(const struct mailer *m, const char *name)
{
	const struct sv *value = map_get(&m->parameters, sv_of(name));

	return value ? *value : SV("");
}

const char *mailer_option(const struct mailer *m)
{
	static char room[4096];

	(void)snprintf(room, sizeof room, "%s%s", m->directory ? " -c " : "", m->directory ? m->directory : "");
	return room;
}

struct sv mailer_written(struct mailer *m, const char *name)
{
	struct sv value;
	struct err err;

	return postconf(m, "-h", name, &value, &err) ? sv_trim(sv_cut(&value, '\n')) : SV("");
}

struct sv mailer_service_value(const struct mailer *m, const struct mailer_service *service, const char *name, bool *overridden_r)
{
	char key[256];

	(void)snprintf(key, sizeof key, "%.*s/%.*s/%s", SV_ARG(service->name), SV_ARG(service->type), name);
	const struct sv *own = map_get(&m->parameters, sv_of(key));
	if (overridden_r)
		*overridden_r = own;
	return own ? *own : mailer_value(m, name);
}

int64_t mailer_seconds(struct sv value)
{
	static const struct { char unit; int64_t s; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	uint64_t n;

	for (size_t i = 0; value.n && i < sizeof units / sizeof *units; i++)
		if (value.p[value.n - 1] == units[i].unit)
			return sv_u64(sv_head(value, value.n - 1), 1000000, &n) ? (int64_t)n * units[i].s : -1;
	return sv_u64(value, 1000000, &n) ? (int64_t)n : -1;
}

/* ---- lists of restrictions ---- */

static bool is_between(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\n' || c == '\r';
}

/* A word, or all in braces with them; *open_r: the last brace is not closed, and the item is all the rest. */
static struct sv next_item(struct sv *rest, bool *open_r)
{
	size_t depth = 0, n = 0;

	while (rest->n && is_between(rest->p[0]))
		*rest = sv_skip(*rest, 1);
	for (; n < rest->n && (depth || !is_between(rest->p[n])); n++) {
		depth += rest->p[n] == '{';
		depth -= rest->p[n] == '}' && depth;
	}
	struct sv item = sv_head(*rest, n);
	*rest = sv_skip(*rest, n);
	*open_r = depth > 0;
	return item;
}

struct mailer_walk mailer_walk(const struct mailer *m, const struct mailer_service *service, const char *list)
{
	return (struct mailer_walk){ .mailer = m, .service = service, .rest = mailer_service_value(m, service, list, NULL) };
}

static bool is_warning(struct sv item)
{
	return sv_eq(item, SV("warn_if_reject"));
}

/* Goes on in the class of this name, where it is one. */
static bool enter_class(struct mailer_walk *w, struct sv item, struct sv before)
{
	struct sv classes = mailer_service_value(w->mailer, w->service, "smtpd_restriction_classes", NULL), name;
	char key[MAILER_CLASS_MAX];
	bool open;

	if (w->class.n || item.n >= sizeof key)
		return false;
	while ((name = next_item(&classes, &open)).n && !sv_eq(name, item))
		;
	if (!name.n)
		return false;
	(void)snprintf(key, sizeof key, "%.*s", SV_ARG(name));
	const char *begin = is_warning(before) ? before.p : item.p;
	w->entry = sv_make(begin, (size_t)(item.p + item.n - begin));
	w->behind = is_warning(before) || w->permitted.n;
	w->class = item;
	w->class_value = mailer_service_value(w->mailer, w->service, key, &w->class_overridden);
	w->outer = w->rest;
	w->rest = w->class_value;
	return true;
}

/* Of the class, and behind its last of the list again. */
static struct sv next_of_walk(struct mailer_walk *w, bool *open_r)
{
	struct sv item = next_item(&w->rest, open_r);

	if (!item.n && w->class.n) {
		w->class = SV("");
		w->behind = false;
		w->rest = w->outer;
		item = next_item(&w->rest, open_r);
	}
	return item;
}

struct sv mailer_unclosed(struct mailer_walk *w)
{
	struct sv item, before = SV("");
	bool open = false;

	for (; (item = next_of_walk(w, &open)).n && !open; before = item)
		(void)enter_class(w, item, before);
	return item;
}

/* Where its brace should have been closed: behind the endpoint, and as much as looks like name=value. */
static struct sv until_closed(struct sv target)
{
	struct sv rest = sv_skip(target, 1);
	bool open;
	struct sv item = next_item(&rest, &open), last;

	do
		last = item;
	while ((item = next_item(&rest, &open)).n && sv_find(item, '=') < item.n);
	return sv_make(target.p, (size_t)(last.p + last.n - target.p));
}

/* What stands behind check_policy_service. */
static void take_question(struct sv *rest, struct mailer_question *q)
{
	struct sv target = next_item(rest, &q->open), end = *rest;
	bool open;

	if (q->open)
		target = until_closed(target);
	*rest = sv_make(target.p + target.n, (size_t)(end.p + end.n - (target.p + target.n)));
	struct sv inner = target;
	if (sv_take(&inner, SV("{")) && inner.n)
		inner = sv_trim(sv_head(inner, inner.n - !q->open));
	q->endpoint = next_item(&inner, &open);
	q->attributes = inner;
	q->whole = target;
}

bool mailer_next_question(struct mailer_walk *w, struct mailer_question *q)
{
	struct sv item, before = SV("");
	bool open;

	for (; (item = next_of_walk(w, &open)).n; before = item) {
		if (enter_class(w, item, before))
			continue;
		if (!w->permitted.n && sv_starts(item, SV("permit")))
			w->permitted = item;
		if (!sv_eq(item, SV("check_policy_service")))
			continue;
		take_question(&w->rest, q);
		const char *begin = is_warning(before) ? before.p : item.p;
		q->whole = sv_make(begin, (size_t)(q->whole.p + q->whole.n - begin));
		q->only_warns = is_warning(before) || (w->class.n && sv_starts(w->entry, SV("warn_if_reject")));
		q->permitted = w->permitted;
		return true;
	}
	return false;
}

struct sv mailer_attribute(const struct mailer *m, const struct mailer_question *q, const char *name, const char *parameter)
{
	struct sv rest = q->attributes;

	while (rest.n) {
		struct sv value = sv_trim(sv_cut(&rest, ',')), own = sv_trim(sv_cut(&value, '='));
		if (sv_eq(own, sv_of(name)))
			return sv_trim(value);
	}
	return mailer_value(m, parameter);
}
