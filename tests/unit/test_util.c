/* libcore/util against published vectors, exhaustive loops and plain twins. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/util/err.h"
#include "libcore/util/hash.h"
#include "libcore/util/mem.h"
#include "libcore/util/num.h"
#include "libcore/util/rng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- errors ------------------------------------------------------------------------------- */

static void test_fail_formats_and_returns_the_code(void **state)
{
	struct nst_err err;

	(void)state;
	assert_int_equal(nst_fail(&err, NST_EFORMAT, "'%s' ends at %d", "a.h5", 7), NST_EFORMAT);
	assert_int_equal(err.code, NST_EFORMAT);
	assert_string_equal(err.msg, "'a.h5' ends at 7");
}

static void test_control_characters_are_replaced(void **state)
{
	struct nst_err err;

	(void)state;
	nst_fail(&err, NST_EIO, "'a\033[2Jb\nc\x7f' \xc3\xa9");
	assert_string_equal(err.msg, "'a?[2Jb?c?' \xc3\xa9");
}

static void test_errno_is_appended(void **state)
{
	struct nst_err err;

	(void)state;
	errno = ENOSPC;
	assert_int_equal(nst_fail_errno(&err, "cannot write '%s'", "x"), NST_EIO);
	assert_string_equal(err.msg, "cannot write 'x': No space left on device");
}

static void test_prefix_keeps_the_code(void **state)
{
	struct nst_err err;

	(void)state;
	nst_fail(&err, NST_EFORMAT, "sample 3: ends early");
	assert_int_equal(nst_err_prefix(&err, "cannot read '%s'", "a\tb"), NST_EFORMAT);
	assert_string_equal(err.msg, "cannot read 'a?b': sample 3: ends early");
}

static void test_long_sentences_are_cut(void **state)
{
	char word[2000];
	struct nst_err err;

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	nst_fail(&err, NST_EIO, "%s", word);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	errno = EIO;
	nst_fail_errno(&err, "%s", word);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	nst_err_prefix(&err, "%s", word);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

/* ---- memory ------------------------------------------------------------------------------- */

static void test_sizes_that_do_not_fit(void **state)
{
	struct nst_err err;
	size_t n;

	(void)state;
	assert_int_equal(nst_mul_size(1u << 20, 1u << 20, &n), 0);
	assert_true(n == (size_t)1 << 40);
	assert_int_equal(nst_mul_size(SIZE_MAX, 2, &n), NST_ELIMIT);
	assert_null(nst_alloc(SIZE_MAX / 2, 3, &err));
	assert_int_equal(err.code, NST_ENOMEM);
	assert_null(nst_zalloc(SIZE_MAX, SIZE_MAX, &err));
	assert_null(nst_alloc_aligned(SIZE_MAX - 3, 1, &err));
	assert_int_equal(err.code, NST_ENOMEM);
}

enum { LARGE = 2 << 20 }; /* a large page, of x86-64 */

static void test_blocks(void **state)
{
	struct nst_err err;
	unsigned char *z;
	void *p;

	(void)state;
	for (size_t n = 0; n < 200; n += 7) {
		p = nst_alloc_aligned(n, 4, &err);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % NST_ALIGN, 0);
		memset(p, 1, n * 4);
		free(p);
		z = nst_zalloc(n, 3, &err);
		assert_non_null(z);
		for (size_t i = 0; i < n * 3; i++)
			assert_int_equal(z[i], 0);
		free(z);
	}
	p = nst_alloc_aligned(LARGE + 1, 1, &err);
	assert_non_null(p);
	assert_int_equal((uintptr_t)p % LARGE, 0);
	memset(p, 1, LARGE + 1);
	free(p);
	p = nst_strdup("abc", &err);
	assert_string_equal(p, "abc");
	free(p);
}

static void test_buffer_grows(void **state)
{
	struct nst_buf b = {0};
	struct nst_err err;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		uint8_t byte = (uint8_t)(i * 7);

		assert_int_equal(nst_buf_append(&b, &byte, 1, &err), 0);
	}
	assert_int_equal(nst_buf_append(&b, NULL, 0, &err), 0);
	assert_int_equal(b.len, 5000);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(b.data[i], (uint8_t)(i * 7));
	assert_int_equal(nst_buf_reserve(&b, SIZE_MAX, &err), NST_ENOMEM);
	assert_int_equal(b.len, 5000);
	nst_buf_release(&b);
	assert_null(b.data);

	assert_int_equal(nst_buf_printf(&b, &err, "%s=%d", "n", 5), 0);
	assert_int_equal(nst_buf_printf(&b, &err, ";%300d", 6), 0);
	assert_int_equal(b.len, 304);
	assert_memory_equal(b.data, "n=5; ", 5);
	assert_int_equal(b.data[303], '6');
	nst_buf_release(&b);
}

