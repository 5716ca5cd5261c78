/* An address: read as a return address of ours it proves nothing, and signed as a recipient it is read again as what it was. */
#include "fuzz.h"

#include "verp.h"

#define NOW INT64_C(1795348800)

static struct verp_templates templates;
static struct verp_secrets secrets;
static const struct span lifetime = { .ms = 90 * CLOCK_DAY_S * 1000 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct { enum verp_use use; const char *text; } table[] = {
		{ VERP_BOUNCES, "b+{recipient}-{sig}@n.example" }, { VERP_UNSUBSCRIBE, "{sig}{recipient}@n.example" },
		{ VERP_BOUNCES, "b+{recipient}@n.example" }, { VERP_COMPLAINTS, "fbl@n.example" },
	};
	struct err err;

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		MUST(verp_template_parse(table[i].use, sv_of(table[i].text), &templates.v[templates.n++], &err));
	MUST(verp_secrets_parse(SV("not to be guessed, not even by a fuzzer"), &secrets, &err));
	return 0;
}

/* Without the secret none is right. */
static void check_read(struct sv text)
{
	const struct address_options keep = { .keep_case = true };
	struct address address;
	struct verp verp;
	enum verp_result result = verp_read(&templates, &secrets, text, NOW, lifetime, &verp);

	MUST(strlen(verp_result_name(result)) > 0);
	MUST(result != VERP_SIGNED && result != VERP_EXPIRED);
	MUST((result == VERP_NONE) == (verp.template == NULL));
	MUST(verp.n <= ADDRESS_KEY_MAX && verp.recipient[verp.n] == '\0');
	MUST((verp.n > 0) == (result == VERP_UNSIGNED || result == VERP_FORGED));
	if (verp.n)
		MUST(address_parse(verp_recipient(&verp), ADDRESS_INTERNAL, &keep, &address) == ADDRESS_OK);
}

static void check_made(struct sv text, const struct verp_template *t)
{
	const struct address_options keep = { .keep_case = true };
	char made[VERP_ADDRESS_MAX + 1];
	struct address key;
	struct verp verp;

	if (address_parse(text, ADDRESS_INTERNAL, &keep, &key) != ADDRESS_OK) {
		MUST(verp_make(t, &secrets, text, NOW, made) == VERP_BAD_RECIPIENT);
		return;
	}
	enum verp_made result = verp_make(t, &secrets, address_key(&key), NOW, made);
	MUST(result == VERP_MADE || result == VERP_TOO_LONG);
	if (result == VERP_TOO_LONG)
		return;
	MUST(verp_read(&templates, &secrets, sv_of(made), NOW, lifetime, &verp) == VERP_SIGNED);
	MUST(verp.template == t && sv_eq(verp_recipient(&verp), address_key(&key)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size);
	struct verp_secrets any;
	struct verp_template t;
	struct err err = { "" };

	check_read(text);
	check_made(text, &templates.v[0]);
	check_made(text, &templates.v[1]);
	MUST(verp_template_parse(VERP_BOUNCES, text, &t, &err) || strlen(err.text) > 0);
	MUST(verp_secrets_parse(text, &any, &err) ? any.n > 0 && any.n <= VERP_SECRETS_MAX : strlen(err.text) > 0);
	return 0;
}
