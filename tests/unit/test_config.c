#include "test.h"

#include <unistd.h>

#include "config.h"
#include "tls.h"

static struct config config; /* large */

static void parse(const char *text)
{
	struct err err = { "" };

	if (!config_parse("t.conf", text, &config, &err))
		test_fail("config_parse", err.text, "a configuration", __FILE__, __LINE__);
}

static void an_empty_file_gives_the_defaults(void **state)
{
	(void)state;
	memset(&config, 0x5a, sizeof config);
	parse("");
	WANT_STRING(config.redis_address, "unix:/run/nixie-redis/redis.sock");
	WANT_STRING(config.redis_prefix, "nixie");
	WANT_INT(config.redis_timeout_ms, 1000);
	WANT_INT(config.redis_database, 0);
	WANT_INT(config.rules_directories.n, 0);
	WANT_INT(config.local_part, LOCAL_FOLD_CASE);
	WANT_INT(config.attribute_to, ATTRIBUTE_FINAL);
	WANT_INT(config.policyd_listen.n, 1);
	WANT_STRING(config.policyd_listen.v[0], "unix:/var/spool/postfix/nixie/policy");
	WANT_INT(config.policyd_socket_mode, 0660);
	WANT_INT(config.policyd_deadline_ms, 250);
	WANT_INT(config.on_store_failure, FAILURE_DUNNO);
	WANT(!config.policyd_answers.shadow);
	WANT_STRING(config.logtail_files.v[0], "/var/log/mail.log");
	WANT_INT(config.logtail_link_memory, 32 << 20);
	WANT_INT(config.logtail_start, START_BEGINNING);
	WANT_INT(config.conversions.n, 2);
	const struct conversion *no_mx = &config.conversions.v[0], *full = &config.conversions.v[1];
	WANT_STRING(no_mx->match, "dns.no-mx");
	WANT(no_mx->count == 4 && no_mx->window.months == 12 && no_mx->window.ms == 0 && no_mx->to == STATUS_HARD && !no_mx->reset_on_delivery);
	WANT_STRING(full->match, "mailbox.full");
	WANT(full->count == 2 && full->min_span.ms == 3 * 86400000 && full->reset_on_delivery && full->to == STATUS_HELD);
	WANT_INT(full->term.ms, 15 * INT64_C(86400000));
}

static void a_value_of_each_type(void **state)
{
	(void)state;
	parse("redis: { address = \"inet:[::1]:6379\"; database = 15; timeout = \"2 min\"; };\n"
	      "attribute-to = \"both\"; soft-expiry = \"2 weeks\";\n"
	      "rules: { directories = [ \"/a\", \"/b\" ]; };\n"
	      "address: { local-part = \"keep-case\"; subaddress-delimiter = \"+\"; };\n"
	      "policyd: { shadow = true; socket-mode = \"0600\"; listen = [ \"inet:127.0.0.1:10040\", \"unix:/x\" ]; on-store-failure = \"defer\";\n"
	      " maps = [ \"unix:/y\" ]; status-filter = ( { category = \"mailbox.full\"; to = \"bounce\"; }, { to = \"defer\"; category = \"throttled\"; } ); };\n"
	      "logtail: { link-memory = \"1 GiB\"; batch = 1; files = ( \"/var/log/a\", \"journal:\" ); socket-mode = \"0622\"; };\n"
	      "conversions = ( { match = \"challenge\"; count = 7; window = \"30 days\"; per = \"day\"; to = \"held\"; term = \"1 month\"; } );\n"
	      "terms = ( { category = \"recipient.disabled\"; term = \"6 months\"; factor = 3; max-term = \"24 months\"; } );\n");
	WANT_STRING(config.redis_address, "inet:[::1]:6379");
	WANT_INT(config.redis_database, 15);
	WANT_INT(config.redis_timeout_ms, 120000);
	WANT_INT(config.attribute_to, ATTRIBUTE_BOTH);
	WANT_INT(config.soft_expiry.ms, 14 * INT64_C(86400000));
	WANT_INT(config.rules_directories.n, 2);
	WANT_STRING(config.rules_directories.v[1], "/b");
	struct address_options options = config_address_options(&config);
	WANT(options.keep_case && options.subaddress == '+');
	WANT(config.policyd_answers.shadow);
	WANT_INT(config.policyd_socket_mode, 0600);
	WANT_INT(config.policyd_listen.n, 2);
	WANT_INT(config.on_store_failure, FAILURE_DEFER);
	WANT_INT(config.policyd_maps.n, 1);
	WANT_INT(config.status_filter[CATEGORY_MAILBOX_FULL], CHANGE_TO_BOUNCE);
	WANT_INT(config.status_filter[CATEGORY_THROTTLED], CHANGE_TO_DEFER);
	WANT_INT(config.status_filter[CATEGORY_OTHER], CHANGE_NOTHING);
	WANT_INT(config.logtail_link_memory, INT64_C(1) << 30);
	WANT_INT(config.logtail_files.n, 2);
	WANT_INT(config.logtail_socket_mode, 0622);
	WANT_INT(config.conversions.n, 1);
	WANT(config.conversions.terms[CATEGORY_RECIPIENT_DISABLED].term.months == 6 && config.conversions.terms[CATEGORY_RECIPIENT_DISABLED].factor == 3);
	WANT(config.conversions.terms[CATEGORY_RECIPIENT_DISABLED].max_term.months == 24 && config.conversions.terms[CATEGORY_RECIPIENT_UNKNOWN].term.months == 0);
	WANT(config.conversions.v[0].per == PER_DAY && config.conversions.v[0].count == 7 && config.conversions.v[0].term.months == 1);
}

