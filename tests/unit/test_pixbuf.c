/* libcore/image/sniff and pixbuf: types by content, pixels of formats small enough to write by
 * hand, and bytes that were cut or changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/image/pixbuf.h"
#include "libcore/image/sniff.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

static struct nst_err err;

static int decode(const void *data, size_t n, struct nst_pixels *out)
{
	return nst_pixbuf_decode(data, n, nst_sniff(data, n), 0, out, &err);
}

static void content_decides_the_type(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum nst_file_type type;
	} cases[] = {
		{"", 0, NST_FILE_EMPTY},
		{"\xff\xd8\xff\xe0", 4, NST_FILE_JPEG},
		{"\xff\xd8", 2, NST_FILE_UNKNOWN},
		{"\x89PNG\r\n\x1a\n", 8, NST_FILE_PNG},
		{"\x89PNG\r\n\x1a", 7, NST_FILE_UNKNOWN},
		{"GIF89a", 6, NST_FILE_GIF},
		{"GIF87a..", 8, NST_FILE_GIF},
		{"GIF88a", 6, NST_FILE_UNKNOWN},
		{"II*\0", 4, NST_FILE_TIFF},
		{"MM\0*", 4, NST_FILE_TIFF},
		{"RIFF\x01\x02\x03\x04WEBPVP8 ", 16, NST_FILE_WEBP},
		{"RIFF\x01\x02\x03\x04WAVEfmt ", 16, NST_FILE_UNKNOWN},
		{"BM", 2, NST_FILE_UNKNOWN},
		{"P6 1 1 255 abc", 14, NST_FILE_PNM},
		{"P7 332", 6, NST_FILE_UNKNOWN},
		{"PS", 2, NST_FILE_UNKNOWN},
		{"<svg xmlns=", 11, NST_FILE_UNKNOWN},
		{"hello, world", 12, NST_FILE_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(nst_sniff((const uint8_t *)cases[i].bytes, cases[i].n),
				 cases[i].type);
	}
	assert_string_equal(nst_file_type_name(NST_FILE_WEBP), "WebP");
}

static struct nst_buf png(size_t h, size_t w, uint8_t **rgb)
{
	struct nst_buf b = {0};
	struct nst_rng rng;

	*rgb = malloc(3 * h * w);
	assert_non_null(*rgb);
	nst_rng_init(&rng, 1, NST_RNG_TEST, 2, 0);
	for (size_t i = 0; i < 3 * h * w; i++)
		(*rgb)[i] = (uint8_t)nst_rng_u32(&rng);
	assert_int_equal(nst_pixbuf_encode_png(*rgb, h, w, &b, &err), 0);
	assert_int_equal(nst_sniff(b.data, b.len), NST_FILE_PNG);
	return b;
}

static void png_comes_back(void **state)
{
	static const size_t sizes[][2] = {{1, 1}, {3, 5}, {32, 32}, {61, 43}};
	struct nst_pixels out = {0};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t h = sizes[i][0], w = sizes[i][1];
		uint8_t *rgb;
		struct nst_buf b = png(h, w, &rgb);

		assert_int_equal(decode(b.data, b.len, &out), 0);
		assert_int_equal(out.h, h);
		assert_int_equal(out.w, w);
		assert_memory_equal(out.data, rgb, 3 * h * w);
		nst_buf_release(&b);
		free(rgb);
	}
	nst_pixels_release(&out);
}

static void a_truncated_png_ends_early(void **state)
{
	struct nst_pixels out = {0};
	uint8_t *rgb;
	struct nst_buf b = png(61, 43, &rgb);

	(void)state;
	for (size_t n = 8; n < b.len; n += n < 64 ? 1 : 97) {
		assert_int_equal(decode(b.data, n, &out), NST_EFORMAT);
		assert_string_equal(err.msg, "PNG ends early");
	}
	nst_buf_release(&b);
	free(rgb);
	nst_pixels_release(&out);
}

static void flipped_bytes_do_no_harm(void **state)
{
	struct nst_pixels out = {0};
	struct nst_rng rng;
	uint8_t *rgb;
	struct nst_buf b = png(31, 23, &rgb);

	(void)state;
	nst_rng_init(&rng, 1, NST_RNG_TEST, 3, 0);
	for (int i = 0; i < 500; i++) {
		size_t at = 8 + nst_rng_below(&rng, (uint32_t)b.len - 8);
		uint8_t was = b.data[at];
		int rc;

		b.data[at] = (uint8_t)nst_rng_u32(&rng);
		rc = nst_pixbuf_decode(b.data, b.len, NST_FILE_PNG, 1 << 20, &out, &err);
		assert_true(rc == 0 || rc == NST_EFORMAT || rc == NST_ELIMIT);
		b.data[at] = was;
	}
	nst_buf_release(&b);
	free(rgb);
	nst_pixels_release(&out);
}

static void pnm_and_gif_are_decoded(void **state)
{
	static const char pnm[] = "P6 2 1 255\n\x01\x02\x03\xfd\xfe\xff";
	/* one pixel, palette of two: (9, 8, 7) and white */
	static const uint8_t gif[] = {'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0,
				      9, 8, 7, 255, 255, 255, ',', 0, 0, 0, 0, 1, 0, 1, 0, 0,
				      2, 2, 0x44, 1, 0, ';'};
	struct nst_pixels out = {0};

	(void)state;
	assert_int_equal(decode(pnm, sizeof pnm - 1, &out), 0);
	assert_int_equal(out.w, 2);
	assert_memory_equal(out.data, "\x01\x02\x03\xfd\xfe\xff", 6);
	assert_int_equal(decode(gif, sizeof gif, &out), 0);
	assert_int_equal(out.h, 1);
	assert_int_equal(out.w, 1);
	assert_memory_equal(out.data, "\x09\x08\x07", 3);
	nst_pixels_release(&out);
}

