/* libcore/image/jpeg, exif and decode: what is accepted, what it decodes to, and that hostile bytes
 * end in a sentence. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/augment/augment.h"
#include "libcore/image/decode.h"
#include "libcore/image/exif.h"
#include "libcore/image/jpeg.h"
#include "libcore/image/preprocess.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"
#include "tests/unit/jpeg_util.h"

static struct nst_err err;
static struct nst_jpeg *codec;

/* 8x8 pixels of C, M, Y, K = 20, 100, 200, 30, stored inverted as Adobe does. */
static const char cmyk_hex[] =
	"ffd8ffee000e41646f626500640000000000ffdb0043000302020302020303030304030304050805050404050a"
	"070706080c0a0c0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffc000"
	"140800080008044311004d11005911004b1100ffc400160001010100000000000000000000000000090708ffc4"
	"0014100100000000000000000000000000000000ffda000e0443004d0059004b00003f004754863c206fffd9";

/* 8x8 pixels of R, G, B = 20, 100, 200; progressive, ten scans, 4:2:0. */
static const char progressive_hex[] =
	"ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404"
	"050a070706080c0a0c0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ff"
	"db00430103040405040509050509140d0b0d141414141414141414141414141414141414141414141414141414"
	"1414141414141414141414141414141414141414141414141414ffc20011080008000803012200021101031101"
	"ffc4001500010100000000000000000000000000000006ffc40014010100000000000000000000000000000007"
	"ffda000c03010002100310000001880a87ff00ffc40014100100000000000000000000000000000000ffda0008"
	"0101000105027fffc40014110100000000000000000000000000000000ffda0008010301013f017fffc4001411"
	"0100000000000000000000000000000000ffda0008010201013f017fffc4001410010000000000000000000000"
	"0000000000ffda0008010100063f027fffc40014100100000000000000000000000000000000ffda0008010100"
	"013f217fffda000c03010002000300000010f3ffc40014110100000000000000000000000000000000ffda0008"
	"010301013f107fffc40014110100000000000000000000000000000000ffda0008010201013f107fffc4001410"
	"0100000000000000000000000000000000ffda0008010100013f107fffd9";

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static struct nst_buf from_hex(const char *hex)
{
	struct nst_buf b = {0};

	for (; *hex; hex += 2) {
		uint8_t v = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));

		assert_int_equal(nst_buf_append(&b, &v, 1, &err), 0);
	}
	return b;
}

/* A picture with a slope in every channel: easy on the codec, no two places alike. */
static uint8_t *slope(size_t h, size_t w)
{
	uint8_t *rgb = malloc(3 * h * w);

	assert_non_null(rgb);
	for (size_t y = 0; y < h; y++)
		for (size_t x = 0; x < w; x++) {
			rgb[3 * (y * w + x)] = (uint8_t)(20 + 200 * x / w);
			rgb[3 * (y * w + x) + 1] = (uint8_t)(20 + 200 * y / h);
			rgb[3 * (y * w + x) + 2] = (uint8_t)(20 + 100 * (x + y) / (w + h));
		}
	return rgb;
}

static struct nst_buf encoded(size_t h, size_t w, enum nst_jpeg_sampling sampling)
{
	struct nst_buf b = {0};
	uint8_t *rgb = slope(h, w);

	assert_int_equal(nst_jpeg_encode(codec, rgb, h, w, 95, sampling, &b, &err), 0);
	free(rgb);
	return b;
}

/* Decode a copy whose end is the end of a heap block, so that a sanitizer sees a step beyond. */
static int decode_tight(const uint8_t *data, size_t n, struct nst_pixels *out)
{
	struct nst_jpeg_info info;
	uint8_t *copy = malloc(n ? n : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, n);
	rc = nst_jpeg_decode(codec, copy, n, 0, &info, out, &err);
	free(copy);
	return rc;
}

static void insert(struct nst_buf *b, size_t at, const void *p, size_t n)
{
	assert_int_equal(nst_buf_reserve(b, n, &err), 0);
	memmove(b->data + at + n, b->data + at, b->len - at);
	memcpy(b->data + at, p, n);
	b->len += n;
}

/* Where the marker ff `code` stands. */
static size_t marker(const struct nst_buf *b, uint8_t code)
{
	for (size_t i = 0; i + 1 < b->len; i++)
		if (b->data[i] == 0xff && b->data[i + 1] == code)
			return i;
	fail();
	return 0;
}

static void every_size_and_sampling_comes_back(void **state)
{
	static const size_t sizes[][2] = {{1, 1},   {1, 9},   {7, 1},  {8, 8},
					  {15, 17}, {33, 31}, {50, 64}};

	(void)state;
	for (int s = NST_JPEG_444; s < NST_JPEG_OTHER; s++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			size_t h = sizes[i][0], w = sizes[i][1];
			struct nst_buf b = encoded(h, w, (enum nst_jpeg_sampling)s);
			uint8_t *rgb = slope(h, w);
			struct nst_pixels out = {0};
			struct nst_jpeg_info info;
			long sum = 0;

			assert_int_equal(nst_jpeg_info(b.data, b.len, 0, &info, &err), 0);
			assert_int_equal(info.height, h);
			assert_int_equal(info.width, w);
			assert_int_equal(info.components, 3);
			assert_int_equal(info.space, NST_JPEG_YCC);
			assert_int_equal(info.sampling, s);
			assert_int_equal(info.progressive, 0);
			assert_int_equal(info.scans, 1);
			assert_int_equal(info.complete, 1);
			assert_int_equal(info.orientation, 1);
			assert_int_equal(decode_tight(b.data, b.len, &out), 0);
			assert_int_equal(out.h, h);
			assert_int_equal(out.w, w);
			for (size_t k = 0; k < 3 * h * w; k++)
				sum += labs((long)out.data[k] - rgb[k]);
			assert_true(sum <= (long)(3 * h * w) * 10); /* 4:1:1 of a narrow slope */
			nst_pixels_release(&out);
			nst_buf_release(&b);
			free(rgb);
		}
}