static void longest_terms(void **state)
{
	static const struct { const char *name, *term, *max; } table[] = {
		{ "the same", "15 days", "15 days" }, { "longer", "15 days", "16 days" }, { "months", "1 month", "1 year" },
		{ "perhaps the same", "1 month", "30 days" }, { "perhaps the same, the other way round", "31 days", "1 month" },
	};
	char text[256];

	(void)state;
	EACH(row, table) {
		(void)snprintf(text, sizeof text, "terms = ( { category = \"recipient.disabled\"; term = \"%s\"; max-term = \"%s\"; } );",
			row->term, row->max);
		parse(text);
	}
}

#define RECEIVE_SIGNED "{ for = \"bounces\"; address = \"b+{recipient}-{sig}@news.example\"; }"

static void mail_that_comes_back(void **state)
{
	(void)state;
	parse("");
	WANT(config.receive_remember.ms == 0 && config.receive_remember.months == 0);
	WANT_INT(config.receive_shared, 1);
	WANT_INT(config.receive_wait_ms, 3000);
	WANT_INT(config.receive_addresses.n, 0);
	WANT_INT(config.receive_signature_lifetime.ms, 90 * INT64_C(86400000));
	WANT_INT(config.receive_feedback_loops.n, 0);
	WANT_INT(config.receive_complaint_scope, COMPLAINT_SCOPE_SENDER);
	parse("receive: { remember = \"2 months\"; shared = 1000; wait = \"0s\"; secret-file = \"/s\"; signature-lifetime = \"1 year\"; complaint-scope = \"all\";\n"
	      " addresses = ( " RECEIVE_SIGNED ", { address = \"FBL@News.example\"; for = \"complaints\"; } );\n"
	      " recipient-headers = [ \"X-Return\" ]; authserv-id = [ \"mx.example.com\", \"b\" ];\n"
	      " feedback-loops = ( { dkim = \"Arf.Mail.example\"; recipients = [ \"a.example\", \"b.example\" ]; }, { dkim = \"c.example\"; from = \"Staff@C.example\"; },\n"
	      "  { recipients = \"d.example\"; dkim = \"d.example\"; } ); };");
	WANT_INT(config.receive_remember.months, 2);
	WANT_INT(config.receive_shared, 1000);
	WANT_INT(config.receive_wait_ms, 0);
	WANT_STRING(config.receive_secret_file, "/s");
	WANT_INT(config.receive_signature_lifetime.months, 12);
	WANT_INT(config.receive_complaint_scope, COMPLAINT_SCOPE_ALL);
	WANT_INT(config.receive_addresses.n, 2);
	WANT_STRING(config.receive_addresses.v[0].text, "b+{recipient}-{sig}@news.example");
	WANT_INT(config.receive_addresses.v[1].use, VERP_COMPLAINTS);
	WANT_STRING(config.receive_addresses.v[1].text, "fbl@news.example");
	WANT_STRING(config.receive_recipient_headers.v[0], "X-Return");
	WANT_STRING(config.receive_authserv_id.v[1], "b");
	const struct feedback_loops *loops = &config.receive_feedback_loops;
	WANT_INT(loops->n, 3);
	WANT_STRING(loops->v[0].dkim, "arf.mail.example");
	WANT(feedback_loop_covers(loops, &loops->v[0], SV("b.example")) && feedback_loop_covers(loops, &loops->v[0], SV("x.a.example")));
	WANT(!feedback_loop_covers(loops, &loops->v[0], SV("xa.example")) && !feedback_loop_covers(loops, &loops->v[0], SV("d.example")));
	WANT(feedback_loop_covers(loops, &loops->v[1], SV("anything.example")));
	WANT(feedback_loop_is_from(&loops->v[0], SV("")) && feedback_loop_is_from(&loops->v[1], SV("staff@c.example")));
	WANT(!feedback_loop_is_from(&loops->v[1], SV("user@c.example")) && !feedback_loop_is_from(&loops->v[1], SV("")));
	WANT(feedback_loop_covers(loops, &loops->v[2], SV("d.example")) && !feedback_loop_covers(loops, &loops->v[2], SV("b.example")));
}

