#include "genlog-mailbox.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SMALL_SITES = 20000 };

static const struct {
	enum site site;
	unsigned per_mille;
	const char *domain;
	const char *server; /* # is a digit */
} big_sites[] = {
	{ SITE_GOOGLE, 330, "gmail.example", "gmail-smtp-in.l.google.com" },
	{ SITE_GOOGLE, 60, "workspace.example", "alt#.aspmx.l.google.com" },
	{ SITE_MICROSOFT, 110, "hotmail.example", "hotmail-com.olc.protection.outlook.com" },
	{ SITE_MICROSOFT, 60, "office.example", "office-example.mail.protection.outlook.com" },
	{ SITE_YAHOO, 80, "yahoo.example", "mta#.am0.yahoodns.net" },
	{ SITE_YAHOO, 20, "aol.example", "mx-aol.mail.gm0.yahoodns.net" },
	{ SITE_APPLE, 40, "icloud.example", "mx0#.mail.icloud.com" },
	{ SITE_GMX, 40, "gmx.example", "mx0#.emig.gmx.net" },
	{ SITE_TENCENT, 20, "qq.example", "mx#.qq.com" },
};

enum { BIG_SITES = sizeof big_sites / sizeof big_sites[0] };

static void fill_small_site(struct mailbox *box, uint64_t h)
{
	static const char *const names[] = { "acme", "nova", "north", "delta", "green", "solar", "metro",
		"urban", "rapid", "clear", "stone", "river", "cloud", "media", "trade", "alpine" };
	static const char *const tlds[] = { "example", "test", "example.com", "example.net", "example.org" };
	double u = (double)(h & 0xffffff) * 0x1p-24;
	unsigned domain = (unsigned)(SMALL_SITES * u * u * u); /* a few have many users */
	uint64_t d = rng_mix(domain + 1);

	box->site = SITE_OTHER;
	snprintf(box->domain, sizeof box->domain, "%s%u.%s", names[d % 16], domain, tlds[(d >> 8) % 5]);
	snprintf(box->server, sizeof box->server, "%s.%s", (d >> 16) % 2 ? "mail" : "mx1", box->domain);
	if ((d >> 20) % 16 == 0)
		snprintf(box->address, sizeof box->address, "2001:db8:%x::25", domain);
	else
		snprintf(box->address, sizeof box->address, "203.0.113.%u", domain % 254 + 1);
}

static void fill_big_site(struct mailbox *box, unsigned which, uint64_t h)
{
	box->site = big_sites[which].site;
	snprintf(box->domain, sizeof box->domain, "%s", big_sites[which].domain);
	snprintf(box->server, sizeof box->server, "%s", big_sites[which].server);
	char *digit = strchr(box->server, '#');
	if (digit != NULL)
		*digit = (char)('1' + h % 4);
	snprintf(box->address, sizeof box->address, "198.51.100.%u", (unsigned)(which * 20 + h % 20));
}

struct mailbox mailbox_of(uint32_t number)
{
	static const char *const first[] = { "james", "maria", "anna", "peter", "lucas", "emma", "olivia",
		"noah", "sophie", "wei", "yuki", "ivan", "olga", "paul", "laura", "nina" };
	static const char *const last[] = { "smith", "garcia", "muller", "rossi", "dubois", "novak", "tanaka",
		"wang", "silva", "brown", "martin", "weber", "jensen", "nguyen", "patel", "costa" };
	uint64_t h = rng_mix(number * UINT64_C(2654435761) + 1);
	unsigned per_mille = (unsigned)(h % 1000), which = 0;
	struct mailbox box;

	while (which < BIG_SITES && per_mille >= big_sites[which].per_mille)
		per_mille -= big_sites[which++].per_mille;
	if (which < BIG_SITES)
		fill_big_site(&box, which, h >> 12);
	else
		fill_small_site(&box, h >> 12);
	snprintf(box.local, sizeof box.local, "%s%s%s%u", first[(h >> 40) % 16], (h >> 50) % 2 ? "." : "",
	    (h >> 51) % 4 ? last[(h >> 44) % 16] : "", number);
	return box;
}

uint32_t mailbox_draw(struct rng *rng, uint32_t recipients)
{
	static double top;

	if (top == 0)
		top = pow(recipients, 0.1) - 1;
	uint32_t number = (uint32_t)pow(rng_unit(rng) * top + 1, 10);
	return number > recipients ? recipients : number;
}