static void cmyk_becomes_rgb(void **state)
{
	struct nst_buf b = from_hex(cmyk_hex);
	struct nst_pixels out = {0};
	struct nst_jpeg_info info;

	(void)state;
	assert_int_equal(nst_jpeg_decode(codec, b.data, b.len, 0, &info, &out, &err), 0);
	assert_int_equal(info.components, 4);
	assert_int_equal(info.space, NST_JPEG_CMYK);
	/* (255 - K) - round(C (255 - K) / 255), up to a level of the codec's */
	for (size_t i = 0; i < 64; i++) {
		assert_in_range(out.data[3 * i], 206, 208);
		assert_in_range(out.data[3 * i + 1], 136, 138);
		assert_in_range(out.data[3 * i + 2], 48, 50);
	}
	nst_pixels_release(&out);
	nst_buf_release(&b);
}

static void progressive_is_decoded(void **state)
{
	struct nst_buf b = from_hex(progressive_hex);
	struct nst_pixels out = {0};
	struct nst_jpeg_info info;

	(void)state;
	assert_int_equal(nst_jpeg_decode(codec, b.data, b.len, 0, &info, &out, &err), 0);
	assert_int_equal(info.progressive, 1);
	assert_int_equal(info.scans, 10);
	assert_int_equal(info.sampling, NST_JPEG_420);
	for (size_t i = 0; i < 64; i++) {
		assert_in_range(out.data[3 * i], 17, 23);
		assert_in_range(out.data[3 * i + 1], 98, 102);
		assert_in_range(out.data[3 * i + 2], 197, 203);
	}
	nst_pixels_release(&out);
	nst_buf_release(&b);
}

static void reduction_keeps_what_was_asked_for(void **state)
{
	static const struct {
		double reduce;
		size_t h, w;
	} cases[] = {{0, 101, 67}, {1, 101, 67}, {1.9, 101, 67}, {2, 51, 34}, {3.9, 51, 34},
		     {4, 26, 17},  {7, 26, 17},  {8, 13, 9},     {50, 13, 9}};
	struct nst_buf b = encoded(101, 67, NST_JPEG_420);
	struct nst_pixels out = {0};
	struct nst_jpeg_info info;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(nst_jpeg_decode(codec, b.data, b.len, cases[i].reduce, &info, &out,
						 &err), 0);
		assert_int_equal(out.h, cases[i].h);
		assert_int_equal(out.w, cases[i].w);
		assert_int_equal(info.height, 101);
	}
	nst_pixels_release(&out);
	nst_buf_release(&b);
}

static void a_truncated_picture_ends_early(void **state)
{
	struct nst_pixels out = {0};

	(void)state;
	for (int progressive = 0; progressive < 2; progressive++) {
		struct nst_buf b = progressive ? from_hex(progressive_hex)
					       : encoded(160, 210, NST_JPEG_420);

		for (size_t n = 2; n < b.len; n += progressive ? 1 : 97) {
			assert_int_equal(decode_tight(b.data, n, &out), NST_EFORMAT);
			assert_non_null(strstr(err.msg, "JPEG ends early"));
		}
		nst_buf_release(&b);
	}
	nst_pixels_release(&out);
}

static void lenient_shows_what_there_is(void **state)
{
	struct nst_buf b = encoded(160, 210, NST_JPEG_420);
	struct nst_pixels whole = {0}, part = {0};

	(void)state;
	assert_int_equal(decode_tight(b.data, b.len, &whole), 0);
	nst_jpeg_lenient(codec, 1);
	assert_int_equal(decode_tight(b.data, b.len * 3 / 4, &part), 0);
	assert_int_equal(part.h, 160);
	assert_memory_equal(part.data, whole.data, 3 * 210 * 16);
	assert_memory_not_equal(part.data + 3 * 210 * 150, whole.data + 3 * 210 * 150, 3 * 210);
	for (size_t n = 0; n < b.len; n += 97)
		(void)!decode_tight(b.data, n, &part);
	nst_jpeg_lenient(codec, 0);
	nst_pixels_release(&whole);
	nst_pixels_release(&part);
	nst_buf_release(&b);
}

static void stray_bytes_are_harmless(void **state)
{
	struct nst_buf b = encoded(40, 40, NST_JPEG_444);
	struct nst_pixels clean = {0}, odd = {0};

	(void)state;
	assert_int_equal(decode_tight(b.data, b.len, &clean), 0);
	insert(&b, marker(&b, 0xc0), "\x12\x34\x56", 3);  /* between segments */
	insert(&b, b.len, "trailing rubbish \xff\xd8", 19); /* behind the end */
	assert_int_equal(decode_tight(b.data, b.len, &odd), 0);
	assert_memory_equal(clean.data, odd.data, 3 * 40 * 40);
	nst_pixels_release(&clean);
	nst_pixels_release(&odd);
	nst_buf_release(&b);
}

/* A cut in the middle of the data with an end marker put behind it. */
static void a_hole_in_the_data_is_damage(void **state)
{
	struct nst_buf b = encoded(160, 210, NST_JPEG_420);
	struct nst_pixels out = {0};

	(void)state;
	b.len = b.len / 2;
	insert(&b, b.len, "\xff\xd9", 2);
	assert_int_equal(decode_tight(b.data, b.len, &out), NST_EFORMAT);
	assert_non_null(strstr(err.msg, "JPEG is damaged: "));
	nst_pixels_release(&out);
	nst_buf_release(&b);
}

