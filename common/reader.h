/* reader: log lines to delivery records: parsed, linked to their message, classified.
 *
 * The first half of the flow; what it keeps (link.h) is a pure function of the
 * lines. The second half, records to facts, is record_facts(). */
#ifndef NIXIE_READER_H
#define NIXIE_READER_H

#include "ledger.h"
#include "line.h"
#include "link.h"
#include "mta_line.h"
#include "rules.h"

enum record_kind {
	RECORD_NONE,     /* nothing of interest, or something remembered for later */
	RECORD_DELIVERY, /* a delivery-status line for one recipient */
	RECORD_STATUS,   /* one without a recipient: expired, or "bounce failed" */
	RECORD_REMOVED,  /* the message left the queue */
	RECORD_REJECTED, /* begins like a delivery-status line, and is none */
	RECORD_LOSS,     /* the host's logger says that lines are lost (loss.h) */
};

/* Why a delivery is nobody's: it is not counted. */
enum record_left_out {
	LEFT_OUT_NOT,
	LEFT_OUT_PROBE,     /* address verification, sendmail -bv */
	LEFT_OUT_NULL,      /* null sender, double-bounce: notifications */
	LEFT_OUT_HOP,       /* to a content filter or another instance of this host */
	LEFT_OUT_NO_ATTEMPT, /* error(8), retry(8), qmgr(8), discard(8), a retry time not reached: nobody was asked */
	LEFT_OUT_AMBIGUOUS, /* the line can be read in two ways */
	LEFT_OUT_NO_ADDRESS, /* a pipe, a file, an automatic answer of a user of this host */
	LEFT_OUT_BCC,        /* a copy: logtail.bcc */
	LEFT_OUT_RETURNED,   /* mail that came back, on its way to nixie receive */
	LEFT_OUT_COUNT,
};

/* Valid until the next line. */
struct record {
	enum record_kind kind;
	enum record_left_out left_out;
	struct line line;
	enum mta mta; /* whose line it is */
	struct mta_line said;
	const struct link *link; /* NULL: nothing known of the message */
	unsigned times;          /* so often it happened: syslog may write copies of a line as a number */
	bool failed;             /* verdict and reply are filled */
	struct verdict verdict;
	struct reply reply;
	int64_t lost;            /* of RECORD_LOSS: lines; 0: not told */
};

struct reader_counts {
	uint64_t lines, unparsed, attempts, rejected, ambiguous;
	uint64_t outside; /* of the lines: not of the period that counts (period.h) */
	uint64_t losses, lost; /* notices of lines lost, and how many those are */
	uint64_t status[DELIVERY_STATUS_COUNT];
	uint64_t left_out[LEFT_OUT_COUNT];
};

struct reader {
	const struct config *config;
	struct ruleset *rules; /* borrowed; may be exchanged between lines */
	struct sv host; /* of lines that name none: ours, borrowed */
	struct link_table links;
	struct reader_counts counts;
	char instances[16][64]; /* seen on any host, for re-injected mail */
	size_t n_instances;
};

void reader_init(struct reader *reader, const struct config *config, struct ruleset *rules);
void reader_free(struct reader *reader);

enum record_kind reader_line(struct reader *reader, struct sv bytes, struct stamp_anchor *anchor, struct record *record_r);

/* The verdict and the reply of a record that failed, by these rules: reader_line() did it by its own. */
void reader_judge(struct ruleset *rules, struct record *record);

/* The facts of a record, none to three for each of its times, to the callback; their strings are valid during it. */
typedef void fact_callback(void *arg, const struct fact *fact);
void record_facts(const struct reader *reader, const struct record *record, fact_callback *callback, void *arg);

const char *left_out_name(enum record_left_out left_out);

#endif