static void no_conversions_at_all(void **state)
{
	(void)state;
	parse("conversions = ( );");
	WANT_INT(config.conversions.n, 0);
}

static void errors(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "syntax", "redis: {\n address = \"x;\n", "t.conf:" },
		{ "no such option", "redis: {\n adress = \"x\"; };", "t.conf:2: there is no option \"redis.adress\"" },
		{ "no such group", "reddis: {\n address = \"x\"; };", "\"reddis.address\"" },
		{ "an option of a group, without it", "address = \"x\";", "\"address\"" },
		{ "group in a group", "redis: { address: { x = 1; }; };", "t.conf:1: redis.address is a group" },
		{ "number for a string", "redis: { prefix = 1; };", "redis.prefix is a whole number" },
		{ "string for a number", "redis: { database = \"one\"; };", "write a whole number" },
		{ "negative number", "redis: { database = -1; };", "write a whole number" },
		{ "too large", "redis: { database = 16; };", "out of range" },
		{ "a fraction", "redis: { database = 1.5; };", "redis.database is something else" },
		{ "a time without unit", "redis: { timeout = \"10\"; };", "write a time such as" },
		{ "a number for a time", "redis: { timeout = 10; };", "redis.timeout is a whole number" },
		{ "calendar months where milliseconds are", "redis: { timeout = \"1 month\"; };", "write a time such as" },
		{ "time too short", "redis: { timeout = \"9ms\"; };", "out of range" },
		{ "time too long", "policyd: { deadline = \"61s\"; };", "out of range" },
		{ "mode as a number", "policyd: { socket-mode = 0660; };", "policyd.socket-mode is a whole number" },
		{ "mode with sticky bit", "policyd: { socket-mode = \"1777\"; };", "chmod" },
		{ "mode in decimal", "policyd: { socket-mode = \"688\"; };", "chmod" },
		{ "size too small", "logtail: { link-memory = \"1KiB\"; };", "out of range" },
		{ "size of another unit", "logtail: { link-memory = \"32MB\"; };", "write a size" },
		{ "a longest term that is shorter, of a conversion",
		  "conversions = ( { match = \"mailbox.full\"; count = 2; to = \"held\";\n term = \"15 days\";\n max-term = \"14 days\"; } );",
		  "t.conf:3: max-term is shorter than term" },
		{ "a longest term that is shorter, of a category",
		  "terms = ( { category = \"recipient.disabled\"; term = \"2 months\"; max-term = \"1 month\"; } );", "t.conf:1: max-term is shorter" },
		{ "in another unit", "terms = ( { category = \"recipient.disabled\"; term = \"1 month\"; max-term = \"27 days\"; } );", "max-term is shorter" },
		{ "a word that is none", "attribute-to = \"finally\";", "\"final\", \"original\", \"both\"" },
		{ "bool as a word", "policyd: { shadow = \"yes\"; };", "true or false" },
		{ "bool as a number", "policyd: { shadow = 1; };", "policyd.shadow is a whole number" },
		{ "list member", "logtail: { files = ( \"/a\", 1 ); };", "each member is a string" },
		{ "a log without a name", "logtail: { files = [ \"\" ]; };", "logtail.files has an empty member" },
		{ "a socket without its directory", "logtail: { files = [ \"syslog:log\" ]; };", "the whole path of a socket" },
		{ "a journal without its directory", "logtail: { files = [ \"/a\", \"journal:x\" ]; };", "\"journal:\" for that of this host" },
		{ "endpoint without kind", "policyd: { listen = [ \"/a\" ]; };", "unix:/path" },
		{ "port 0", "redis: { address = \"inet:127.0.0.1:0\"; };", "inet:127.0.0.1" },
		{ "port too large", "redis: { address = \"inet:127.0.0.1:65536\"; };", "inet:127.0.0.1" },
		{ "no host", "redis: { address = \"inet::6379\"; };", "t.conf:1: redis.address: \"inet::6379\"" },
		{ "a sentinel without a name", "redis: { address = \"sentinel:127.0.0.1:26379\"; };", "sentinel:NAME@HOST:PORT" },
		{ "no partitions", "redis: { partitions = 0; };", "redis.partitions" },
		{ "a share of more than all", "brake: { share = \"101 %\"; };", "brake.share" },
		{ "a share that is none", "alerts: { hard = \"much\"; };", "alerts.hard" },
		{ "no path", "redis: { address = \"unix:\"; };", "unix:/path" },
		{ "user without password", "redis: { user = \"x\"; };", "redis.password" },
		{ "CA without TLS", "redis: { address = \"inet:127.0.0.1:6379\"; tls-ca-file = \"/ca.pem\"; };", "t.conf: redis.tls is false" },
		{ "certificate without key", "redis: { tls-cert-file = \"/cert.pem\"; };", "redis.tls" },
		{ "delimiter of two", "address: { subaddress-delimiter = \"++\"; };", "one character" },
		{ "a copy to nobody", "logtail: { bcc = [ \"archive\" ]; };", "logtail.bcc: \"archive\" is no address" },
		{ "a copy to no domain", "logtail: { bcc = [ \"archive@\" ]; };", "is no address" },
		{ "a copy in brackets", "logtail: { bcc = [ \"<a@b.example>\" ]; };", "is no address" },
		{ "a header with a colon", "logtail: { campaign-headers = [ \"X-Campaign-Id:\" ]; };", "without a colon" },
		{ "a header with a blank", "logtail: { campaign-headers = [ \"X Campaign\" ]; };", "no name of a header" },
		{ "a header without a name", "logtail: { campaign-headers = [ \"\" ]; };", "has an empty name" },
		{ "prefix with a brace", "redis: { prefix = \"a{b\"; };", "redis.prefix" },
		{ "empty prefix", "redis: { prefix = \"\"; };", "redis.prefix" },
		{ "conversions as a group", "conversions = { };", "write a list" },
		{ "conversion without match", "conversions = ( { to = \"hard\"; } );", "needs match and to" },
		{ "conversion without to", "conversions = (\n { match = \"x\"; } );", "t.conf:2: a conversion needs match and to" },
		{ "held without a term", "conversions = ( { match = \"x\"; to = \"held\"; } );", "needs a term" },
		{ "held for no time", "conversions = ( { match = \"x\"; to = \"held\"; term = \"0 days\"; } );", "needs a term" },
		{ "to soft", "conversions = ( { match = \"x\"; to = \"soft\"; } );", "to: write" },
		{ "count 0", "conversions = ( { match = \"x\"; to = \"hard\"; count = 0; } );", "count: write" },
		{ "count above what is kept", "conversions = ( { match = \"x\"; to = \"hard\"; count = 33; } );", "count: write a number from 1 to 32" },
		{ "per", "conversions = ( { match = \"x\"; to = \"hard\"; per = \"week\"; } );", "per: write" },
		{ "reset with quotes", "conversions = ( { match = \"x\"; to = \"hard\"; reset-on-delivery = \"true\"; } );", "without quotes" },
		{ "factor 0", "conversions = ( { match = \"x\"; to = \"hard\"; count = 2; factor = 0; } );", "factor: write a number from 1 to 100" },
		{ "terms as a group", "terms = { };", "write a list" },
		{ "a term without category", "terms = (\n { term = \"1 day\"; } );", "t.conf:2: a term needs category and term" },
		{ "a term without term", "terms = ( { category = \"recipient.unknown\"; } );", "a term needs category and term" },
		{ "a term of a soft category", "terms = ( { category = \"mailbox.full\"; term = \"1 day\"; } );", "mailbox.full is not hard" },
		{ "a term of no category", "terms = ( { category = \"x\"; term = \"1 day\"; } );", "write one that is hard" },
		{ "a term's factor", "terms = ( { category = \"recipient.unknown\"; term = \"1 day\"; factor = 101; } );", "factor: write" },
		{ "two terms", "terms = ( { category = \"recipient.unknown\"; term = \"1 day\"; }, { category = \"recipient.unknown\"; term = \"2 days\"; } );", "has a term already" },
		{ "a status filter as a group", "policyd: { status-filter = { }; };", "t.conf:1: status-filter: write a list" },
		{ "a member that is no group", "policyd: { status-filter = ( \"mailbox.full\" ); };", "each member is a group" },
		{ "no such category to filter", "policyd: { status-filter = (\n { category = \"mailbox\"; to = \"bounce\"; } ); };", "t.conf:2: category: write one such as" },
		{ "a filter to nothing", "policyd: { status-filter = ( { category = \"mailbox.full\"; } ); };", "it needs category and to" },
		{ "a filter of nothing", "policyd: { status-filter = ( { to = \"defer\"; } ); };", "it needs category and to" },
		{ "a filter to accept", "policyd: { status-filter = ( { category = \"mailbox.full\"; to = \"accept\"; } ); };", "to: write \"defer\" or \"bounce\"" },
		{ "a filter to a number", "policyd: { status-filter = ( { category = \"mailbox.full\"; to = 4; } ); };", "to: write \"defer\" or \"bounce\"" },
		{ "twice the same category", "policyd: { status-filter = ( { category = \"virus\"; to = \"defer\"; }, { category = \"virus\"; to = \"bounce\"; } ); };",
		  "virus is there already" },
		{ "addresses as a string", "receive: { addresses = \"b@news.example\"; };", "t.conf:1: receive.addresses: write a list" },
		{ "an address that is no group", "receive: { addresses = ( \"b@news.example\" ); };", "each member is a group { for" },
		{ "for nothing", "receive: { addresses = ( { address = \"b@news.example\"; } ); };", "it needs for and address" },
		{ "for something else", "receive: { addresses = ( { address = \"b@news.example\"; for = \"bounce\"; } ); };", "for: write \"bounces\", \"unsubscribe\" or \"complaints\"" },
		{ "an address that is a number", "receive: { addresses = ( { address = 1; for = \"bounces\"; } ); };", "address: write a string" },
		{ "an address with more", "receive: { addresses = ( { address = \"b@news.example\"; for = \"bounces\"; secret = \"x\"; } ); };", "an address has no \"secret\"" },
		{ "a sender that is an address", "receive: { addresses = ( { for = \"bounces\"; address = \"b@c.example\"; sender = \"a@b.example\"; } ); };", "sender: write the domain" },
		{ "a template that is none", "receive: {\n addresses = ( { for = \"bounces\"; address = \"b+{recipient}{recipient}@news.example\"; } ); };",
		  "t.conf:2: address: \"b+{recipient}{recipient}@news.example\": {recipient} is there twice" },
		{ "the same address twice", "receive: { addresses = ( { for = \"bounces\"; address = \"b@n.example\"; },\n { for = \"complaints\"; address = \"B@N.example\"; } ); };",
		  "t.conf:2: the address b@n.example is there already" },
		{ "a signature without a secret", "receive: { addresses = ( " RECEIVE_SIGNED " ); };", "receive.secret-file is not set; write secret-file" },
		{ "a secret in the configuration", "receive: { secret-file = \"sesame\"; };", "write a path that begins with /" },
		{ "nothing for a lifetime", "receive: { signature-lifetime = \"0\"; };", "write a time such as" },
		{ "no lifetime", "receive: { signature-lifetime = \"0s\"; };", "must be longer than nothing" },
		{ "no time to remember", "receive: { remember = \"ever\"; };", "\"12 months\", or \"0\"" },
		{ "shared with nobody", "receive: { shared = 0; };", "out of range" },
		{ "a header that is none", "receive: { recipient-headers = [ \"X-Return:\" ]; };", "is no name of a header" },
		{ "a server's name that is none", "receive: { authserv-id = [ \"mx;example\" ]; };", "is no name of a server" },
		{ "a loop that is no group", "receive: { feedback-loops = ( \"yahoo.com\" ); };", "each member is a group { dkim" },
		{ "loops as a group", "receive: { feedback-loops = { }; };", "receive.feedback-loops: write a list" },
		{ "a loop of nobody", "receive: { feedback-loops = ( { recipients = \"yahoo.com\"; } ); };", "it needs dkim" },
		{ "a loop of a top-level domain", "receive: { feedback-loops = ( { dkim = \"com\"; } ); };", "is all of a top-level domain" },
		{ "a loop of an address", "receive: { feedback-loops = ( { dkim = \"x@yahoo.com\"; } ); };", "is no domain" },
		{ "a loop from nowhere", "receive: { feedback-loops = ( { dkim = \"yahoo.com\"; from = \"staff\"; } ); };", "from: \"staff\" is no address" },
		{ "a loop of no addresses", "receive: { feedback-loops = ( { dkim = \"yahoo.com\"; recipients = [ ]; } ); };", "recipients: write a list of domains" },
		{ "a loop with more", "receive: { feedback-loops = ( { spf = \"yahoo.com\"; } ); };", "a feedback loop has no \"spf\"" },
		{ "a loop that nobody can know", "receive: { feedback-loops = ( { dkim = \"yahoo.com\"; } ); };", "receive.authserv-id is not" },
		{ "no such scope", "receive: { complaint-scope = \"domain\"; };", "\"sender\", \"all\"" },
		{ "no such member of a filter", "policyd: { status-filter = ( { match = \"x\"; } ); };", "a member of status-filter has no \"match\"" },
		{ "maps nowhere", "policyd: { maps = [ \"/run/nixie/maps\" ]; };", "policyd.maps is \"/run/nixie/maps\"; write unix:" },
		{ "no such member of a term", "terms = ( { match = \"x\"; } );", "a term has no \"match\"" },
		{ "no such member", "conversions = ( { match = \"x\"; to = \"hard\"; days = 3; } );", "a conversion has no \"days\"" },
	};

	(void)state;
	EACH(row, table) {
		struct err err = { "" };
		memset(&config, 0x5a, sizeof config);
		WANT(!config_parse("t.conf", row->text, &config, &err));
		WANT_PART(err.text, row->want);
		WANT(strncmp(err.text, "t.conf", 6) == 0);
		WANT_INT(config.redis_address[0], 0x5a); /* untouched */
	}
}