/* Change byte `at` behind the frame marker and look at the sentence. */
static void assert_refused(size_t at, uint8_t value, int code, const char *sentence)
{
	struct nst_buf b = encoded(40, 40, NST_JPEG_444);
	struct nst_pixels out = {0};

	b.data[marker(&b, 0xc0) + at] = value;
	assert_int_equal(decode_tight(b.data, b.len, &out), code);
	assert_non_null(strstr(err.msg, sentence));
	assert_null(out.data); /* before any memory was taken */
	nst_buf_release(&b);
}

static void what_is_not_supported_is_named(void **state)
{
	(void)state;
	assert_refused(1, 0xc3, NST_EFORMAT, "is lossless");
	assert_refused(1, 0xc5, NST_EFORMAT, "is hierarchical");
	assert_refused(1, 0xc7, NST_EFORMAT, "is hierarchical");
	assert_refused(1, 0xc9, NST_EFORMAT, "arithmetic coding");
	assert_refused(1, 0xcb, NST_EFORMAT, "arithmetic coding");
	assert_refused(4, 12, NST_EFORMAT, "12 bits a sample");
	assert_refused(9, 2, NST_EFORMAT, "2 components");
	assert_refused(9, 200, NST_EFORMAT, "damaged frame header");
}

static void stated_sizes_are_checked_first(void **state)
{
	struct nst_buf b = encoded(40, 40, NST_JPEG_444);
	struct nst_pixels out = {0};
	size_t at = marker(&b, 0xc0);

	(void)state;
	memset(b.data + at + 5, 0xff, 4);
	assert_int_equal(decode_tight(b.data, b.len, &out), NST_ELIMIT);
	assert_non_null(strstr(err.msg, "65535 x 65535 pixels"));
	memset(b.data + at + 5, 0, 2);
	assert_int_equal(decode_tight(b.data, b.len, &out), NST_EFORMAT);
	assert_non_null(strstr(err.msg, "65535 x 0 pixels"));
	assert_null(out.data);
	nst_buf_release(&b);

	b = encoded(40, 40, NST_JPEG_444);
	nst_jpeg_limit(codec, 1599);
	assert_int_equal(decode_tight(b.data, b.len, &out), NST_ELIMIT);
	nst_jpeg_limit(codec, 1600);
	assert_int_equal(decode_tight(b.data, b.len, &out), 0);
	nst_jpeg_limit(codec, 0);
	nst_pixels_release(&out);
	nst_buf_release(&b);
}

static void bytes_that_are_no_picture(void **state)
{
	struct nst_pixels out = {0};
	uint8_t junk[4096] = {0};

	(void)state;
	assert_int_equal(decode_tight(junk, 0, &out), NST_EFORMAT);
	assert_string_equal(err.msg, "JPEG is empty");
	assert_int_equal(decode_tight(junk, sizeof junk, &out), NST_EFORMAT);
	assert_string_equal(err.msg, "not a JPEG");
	memcpy(junk, "\xff\xd8", 2);
	assert_int_equal(decode_tight(junk, sizeof junk, &out), NST_EFORMAT);
	assert_string_equal(err.msg, "JPEG ends early");
	memcpy(junk, "\xff\xd8\xff\xd9", 4);
	assert_int_equal(decode_tight(junk, sizeof junk, &out), NST_EFORMAT);
	assert_string_equal(err.msg, "JPEG has no picture in it");
	memset(junk + 2, 0xff, sizeof junk - 2);
	assert_int_equal(decode_tight(junk, sizeof junk, &out), NST_EFORMAT);
	assert_null(out.data);
}

static void scans_are_counted_before_they_cost(void **state)
{
	struct nst_buf b = from_hex(progressive_hex);
	struct nst_pixels out = {0};
	/* an AC scan of the first component with nothing in it */
	static const uint8_t scan[] = {0xff, 0xda, 0, 8, 1, 1, 0, 1, 5, 2, 0x7f};

	(void)state;
	for (int i = 0; i < NST_JPEG_SCANS; i++)
		insert(&b, b.len - 2, scan, sizeof scan);
	assert_int_equal(decode_tight(b.data, b.len, &out), NST_ELIMIT);
	assert_non_null(strstr(err.msg, "more than 500 scans"));
	assert_null(out.data);
	nst_buf_release(&b);
}

/* ---- parts ---- */

/* A file as it is stored in a shard, with its entry points if points is given: room for them, which
 * must outlive the picture. */
static struct nst_picture stored(const struct nst_buf *b, uint32_t h, uint32_t w, int orientation,
				 struct nst_buf *points)
{
	static struct nst_buf scratch;
	struct nst_picture p = {1, b->data, b->len, h, w, 3, orientation, {0}};

	if (points) {
		points->len = 0;
		assert_int_equal(nst_entries_find(b->data, b->len, &scratch, points, &err), 0);
		p.entries.word = (const uint64_t *)(void *)points->data;
		p.entries.count = points->len / sizeof(uint64_t);
	}
	return p;
}

static struct nst_box any_part(struct nst_rng *rng, size_t h, size_t w)
{
	uint32_t y = nst_rng_below(rng, (uint32_t)h), x = nst_rng_below(rng, (uint32_t)w);

	return (struct nst_box){(float)x, (float)y,
				(float)(x + 1 + nst_rng_below(rng, (uint32_t)w - x)),
				(float)(y + 1 + nst_rng_below(rng, (uint32_t)h - y))};
}

/* Decode into pixels that were filled before, to see what is left alone. */
static int decode_part(const struct nst_picture *p, double reduce, const struct nst_box *part,
		       struct nst_pixels *out)
{
	struct nst_jpeg_info info;

	assert_int_equal(nst_pixels_shape(out, 700, 700, &err), 0);
	memset(out->data, 0xa5, 3 * 700 * 700);
	return nst_jpeg_decode_part(codec, p->data, p->size, &p->entries, reduce, part, &info, out,
				    &err);
}

