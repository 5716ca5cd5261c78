/* doctor: the line to type that makes a service of Postfix ask nixie-policyd, and first. */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "doctor_postfix_parts.h"

/* As Postfix should name one of ours; "" when none can be reached from a chroot. */
static const char *name_ours(const struct postfix *p, const struct strings *endpoints, bool chroot, char *room, size_t size)
{
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < endpoints->n; i++) {
			struct sv path = sv_of(endpoints->v[i]), below = path;
			bool local = sv_take(&path, SV("unix:"));
			below = path;
			bool in_queue = local && sv_take(&below, sv_of(p->queue)) && sv_take(&below, SV("/"));
			if (round == 0 && in_queue)
				(void)snprintf(room, size, "unix:%.*s", SV_ARG(below));
			else if ((round == 1 && !local) || (round == 2 && local && !chroot && path.p[0] == '/'))
				(void)snprintf(room, size, "%s", endpoints->v[i]);
			else
				continue;
			return room;
		}
	}
	return "";
}

/* ---- what to type ---- */

static struct sv without_commas(struct sv s)
{
	while (s.n && (s.p[0] == ',' || s.p[0] == ' '))
		s = sv_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ',' || s.p[s.n - 1] == ' '))
		s = sv_head(s, s.n - 1);
	return s;
}

/* What is to be changed: the list, or the class in it that has the question. */
struct place {
	char list[MAILER_CLASS_MAX];
	struct sv value, whole; /* whole: what moves to the front */
	bool overridden, moves; /* moves: the class as it is, as what is wrong stands before it */
};

static struct place place_of(const struct asks *a)
{
	bool in_class = a->walk.class.n, moves = in_class && a->walk.behind;
	struct place r = { .value = a->value, .whole = moves ? a->walk.entry : a->question.whole, .overridden = a->overridden, .moves = moves };

	if (in_class && !moves) {
		r.value = a->walk.class_value;
		r.overridden = a->walk.class_overridden;
		(void)snprintf(r.list, sizeof r.list, "%.*s", SV_ARG(a->walk.class));
	} else {
		(void)snprintf(r.list, sizeof r.list, "%s", a->list);
	}
	return r;
}

/* master.cf takes no value with blanks: it names a parameter of main.cf. */
static void add_edit(const struct postfix *p, struct buf *b, const struct asks *a, const struct place *place, struct sv value)
{
	const char *option = mailer_option(&p->mailer);
	char own[128], room[VALUE_MAX];
	struct buf assignment = BUF_ON(room);

	(void)snprintf(own, sizeof own, "nixie_%.*s_restrictions", SV_ARG(a->service->name));
	for (char *c = own; *c; c++)
		*c = sv_is_alnum(*c) ? *c : '_';
	buf_addf(&assignment, "%s = %.*s", place->overridden ? own : place->list, SV_ARG(value));
	buf_addf(b, "postconf%s -e ", option);
	doctor_add_quoted(b, buf_sv(&assignment));
	if (place->overridden)
		buf_addf(b, " && postconf%s -P '%.*s/%.*s/%s=$%s'", option, SV_ARG(a->service->name), SV_ARG(a->service->type), place->list, own);
	buf_addf(b, " && postfix%s reload", option);
}

static bool is_blank(char c)
{
	return c == ' ' || c == ',' || c == '\t';
}

/* Where these words stand in the list, not as a part of others; list.n: nowhere. */
static size_t find_words(struct sv list, struct sv words)
{
	size_t at = 0;

	while (words.n && at < list.n) {
		at += sv_find_sv(sv_skip(list, at), words);
		size_t end = at + words.n;
		if (at < list.n && (at == 0 || is_blank(list.p[at - 1])) && (end == list.n || is_blank(list.p[end])))
			return at;
		at += at < list.n;
	}
	return list.n;
}

/* The list with our question first, and nowhere else in it. */
static void add_list(struct postfix *p, struct buf *b, const struct asks *a, const char *endpoint)
{
	char room[VALUE_MAX];
	struct buf value = BUF_ON(room);
	const struct place place = place_of(a);
	struct sv old = place.overridden ? place.value : mailer_written(&p->mailer, place.list), whole = place.whole;

	if (whole.n && find_words(old, whole) == old.n)
		old = place.value; /* it stands in a variable */
	size_t at = find_words(old, whole);
	struct sv before = without_commas(sv_head(old, at)), after = at < old.n ? without_commas(sv_skip(old, at + whole.n)) : SV("");
	if (place.moves)
		buf_add(&value, a->walk.class);
	else
		buf_addf(&value, "check_policy_service { %s, timeout=10s, default_action=DUNNO }", endpoint);
	buf_addf(&value, "%s%.*s%s%.*s", before.n ? ", " : "", SV_ARG(before), after.n ? ", " : "", SV_ARG(after));
	add_edit(p, b, a, &place, buf_sv(&value));
}

const char *doctor_postfix_advise(struct postfix *p, const struct asks *a, char *room, size_t size)
{
	struct buf b = { room, 0, size, false };
	char endpoint[CONFIG_STRING_MAX];

	if (!*name_ours(p, &p->d->config->policyd_listen, a->service->chroot, endpoint, sizeof endpoint)) {
		buf_addf(&b, "in nixie.conf: policyd: { listen = [ \"unix:%s/nixie/policy\" ]; }; then restart nixie-policyd, and: ", p->queue);
		(void)snprintf(endpoint, sizeof endpoint, "unix:nixie/policy");
	}
	add_list(p, &b, a, endpoint);
	return buf_cstr(&b);
}
