/* Keys come from a file and may be anything; the path made from one is not. */
#include "libcore/pack/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/shard.h"
#include "libcore/image/pixbuf.h"
#include "libcore/io/rw.h"

static int ends_in(const char *s, size_t n, const char *suffix)
{
	size_t len = strlen(suffix);

	return n > len && strncasecmp(s + n - len, suffix, len) == 0;
}

/* Append the components of s that name something, each behind a '/'. */
static int append_components(struct nst_buf *b, const char *s, size_t n, struct nst_err *err)
{
	for (size_t i = 0, len; i < n; i += len + 1) {
		const char *end = memchr(s + i, '/', n - i);

		len = end ? (size_t)(end - (s + i)) : n - i;
		if (len == 0 || (len == 1 && s[i] == '.') ||
		    (len == 2 && s[i] == '.' && s[i + 1] == '.'))
			continue;
		if (memchr(s + i, '\0', len))
			return nst_fail(err, NST_EFORMAT, "a key holds a NUL");
		if (nst_buf_append(b, "/", 1, err) < 0 || nst_buf_append(b, s + i, len, err) < 0)
			return err->code;
	}
	return 0;
}

static int begins_with(const char *key, size_t key_len, const char *class)
{
	size_t len = strlen(class);

	return key_len > len && memcmp(key, class, len) == 0 && key[len] == '/';
}

int nst_extract_path(const char *dir, const struct nst_sample *s, const char *class,
		     struct nst_buf *out, struct nst_err *err)
{
	size_t start;
	const char *extension = NULL;

	out->len = 0;
	if (nst_buf_append(out, dir, strlen(dir), err) < 0)
		return err->code;
	if (class && !begins_with(s->key, s->key_len, class) &&
	    append_components(out, class, strlen(class), err) < 0)
		return err->code;
	start = out->len;
	if (append_components(out, s->key, s->key_len, err) < 0)
		return err->code;
	if (out->len == start)
		return nst_fail(err, NST_EFORMAT, "the key '%.*s' names no file",
				(int)(s->key_len > 200 ? 200 : s->key_len), s->key);
	if (s->codec == NST_CODEC_RAW && !ends_in(s->key, s->key_len, ".png"))
		extension = ".png";
	if (s->codec == NST_CODEC_JPEG && !ends_in(s->key, s->key_len, ".jpg") &&
	    !ends_in(s->key, s->key_len, ".jpeg"))
		extension = ".jpg";
	if (extension && nst_buf_append(out, extension, 4, err) < 0)
		return err->code;
	return nst_buf_append(out, "", 1, err);
}

/* Make the directories above path. */
static int make_directories(const char *path, struct nst_err *err)
{
	char *copy = nst_strdup(path, err);
	int r = copy ? 0 : err->code;

	for (char *s = copy ? strchr(copy + 1, '/') : NULL; r == 0 && s; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			r = nst_fail_errno(err, "cannot make the directory '%s'", copy);
		*s = '/';
	}
	free(copy);
	return r;
}

int nst_write_new(const char *path, const void *p, size_t n, struct nst_err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = open(path, flags, 0666), bad;

	if (fd < 0 && errno == ENOENT) {
		if (make_directories(path, err) < 0)
			return err->code;
		fd = open(path, flags, 0666);
	}
	if (fd < 0)
		return nst_fail_errno(err, "cannot create '%s'", path);
	bad = nst_write_full(fd, p, n) < 0;
	if (bad)
		nst_fail_errno(err, "cannot write '%s'", path);
	if (close(fd) < 0 && !bad) {
		bad = 1;
		nst_fail_errno(err, "cannot write '%s'", path);
	}
	if (bad)
		unlink(path);
	return bad ? err->code : 0;
}

/* Grey pixels as RGB, which the encoder takes. */
static int spread_gray(const struct nst_sample *s, struct nst_buf *rgb, struct nst_err *err)
{
	if (nst_buf_reserve(rgb, 3 * s->size, err) < 0)
		return err->code;
	for (size_t i = 0; i < s->size; i++)
		memset(rgb->data + 3 * i, s->data[i], 3);
	return 0;
}

int nst_extract(const char *dir, const struct nst_sample *s, const char *class,
		struct nst_buf *path, struct nst_err *err)
{
	struct nst_buf png = {0}, rgb = {0};
	const uint8_t *pixels = s->data;
	int r = nst_extract_path(dir, s, class, path, err);

	if (r < 0 || s->codec == NST_CODEC_JPEG)
		return r < 0 ? r : nst_write_new((char *)path->data, s->data, s->size, err);
	if (s->channels == 1) {
		r = spread_gray(s, &rgb, err);
		pixels = rgb.data;
	}
	if (r == 0)
		r = nst_pixbuf_encode_png(pixels, s->height, s->width, &png, err);
	if (r == 0)
		r = nst_write_new((char *)path->data, png.data, png.len, err);
	nst_buf_release(&png);
	nst_buf_release(&rgb);
	return r;
}

static int each_of_image(struct nst_image *im, int peek, nst_sample_fn *fn, void *ctx,
			 struct nst_err *err)
{
	struct nst_samples *samples;
	struct nst_sample s;
	struct nst_shard shard;
	int r = 0;

	if (nst_shard_view(im, &shard, err) < 0 || nst_samples_open(&samples, im, NULL, err) < 0)
		return err->code;
	for (uint64_t i = 0; r == 0 && i < shard.rows; i++) {
		if (peek)
			nst_samples_peek(samples, i, &s);
		else
			r = nst_samples_get(samples, i, &s, err);
		if (r == 0)
			r = fn(ctx, &s, s.label < 0 ? NULL : shard.class_name[s.label], err);
	}
	nst_samples_free(samples);
	return r;
}

int nst_each_sample(const char *const *operand, size_t n, int peek, nst_sample_fn *fn, void *ctx,
		    struct nst_err *err)
{
	struct nst_image *im;
	struct nst_in *in;
	int r;

	if (nst_in_open(&in, operand, n, NST_KIND_BIT(NST_SHARD), NULL, err) < 0)
		return err->code;
	while ((r = nst_in_next(in, &im, err)) > 0) {
		r = each_of_image(im, peek, fn, ctx, err);
		nst_image_free(im);
		if (r < 0)
			break;
	}
	nst_in_close(in);
	return r;
}