/* One that is to be large begins on a large page if it holds nothing yet; what it holds is kept. */
static void test_large_buffers(void **state)
{
	struct nst_buf b = {0};
	struct nst_err err;

	(void)state;
	for (size_t bytes = 1; bytes <= 4 * LARGE; bytes *= 2) {
		assert_int_equal(nst_buf_reserve(&b, bytes, &err), 0);
		assert_true(b.cap >= bytes);
		if (bytes >= LARGE)
			assert_int_equal((uintptr_t)b.data % LARGE, 0);
	}
	memset(b.data, 7, b.cap);
	b.len = b.cap;
	assert_int_equal(nst_buf_append(&b, "abc", 3, &err), 0);
	for (size_t i = 0; i < b.len - 3; i++)
		assert_int_equal(b.data[i], 7);
	assert_memory_equal(b.data + b.len - 3, "abc", 3);
	nst_buf_release(&b);
}

/* ---- numbers ------------------------------------------------------------------------------ */

static void test_whole_numbers(void **state)
{
	static const struct { const char *s; int64_t v; } good[] = {
		{"0", 0}, {"-0", 0}, {"12", 12}, {"-7", -7}, {"007", 7},
		{"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN},
	};
	static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1x", "0x10", "1.0", "1e3",
					  "--1", "9223372036854775808", "-9223372036854775809",
					  "- 1"};
	int64_t v;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(nst_parse_int(good[i].s, &v), 0);
		assert_true(v == good[i].v);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		v = 42;
		assert_int_equal(nst_parse_int(bad[i], &v), -1);
		assert_int_equal(v, 42);
	}
}

static void test_floating_numbers(void **state)
{
	static const struct { const char *s; double v; } good[] = {
		{"0", 0}, {"0.3", 0.3}, {".5", 0.5}, {"-2e-3", -2e-3}, {"+1", 1}, {"1E5", 1e5},
		{"1e-400", 0}, /* too small is zero, not a mistake */
	};
	static const char *const bad[] = {"", "x", "1x", " 1", "1 ", "nan", "inf", "-inf", "1e999",
					  "0x1p3", ".", "-", "1e", "1,5"};
	double v;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(nst_parse_double(good[i].s, &v), 0);
		assert_true(v == good[i].v);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		v = 42;
		assert_int_equal(nst_parse_double(bad[i], &v), -1);
		assert_true(v == 42);
	}
}

static void test_sizes(void **state)
{
	static const struct { const char *s; uint64_t v; } good[] = {
		{"0", 0}, {"17", 17}, {"17B", 17}, {"1K", 1024}, {"64KiB", 65536}, {"3KB", 3072},
		{"256M", 268435456}, {"2G", 2147483648u}, {"1T", 1099511627776u},
		{"18446744073709551615", UINT64_MAX}, {"16777215T", 16777215ull << 40},
	};
	static const char *const bad[] = {"", "K", "-1", "1k", "1KK", "1.5K", "1 K", "16777216T",
					  "1P", "18446744073709551616", "1Ki", "+1"};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(nst_parse_size(good[i].s, &v), 0);
		assert_true(v == good[i].v);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(nst_parse_size(bad[i], &v), -1);
}

/* The value of a half by its definition (IEEE 754-2019, 3.4). */
static double half_value(uint16_t h)
{
	int sign = h >> 15 ? -1 : 1, exp = h >> 10 & 31, mant = h & 1023;

	if (exp == 31)
		return mant ? (double)NAN : sign * (double)INFINITY;
	if (!exp)
		return sign * ldexp(mant, -24);
	return sign * ldexp(1024 + mant, exp - 25);
}

static void test_every_half(void **state)
{
	(void)state;
	for (unsigned h = 0; h < 65536; h++) {
		double want = half_value((uint16_t)h);
		float got = nst_float_from_half((uint16_t)h);

		if (isnan(want)) {
			assert_true(isnan(got));
			assert_int_equal(nst_half_from_float(got) & 0x7e00, 0x7e00);
			continue;
		}
		assert_true((double)got == want);
		assert_int_equal(!!signbit(got), h >> 15);
		assert_int_equal(nst_half_from_float(got), h);
	}
}

/* Between neighbouring halves: the tie goes to the even one, the float before and behind it to the
 * nearer. */
