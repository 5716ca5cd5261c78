#include "source_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "unpack.h"

struct sv source_files_plain(struct sv name)
{
	static const char *const endings[] = { ".gz", ".xz", ".zst", ".bz2" };

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if (sv_ends_nocase(name, sv_of(endings[i])))
			return sv_head(name, name.n - strlen(endings[i]));
	return name;
}

/* "" (the log itself), ".1", ".1.x", "-20261121", ".20261121", ".old": mail.info is another log than mail */
static bool is_rotation(struct sv suffix)
{
	if (suffix.n == 0 || sv_eq(suffix, SV(".old")))
		return true;
	return suffix.n > 1 && (suffix.p[0] == '.' || suffix.p[0] == '-') && sv_is_digit(suffix.p[1]);
}

bool source_is_rotation(struct sv suffix)
{
	return suffix.n > 0 && is_rotation(source_files_plain(suffix));
}

bool source_is_compressed(const char *path)
{
	return source_files_plain(sv_of(path)).n < strlen(path);
}

/* While it is being compressed, and before the old one is removed, a log is there twice. */
static size_t drop_twins(struct candidate *v, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		struct sv plain = source_files_plain(sv_of(v[i].path));
		bool twin = false;
		for (size_t j = 0; plain.n < strlen(v[i].path) && j < n && !twin; j++)
			twin = sv_eq(sv_of(v[j].path), plain);
		if (!twin)
			v[out++] = v[i];
	}
	return out;
}

/* Among files of one time: mail.log.2 is older than mail.log.1, mail.log-20261120 older
 * than mail.log-20261121, and mail.log, which has neither, the newest. */
static int64_t rotation_rank(const char *path)
{
	struct sv plain = source_files_plain(sv_of(path));
	size_t at = plain.n;
	uint64_t n;

	while (at > 0 && sv_is_digit(path[at - 1]))
		at--;
	if (at == plain.n || at == 0)
		return INT64_MAX;
	/* dates are of one length: their spelling is their order */
	return path[at - 1] == '.' && sv_u64(sv_skip(plain, at), 9999, &n) ? -(int64_t)n : 0;
}

/* Oldest first: by last change, then by rank. */
static int by_age(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int64_t n = rotation_rank(x->path), m = rotation_rank(y->path);

	if (x->st.st_mtim.tv_sec != y->st.st_mtim.tv_sec)
		return x->st.st_mtim.tv_sec < y->st.st_mtim.tv_sec ? -1 : 1;
	if (x->st.st_mtim.tv_nsec != y->st.st_mtim.tv_nsec)
		return x->st.st_mtim.tv_nsec < y->st.st_mtim.tv_nsec ? -1 : 1;
	return n != m ? (n < m ? -1 : 1) : strcmp(x->path, y->path);
}

/* A directory and the name in it; of a link that is the log, those of what it points to, there or not. */
struct place {
	char directory[CONFIG_STRING_MAX + 256], base[256];
};

static void split(const char *path, struct place *place_r)
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(place_r->directory, sizeof place_r->directory, "%.*s", slash ? (int)(slash - path) + 1 : 2, slash ? path : "./");
	(void)snprintf(place_r->base, sizeof place_r->base, "%s", slash ? slash + 1 : path);
}

static void find_place(const char *path, struct place *place_r)
{
	char target[CONFIG_STRING_MAX], whole[sizeof place_r->directory + CONFIG_STRING_MAX];
	ssize_t n = readlink(path, target, sizeof target - 1);

	split(path, place_r);
	if (n <= 0)
		return;
	target[n] = '\0';
	(void)snprintf(whole, sizeof whole, "%s%s", target[0] == '/' ? "" : place_r->directory, target);
	char *real = realpath(path, NULL); /* of a link to a link */
	split(real ? real : whole, place_r);
	free(real);
}

/* False: it is no regular file. */
static bool take_file(const struct place *place, const char *name, struct candidate *c)
{
	return (size_t)snprintf(c->path, sizeof c->path, "%s%s", place->directory, name) < sizeof c->path &&
		stat(c->path, &c->st) == 0 && S_ISREG(c->st.st_mode);
}

bool source_file_with(const char *path, uint64_t device, uint64_t inode, struct candidate *file_r)
{
	struct place place;
	struct dirent *entry;
	bool found = false;

	find_place(path, &place);
	DIR *dir = opendir(place.directory);
	while (!found && dir && (entry = readdir(dir)))
		found = entry->d_ino == inode && take_file(&place, entry->d_name, file_r) && file_r->st.st_dev == device;
	if (dir)
		closedir(dir);
	return found;
}

size_t source_files(const char *path, struct candidate **v_r)
{
	struct place place;
	size_t n = 0, size = 0;
	struct candidate *v = NULL;
	struct dirent *entry;

	find_place(path, &place);
	DIR *dir = opendir(place.directory);
	while (dir && (entry = readdir(dir))) {
		struct candidate c;
		struct sv rest = sv_of(entry->d_name);
		if (!sv_take(&rest, sv_of(place.base)) || !is_rotation(rest) || !take_file(&place, entry->d_name, &c))
			continue;
		v = xgrow(v, n, &size, sizeof *v);
		v[n++] = c;
	}
	if (dir)
		closedir(dir);
	*v_r = v;
	n = drop_twins(v, n);
	if (n)
		qsort(v, n, sizeof *v, by_age);
	return n;
}

size_t source_first_bytes(const char *path, char *to, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unpack *u = fd >= 0 ? unpack_open(fd) : NULL;
	ssize_t got = u ? 1 : fd >= 0 ? pread(fd, to, n, 0) : 0;
	size_t have = u || got < 0 ? 0 : (size_t)got;
	struct err err;

	while (u && have < n && (got = unpack_read(u, to + have, n - have, &err)) > 0)
		have += (size_t)got;
	unpack_close(u);
	if (fd >= 0)
		close(fd);
	return have;
}
