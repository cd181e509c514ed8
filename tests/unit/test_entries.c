/* libcore/image/scan, entries and cut: where the entry points of a JPEG are, that pictures which have
 * them are sound, what is cut out by them, and that wrong ones end in a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/image/cut.h"
#include "libcore/image/entries.h"
#include "libcore/image/jpeg.h"
#include "libcore/image/scan.h"
#include "tests/unit/jpeg_util.h"

static struct nst_err err;
static struct nst_jpeg *codec;
static struct nst_buf scratch;

static struct nst_entries entries_of(const struct nst_buf *b, struct nst_buf *points)
{
	points->len = 0;
	assert_int_equal(nst_entries_find(b->data, b->len, &scratch, points, &err), 0);
	return (struct nst_entries){(const uint64_t *)(void *)points->data,
				    points->len / sizeof(uint64_t)};
}

/* ---- the plain twin: the library decodes, and the lengths of what it decoded are added up ---- */

struct twin {
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr report;
	jvirt_barray_ptr *coefficients;
};

static void twin_open(struct twin *t, const struct nst_buf *b)
{
	t->c.err = jpeg_std_error(&t->report);
	jpeg_create_decompress(&t->c);
	jpeg_mem_src(&t->c, b->data, (unsigned long)b->len);
	jpeg_read_header(&t->c, TRUE);
	t->coefficients = jpeg_read_coefficients(&t->c);
	assert_non_null(t->coefficients);
}

static unsigned code_length(const JHUFF_TBL *t, int symbol)
{
	int k = 0;

	for (unsigned len = 1; len <= 16; len++)
		for (int i = 0; i < t->bits[len]; i++)
			if (t->huffval[k++] == symbol)
				return len;
	fail_msg("no code for %d", symbol);
	return 0;
}

static int size_of(int v)
{
	int n = 0;

	for (v = abs(v); v; v /= 2)
		n++;
	return n;
}

/* Bits of a block, whose mean differs from the last one's by `difference`. */
static size_t block_bits(const struct twin *t, const jpeg_component_info *comp, const JCOEF *block,
			 int difference)
{
	static const int zigzag[64] = {
		0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
		12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
		35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
		58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};
	const JHUFF_TBL *dc = t->c.dc_huff_tbl_ptrs[comp->dc_tbl_no];
	const JHUFF_TBL *ac = t->c.ac_huff_tbl_ptrs[comp->ac_tbl_no];
	size_t bits = code_length(dc, size_of(difference)) + (size_t)size_of(difference);
	int run = 0;

	for (int k = 1; k < 64; k++) {
		int size = size_of(block[zigzag[k]]);

		if (!size) {
			run++;
			continue;
		}
		for (; run >= 16; run -= 16)
			bits += code_length(ac, 0xf0);
		bits += code_length(ac, run << 4 | size) + (size_t)size;
		run = 0;
	}
	return run ? bits + code_length(ac, 0) : bits;
}

/* Bits of a unit; mean has the last ones of each component and is brought up to date. */
static size_t unit_bits(struct twin *t, unsigned row, unsigned col, int *mean)
{
	size_t bits = 0;

	for (int c = 0; c < t->c.num_components; c++) {
		const jpeg_component_info *comp = &t->c.comp_info[c];
		const unsigned h = t->c.num_components == 1 ? 1 : (unsigned)comp->h_samp_factor;
		const unsigned v = t->c.num_components == 1 ? 1 : (unsigned)comp->v_samp_factor;

		for (unsigned k = 0; k < h * v; k++) {
			JBLOCKARRAY line = t->c.mem->access_virt_barray(
				(j_common_ptr)&t->c, t->coefficients[c], row * v + k / h, 1, FALSE);
			const JCOEF *block = line[0][col * h + k % h];

			bits += block_bits(t, comp, block, block[0] - mean[c]);
			mean[c] = block[0];
		}
	}
	return bits;
}