/* Whether or not we were built with it, nobody gets a connection in the clear who asked for another. */
static void encrypted(void **state)
{
	struct err err = { "" };

	(void)state;
	if (!tls_supported()) {
		WANT(!config_parse("t.conf", "redis: {\n tls = true; };", &config, &err));
		WANT_PART(err.text, "t.conf:2: redis.tls: this program was built without TLS");
		WANT_PART(err.text, "stunnel");
		return;
	}
	WANT(!config_parse("t.conf", "redis: { tls = true; };", &config, &err));
	WANT_PART(err.text, "Unix socket");
	WANT(!config_parse("t.conf", "redis: { address = \"inet:127.0.0.1:6379\"; tls = true; tls-key-file = \"/key.pem\"; };", &config, &err));
	WANT_PART(err.text, "set both, or neither");
	WANT(!config_parse("t.conf", "redis: { address = \"inet:127.0.0.1:6379\"; tls = true; tls-ca-file = \"/nowhere/ca.pem\"; };", &config, &err));
	WANT_PART(err.text, "t.conf: redis.tls-ca-file: \"/nowhere/ca.pem\"");
	WANT(config_parse("t.conf", "redis: { address = \"inet:127.0.0.1:6379\"; tls = true; };", &config, &err));
	WANT(config.redis_tls);
}