/* Pixels of a side that are asked for, and one around them. */
static void stretch(float lo, float hi, double scale, size_t side, size_t *begin, size_t *end)
{
	double first = floor((double)lo * scale) - 1, last = ceil((double)hi * scale) + 1;

	*begin = first > 0 ? (size_t)first : 0;
	*end = last < (double)side ? (size_t)last : side;
}

/* To the byte, with a pixel around it, and most of the rest is left out. */
static void a_part_is_what_the_whole_has_there(void **state)
{
	struct nst_pixels whole = {0}, some = {0};
	struct nst_buf points = {0};
	size_t left = 0, outside = 0;
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 5, NST_RNG_TEST, 8, 0);
	for (int i = 0; i < 360; i++) {
		int usual;
		struct nst_buf b = any_file(i, &rng, i % 7 ? 150 : 600, &usual);
		double reduce = i % 4 ? 0 : 1 << nst_rng_below(&rng, 4);
		struct nst_jpeg_info info;

		assert_int_equal(nst_jpeg_decode(codec, b.data, b.len, reduce, &info, &whole, &err),
				 0);
		for (int k = 0; k < 4; k++) {
			struct nst_box part = any_part(&rng, info.height, info.width);
			const struct nst_picture in = stored(&b, info.height, info.width, 1,
							     k % 2 ? &points : NULL);
			size_t y0, y1, x0, x1;

			assert_int_equal(decode_part(&in, reduce, &part, &some), 0);
			assert_int_equal(some.h, whole.h);
			assert_int_equal(some.w, whole.w);
			stretch(part.y0, part.y1, (double)whole.h / info.height, whole.h, &y0, &y1);
			stretch(part.x0, part.x1, (double)whole.w / info.width, whole.w, &x0, &x1);
			for (size_t y = y0; y < y1; y++)
				assert_memory_equal(some.data + 3 * (y * whole.w + x0),
						    whole.data + 3 * (y * whole.w + x0),
						    3 * (x1 - x0));
			for (size_t p = 0; usual && reduce < 2 && p < whole.h * whole.w; p++)
				left += !memcmp(some.data + 3 * p, "\xa5\xa5\xa5", 3);
			if (usual && reduce < 2)
				outside += whole.h * whole.w - (y1 - y0) * (x1 - x0);
		}
		nst_buf_release(&b);
	}
	assert_true(left > outside / 2);
	nst_buf_release(&points);
	nst_pixels_release(&whole);
	nst_pixels_release(&some);
}

/* Views made of the part that they ask for are the same as those made of everything. */
static void views_do_not_see_what_is_left_out(void **state)
{
	static uint8_t want[3 * 90 * 90], got[3 * 90 * 90];
	struct nst_decoder *d = nst_decoder_new(&err);
	struct nst_pixels whole = {0}, some = {0};
	struct nst_augmenter work = {0};
	struct nst_buf points = {0};
	struct nst_rng rng;

	(void)state;
	assert_non_null(d);
	nst_rng_init(&rng, 6, NST_RNG_TEST, 9, 0);
	for (int i = 0; i < 240; i++) {
		int usual, orientation = i % 11 ? 1 : 6;
		struct nst_buf b = any_file(i, &rng, 600, &usual);
		struct nst_jpeg_info info;
		struct nst_picture in;
		struct nst_augment a;

		assert_int_equal(nst_jpeg_info(b.data, b.len, 0, &info, &err), 0);
		in = stored(&b, info.height, info.width, orientation, &points);
		nst_augment_init(&a, 1 + nst_rng_below(&rng, 90));
		a.view = i % 5 ? NST_VIEW_RESIZED : NST_VIEW_PLAIN;
		a.filter = (enum nst_filter)(i % 4);
		a.area[0] = 0.01;
		for (int k = 0; k < 4; k++) {
			size_t h = orientation == 1 ? info.height : info.width;
			size_t w = orientation == 1 ? info.width : info.height;
			struct nst_view view;
			struct nst_box part;
			double reduce;

			nst_augment_draw(&a, &rng, h, w, &view);
			reduce = nst_augment_reduce(&a, &view);
			part = nst_augment_part(&a, &view);
			assert_int_equal(nst_decode(d, &in, reduce, &whole, &err), 0);
			assert_int_equal(nst_augment_apply(&a, &rng, &view, &work, &whole, want,
							   &err), 0);
			assert_int_equal(nst_pixels_shape(&some, 700, 700, &err), 0);
			memset(some.data, 0xa5, 3 * 700 * 700);
			assert_int_equal(nst_decode_part(d, &in, reduce, &part, &some, &err), 0);
			assert_int_equal(nst_augment_apply(&a, &rng, &view, &work, &some, got, &err),
					 0);
			assert_memory_equal(got, want, 3 * a.size * a.size);
		}
		nst_buf_release(&b);
	}
	nst_augmenter_release(&work);
	nst_buf_release(&points);
	nst_pixels_release(&whole);
	nst_pixels_release(&some);
	nst_decoder_free(d);
}

/* Rows as they come, put together again. */
struct collected {
	struct nst_pixels pixels;
	size_t first, next; /* rows that came */
	int times;          /* that it was begun */
};

static int collect_begin(void *ctx, size_t h, size_t w, struct nst_err *e)
{
	struct collected *c = ctx;

	c->first = c->next = 0;
	c->times++;
	return nst_pixels_shape(&c->pixels, h, w, e);
}

static void collect_take(void *ctx, const uint8_t *rows, size_t y, size_t n)
{
	struct collected *c = ctx;

	if (c->next == 0)
		c->first = c->next = y;
	assert_int_equal(y, c->next);
	assert_true(n > 0 && y + n <= c->pixels.h);
	memcpy(c->pixels.data + 3 * c->pixels.w * y, rows, 3 * c->pixels.w * n);
	c->next = y + n;
}