/* Where bit `bit` of the code is in the file, the code beginning with byte `at`. */
static uint64_t in_file(const uint8_t *data, size_t at, size_t bit)
{
	for (size_t byte = 0; byte < bit / 8; byte++)
		at += data[at] == 0xff ? 2 : 1;
	return 8 * (uint64_t)at + bit % 8;
}

/* Entry points of the columns that has[] names, in `out`; their number. */
static size_t twin_points(const struct nst_buf *b, const struct nst_scan *s, const uint8_t *has,
			  uint64_t *out)
{
	uint64_t *next = out;
	int mean[3] = {0};
	size_t bit = 0;
	struct twin t;

	twin_open(&t, b);
	for (unsigned row = 0; row < s->rows; row++)
		for (unsigned col = 0; col < s->columns; col++) {
			if (has[col]) {
				*next = in_file(b->data, s->code, bit) << 36;
				for (int c = 0; c < 3; c++)
					*next |= ((uint64_t)mean[c] & 0xfff) << 12 * c;
				next++;
			}
			bit += unit_bits(&t, row, col, mean);
		}
	jpeg_destroy_decompress(&t.c);
	return (size_t)(next - out);
}

enum { MOST_COLUMNS = 700 / 8 + 1, MOST_POINTS = MOST_COLUMNS * MOST_COLUMNS };

/* Of all sampling factors, with tables of its own and others. */
static void points_are_where_the_coefficients_say(void **state)
{
	static uint64_t expected[MOST_POINTS];
	struct nst_buf points = {0};
	struct nst_rng rng;
	size_t seen = 0;

	(void)state;
	nst_rng_init(&rng, 1, NST_RNG_TEST, 20, 0);
	for (int i = 0; i < 100; i++) {
		int usual;
		struct nst_buf b = any_file(i, &rng, 400, &usual);
		struct nst_entries e = entries_of(&b, &points);
		uint8_t has[MOST_COLUMNS] = {0};
		struct nst_entry_table table;
		struct nst_scan s;
		size_t words, n = 0;

		if (!e.count) {
			nst_buf_release(&b);
			continue;
		}
		assert_int_equal(nst_scan_read(b.data, b.len, &s), 1);
		assert_int_equal(nst_entries_table(&e, &s, &table), 1);
		words = (s.columns + 63) / 64;
		for (size_t k = 0; k < 64 * words; k++) {
			if (!(e.word[k / 64] >> k % 64 & 1))
				continue;
			assert_true(k < s.columns);
			has[k] = 1;
			assert_int_equal(table.column[n++], k);
		}
		assert_int_equal(table.a_row, n);
		assert_int_equal(table.column[n], s.columns);
		assert_ptr_equal(table.point, e.word + words);
		assert_int_equal(twin_points(&b, &s, has, expected), e.count - words);
		assert_memory_equal(table.point, expected, (e.count - words) * sizeof(*expected));
		seen += e.count - words;
		nst_buf_release(&b);
	}
	assert_true(seen > 1000);
	nst_buf_release(&points);
}

/* ---- which pictures have them ---- */

static void other_kinds_have_none(void **state)
{
	static const struct {
		int components, h, v, progressive, restart;
		size_t side;
	} kinds[] = {
		{3, 2, 2, 1, 0, 200}, /* progressive */
		{3, 2, 2, 0, 5, 200}, /* restarts */
		{4, 1, 1, 0, 0, 200}, /* CMYK */
		{1, 2, 2, 0, 0, 200}, /* units that are none of the usual */
		{3, 2, 2, 0, 0, 30},  /* small */
	};
	struct nst_buf points = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct nst_buf b = made(kinds[i].side, kinds[i].side, kinds[i].components, kinds[i].h,
					kinds[i].v, kinds[i].progressive, kinds[i].restart, i);

		assert_int_equal(entries_of(&b, &points).count, 0);
		nst_buf_release(&b);
	}
	nst_buf_release(&points);
}