static void spans(void **state)
{
	static const struct { const char *name, *text; bool want_ok; int32_t want_months; int64_t want_ms; } table[] = {
		{ "milliseconds", "250ms", true, 0, 250 },
		{ "seconds", "10 s", true, 0, 10000 },
		{ "minutes", "5min", true, 0, 300000 },
		{ "hours", "48 hours", true, 0, 172800000 },
		{ "days", "15 days", true, 0, INT64_C(1296000000) },
		{ "d", "15d", true, 0, INT64_C(1296000000) },
		{ "months", "12 months", true, 12, 0 },
		{ "years", "2 years", true, 24, 0 },
		{ "blanks around", "  1 day ", true, 0, 86400000 },
		{ "a hundred years", "36500 days", true, 0, INT64_C(3153600000000) },
		{ "more than that", "36501 days", false, 0, 0 },
		{ "the same in years", "100 years", true, 1200, 0 },
		{ "and more", "101 years", false, 0, 0 },
		{ "in months", "1200 months", true, 1200, 0 },
		{ "one more", "1201 months", false, 0, 0 },
		{ "weeks", "5215 weeks", false, 0, 0 },
		{ "hours without an end", "900000000 hours", false, 0, 0 },
		{ "m is not said what", "5m", false, 0, 0 },
		{ "no number", "days", false, 0, 0 },
		{ "no unit", "15", false, 0, 0 },
		{ "negative", "-1 day", false, 0, 0 },
		{ "a fraction", "1.5 days", false, 0, 0 },
		{ "capitals", "15 Days", false, 0, 0 },
		{ "two of them", "1 day 2 hours", false, 0, 0 },
		{ "overflow", "99999999999999999999 s", false, 0, 0 },
		{ "nothing", "", false, 0, 0 },
	};

	(void)state;
	EACH(row, table) {
		struct span span = { -1, -1 };
		WANT_INT(config_parse_span(sv_of(row->text), &span), row->want_ok);
		WANT_INT(span.months, row->want_ok ? row->want_months : -1);
		WANT_INT(span.ms, row->want_ok ? row->want_ms : -1);
	}
}