/* Of every kind of file, lying ones too: all rows, or those of a part. */
static void rows_are_those_of_the_picture(void **state)
{
	struct nst_decoder *d = nst_decoder_new(&err);
	struct nst_pixels whole = {0};
	struct collected some = {0};
	const struct nst_rows to = {collect_begin, collect_take, &some};
	struct nst_buf points = {0};
	size_t left_out = 0;
	struct nst_rng rng;

	(void)state;
	assert_non_null(d);
	nst_rng_init(&rng, 8, NST_RNG_TEST, 9, 0);
	for (int i = 0; i < 240; i++) {
		int usual, orientation = i % 11 ? 1 : 6;
		struct nst_buf b = any_file(i, &rng, i % 5 ? 150 : 600, &usual);
		double reduce = i % 4 ? 0 : 1 << nst_rng_below(&rng, 4);
		struct nst_jpeg_info info;
		struct nst_picture in;
		struct nst_box part;
		size_t y0, y1, x0, x1, h, w;

		assert_int_equal(nst_jpeg_info(b.data, b.len, 0, &info, &err), 0);
		in = stored(&b, info.height, info.width, orientation, &points);
		h = orientation == 1 ? info.height : info.width;
		w = orientation == 1 ? info.width : info.height;
		assert_int_equal(nst_decode(d, &in, reduce, &whole, &err), 0);
		some.times = 0;
		assert_int_equal(nst_decode_rows(d, &in, reduce, NULL, &to, &err), 0);
		assert_int_equal(some.times, 1);
		assert_true(some.first == 0 && some.next == whole.h && some.pixels.h == whole.h &&
			    some.pixels.w == whole.w);
		assert_memory_equal(some.pixels.data, whole.data, 3 * whole.h * whole.w);

		part = any_part(&rng, h, w);
		assert_int_equal(nst_decode_rows(d, &in, reduce, &part, &to, &err), 0);
		stretch(part.y0, part.y1, (double)whole.h / (double)h, whole.h, &y0, &y1);
		stretch(part.x0, part.x1, (double)whole.w / (double)w, whole.w, &x0, &x1);
		assert_true(some.first <= y0 && some.next >= y1);
		left_out += whole.h - (some.next - some.first);
		for (size_t y = y0; y < y1; y++)
			assert_memory_equal(some.pixels.data + 3 * (y * whole.w + x0),
					    whole.data + 3 * (y * whole.w + x0), 3 * (x1 - x0));
		nst_buf_release(&b);
	}
	assert_true(left_out > 1000);
	nst_buf_release(&points);
	nst_pixels_release(&whole);
	nst_pixels_release(&some.pixels);
	nst_decoder_free(d);
}

/* A picture on its way through preprocessing. */
struct preprocessing {
	struct nst_preprocess p;
	struct nst_preprocessor work;
	float *out;
};

static int preprocessing_begin(void *ctx, size_t h, size_t w, struct nst_err *e)
{
	struct preprocessing *t = ctx;

	return nst_preprocess_begin(&t->p, &t->work, h, w, t->out, e);
}

static void preprocessing_take(void *ctx, const uint8_t *rows, size_t y, size_t n)
{
	struct preprocessing *t = ctx;

	nst_preprocess_take(&t->work, rows, y, n);
}

/* A part of the size that is stated may be none of the picture that is there. */
static void parts_of_another_size_are_an_error(void **state)
{
	static float out[3 * 40 * 40];
	struct nst_decoder *d = nst_decoder_new(&err);
	struct preprocessing way = {.out = out};
	const struct nst_rows to = {preprocessing_begin, preprocessing_take, &way};
	struct nst_buf points = {0};
	struct nst_rng rng;

	(void)state;
	assert_non_null(d);
	nst_rng_init(&rng, 9, NST_RNG_TEST, 9, 0);
	nst_preprocess_init(&way.p, 40);
	for (int i = 0; i < 200; i++) {
		int usual;
		struct nst_buf b = any_file(i, &rng, 300, &usual);
		struct nst_jpeg_info info;
		struct nst_picture in;
		uint32_t h, w;
		struct nst_box part;

		assert_int_equal(nst_jpeg_info(b.data, b.len, 0, &info, &err), 0);
		h = 1 + nst_rng_below(&rng, 2 * info.height);
		w = 1 + info.width + nst_rng_below(&rng, 2 * info.width);
		part = i % 2 ? any_part(&rng, h, w) : nst_preprocess_part(&way.p, h, w);
		in = stored(&b, h, w, 1, &points);
		assert_int_equal(nst_decode_rows(d, &in, 0, &part, &to, &err),
				 NST_EFORMAT);
		nst_buf_release(&b);
	}
	nst_preprocessor_release(&way.work);
	nst_buf_release(&points);
	nst_decoder_free(d);
}

