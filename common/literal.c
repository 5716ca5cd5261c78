#include "literal.h"

/* Deeper nesting is not looked into. */
#define DEPTH_MAX 8

struct parser {
	struct sv rest;
	bool failed; /* met what it does not understand */
};

/* The best words of one branch, so far. */
struct branch {
	struct literal run; /* of bytes that follow each other */
	struct literal_sets best; /* the most telling first */
};

static size_t shortest(const struct literal_set *set)
{
	size_t least = LITERAL_BYTES_MAX + 1;

	for (size_t i = 0; i < set->n; i++)
		least = set->v[i].n < least ? set->v[i].n : least;
	return set->n ? least : 0;
}

/* One word of six bytes beats three of seven. */
static size_t worth(const struct literal_set *set)
{
	size_t least = shortest(set);

	return least < LITERAL_BYTES_MIN ? 0 : least * 4 + LITERAL_SET_MAX - set->n;
}

/* Sets are big, and mostly there is little in them. */
static void copy_set(struct literal_set *to, const struct literal_set *from)
{
	to->n = from->n;
	memcpy(to->v, from->v, from->n * sizeof *from->v);
}

static void offer(struct branch *b, const struct literal_set *set)
{
	struct literal_sets *best = &b->best;
	size_t place = best->n;

	if (worth(set) == 0)
		return;
	while (place > 0 && worth(set) > worth(&best->v[place - 1]))
		place--;
	if (place == LITERAL_SETS_MAX)
		return;
	best->n += best->n < LITERAL_SETS_MAX;
	for (size_t i = best->n - 1; i > place; i--)
		copy_set(&best->v[i], &best->v[i - 1]);
	copy_set(&best->v[place], set);
}

static void end_run(struct branch *b)
{
	struct literal_set set;

	set.n = 1;
	set.v[0] = b->run;
	if (b->run.n)
		offer(b, &set);
	b->run.n = 0;
}

static void add_byte(struct branch *b, char c)
{
	if (b->run.n == LITERAL_BYTES_MAX)
		end_run(b);
	b->run.bytes[b->run.n++] = sv_lower(c);
}

/* A quantifier at the front: takes it; least number of times into *min. False: there is none. */
static bool take_quantifier(struct parser *p, unsigned *min)
{
	struct sv r = p->rest;
	uint64_t n;

	if (!r.n)
		return false;
	if (r.p[0] == '?' || r.p[0] == '*' || r.p[0] == '+') {
		*min = r.p[0] == '+';
		p->rest = sv_skip(r, 1);
	} else if (r.p[0] == '{' && sv_find(r, '}') < r.n) {
		struct sv inside = sv_skip(sv_head(r, sv_find(r, '}')), 1);
		if (!sv_u64(sv_cut(&inside, ','), 65535, &n)) {
			/* else a brace that is meant as such; {,3} and { 1,3 } are to newer PCRE2 what they look like */
			p->failed = sv_is_digit(r.p[1]) || r.p[1] == ',' || r.p[1] == ' ';
			return false;
		}
		*min = (unsigned)n;
		p->rest = sv_skip(r, sv_find(r, '}') + 1);
	} else {
		return false;
	}
	if (p->rest.n && (p->rest.p[0] == '?' || p->rest.p[0] == '+')) /* lazy, possessive */
		p->rest = sv_skip(p->rest, 1);
	return true;
}

/* A byte that stands for itself, with its quantifier. */
static void literal_byte(struct parser *p, struct branch *b, char c)
{
	unsigned min = 1;
	bool quantified = take_quantifier(p, &min);

	if (min > 0)
		add_byte(b, c);
	if (quantified)
		end_run(b);
}

/* Something that can be many bytes: ends the run. */
static void anything(struct parser *p, struct branch *b)
{
	unsigned min;

	end_run(b);
	(void)take_quantifier(p, &min);
}

/* "[...]", p->rest behind the '[' */
static void bracket(struct parser *p, struct branch *b)
{
	struct sv r = p->rest;
	size_t i = r.n && r.p[0] == '^' ? 1 : 0;

	if (i < r.n && r.p[i] == ']')
		i++;
	while (i < r.n && r.p[i] != ']') {
		if (r.p[i] == '[' && i + 1 < r.n && r.p[i + 1] == ':') { /* [:alpha:], or what only looks like it */
			size_t end = i + 2;
			while (end < r.n && (sv_is_alnum(r.p[end]) || r.p[end] == '^'))
				end++;
			p->failed = !sv_starts(sv_skip(r, end), SV(":]"));
			if (p->failed)
				return;
			i = end + 1; /* at the ']' of ":]" */
		}
		if (r.p[i] == '\\' && i + 1 < r.n && (r.p[i + 1] == 'Q' || r.p[i + 1] == 'E')) {
			p->failed = true; /* quoting goes on behind the bracket */
			return;
		}
		i += r.p[i] == '\\' ? 2 : 1;
	}
	if (i >= r.n) {
		p->failed = true;
		return;
	}
	p->rest = sv_skip(r, i + 1);
	if (i == 1 && r.p[0] != '^' && r.p[0] != '\\') /* [.] */
		literal_byte(p, b, r.p[0]);
	else
		anything(p, b);
}

