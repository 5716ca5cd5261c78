/*
 * measure: runs a command and writes what it cost as one key=value line.
 *
 * getrusage() counts the pages of whoever called exec() into the peak of the
 * new program; started from a Python of 20 MB, `wc` would appear to need 20 MB.
 * Started from here it does not.
 *
 * usage: measure FILE COMMAND [ARGUMENT...]
 */
#include <err.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sample.h"

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct rusage used;
	int status;

	if (argc < 3)
		errx(2, "usage: measure FILE COMMAND [ARGUMENT...]");

	uint64_t start = sample_now_ns();
	pid_t child = fork();
	if (child < 0)
		err(1, "fork");
	if (child == 0) {
		execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	if (wait4(child, &status, 0, &used) < 0)
		err(1, "wait4");
	double wall = (double)(sample_now_ns() - start) / 1e9;

	FILE *report = fopen(argv[1], "w");
	if (report == NULL)
		err(1, "%s", argv[1]);
	fprintf(report, "wall_s=%.6f user_s=%.6f system_s=%.6f peak_rss_kib=%ld\n", wall,
	    seconds(used.ru_utime), seconds(used.ru_stime), used.ru_maxrss);
	if (fclose(report) != 0)
		err(1, "%s", argv[1]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