/* The path of evaluation makes the same of the part that it asks for as of everything. */
static void evaluation_does_not_see_what_is_left_out(void **state)
{
	static float want[3 * 90 * 90], got[3 * 90 * 90];
	struct nst_decoder *d = nst_decoder_new(&err);
	struct nst_pixels whole = {0};
	struct preprocessing way = {0};
	const struct nst_rows to = {preprocessing_begin, preprocessing_take, &way};
	struct nst_buf points = {0};
	struct nst_rng rng;

	(void)state;
	assert_non_null(d);
	nst_rng_init(&rng, 7, NST_RNG_TEST, 9, 0);
	for (int i = 0; i < 600; i++) {
		int usual, orientation = i % 11 ? 1 : 6;
		struct nst_buf b = any_file(i, &rng, 600, &usual);
		struct nst_preprocess *p = &way.p;
		struct nst_jpeg_info info;
		struct nst_picture in;
		struct nst_box part;
		size_t h, w;
		double reduce;

		assert_int_equal(nst_jpeg_info(b.data, b.len, 0, &info, &err), 0);
		in = stored(&b, info.height, info.width, orientation, &points);
		h = orientation == 1 ? info.height : info.width;
		w = orientation == 1 ? info.width : info.height;
		nst_preprocess_init(p, 8 + nst_rng_below(&rng, 82));
		p->cropping = (enum nst_cropping)(i % 3);
		p->crop = 0.5 + 0.5 * nst_rng_unit(&rng);
		p->filter = (enum nst_filter)(i % 4);
		reduce = nst_preprocess_reduce(p, h, w);
		part = nst_preprocess_part(p, h, w);
		assert_int_equal(nst_decode(d, &in, reduce, &whole, &err), 0);
		way.out = want;
		assert_int_equal(preprocessing_begin(&way, whole.h, whole.w, &err), 0);
		preprocessing_take(&way, whole.data, 0, whole.h);
		way.out = got;
		memset(got, 0xa5, sizeof(got));
		assert_int_equal(nst_decode_rows(d, &in, reduce, &part, &to, &err), 0);
		assert_memory_equal(got, want, sizeof(*got) * 3 * p->size * p->size);
		nst_buf_release(&b);
	}
	nst_preprocessor_release(&way.work);
	nst_buf_release(&points);
	nst_pixels_release(&whole);
	nst_decoder_free(d);
}

/* Pixels of a part of a picture that is damaged elsewhere are those that the whole has there. */
static void compare_sound_part(const struct nst_buf *b, const struct nst_jpeg_info *info,
			       const struct nst_box *part, const struct nst_pixels *got)
{
	struct nst_pixels whole = {0};
	size_t y0, y1, x0, x1;

	nst_jpeg_lenient(codec, 1);
	assert_int_equal(decode_tight(b->data, b->len, &whole), 0);
	nst_jpeg_lenient(codec, 0);
	stretch(part->y0, part->y1, 1, info->height, &y0, &y1);
	stretch(part->x0, part->x1, 1, info->width, &x0, &x1);
	for (size_t y = y0; y < y1; y++)
		assert_memory_equal(got->data + 3 * (y * whole.w + x0),
				    whole.data + 3 * (y * whole.w + x0), 3 * (x1 - x0));
	nst_pixels_release(&whole);
}

/* Data that are missing below and beside a part, or were changed anywhere: damage above or beside the
 * part is found, that below it does no harm, and an early end is an early end. */
static void damage_outside_a_part(void **state)
{
	const struct nst_box corner = {0, 0, 20, 20};
	struct nst_pixels out = {0};
	struct nst_rng rng;
	int refused = 0, harmless = 0;

	(void)state;
	nst_rng_init(&rng, 7, NST_RNG_TEST, 10, 0);
	for (int i = 0; i < 400; i++) {
		int usual, ends, rc;
		struct nst_buf b = any_file(i, &rng, 200, &usual);
		struct nst_jpeg_info info;
		struct nst_picture in;
		struct nst_box part;

		assert_int_equal(nst_jpeg_info(b.data, b.len, 0, &info, &err), 0);
		part = i % 3 ? any_part(&rng, info.height, info.width) : corner;
		if (i % 2) {
			for (uint32_t flips = 1 + nst_rng_below(&rng, 3); flips; flips--)
				b.data[nst_rng_below(&rng, (uint32_t)b.len)] =
					(uint8_t)nst_rng_u32(&rng);
		} else {
			b.len -= nst_rng_below(&rng, (uint32_t)b.len / 8);
			if (i % 4)
				memcpy(b.data + b.len - 2, "\xff\xd9", 2);
		}
		nst_jpeg_limit(codec, 400 * 400);
		rc = decode_tight(b.data, b.len, &out);
		in = stored(&b, 0, 0, 1, NULL);
		ends = nst_jpeg_info(b.data, b.len, 0, &info, &err) < 0 || !info.complete;
		if (rc == 0 || !usual || ends || part.y1 + 1 >= (float)info.height)
			assert_int_equal(decode_part(&in, 0, &part, &out), rc);
		else if (decode_part(&in, 0, &part, &out) == 0)
			compare_sound_part(&b, &info, &part, &out), harmless++;
		refused += rc != 0;
		nst_buf_release(&b);
	}
	assert_in_range(refused, 100, 390);
	assert_in_range(harmless, 20, refused);
	nst_jpeg_limit(codec, 0);
	nst_pixels_release(&out);
}

/* Whatever is flipped: 0 or a code. */
static void flipped_bytes_do_no_harm(void **state)
{
	struct nst_buf originals[] = {encoded(60, 50, NST_JPEG_420), from_hex(progressive_hex),
				      from_hex(cmyk_hex)};
	struct nst_pixels out = {0};
	struct nst_rng rng;
	size_t decoded = 0;

	(void)state;
	nst_rng_init(&rng, 1, NST_RNG_TEST, 0, 0);
	for (int i = 0; i < 3000; i++) {
		const struct nst_buf *b = &originals[i % 3];
		uint8_t *copy = malloc(b->len);
		int rc;

		assert_non_null(copy);
		memcpy(copy, b->data, b->len);
		for (uint32_t flips = 1 + nst_rng_below(&rng, 4); flips; flips--)
			copy[nst_rng_below(&rng, (uint32_t)b->len)] = (uint8_t)nst_rng_u32(&rng);
		nst_jpeg_lenient(codec, i & 1);
		nst_jpeg_limit(codec, 1 << 20);
		rc = decode_tight(copy, b->len, &out);
		assert_true(rc == 0 || rc == NST_EFORMAT || rc == NST_ELIMIT);
		decoded += rc == 0;
		free(copy);
	}
	assert_in_range(decoded, 100, 2900); /* both ways were taken */
	nst_jpeg_lenient(codec, 0);
	nst_jpeg_limit(codec, 0);
	nst_pixels_release(&out);
	for (size_t i = 0; i < 3; i++)
		nst_buf_release(&originals[i]);
}