/* "\x", p->rest behind the backslash */
static void escape(struct parser *p, struct branch *b)
{
	if (!p->rest.n) {
		p->failed = true;
		return;
	}
	char c = p->rest.p[0];
	p->rest = sv_skip(p->rest, 1);
	if (!sv_is_alnum(c))
		literal_byte(p, b, c);
	else if (strchr("dDsSwWbBhHvVRAzZ", c))
		anything(p, b);
	else if (c == 'x' && p->rest.n >= 2 && sv_hex(p->rest.p[0]) >= 0 && sv_hex(p->rest.p[1]) >= 0) {
		char byte = (char)(sv_hex(p->rest.p[0]) * 16 + sv_hex(p->rest.p[1]));
		p->rest = sv_skip(p->rest, 2);
		literal_byte(p, b, byte);
	} else
		p->failed = true; /* \Q, \1, \p{..} and the like */
}

static void alternation(struct parser *p, unsigned depth, struct literal_sets *sets_r);

/* "(...)", p->rest behind the '(' */
static void group(struct parser *p, struct branch *b, unsigned depth)
{
	struct literal_sets inside;
	unsigned min = 1;

	if (sv_starts(p->rest, SV("?:")))
		p->rest = sv_skip(p->rest, 2);
	else if (sv_starts(p->rest, SV("?")) || sv_starts(p->rest, SV("*")) || depth == DEPTH_MAX)
		p->failed = true; /* lookaround, options, verbs */
	if (p->failed)
		return;
	end_run(b);
	alternation(p, depth + 1, &inside);
	if (!sv_take(&p->rest, SV(")")))
		p->failed = true;
	(void)take_quantifier(p, &min);
	for (size_t i = 0; i < inside.n && min > 0; i++)
		offer(b, &inside.v[i]);
}

static void sequence(struct parser *p, unsigned depth, struct literal_sets *sets_r)
{
	struct branch b;

	b.run.n = b.best.n = 0;
	while (p->rest.n && !p->failed && p->rest.p[0] != '|' && p->rest.p[0] != ')') {
		char c = p->rest.p[0];
		p->rest = sv_skip(p->rest, 1);
		if (c == '\\')
			escape(p, &b);
		else if (c == '[')
			bracket(p, &b);
		else if (c == '(')
			group(p, &b, depth);
		else if (c == '.' || c == '^' || c == '$')
			anything(p, &b);
		else if (c == '*' || c == '+' || c == '?')
			p->failed = true;
		else
			literal_byte(p, &b, c);
	}
	end_run(&b);
	sets_r->n = b.best.n;
	for (size_t i = 0; i < b.best.n; i++)
		copy_set(&sets_r->v[i], &b.best.v[i]);
}

/* One branch has all its sets; of several, any of their best words is needed. */
static void alternation(struct parser *p, unsigned depth, struct literal_sets *sets_r)
{
	bool known = true;

	sequence(p, depth, sets_r);
	known = sets_r->n > 0;
	while (!p->failed && sv_take(&p->rest, SV("|"))) {
		struct literal_sets branch;
		struct literal_set *all = &sets_r->v[0];
		sequence(p, depth, &branch);
		known = known && branch.n > 0 && all->n + branch.v[0].n <= LITERAL_SET_MAX;
		sets_r->n = 1;
		for (size_t i = 0; known && i < branch.v[0].n; i++)
			all->v[all->n++] = branch.v[0].v[i];
	}
	if (!known)
		sets_r->n = 0;
}

/* The most telling is in front. */
static void keep_telling(struct literal_sets *sets)
{
	while (sets->n > 1 && shortest(&sets->v[sets->n - 1]) == LITERAL_BYTES_MIN)
		sets->n--;
}

void literal_required(struct sv regex, struct literal_sets *sets_r)
{
	struct parser p = { .rest = regex };

	alternation(&p, 0, sets_r);
	if (p.failed || p.rest.n)
		sets_r->n = 0;
	keep_telling(sets_r);
}

size_t literal_branches(struct sv regex, struct sv branches_r[LITERAL_BRANCHES_MAX], struct literal_sets sets_r[LITERAL_BRANCHES_MAX])
{
	struct parser p = { .rest = regex };
	struct literal_sets unused;
	size_t n = 0;
	bool more = true;

	while (more && !p.failed && n < LITERAL_BRANCHES_MAX) {
		struct literal_sets *sets = &unused;
		const char *start = p.rest.p;
		if (sets_r)
			sets = &sets_r[n];
		sequence(&p, 0, sets);
		keep_telling(sets);
		branches_r[n++] = sv_make(start, (size_t)(p.rest.p - start));
		more = sv_take(&p.rest, SV("|"));
	}
	if (!more && !p.failed && !p.rest.n)
		return n;
	branches_r[0] = regex;
	if (sets_r)
		literal_required(regex, &sets_r[0]);
	return 1;
}
