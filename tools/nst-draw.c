/* nst-draw: a small set of drawn photographs for demonstrations and tests; see nst-draw(1).
 *
 * Everything is written below a new directory under a temporary name, which becomes the wanted one
 * when the last file is complete. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/progress.h"
#include "libcore/draw/scene.h"
#include "libcore/image/jpeg.h"
#include "libcore/pack/extract.h"
#include "libcore/util/mem.h"

/* Streams of random numbers, one a part: adding pictures to one leaves the others as they are. */
enum part { LABELED, UNLABELED, TEST };

struct draw {
	struct nst_common common;
	int64_t labeled, unlabeled, test;
	uint64_t seed;
	double hardness, strangers;

	char *dir; /* the temporary one */
	struct nst_jpeg *jpeg;
	struct nst_buf bytes;
	struct nst_progress progress;
	uint64_t done;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Draw picture `index` of a part and write it as a JPEG of varying quality. */
static int draw_one(struct draw *d, enum part part, int64_t index, const char *path,
		    struct nst_err *err)
{
	uint8_t rgb[NST_SCENE_SIZE * NST_SCENE_SIZE * 3];
	unsigned cls = (unsigned)(index % NST_SCENE_CLASSES);
	struct nst_rng r;
	int quality;

	nst_rng_init(&r, d->seed, NST_RNG_DEMO, (uint32_t)part, (uint64_t)index);
	if (part == UNLABELED) {
		cls = nst_rng_below(&r, NST_SCENE_CLASSES);
		if (nst_rng_unit(&r) < d->strangers)
			cls = NST_SCENE_STRANGER;
	}
	quality = 75 + (int)nst_rng_below(&r, 21);
	nst_scene_draw(&r, cls, d->hardness, rgb);
	d->bytes.len = 0;
	if (nst_jpeg_encode(d->jpeg, rgb, NST_SCENE_SIZE, NST_SCENE_SIZE, quality, NST_JPEG_420,
			    &d->bytes, err) < 0)
		return err->code;
	nst_progress_at(&d->progress, ++d->done);
	return nst_write_new(path, d->bytes.data, d->bytes.len, err);
}

static int draw_part(struct draw *d, enum part part, int64_t count, struct nst_err *err)
{
	static const char *const names[] = {"labeled", "unlabeled", "test"};
	char *path;
	int r = 0;

	for (int64_t i = 0; r == 0 && i < count; i++) {
		int len = part == UNLABELED
			? asprintf(&path, "%s/%s/%06lld.jpg", d->dir, names[part], (long long)i)
			: asprintf(&path, "%s/%s/%s/%06lld.jpg", d->dir, names[part],
				   nst_scene_class((unsigned)(i % NST_SCENE_CLASSES)), (long long)i);

		if (len < 0)
			return nst_fail_mem(err, 256);
		r = draw_one(d, part, i, path, err);
		free(path);
		if (r == 0 && nst_interrupted())
			r = nst_fail(err, NST_EINTERRUPTED, "interrupted");
	}
	return r;
}

/* Give the temporary directory, which only its owner can enter, the usual mode and its name. */
static int finish(const struct draw *d, struct nst_err *err)
{
	mode_t mask = umask(0);

	umask(mask);
	if (chmod(d->dir, 0777 & ~mask) < 0 || rename(d->dir, d->common.output) < 0)
		return nst_fail_errno(err, "cannot make the directory '%s'", d->common.output);
	return 0;
}

static int draw_all(struct draw *d, struct nst_err *err)
{
	const char *out = d->common.output;
	size_t len = strlen(out);
	int r;

	if (rmdir(out) < 0 && errno != ENOENT)
		return nst_fail_errno(err, "'%s' should be new or an empty directory", out);
	while (len > 1 && out[len - 1] == '/')
		len--;
	if (asprintf(&d->dir, "%.*s.XXXXXX", (int)len, out) < 0)
		return nst_fail_mem(err, len + 8);
	if (!mkdtemp(d->dir))
		return nst_fail_errno(err, "cannot make the directory '%s'", out);
	nst_progress_start(&d->progress, "drawing", "pictures",
			   (uint64_t)(d->labeled + d->unlabeled + d->test));
	r = draw_part(d, LABELED, d->labeled, err);
	if (r == 0)
		r = draw_part(d, UNLABELED, d->unlabeled, err);
	if (r == 0)
		r = draw_part(d, TEST, d->test, err);
	nst_progress_end(&d->progress);
	if (r == 0)
		r = finish(d, err);
	if (r < 0)
		nftw(d->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return r;
}

int main(int argc, char **argv)
{
	static struct draw d = {.common = NST_COMMON_DEFAULT, .labeled = 200, .unlabeled = 6000,
				.test = 2000, .seed = 1, .hardness = 1};
	const struct nst_opt opts[] = {
		NST_OPT_STRING('o', "output", "DIR", &d.common.output,
			       "make the directory DIR, which should not exist or be empty"),
		NST_OPT_INT(0, "labeled", "N", &d.labeled, 0, 100000000,
			    "draw N pictures into labeled/CLASS/, classes in turn"),
		NST_OPT_INT(0, "unlabeled", "N", &d.unlabeled, 0, 100000000,
			    "draw N pictures of random classes into unlabeled/"),
		NST_OPT_INT(0, "test", "N", &d.test, 0, 100000000,
			    "draw N pictures into test/CLASS/, classes in turn"),
		NST_OPT_DOUBLE(0, "hardness", "H", &d.hardness, 0, 4, NST_CLOSED,
			       "how much clutter, noise and distortion hide the figures"),
		NST_OPT_DOUBLE(0, "strangers", "P", &d.strangers, 0, 1, NST_CLOSED,
			       "share of the unlabeled pictures that show none of the classes"),
		NST_OPT_SEED(&d.seed),
		NST_OPT_COUNT('q', "quiet", &d.common.quiet, "print nothing but errors"),
		NST_OPT_HELP,
		NST_OPT_END,
	};
	const struct nst_tool tool = {"nst-draw", "", "draw a small image set for demonstrations",
				      NULL};
	struct nst_err err;
	int first = nst_opt_parse(&tool, opts, argc, argv);

	if (first < argc)
		nst_usage_error("unexpected operand '%s'", argv[first]);
	if (!d.common.output)
		nst_usage_error("no directory: give one with -o");
	nst_catch_interrupts();
	d.jpeg = nst_jpeg_new(&err);
	if (!d.jpeg || draw_all(&d, &err) < 0)
		nst_die(&err);
	nst_jpeg_free(d.jpeg);
	nst_buf_release(&d.bytes);
	free(d.dir);
	return nst_finish_stdout();
}