/* Tables of one picture must not serve the next, nor errors spoil it. */
static void no_picture_depends_on_the_one_before(void **state)
{
	struct nst_buf good = encoded(20, 20, NST_JPEG_444), bare = encoded(20, 20, NST_JPEG_444);
	struct nst_pixels first = {0}, out = {0};
	size_t at = marker(&bare, 0xdb), len = (size_t)bare.data[at + 2] << 8 | bare.data[at + 3];

	(void)state;
	memmove(bare.data + at, bare.data + at + 2 + len, bare.len - at - 2 - len);
	bare.len -= 2 + len; /* without its first quantization table */
	assert_int_equal(decode_tight(good.data, good.len, &first), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(decode_tight(bare.data, bare.len, &out), NST_EFORMAT);
		assert_non_null(strstr(err.msg, "Quantization table"));
		assert_int_equal(decode_tight(good.data, good.len, &out), 0);
		assert_memory_equal(out.data, first.data, 3 * 20 * 20);
	}
	nst_pixels_release(&first);
	nst_pixels_release(&out);
	nst_buf_release(&good);
	nst_buf_release(&bare);
}

static void encoding_refuses_nonsense(void **state)
{
	uint8_t pixel[3] = {1, 2, 3};
	struct nst_buf b = {0};

	(void)state;
	assert_int_equal(nst_jpeg_encode(codec, pixel, 0, 1, 90, NST_JPEG_444, &b, &err),
			 NST_EINVAL);
	assert_int_equal(nst_jpeg_encode(codec, pixel, 1, 1, 0, NST_JPEG_444, &b, &err),
			 NST_EINVAL);
	assert_int_equal(nst_jpeg_encode(codec, pixel, 1, 1, 101, NST_JPEG_444, &b, &err),
			 NST_EINVAL);
	assert_int_equal(nst_jpeg_encode(codec, pixel, 1, 1, 90, NST_JPEG_OTHER, &b, &err),
			 NST_EINVAL);
	assert_int_equal(b.len, 0);
	nst_buf_release(&b);
}

static void recompression_is_encode_and_decode(void **state)
{
	uint8_t *rgb = slope(32, 32);
	struct nst_pixels out = {0};
	struct nst_buf b = {0};

	(void)state;
	assert_int_equal(nst_jpeg_encode(codec, rgb, 32, 32, 40, NST_JPEG_420, &b, &err), 0);
	assert_int_equal(decode_tight(b.data, b.len, &out), 0);
	assert_int_equal(nst_jpeg_recompress(codec, rgb, 32, 32, 40, &err), 0);
	assert_memory_equal(rgb, out.data, 3 * 32 * 32);
	nst_pixels_release(&out);
	nst_buf_release(&b);
	free(rgb);
}

/* ---- EXIF ---- */

/* An APP1 payload with one directory: a foreign tag, then the orientation. */
static size_t exif_block(uint8_t out[64], int big, unsigned type, unsigned value)
{
	static const uint8_t little[] = "Exif\0\0II*\0\x08\0\0\0\x02\0"
		"\x0f\x01\x02\0\x01\0\0\0A\0\0\0"
		"\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0";
	static const uint8_t large[] = "Exif\0\0MM\0*\0\0\0\x08\0\x02"
		"\x01\x0f\0\x02\0\0\0\x01" "A\0\0\0"
		"\x01\x12\0\x03\0\0\0\x01\0\x01\0\0\0\0\0";
	size_t n = sizeof little;

	memcpy(out, big ? large : little, n);
	out[30 + (big ? 1 : 0)] = (uint8_t)type;
	out[36 + (big ? 1 : 0)] = (uint8_t)value;
	return n;
}

static void orientation_is_found(void **state)
{
	uint8_t block[64];

	(void)state;
	for (int big = 0; big < 2; big++) {
		for (unsigned v = 0; v < 12; v++) {
			size_t n = exif_block(block, big, 3, v);

			assert_int_equal(nst_exif_orientation(block, n), v >= 1 && v <= 8 ? v : 1);
		}
		assert_int_equal(nst_exif_orientation(block, exif_block(block, big, 4, 6)), 1);
	}
}

static void hostile_exif_stays_inside_its_block(void **state)
{
	struct nst_rng rng;
	uint8_t block[64];

	(void)state;
	nst_rng_init(&rng, 2, NST_RNG_TEST, 0, 0);
	for (int big = 0; big < 2; big++) {
		size_t n = exif_block(block, big, 3, 6);

		for (size_t len = 0; len <= n; len++) {
			uint8_t *tight = malloc(len + 1);
			int got;

			assert_non_null(tight);
			memcpy(tight + 1, block, len);
			got = nst_exif_orientation(tight + 1, len);
			assert_true(got == 1 || got == 6);
			free(tight);
		}
		for (int i = 0; i < 20000; i++) {
			uint8_t *tight = malloc(n);
			int got;

			assert_non_null(tight);
			memcpy(tight, block, n);
			for (int k = 0; k < 3; k++)
				tight[6 + nst_rng_below(&rng, (uint32_t)n - 6)] =
					(uint8_t)nst_rng_u32(&rng);
			got = nst_exif_orientation(tight, n);
			assert_in_range(got, 1, 8);
			free(tight);
		}
	}
}

/* Where the eight orientations put the letter F's pixels: rows of the upright picture. */
static void orientations_turn_as_drawn(void **state)
{
	/* stored 2 rows x 3 columns: abc / def */
	static const char *const upright[] = {NULL, "abcdef", "cbafed", "fedcba", "defabc",
					      "adbecf", "daebfc", "fcebda", "cfbead"};
	uint8_t stored[18];
	struct nst_pixels out = {0};

	(void)state;
	for (int i = 0; i < 6; i++)
		memset(stored + 3 * i, 'a' + i, 3);
	for (int o = 1; o <= 8; o++) {
		assert_int_equal(nst_orientation_apply(o, stored, 2, 3, &out, &err), 0);
		assert_int_equal(out.h, o >= 5 ? 3 : 2);
		assert_int_equal(nst_orientation_turns(o), o >= 5);
		for (int i = 0; i < 6; i++)
			assert_int_equal(out.data[3 * i + 1], upright[o][i]);
	}
	nst_pixels_release(&out);
}