static void what_follows_the_picture_does_not_matter(void **state)
{
	struct nst_buf b = made(200, 150, 3, 2, 2, 0, 0, 1), points = {0}, again = {0};
	size_t count = entries_of(&b, &points).count;

	(void)state;
	assert_in_range(count, 1 + 13, 1 + 13 * 8);
	assert_int_equal(nst_buf_append(&b, "\xff\xd8 more", 7, &err), 0);
	assert_int_equal(entries_of(&b, &again).count, count);
	assert_memory_equal(again.data, points.data, points.len);
	b.len -= 9; /* into the end marker */
	assert_int_equal(entries_of(&b, &again).count, 0);
	nst_buf_release(&b);
	nst_buf_release(&points);
	nst_buf_release(&again);
}

/* Eight in a row of pictures with much code, fewer where there is less.  Two of them are right at the square
 * that evaluation takes, with five pixels around it, the others spread. */
static void they_stand_at_the_central_square(void **state)
{
	static const size_t sizes[][2] = {{375, 500}, {500, 375}, {400, 400}, {333, 500},
					  {360, 640}, {300, 900}, {330, 640}, {200, 260}};
	struct nst_buf points = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		const size_t h = sizes[i][0], w = sizes[i][1], least = h < w ? h : w, side = least * 7 / 8;
		for (int sampled = 1; sampled <= 2; sampled++) {
			const size_t mcu = 8 * (size_t)sampled;
			struct nst_buf b = made(h, w, 3, sampled, sampled, 0, 0, i);
			const size_t left = (w - side + 1) / 2 - 5, right = left + side + 10;
			const size_t end = (right + mcu - 1) / mcu;
			struct nst_entries e = entries_of(&b, &points);
			struct nst_entry_table t;
			struct nst_scan s;
			int begins = 0, ends = 0;

			assert_int_equal(nst_scan_read(b.data, b.len, &s), 1);
			assert_int_equal(nst_entries_table(&e, &s, &t), 1);
			assert_int_equal(t.a_row, 8);
			for (size_t k = 0; k < t.a_row; k++) {
				const size_t gap = (size_t)(t.column[k + 1] - t.column[k]);

				begins += t.column[k] == left / mcu;
				ends += t.column[k + 1] == (end < s.columns ? end : s.columns);
				assert_in_range(gap, 1, (s.columns + 3) / 4);
			}
			assert_int_equal(begins, 1);
			assert_int_equal(ends, 1);
			nst_buf_release(&b);
		}
	}
	nst_buf_release(&points);
}

static void less_code_has_fewer(void **state)
{
	struct nst_buf points = {0};
	size_t seen[9] = {0};

	(void)state;
	for (size_t w = 90; w < 700; w += 20) {
		struct nst_buf b = made(200, w, 1, 1, 1, 0, 0, w);
		struct nst_entries e = entries_of(&b, &points);
		struct nst_entry_table t;
		struct nst_scan s;

		assert_int_equal(nst_scan_read(b.data, b.len, &s), 1);
		if (e.count) {
			const size_t least = (b.len - 2000) / s.rows / 256; /* without tables */

			assert_int_equal(nst_entries_table(&e, &s, &t), 1);
			assert_in_range(t.a_row, least < 8 ? least : 8, 8);
			assert_true(t.a_row <= b.len / s.rows / 256);
			seen[t.a_row]++;
		}
		nst_buf_release(&b);
	}
	assert_true(seen[2] && seen[3] && seen[4]);
	nst_buf_release(&points);
}

