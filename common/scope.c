#include "scope.h"

#include <stdio.h>

#include "buf.h"

static const char *const kinds[] = { "sender", "login", "context" };

const char *scope_kind_name(enum scope_kind kind)
{
	return kinds[kind];
}

static bool kind_by_name(struct sv name, enum scope_kind *kind_r)
{
	for (int i = SCOPE_SENDER; i <= SCOPE_CONTEXT; i++) {
		if (sv_eq(name, sv_of(kinds[i]))) {
			*kind_r = (enum scope_kind)i;
			return true;
		}
	}
	return false;
}

static bool set_value(struct scope *s, struct sv value)
{
	if (value.n == 0 || value.n > SCOPE_VALUE_MAX || memchr(value.p, 0, value.n))
		return false;
	for (size_t i = 0; i < value.n; i++)
		s->value[i] = s->kind == SCOPE_SENDER ? sv_lower(value.p[i]) : value.p[i];
	s->value[value.n] = '\0';
	return true;
}

bool scope_parse(struct sv text, struct scope *s)
{
	struct sv value = text, kind = sv_cut(&value, ':');

	*s = (struct scope){ .status = STATUS_MANUAL };
	if (!kind_by_name(kind, &s->kind))
		return false;
	if (s->kind == SCOPE_SENDER && sv_find(value, '@') < value.n)
		return false; /* a domain, not an address */
	return set_value(s, value);
}

/* ---- packed ---- */

static bool unpack_value(struct scope *s, struct sv packed)
{
	char value[SCOPE_VALUE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < packed.n; i++) {
		char c = packed.p[i];
		if (n == sizeof value)
			return false;
		if (c == '%') {
			if (i + 2 >= packed.n || sv_hex(packed.p[i + 1]) < 0 || sv_hex(packed.p[i + 2]) < 0)
				return false;
			c = (char)(sv_hex(packed.p[i + 1]) * 16 + sv_hex(packed.p[i + 2]));
			i += 2;
		}
		value[n++] = c;
	}
	return set_value(s, sv_make(value, n));
}

static void pack(struct buf *b, const struct scope *s)
{
	buf_addf(b, "%s%s:", b->n ? " " : "", kinds[s->kind]);
	for (const char *c = s->value; *c; c++) {
		if (*c > ' ' && *c < 0x7f && *c != '%' && *c != '=')
			buf_add_char(b, *c);
		else
			buf_addf(b, "%%%02X", (unsigned char)*c);
	}
	buf_addf(b, "=%s,%lld,%lld", status_name(s->status), (long long)s->since_s, (long long)s->until_s);
}

static bool unpack(struct sv text, struct scope *s)
{
	uint64_t since, until;
	struct sv rest = text, value = sv_cut(&rest, '='), kind = sv_cut(&value, ':');
	struct sv status = sv_cut(&rest, ','), since_text = sv_cut(&rest, ',');

	*s = (struct scope){ .kind = SCOPE_SENDER };
	if (!kind_by_name(kind, &s->kind) || !unpack_value(s, value) || !status_by_name(status, &s->status) ||
	    !status_protected(s->status) || !sv_u64(since_text, INT64_MAX, &since) || !sv_u64(rest, INT64_MAX, &until))
		return false;
	s->since_s = (int64_t)since;
	s->until_s = (int64_t)until;
	return true;
}

bool scopes_next(struct sv *packed, struct scope *s)
{
	while (packed->n)
		if (unpack(sv_cut(packed, ' '), s))
			return true;
	return false;
}

bool scopes_find(struct sv packed, const struct scope *wanted, struct scope *s)
{
	while (scopes_next(&packed, s))
		if (s->kind == wanted->kind && strcmp(s->value, wanted->value) == 0)
			return true;
	*s = *wanted;
	s->status = STATUS_NONE;
	return false;
}

int64_t scopes_newest(struct sv packed)
{
	struct scope s;
	int64_t newest_s = 0;

	while (scopes_next(&packed, &s))
		newest_s = s.since_s > newest_s ? s.since_s : newest_s;
	return newest_s;
}

bool scopes_put(struct arena *arena, struct sv packed, const struct scope *scope, struct sv *packed_r)
{
	size_t room = packed.n + 3 * SCOPE_VALUE_MAX + 128, n = 0;
	struct buf b = { arena_alloc(arena, room), 0, room, false };
	struct scope s;

	while (scopes_next(&packed, &s)) {
		if (s.kind == scope->kind && strcmp(s.value, scope->value) == 0)
			continue;
		pack(&b, &s);
		n++;
	}
	if (scope->status != STATUS_NONE) {
		if (n >= SCOPES_MAX)
			return false;
		pack(&b, scope);
	}
	*packed_r = buf_sv(&b);
	return true;
}

bool scope_is_of(const struct scope *s, const struct sender *sender)
{
	struct sv value = sv_of(s->value);

	switch (s->kind) {
	case SCOPE_SENDER:
		return sv_eq_nocase(sv_after_last(sender->address, '@'), value);
	case SCOPE_LOGIN:
		return sv_eq(sender->login, value);
	case SCOPE_CONTEXT:
		return sv_eq(sender->context, value);
	}
	return false;
}

bool scopes_suppress(struct sv packed, const struct sender *sender, int64_t now_s, struct scope *s)
{
	while (scopes_next(&packed, s))
		if (scope_is_of(s, sender) && (s->until_s == 0 || now_s < s->until_s))
			return true;
	return false;
}
