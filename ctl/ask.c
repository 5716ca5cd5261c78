#include "ask.h"

#include <stdio.h>
#include <unistd.h>

#include "sv.h"

const char *ask_number(uint64_t n, char text[ASK_NUMBER_MAX])
{
	char digits[24];
	int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
	char *to = text;

	for (int i = 0; i < length; i++) {
		*to++ = digits[i];
		if ((length - i) % 3 == 1 && i + 1 < length)
			*to++ = ',';
	}
	*to = '\0';
	return text;
}

static enum ask_answer read_answer(FILE *from)
{
	char line[64] = "";
	bool whole = fgets(line, sizeof line, from) != NULL;
	struct sv word = sv_trim(sv_head(sv_of(line), strcspn(line, "\r\n")));

	if (!whole) /* the end of the input: the cursor stands behind the question */
		(void)fputc('\n', stderr);
	return sv_eq_nocase(word, SV("y")) || sv_eq_nocase(word, SV("yes")) ? ASK_YES : ASK_NO;
}

enum ask_answer ask_change(uint64_t n, bool input_taken)
{
	char number[ASK_NUMBER_MAX];
	FILE *terminal = NULL;

	if (!isatty(STDERR_FILENO) || (!input_taken && !isatty(STDIN_FILENO)) || (input_taken && !(terminal = fopen("/dev/tty", "re"))))
		return ASK_NOBODY;
	(void)fflush(stdout);
	(void)fprintf(stderr, "Change %s addresses? [y/N] ", ask_number(n, number));
	(void)fflush(stderr);
	enum ask_answer answer = read_answer(terminal ? terminal : stdin);
	if (terminal)
		(void)fclose(terminal);
	return answer;
}

const char *ask_not(uint64_t n)
{
	return n > ASK_UNASKED_MAX ? " --yes" : "";
}