/* With a bit changed or one too few they are wrong. */
static void points_are_checked(void **state)
{
	struct nst_buf points = {0}, again = {0};
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 5, NST_RNG_TEST, 20, 0);
	for (int i = 0; i < 40; i++) {
		int usual;
		struct nst_buf b = any_file(i, &rng, 500, &usual);
		struct nst_entries e = entries_of(&b, &points);
		uint64_t *word = (uint64_t *)(void *)points.data;
		struct nst_scan s;

		assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err), 0);
		if (!e.count) {
			e = (struct nst_entries){(const uint64_t[8]){0}, 8};
			assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err),
					 NST_EFORMAT);
			nst_buf_release(&b);
			continue;
		}
		word[nst_rng_below(&rng, (uint32_t)e.count)] ^= 1ull << nst_rng_below(&rng, 64);
		assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err),
				 NST_EFORMAT);
		e = entries_of(&b, &points);
		e.count--;
		assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err),
				 NST_EFORMAT);
		e.count++;
		/* A column beyond the last, without points and with as many as there are rows. */
		assert_int_equal(nst_scan_read(b.data, b.len, &s), 1);
		if (s.columns % 64) {
			word[s.columns / 64] |= 1ull << s.columns % 64;
			assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err),
					 NST_EFORMAT);
			assert_int_equal(nst_buf_append(&points, b.data, s.rows * sizeof(uint64_t), &err),
					 0);
			e = (struct nst_entries){(const uint64_t *)(void *)points.data, e.count + s.rows};
			assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err),
					 NST_EFORMAT);
		}
		nst_buf_release(&b);
	}
	nst_buf_release(&points);
	nst_buf_release(&again);
}

/* More columns than a table has room for. */
static void too_many_columns_are_refused(void **state)
{
	static uint64_t word[2 + MOST_POINTS];
	struct nst_buf b = made(100, 600, 3, 1, 1, 0, 0, 1), again = {0};
	uint8_t has[MOST_COLUMNS] = {0};
	struct nst_entry_table t;
	struct nst_scan s;

	(void)state;
	assert_int_equal(nst_scan_read(b.data, b.len, &s), 1);
	assert_int_equal(s.columns, 75);
	for (size_t many = 64; many <= 65; many++) {
		struct nst_entries e = {word, 0};

		memset(has, 1, many);
		word[0] = ~0ull;
		word[1] = many - 64;
		e.count = 2 + twin_points(&b, &s, has, word + 2);
		assert_int_equal(nst_entries_table(&e, &s, &t), many == 64);
		assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err),
				 many == 64 ? 0 : NST_EFORMAT);
	}
	nst_buf_release(&b);
	nst_buf_release(&again);
}

/* Who finds entry points need not decode: what is damaged has none. */
static void pictures_with_points_are_sound(void **state)
{
	struct nst_pixels out = {0};
	struct nst_buf points = {0};
	struct nst_rng rng;
	int sound = 0, broken = 0;

	(void)state;
	nst_rng_init(&rng, 2, NST_RNG_TEST, 20, 0);
	for (int i = 0; i < 3000; i++) {
		static const int sampling[][2] = {{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}};
		const int *s = sampling[i % 5];
		struct nst_buf b = made(70, 90, i % 7 ? 3 : 1, i % 7 ? s[0] : 1, i % 7 ? s[1] : 1, 0, 0,
					(uint64_t)i);
		struct nst_jpeg_info info;
		uint8_t *copy;

		for (uint32_t flips = nst_rng_below(&rng, 3) + 1; flips; flips--)
			b.data[nst_rng_below(&rng, i % 2 ? 700 : (uint32_t)b.len)] ^=
				(uint8_t)(1 << nst_rng_below(&rng, 8));
		if (i % 9 == 0)
			b.len -= nst_rng_below(&rng, 100);
		/* Its end is the end of a block, so that a sanitizer sees a step beyond. */
		copy = malloc(b.len);
		assert_non_null(copy);
		memcpy(copy, b.data, b.len);
		points.len = 0;
		assert_int_equal(nst_entries_find(copy, b.len, &scratch, &points, &err), 0);
		nst_jpeg_limit(codec, 1 << 22);
		if (points.len) {
			const struct nst_entries e = {(const uint64_t *)(void *)points.data,
						      points.len / sizeof(uint64_t)};
			const struct nst_box corner = {0, 0, 1, 1};
			int rc = nst_jpeg_decode(codec, copy, b.len, 8, &info, &out, &err);

			/* But for what stands before the code, which every decoding reads. */
			if (rc < 0)
				assert_int_equal(nst_jpeg_decode_part(codec, copy, b.len, &e, 8,
								      &corner, &info, &out, &err),
						 rc);
			sound += rc == 0;
		} else {
			broken += nst_jpeg_decode(codec, copy, b.len, 8, &info, &out, &err) < 0;
		}
		nst_jpeg_limit(codec, 0);
		free(copy);
		nst_buf_release(&b);
	}
	assert_in_range(sound, 300, 2700);
	assert_in_range(broken, 300, 2700);
	nst_pixels_release(&out);
	nst_buf_release(&points);
}

