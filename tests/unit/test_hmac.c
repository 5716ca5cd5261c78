/* RFC 4231, and hashes of bytes that come in pieces. */
#include "test.h"

#include "hmac.h"

static void hex(const unsigned char *bytes, size_t n, char *text)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* so many times this byte, or the text */
static struct sv fill(char *room, size_t n, int byte, const char *text)
{
	if (text)
		return sv_of(text);
	memset(room, byte, n);
	return sv_make(room, n);
}

static void the_vectors_of_rfc_4231(void **state)
{
	static const struct {
		const char *name;
		size_t key_n;
		int key_byte;
		const char *key;
		size_t data_n;
		int data_byte;
		const char *data, *want;
		size_t want_n; /* bytes */
	} table[] = {
		{ "1", 20, 0x0b, NULL, 0, 0, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", 32 },
		{ "2", 0, 0, "Jefe", 0, 0, "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", 32 },
		{ "3", 20, 0xaa, NULL, 50, 0xdd, NULL, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", 32 },
		{ "4", 0, 0, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19", 50, 0xcd, NULL,
		  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b", 32 },
		{ "5", 20, 0x0c, NULL, 0, 0, "Test With Truncation", "a3b6167473100ee06e0c796c2955552b", 16 },
		{ "6", 131, 0xaa, NULL, 0, 0, "Test Using Larger Than Block-Size Key - Hash Key First",
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", 32 },
		{ "7", 131, 0xaa, NULL, 0, 0,
		  "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
		  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2", 32 },
	};

	(void)state;
	EACH(row, table) {
		char key[200], data[200], text[2 * HMAC_BYTES + 1];
		unsigned char mac[HMAC_BYTES];
		hmac_sha256(fill(key, row->key_n, row->key_byte, row->key), fill(data, row->data_n, row->data_byte, row->data), mac);
		hex(mac, row->want_n, text);
		WANT_STRING(text, row->want);
	}
}

/* Every length around the blocks, cut in two anywhere, is what it is in one piece. */
static void pieces_are_as_the_whole(void **state)
{
	char bytes[200], whole[SHA256_TEXT_MAX], text[SHA256_TEXT_MAX];
	unsigned char digest[SHA256_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7 + 1);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		sha256_text(sv_make(bytes, n), whole);
		for (size_t cut = 0; cut <= n; cut += 13) {
			struct sha256 hash;
			sha256_start(&hash);
			sha256_add(&hash, sv_make(bytes, cut));
			sha256_add(&hash, sv_make(bytes + cut, n - cut));
			sha256_end(&hash, digest);
			hex(digest, sizeof digest, text);
			WANT_STRING(text, whole);
		}
	}
}

static void the_same_and_not_the_same(void **state)
{
	char a[16] = "0123456789abcdef", b[16];

	(void)state;
	memcpy(b, a, sizeof b);
	WANT(hmac_same(a, b, sizeof a));
	WANT(hmac_same(a, b, 0));
	for (size_t i = 0; i < sizeof a; i++) {
		b[i] ^= 1;
		WANT(!hmac_same(a, b, sizeof a));
		b[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_rfc_4231),
		cmocka_unit_test(pieces_are_as_the_whole),
		cmocka_unit_test(the_same_and_not_the_same),
	};

	return RUN(tests);
}