static void test_rounding_to_half(void **state)
{
	(void)state;
	for (unsigned h = 0; h < 0x7bff; h++) {
		float a = nst_float_from_half((uint16_t)h);
		float b = nst_float_from_half((uint16_t)(h + 1));
		float tie = (float)(((double)a + (double)b) / 2);
		uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);

		assert_int_equal(nst_half_from_float(tie), even);
		assert_int_equal(nst_half_from_float(-tie), even | 0x8000);
		assert_int_equal(nst_half_from_float(nextafterf(tie, 0)), h);
		assert_int_equal(nst_half_from_float(nextafterf(tie, INFINITY)), h + 1);
	}
	assert_int_equal(nst_half_from_float(65519.996f), 0x7bff);
	assert_int_equal(nst_half_from_float(65520), 0x7c00);
	assert_int_equal(nst_half_from_float(-3e38f), 0xfc00);
	assert_int_equal(nst_half_from_float(INFINITY), 0x7c00);
	assert_int_equal(nst_half_from_float(1e-30f), 0);
	assert_int_equal(nst_half_from_float(-1e-30f), 0x8000);
}

/* Many at a time are as they are one by one. */
static void test_many_halves(void **state)
{
	static float f[1000];
	static uint16_t h[1000];
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 3, NST_RNG_TEST, 0, 0);
	for (size_t round = 0; round < 2000; round++) {
		size_t n = nst_rng_below(&rng, 1000);

		for (size_t i = 0; i < n; i++) {
			uint32_t bits = nst_rng_u32(&rng);

			if (round % 2) /* of a size that halves have */
				bits = (bits & 0x807fffff) | (96 + nst_rng_below(&rng, 50)) << 23;
			memcpy(&f[i], &bits, sizeof(bits));
		}
		h[n] = 0xa5a5;
		nst_halves_from_floats(f, n, h);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(h[i], nst_half_from_float(f[i]));
		assert_int_equal(h[n], 0xa5a5);
	}
}

/* ---- random numbers ----------------------------------------------------------------------- */

/* Known-answer vectors of Random123 (kat_vectors, philox4x32 with 10 rounds). */
static void test_philox_vectors(void **state)
{
	static const struct { uint32_t ctr[4], key[2], out[4]; } kat[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};
	uint32_t out[4];

	(void)state;
	for (size_t i = 0; i < COUNT(kat); i++) {
		nst_philox(kat[i].ctr, kat[i].key, out);
		assert_memory_equal(out, kat[i].out, sizeof(out));
	}
}

/* A stream is the blocks of its counter in order, and every part of its name changes it. */
static void test_streams(void **state)
{
	struct nst_rng a, b;
	uint32_t block[4], ctr[4], first;

	(void)state;
	nst_rng_init(&a, 1, NST_RNG_TEST, 2, 0x300000004);
	memcpy(ctr, a.ctr, sizeof(ctr));
	assert_int_equal(ctr[1], 2);
	assert_int_equal(ctr[2], 4);
	assert_int_equal(ctr[3], 3);
	for (unsigned i = 0; i < 40; i++) {
		ctr[0] = i / 4;
		nst_philox(ctr, a.key, block);
		assert_int_equal(nst_rng_u32(&a), block[i % 4]);
	}
	nst_rng_init(&a, 1, NST_RNG_TEST, 2, 3);
	first = nst_rng_u32(&a);
	nst_rng_init(&b, 2, NST_RNG_TEST, 2, 3);
	assert_int_not_equal(nst_rng_u32(&b), first);
	nst_rng_init(&b, 1, NST_RNG_INIT, 2, 3);
	assert_int_not_equal(nst_rng_u32(&b), first);
	nst_rng_init(&b, 1, NST_RNG_TEST, 3, 3);
	assert_int_not_equal(nst_rng_u32(&b), first);
	nst_rng_init(&b, 1, NST_RNG_TEST, 2, 4);
	assert_int_not_equal(nst_rng_u32(&b), first);
	nst_rng_init(&b, 1, NST_RNG_TEST, 2, 3);
	assert_int_equal(nst_rng_u32(&b), first);
}

/* n values drawn 6000 n times: each count within 6 standard deviations of 6000.  A modulo of 2^32
 * would pass here too; 3 * 2^30 tells the two apart, where it doubles the first third. */