/* ---- cuts ---- */

static struct nst_units any_units(struct nst_rng *rng, const struct nst_scan *s)
{
	struct nst_units u;

	u.row = nst_rng_below(rng, 3) ? nst_rng_below(rng, s->rows) : 0;
	u.row_end = nst_rng_below(rng, 3) ? u.row + 1 + nst_rng_below(rng, s->rows - u.row) : s->rows;
	u.column = nst_rng_below(rng, 3) ? nst_rng_below(rng, s->columns) : 0;
	u.column_end = nst_rng_below(rng, 3) ? u.column + 1 + nst_rng_below(rng, s->columns - u.column) :
					       s->columns;
	return u;
}

/* Pixels of a cut, less those at its borders that are smoothed with what the picture has beyond, are
 * those of the picture. */
static void compare_cut(const struct nst_pixels *whole, const struct nst_scan *s,
			const struct nst_units *u, const struct nst_cut *cut, const struct nst_pixels *got)
{
	const size_t oy = (size_t)cut->row * s->mcu_h, ox = (size_t)cut->column * s->mcu_w;
	size_t y0 = (size_t)u->row * s->mcu_h + (u->row > 0), y1 = (size_t)u->row_end * s->mcu_h - 1;
	size_t x0 = (size_t)u->column * s->mcu_w + 3 * (u->column > 0);
	size_t x1 = (size_t)u->column_end * s->mcu_w - 3;

	if (u->row_end == s->rows)
		y1 = whole->h;
	if (u->column_end == s->columns)
		x1 = whole->w;
	assert_int_equal(got->h, cut->height);
	assert_int_equal(got->w, cut->width);
	assert_true(oy <= y0 && y1 <= oy + got->h && ox <= x0 && x1 <= ox + got->w);
	for (size_t y = y0; y < y1 && x0 < x1; y++)
		assert_memory_equal(got->data + 3 * ((y - oy) * got->w + x0 - ox),
				    whole->data + 3 * (y * whole->w + x0), 3 * (x1 - x0));
}

static void a_cut_is_a_part_of_the_picture(void **state)
{
	struct nst_pixels whole = {0}, got = {0};
	struct nst_buf points = {0}, out = {0};
	struct nst_rng rng;
	int cuts = 0, left = 0;

	(void)state;
	nst_rng_init(&rng, 3, NST_RNG_TEST, 20, 0);
	for (int i = 0; i < 300; i++) {
		int usual;
		struct nst_buf b = any_file(i, &rng, i % 3 ? 200 : 700, &usual);
		struct nst_entries e = entries_of(&b, &points);
		struct nst_jpeg_info info;
		struct nst_scan s;

		for (int k = 0; e.count && k < 6; k++) {
			struct nst_units u;
			struct nst_cut cut;
			int rc;

			assert_int_equal(nst_scan_read(b.data, b.len, &s), 1);
			u = any_units(&rng, &s);
			rc = nst_cut(b.data, b.len, &e, &u, &out, &cut, &err);
			assert_in_range(rc, 0, 1);
			left += rc == 0;
			if (!rc)
				continue;
			cuts++;
			assert_in_range(out.len, NST_CUT_SLACK + 2, NST_CUT_SLACK + b.len - 1);
			assert_memory_equal(out.data + out.len - NST_CUT_SLACK - 2, "\xff\xd9\0", 3);
			assert_int_equal(nst_jpeg_decode(codec, b.data, b.len, 0, &info, &whole, &err), 0);
			assert_int_equal(nst_jpeg_decode(codec, out.data, out.len, 0, &info, &got, &err),
					 0);
			compare_cut(&whole, &s, &u, &cut, &got);
		}
		nst_buf_release(&b);
	}
	assert_true(cuts > 300);
	assert_true(left > 30); /* most of the picture, or all of it */
	nst_pixels_release(&whole);
	nst_pixels_release(&got);
	nst_buf_release(&points);
	nst_buf_release(&out);
}

