/* ask: the question before many addresses change. */
#ifndef NIXIE_ASK_H
#define NIXIE_ASK_H

#include <stdint.h>
#include <stdbool.h>

/* So many addresses are changed without a question. */
#define ASK_UNASKED_MAX 10

enum ask_answer { ASK_YES, ASK_NO, ASK_NOBODY /* there is no terminal */ };

/* "Change 2,345 addresses? [y/N]", to the person who looks at standard error. input_taken: standard input is a
 * list, the answer comes from the terminal itself. Anything but y or yes is no. */
enum ask_answer ask_change(uint64_t n, bool input_taken);

/* Behind a command that changes so many, as it works from a pipe, too: " --yes", or nothing where nobody is asked. */
const char *ask_not(uint64_t n);

/* "2,345" */
#define ASK_NUMBER_MAX 28
const char *ask_number(uint64_t n, char text_r[ASK_NUMBER_MAX]);

#endif