static void test_below_is_uniform(void **state)
{
	unsigned count[17], low = 0;
	struct nst_rng r;

	(void)state;
	nst_rng_init(&r, 5, NST_RNG_TEST, 0, 0);
	for (uint32_t n = 1; n <= 17; n++) {
		memset(count, 0, sizeof(count));
		for (unsigned i = 0; i < 6000 * n; i++) {
			uint32_t v = nst_rng_below(&r, n);

			assert_true(v < n);
			count[v]++;
		}
		for (uint32_t v = 0; v < n; v++)
			assert_true(fabs(count[v] - 6000.0) <= 6 * sqrt(6000));
	}
	for (unsigned i = 0; i < 30000; i++)
		low += nst_rng_below(&r, 3u << 30) < 1u << 30;
	assert_true(fabs(low - 10000.0) < 6 * sqrt(30000 * 2.0 / 9));
	assert_true(nst_rng_below(&r, UINT32_MAX) < UINT32_MAX);
}

static void test_moments(void **state)
{
	double unit = 0, s1 = 0, s2 = 0, s4 = 0, x;
	const int n = 200000;
	struct nst_rng r;

	(void)state;
	nst_rng_init(&r, 6, NST_RNG_TEST, 0, 0);
	for (int i = 0; i < n; i++) {
		x = nst_rng_unit(&r);
		assert_true(x >= 0 && x < 1);
		unit += x;
		x = nst_rng_uniform(&r, -3, 2);
		assert_true(x >= -3 && x < 2);
		x = nst_rng_normal(&r);
		s1 += x;
		s2 += x * x;
		s4 += x * x * x * x;
	}
	assert_true(fabs(unit / n - 0.5) < 6 * sqrt(1.0 / 12 / n));
	assert_true(fabs(s1 / n) < 6 * sqrt(1.0 / n));
	assert_true(fabs(s2 / n - 1) < 6 * sqrt(2.0 / n));
	assert_true(fabs(s4 / n - 3) < 6 * sqrt(96.0 / n));
}

/* Every order of four things comes out, equally often. */
static void test_shuffle(void **state)
{
	unsigned count[256] = {0}, orders = 0;
	uint64_t big[1000];
	char seen[1000] = {0};
	struct nst_rng r;

	(void)state;
	nst_rng_init(&r, 7, NST_RNG_TEST, 0, 0);
	for (uint64_t i = 0; i < 1000; i++)
		big[i] = i;
	nst_rng_shuffle(&r, big, 1000);
	for (size_t i = 0; i < 1000; i++)
		seen[big[i]]++;
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(seen[i], 1);
	for (int i = 0; i < 24000; i++) {
		uint64_t v[4] = {0, 1, 2, 3};

		nst_rng_shuffle(&r, v, 4);
		count[v[0] << 6 | v[1] << 4 | v[2] << 2 | v[3]]++;
	}
	for (size_t i = 0; i < COUNT(count); i++) {
		if (!count[i])
			continue;
		orders++;
		assert_true(fabs(count[i] - 1000.0) < 6 * sqrt(1000));
	}
	assert_int_equal(orders, 24);
	nst_rng_shuffle(&r, big, 0);
	nst_rng_shuffle(&r, NULL, 0);
}

/* ---- hashes ------------------------------------------------------------------------------- */

/* XXH3 of nothing, seed 0, as xxHash publishes it (`xxhsum -H3`, `xxhsum -H2` of an empty file). */
static void test_hash(void **state)
{
	static const uint8_t empty128[16] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8,
					     0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f};
	uint8_t data[3000], out[16];
	struct nst_hash *h;

	(void)state;
	assert_true(nst_hash64("", 0) == 0x2d06800538d394c2ull);
	h = nst_hash_new();
	assert_non_null(h);
	nst_hash_digest(h, out);
	assert_memory_equal(out, empty128, 16);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 7);
	for (size_t at = 0, n = 1; at < sizeof(data); at += n, n = n % 97 + 13) {
		if (n > sizeof(data) - at)
			n = sizeof(data) - at;
		nst_hash_add(h, data + at, n);
	}
	assert_true(nst_hash_digest64(h) == nst_hash64(data, sizeof(data)));
	nst_hash_free(h);
	nst_hash_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_formats_and_returns_the_code),
		cmocka_unit_test(test_control_characters_are_replaced),
		cmocka_unit_test(test_errno_is_appended),
		cmocka_unit_test(test_prefix_keeps_the_code),
		cmocka_unit_test(test_long_sentences_are_cut),
		cmocka_unit_test(test_sizes_that_do_not_fit),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_buffer_grows),
		cmocka_unit_test(test_large_buffers),
		cmocka_unit_test(test_whole_numbers),
		cmocka_unit_test(test_floating_numbers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_every_half),
		cmocka_unit_test(test_rounding_to_half),
		cmocka_unit_test(test_many_halves),
		cmocka_unit_test(test_philox_vectors),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_below_is_uniform),
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_shuffle),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