/* Points without a mask, of files of before: equally many stretches of a row. */
static void points_of_before_are_read(void **state)
{
	static uint64_t word[MOST_POINTS];
	struct nst_pixels whole = {0}, got = {0};
	struct nst_buf points = {0}, again = {0}, out = {0};
	struct nst_rng rng;
	int cuts = 0;

	(void)state;
	nst_rng_init(&rng, 6, NST_RNG_TEST, 20, 0);
	for (int i = 0; i < 60; i++) {
		int usual;
		struct nst_buf b = any_file(i, &rng, 700, &usual);
		struct nst_entries e = entries_of(&b, &points);
		uint8_t has[MOST_COLUMNS] = {0};
		struct nst_jpeg_info info;
		struct nst_units u;
		struct nst_cut cut;
		struct nst_scan s;
		size_t m;

		if (!e.count) {
			nst_buf_release(&b);
			continue;
		}
		assert_int_equal(nst_scan_read(b.data, b.len, &s), 1);
		m = 1 + nst_rng_below(&rng, s.columns < 10 ? s.columns : 10);
		for (size_t k = 0; k < m; k++)
			has[k * s.columns / m] = 1;
		e = (struct nst_entries){word, twin_points(&b, &s, has, word)};
		assert_int_equal(e.count, m * s.rows);
		assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err), 0);
		u = any_units(&rng, &s);
		if (nst_cut(b.data, b.len, &e, &u, &out, &cut, &err)) {
			assert_int_equal(nst_jpeg_decode(codec, b.data, b.len, 0, &info, &whole, &err), 0);
			assert_int_equal(nst_jpeg_decode(codec, out.data, out.len, 0, &info, &got, &err),
					 0);
			compare_cut(&whole, &s, &u, &cut, &got);
			cuts++;
		}
		word[nst_rng_below(&rng, (uint32_t)e.count)] ^= 1ull << nst_rng_below(&rng, 64);
		assert_int_equal(nst_entries_check(b.data, b.len, &e, &scratch, &again, &err),
				 NST_EFORMAT);
		nst_buf_release(&b);
	}
	assert_true(cuts > 15);
	nst_pixels_release(&whole);
	nst_pixels_release(&got);
	nst_buf_release(&points);
	nst_buf_release(&again);
	nst_buf_release(&out);
}