static void sizes(void **state)
{
	static const struct { const char *name, *text; bool want_ok; int64_t want; } table[] = {
		{ "MiB", "32MiB", true, 33554432 }, { "blank", "64 KiB", true, 65536 }, { "bytes", "512", true, 512 },
		{ "B", "512B", true, 512 }, { "largest", "1000000000GiB", true, INT64_C(1000000000) << 30 },
		{ "too many digits", "1000000001GiB", false, 0 }, { "thousands", "1MB", false, 0 }, { "nothing", "", false, 0 },
	};

	(void)state;
	EACH(row, table) {
		int64_t bytes = -1;
		WANT_INT(config_parse_bytes(sv_of(row->text), &bytes), row->want_ok);
		WANT_INT(bytes, row->want_ok ? row->want : -1);
	}
}

/* ---- command line and file ---- */

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static void overrides_come_last(void **state)
{
	char path[] = "/tmp/nixie-config-XXXXXX";
	struct config_args args = { .path = path };
	struct err err = { "" };

	(void)state;
	write_file(path, "redis: { prefix = \"file\"; timeout = \"5s\"; };");
	WANT(config_args_add(&args, "redis.prefix=own", &err));
	WANT(config_args_add(&args, "logtail.files=/a, /b", &err));
	WANT(config_args_add(&args, "redis.password=a=b", &err));
	bool ok = config_load(&args, &config, &err);
	(void)unlink(path);
	WANT_STRING(err.text, "");
	WANT(ok);
	WANT_STRING(config.redis_prefix, "own");
	WANT_INT(config.redis_timeout_ms, 5000);
	WANT_INT(config.logtail_files.n, 2);
	WANT_STRING(config.logtail_files.v[1], "/b");
	WANT_STRING(config.redis_password, "a=b");
	WANT(!config_load(&args, &config, &err)); /* the file is gone */
	WANT_PART(err.text, path);
}

