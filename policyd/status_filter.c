#include "status_filter.h"

#include <stdlib.h>

#include "arena.h"

static enum category judge(struct ruleset *rules, struct sv text, struct enhanced dsn)
{
	struct reply *reply = xalloc(sizeof *reply);
	struct verdict verdict;

	reply_parse(text, dsn, reply);
	const struct failure_text failure = { reply, reply->host, MTA_POSTFIX };
	ruleset_classify(rules, &failure, &verdict);
	free(reply);
	return verdict.category;
}

bool status_filter(struct ruleset *rules, const enum status_change changes[CATEGORY_COUNT], struct sv line, struct buf *to)
{
	struct sv text = line;
	struct enhanced dsn;

	if (!enhanced_parse(sv_cut(&text, ' '), &dsn) || dsn.class_ == 2 || sv_trim(text).n == 0)
		return false;
	enum status_change change = changes[judge(rules, text, dsn)];
	int class_ = change == CHANGE_TO_DEFER ? 4 : change == CHANGE_TO_BOUNCE ? 5 : dsn.class_;
	if (class_ == dsn.class_)
		return false;
	buf_add_char(to, (char)('0' + class_));
	buf_add(to, sv_skip(line, 1));
	return true;
}