static void info_finds_the_orientation(void **state)
{
	struct nst_buf b = encoded(16, 24, NST_JPEG_444);
	struct nst_jpeg_info info;
	uint8_t block[64], head[4] = {0xff, 0xe1, 0, 0};
	size_t n = exif_block(block, 1, 3, 8);

	(void)state;
	head[3] = (uint8_t)(n + 2);
	insert(&b, 2, block, n);
	insert(&b, 2, head, 4);
	assert_int_equal(nst_jpeg_info(b.data, b.len, 0, &info, &err), 0);
	assert_int_equal(info.orientation, 8);
	assert_int_equal(info.width, 24);
	nst_buf_release(&b);
}

/* ---- samples ---- */

static int decode_stored(struct nst_decoder *d, int how, const uint8_t *data, size_t n, uint32_t h,
			 uint32_t w, uint32_t c, int orientation, struct nst_pixels *out)
{
	const struct nst_picture p = {how, data, n, h, w, c, orientation, {0}};

	return nst_decode(d, &p, 0, out, &err);
}

static void samples_are_decoded_upright(void **state)
{
	struct nst_decoder *d = nst_decoder_new(&err);
	struct nst_buf b = encoded(16, 24, NST_JPEG_444);
	struct nst_pixels plain = {0}, turned = {0}, want = {0};
	static const uint8_t raw[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

	(void)state;
	assert_non_null(d);
	assert_int_equal(decode_stored(d, 1, b.data, b.len, 16, 24, 3, 1, &plain), 0);
	assert_int_equal(decode_stored(d, 1, b.data, b.len, 16, 24, 3, 6, &turned), 0);
	assert_int_equal(nst_orientation_apply(6, plain.data, 16, 24, &want, &err), 0);
	assert_int_equal(turned.h, 24);
	assert_memory_equal(turned.data, want.data, 3 * 16 * 24);

	assert_int_equal(decode_stored(d, 1, b.data, b.len, 24, 16, 3, 1, &plain),
			 NST_EFORMAT);
	assert_int_equal(decode_stored(d, 7, b.data, b.len, 16, 24, 3, 1, &plain),
			 NST_EFORMAT);
	assert_int_equal(decode_stored(d, 0, raw, 12, 2, 2, 3, 1, &plain), 0);
	assert_memory_equal(plain.data, raw, 12);
	assert_int_equal(decode_stored(d, 0, raw, 12, 3, 4, 1, 1, &plain), 0);
	assert_int_equal(plain.data[11 * 3 + 2], 12);
	assert_int_equal(plain.data[11 * 3], 12);
	assert_int_equal(decode_stored(d, 0, raw, 11, 2, 2, 3, 1, &plain), NST_EFORMAT);
	assert_int_equal(decode_stored(d, 0, raw, 12, 0, 2, 3, 1, &plain), NST_EFORMAT);
	assert_int_equal(decode_stored(d, 0, raw, 12, 1, 3, 4, 1, &plain), NST_EFORMAT);
	assert_int_equal(decode_stored(d, 0, raw, 12, UINT32_MAX, UINT32_MAX, 3, 1, &plain),
			 NST_EFORMAT);
	nst_decoder_free(d);
	nst_pixels_release(&plain);
	nst_pixels_release(&turned);
	nst_pixels_release(&want);
	nst_buf_release(&b);
}

static int start(void **state)
{
	(void)state;
	codec = nst_jpeg_new(&err);
	return codec ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	nst_jpeg_free(codec);
	nst_jpeg_free(NULL);
	nst_decoder_free(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_and_sampling_comes_back),
		cmocka_unit_test(cmyk_becomes_rgb),
		cmocka_unit_test(progressive_is_decoded),
		cmocka_unit_test(reduction_keeps_what_was_asked_for),
		cmocka_unit_test(a_truncated_picture_ends_early),
		cmocka_unit_test(lenient_shows_what_there_is),
		cmocka_unit_test(stray_bytes_are_harmless),
		cmocka_unit_test(a_hole_in_the_data_is_damage),
		cmocka_unit_test(what_is_not_supported_is_named),
		cmocka_unit_test(stated_sizes_are_checked_first),
		cmocka_unit_test(bytes_that_are_no_picture),
		cmocka_unit_test(scans_are_counted_before_they_cost),
		cmocka_unit_test(a_part_is_what_the_whole_has_there),
		cmocka_unit_test(views_do_not_see_what_is_left_out),
		cmocka_unit_test(rows_are_those_of_the_picture),
		cmocka_unit_test(parts_of_another_size_are_an_error),
		cmocka_unit_test(evaluation_does_not_see_what_is_left_out),
		cmocka_unit_test(damage_outside_a_part),
		cmocka_unit_test(flipped_bytes_do_no_harm),
		cmocka_unit_test(no_picture_depends_on_the_one_before),
		cmocka_unit_test(encoding_refuses_nonsense),
		cmocka_unit_test(recompression_is_encode_and_decode),
		cmocka_unit_test(orientation_is_found),
		cmocka_unit_test(hostile_exif_stays_inside_its_block),
		cmocka_unit_test(orientations_turn_as_drawn),
		cmocka_unit_test(info_finds_the_orientation),
		cmocka_unit_test(samples_are_decoded_upright),
	};

	return cmocka_run_group_tests_name("jpeg", tests, start, stop);
}