static void bad_overrides(void **state)
{
	static const struct { const char *name, *override, *want; } table[] = {
		{ "no =", "redis.prefix", "NAME=VALUE" },
		{ "no such name", "redis.prefixx=a", "NAME=VALUE" },
		{ "no name", "=a", "NAME=VALUE" },
		{ "bad value", "redis.timeout=soon", "redis.timeout is \"soon\"" },
		{ "only in the file", "conversions=()", "only be set in the file" },
		{ "together", "redis.user=x", "redis.password" },
	};
	char path[] = "/tmp/nixie-config-XXXXXX";

	(void)state;
	write_file(path, "");
	EACH(row, table) {
		struct config_args args = { .path = path };
		struct err err = { "" };
		WANT(config_args_add(&args, row->override, &err));
		bool ok = config_load(&args, &config, &err);
		if (ok)
			(void)unlink(path);
		WANT(!ok);
		WANT_PART(err.text, row->want);
	}
	(void)unlink(path);
}

/* What an override covers may change in the file: nothing has changed for who runs, so nothing may be said of it. */
static void what_an_override_covers_is_no_change(void **state)
{
	static const char *const files[] = { "redis: { prefix = \"newsletter\"; }; logtail: { files = [ \"/a\", \"/b\" ]; };",
		"redis: { prefix = \"mail\"; }; logtail: { files = [ \"/c\" ]; };" };
	static struct config loaded[2];

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		char path[] = "/tmp/nixie-config-XXXXXX";
		struct config_args args = { .path = path };
		struct err err = { "" };
		write_file(path, files[i]);
		bool ok = config_args_add(&args, "redis.prefix=n", &err) && config_args_add(&args, "logtail.files=/d", &err) &&
			config_load(&args, &loaded[i], &err);
		(void)unlink(path);
		WANT(ok);
	}
	WANT(memcmp(loaded[0].redis_prefix, loaded[1].redis_prefix, sizeof loaded[0].redis_prefix) == 0);
	WANT(memcmp(&loaded[0].logtail_files, &loaded[1].logtail_files, sizeof loaded[0].logtail_files) == 0);
}

