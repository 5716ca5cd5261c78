#include "redis_value.h"

#include <hiredis/read.h>

#include "redis.h"

struct value {
	enum value_type type;
	size_t n; /* bytes of a text, elements of a list */
	union {
		const char *text;
		int64_t number;
		struct value *list;
	};
};

enum value_type value_type(const struct value *v)
{
	return v->type;
}

struct sv value_text(const struct value *v)
{
	return v->type == VALUE_TEXT || v->type == VALUE_ERROR ? sv_make(v->text, v->n) : sv_make("", 0);
}

int64_t value_number(const struct value *v)
{
	return v->type == VALUE_NUMBER ? v->number : 0;
}

size_t value_count(const struct value *v)
{
	return v->type == VALUE_LIST ? v->n : 0;
}

const struct value *value_at(const struct value *v, size_t i)
{
	return &v->list[i];
}

/* ---- reading ---- */

static enum value_type type_of(int type)
{
	switch (type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		return VALUE_TEXT;
	case REDIS_REPLY_INTEGER:
		return VALUE_NUMBER;
	case REDIS_REPLY_ARRAY:
		return VALUE_LIST;
	case REDIS_REPLY_NIL:
		return VALUE_NIL;
	case REDIS_REPLY_ERROR:
		return VALUE_ERROR;
	default:
		return VALUE_OTHER;
	}
}

/* The place of an element is in its list, which was made before it. */
static struct value *place_of(const redisReadTask *task)
{
	struct value *v = task->parent ? &((struct value *)task->parent->obj)->list[task->idx] : arena_take(task->privdata, sizeof *v);

	v->type = type_of(task->type);
	v->n = 0;
	return v;
}

static void *make_text(const redisReadTask *task, char *bytes, size_t n)
{
	struct value *v = place_of(task);

	v->text = arena_dup(task->privdata, sv_make(bytes, n)).p;
	v->n = n;
	return v;
}

static void *make_list(const redisReadTask *task, size_t elements)
{
	if (elements > VALUES_MAX)
		return NULL; /* the connection is broken */
	struct value *v = place_of(task);
	v->list = arena_take(task->privdata, elements * sizeof *v->list);
	v->n = elements;
	return v;
}

static void *make_number(const redisReadTask *task, long long number)
{
	struct value *v = place_of(task);

	v->number = number;
	return v;
}

/* The task has the type that a text or a list would have had. */
static void *make_nil(const redisReadTask *task)
{
	struct value *v = place_of(task);

	v->type = VALUE_NIL;
	return v;
}

static void free_nothing(void *value)
{
	(void)value; /* it goes with its arena */
}

#ifdef REDIS_REPLY_DOUBLE /* hiredis 1.x; our servers are not asked to speak RESP3 */
#define make_array make_list

static void *make_double(const redisReadTask *task, double number, char *bytes, size_t n)
{
	(void)number;
	return make_text(task, bytes, n);
}

static void *make_bool(const redisReadTask *task, int truth)
{
	return make_number(task, truth);
}
#else
static void *make_array(const redisReadTask *task, int elements)
{
	return make_list(task, elements < 0 ? SIZE_MAX : (size_t)elements);
}
#endif

void values_read(struct redisReader *reader, struct arena *arena)
{
	static redisReplyObjectFunctions functions = { .createString = make_text, .createArray = make_array, .createInteger = make_number,
		.createNil = make_nil, .freeObject = free_nothing,
#ifdef REDIS_REPLY_DOUBLE
		.createDouble = make_double, .createBool = make_bool,
#endif
	};

	reader->fn = &functions;
	reader->privdata = arena;
}
