#include "replace.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "log.h"

static bool set_rights(int fd, mode_t mode, const struct stat *old)
{
	return old ? fchown(fd, old->st_uid, old->st_gid) == 0 && fchmod(fd, old->st_mode & 0777) == 0 : fchmod(fd, mode) == 0;
}

int replace_open(struct replacement *w, const char *path, mode_t mode, bool keep)
{
	struct stat old;
	bool is_there = lstat(path, &old) == 0;

	*w = (struct replacement){ .path = path };
	if (is_there && !S_ISREG(old.st_mode)) {
		log_error("cannot write %s: it is a link, or no file", path);
		return EXIT_USAGE;
	}
	/* six letters that nobody else has: no link of theirs is followed, and two that write at a time are not in each other's way */
	if ((size_t)snprintf(w->part, sizeof w->part, "%s.XXXXXX", path) >= sizeof w->part) {
		log_error("%.60s...: the name is too long", path);
		return EXIT_USAGE;
	}
	int fd = mkostemp(w->part, O_CLOEXEC);
	if (fd < 0) {
		log_error("cannot write %s: %m", path);
		return EXIT_USAGE;
	}
	w->to = set_rights(fd, mode, is_there && keep ? &old : NULL) ? fdopen(fd, "w") : NULL;
	if (!w->to) {
		log_error("cannot write %s with the rights of the one that is there: %m", path);
		(void)close(fd);
		(void)unlink(w->part);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

int replace_close(struct replacement *w, int code)
{
	bool written = !ferror(w->to) && fflush(w->to) == 0 && fsync(fileno(w->to)) == 0;

	written = fclose(w->to) == 0 && written;
	if (code == EXIT_OK && !(written && rename(w->part, w->path) == 0)) {
		log_error("cannot write %s: %m", w->path);
		code = EXIT_NOT_FOUND;
	}
	if (code != EXIT_OK)
		(void)unlink(w->part);
	return code;
}