static void too_many_overrides(void **state)
{
	struct config_args args = { 0 };
	struct err err;
	size_t n = 0;

	(void)state;
	while (n < 1000 && config_args_add(&args, "redis.prefix=a", &err))
		n++;
	WANT_INT(n, COUNT(args.overrides));
}

static void reload_takes_what_may_change(void **state)
{
	static struct config running;
	int silenced = dup(STDERR_FILENO); /* the warning about redis.prefix */

	(void)state;
	parse("");
	running = config;
	parse("redis: { prefix = \"other\"; timeout = \"7s\"; }; policyd: { shadow = true; }; soft-expiry = \"1 day\"; conversions = ( );");
	assert_non_null(freopen("/dev/null", "w", stderr));
	config_reload(&running, &config);
	(void)fflush(stderr);
	(void)dup2(silenced, STDERR_FILENO);
	(void)close(silenced);
	WANT_STRING(running.redis_prefix, "nixie");
	WANT_INT(running.redis_timeout_ms, 7000);
	WANT(running.policyd_answers.shadow);
	WANT_INT(running.soft_expiry.ms, 86400000);
	WANT_INT(running.conversions.n, 0);
}

/* The table itself: unique names, defaults that are in range, a line of help. */
static void every_row_of_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		test_row = o->name;
		WANT(o->help && strlen(o->help) > 5);
		WANT(o->type == OPTION_CONVERSIONS || o->type == OPTION_TERMS || o->type == OPTION_ANSWERS ||
		     o->type == OPTION_STATUS_FILTER ||
			o->type == OPTION_ADDRESSES || o->type == OPTION_FEEDBACK_LOOPS || o->default_);
		WANT((o->type == OPTION_ENUM) == (o->words != NULL));
		for (size_t j = 0; j < i; j++)
			WANT(strcmp(config_options[j].name, o->name) != 0);
	}
	test_row = "";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_gives_the_defaults),
		cmocka_unit_test(a_value_of_each_type),
		cmocka_unit_test(longest_terms),
		cmocka_unit_test(no_conversions_at_all),
		cmocka_unit_test(mail_that_comes_back),
		cmocka_unit_test(errors),
		cmocka_unit_test(encrypted),
		cmocka_unit_test(spans),
		cmocka_unit_test(sizes),
		cmocka_unit_test(overrides_come_last),
		cmocka_unit_test(bad_overrides),
		cmocka_unit_test(what_an_override_covers_is_no_change),
		cmocka_unit_test(too_many_overrides),
		cmocka_unit_test(reload_takes_what_may_change),
		cmocka_unit_test(every_row_of_the_table),
	};

	return RUN(tests);
}