static void too_large_a_picture_is_refused_by_its_header(void **state)
{
	static const char pnm[] = "P6 60000 60000 255\nabc";
	uint8_t *rgb;
	struct nst_buf b = png(20, 30, &rgb);
	struct nst_pixels out = {0};

	(void)state;
	assert_int_equal(decode(pnm, sizeof pnm - 1, &out), NST_ELIMIT);
	assert_non_null(strstr(err.msg, "PNM has 60000 x 60000 pixels"));
	assert_int_equal(nst_pixbuf_decode(b.data, b.len, NST_FILE_PNG, 599, &out, &err),
			 NST_ELIMIT);
	assert_null(out.data);
	assert_int_equal(nst_pixbuf_decode(b.data, b.len, NST_FILE_PNG, 600, &out, &err), 0);
	nst_buf_release(&b);
	free(rgb);
	nst_pixels_release(&out);
}

static void what_is_no_picture_is_refused(void **state)
{
	struct nst_pixels out = {0};
	static const char *const junk[] = {"", "hello, world", "P6 0 0 255\n", "P6 2 2 255\nabc",
					   "GIF89a", "P6", "II*\0junk"};

	(void)state;
	for (size_t i = 0; i < sizeof junk / sizeof *junk; i++)
		assert_int_equal(decode(junk[i], strlen(junk[i]), &out), NST_EFORMAT);
	assert_int_equal(
		nst_pixbuf_decode((const uint8_t *)"\xff\xd8\xff", 3, NST_FILE_JPEG, 0, &out, &err),
		NST_EFORMAT);
	nst_pixels_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_decides_the_type),
		cmocka_unit_test(png_comes_back),
		cmocka_unit_test(a_truncated_png_ends_early),
		cmocka_unit_test(flipped_bytes_do_no_harm),
		cmocka_unit_test(pnm_and_gif_are_decoded),
		cmocka_unit_test(too_large_a_picture_is_refused_by_its_header),
		cmocka_unit_test(what_is_no_picture_is_refused),
	};

	return cmocka_run_group_tests_name("pixbuf", tests, NULL, NULL);
}