/* A picture of one colour whose tables have no code but for that. */
static void without_codes_for_blank_units_nothing_is_cut(void **state)
{
	const size_t side = 1600;
	uint8_t *rgb = calloc(side, 3 * side);
	struct nst_buf b = {0}, points = {0}, out = {0};
	const struct nst_units corner = {50, 51, 50, 51};
	const struct nst_box part = {800, 800, 810, 810};
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr report;
	unsigned char *bytes = NULL;
	unsigned long size = 0;
	struct nst_jpeg_info info;
	struct nst_pixels pixels = {0};
	struct nst_entries e;
	struct nst_cut cut;

	(void)state;
	assert_non_null(rgb);
	c.err = jpeg_std_error(&report);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &bytes, &size);
	c.image_width = c.image_height = (JDIMENSION)side;
	c.input_components = 3;
	c.in_color_space = JCS_RGB;
	jpeg_set_defaults(&c);
	c.optimize_coding = TRUE;
	jpeg_start_compress(&c, TRUE);
	for (size_t y = 0; y < side; y++) {
		JSAMPROW row = rgb + 3 * side * y;

		jpeg_write_scanlines(&c, &row, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	assert_int_equal(nst_buf_append(&b, bytes, size, &err), 0);
	e = entries_of(&b, &points);
	assert_int_equal(e.count, 2 + 100);
	assert_int_equal(nst_cut(b.data, b.len, &e, &corner, &out, &cut, &err), 0);
	assert_int_equal(nst_jpeg_decode_part(codec, b.data, b.len, &e, 0, &part, &info, &pixels, &err),
			 0);
	assert_memory_equal(pixels.data + 3 * (side * 805 + 805), rgb, 3);
	free(bytes);
	free(rgb);
	nst_pixels_release(&pixels);
	nst_buf_release(&b);
	nst_buf_release(&points);
	nst_buf_release(&out);
}

/* Points of other pictures, or of none: a sentence, or pixels that mean nothing. */
static void wrong_points_do_no_harm(void **state)
{
	struct nst_pixels out = {0};
	struct nst_buf points = {0};
	struct nst_rng rng;
	int refused = 0;

	(void)state;
	nst_rng_init(&rng, 4, NST_RNG_TEST, 20, 0);
	for (int i = 0; i < 2000; i++) {
		int usual;
		struct nst_buf b = any_file(i % 10, &rng, 300, &usual);
		struct nst_entries e = entries_of(&b, &points);
		size_t count = e.count && i % 3 ? e.count : 1 + nst_rng_below(&rng, 200);
		uint64_t *wrong = malloc(count * sizeof(*wrong));
		uint8_t *copy = malloc(b.len);
		struct nst_jpeg_info info;
		struct nst_box part;
		int rc;

		assert_non_null(wrong);
		assert_non_null(copy);
		memcpy(copy, b.data, b.len);
		for (size_t k = 0; k < count; k++)
			wrong[k] = k < e.count && nst_rng_below(&rng, 4) ? e.word[k] :
				i % 2 ? (uint64_t)nst_rng_u32(&rng) << 32 | nst_rng_u32(&rng) :
				(uint64_t)nst_rng_below(&rng, 9 * (uint32_t)b.len) << 36;
		assert_int_equal(nst_jpeg_info(b.data, b.len, 0, &info, &err), 0);
		part = (struct nst_box){0, 0, 1 + (float)nst_rng_below(&rng, info.width),
					1 + (float)nst_rng_below(&rng, info.height)};
		e = (struct nst_entries){wrong, count};
		err.msg[0] = '\0';
		rc = nst_jpeg_decode_part(codec, copy, b.len, &e, 0, &part, &info, &out, &err);
		if (rc < 0) {
			assert_int_equal(rc, NST_EFORMAT);
			refused += !!strstr(err.msg, "entry points");
		}
		free(copy);
		free(wrong);
		nst_buf_release(&b);
	}
	assert_in_range(refused, 500, 1999);
	nst_pixels_release(&out);
	nst_buf_release(&points);
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
	nst_buf_release(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_are_where_the_coefficients_say),
		cmocka_unit_test(other_kinds_have_none),
		cmocka_unit_test(what_follows_the_picture_does_not_matter),
		cmocka_unit_test(they_stand_at_the_central_square),
		cmocka_unit_test(less_code_has_fewer),
		cmocka_unit_test(points_are_checked),
		cmocka_unit_test(too_many_columns_are_refused),
		cmocka_unit_test(pictures_with_points_are_sound),
		cmocka_unit_test(a_cut_is_a_part_of_the_picture),
		cmocka_unit_test(points_of_before_are_read),
		cmocka_unit_test(without_codes_for_blank_units_nothing_is_cut),
		cmocka_unit_test(wrong_points_do_no_harm),
	};

	return cmocka_run_group_tests_name("entries", tests, start, stop);
}
