/* The zstd filter: round trips, lies about sizes, damaged frames. */
#include "tests/unit/formats_util.h"

#include <zstd.h>

#include "formats/plugin/zfilter.h"

enum { N = 100000 };

static uint8_t plain[N];

static void fill(void)
{
	for (size_t i = 0; i < N; i++)
		plain[i] = (uint8_t)(i % 251 + (i / 1000) * 3);
}

/* Filter a copy of n bytes.  Returns the size with *out (to be freed), 0 on failure with the buffer
 * checked to be as it was. */
static size_t filter(unsigned flags, const unsigned *cd, size_t ncd, const void *in, size_t n,
		     uint8_t **out)
{
	void *buf = malloc(n ? n : 1);
	size_t size = n, r;

	memcpy(buf, in, n);
	r = nst_zfilter(flags, ncd, cd, n, &size, &buf);
	if (r) {
		assert_int_equal(size, r);
		*out = buf;
		return r;
	}
	assert_int_equal(size, n);
	assert_memory_equal(buf, in, n);
	free(buf);
	return 0;
}

static void round_trip(void **state)
{
	const unsigned cd[2] = {1, N};

	(void)state;
	fill();
	for (size_t ncd = 0; ncd <= 2; ncd++)
		for (size_t n = 1; n <= N; n = n * 3 + 1) {
			uint8_t *z, *back;
			size_t zn = filter(0, cd, ncd, plain, n, &z), m;

			assert_true(zn > 0);
			m = filter(H5Z_FLAG_REVERSE, cd, ncd, z, zn, &back);
			assert_int_equal(m, n);
			assert_memory_equal(back, plain, n);
			free(z);
			free(back);
		}
}

static void limits(void **state)
{
	const unsigned exact[2] = {1, N}, less[2] = {1, N - 1};
	uint8_t *z, *back;
	size_t zn;

	(void)state;
	fill();
	zn = filter(0, exact, 2, plain, N, &z);
	assert_int_equal(filter(H5Z_FLAG_REVERSE, less, 2, z, zn, &back), 0);
	assert_int_equal(filter(H5Z_FLAG_REVERSE, exact, 2, z, zn, &back), N);
	free(back);
	free(z);
}

/* A frame that claims 2^62 bytes costs nothing. */
static void huge_claim(void **state)
{
	static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0};
	uint8_t *back;

	(void)state;
	assert_true(ZSTD_getFrameContentSize(frame, sizeof(frame)) == (unsigned long long)1 << 62);
	assert_int_equal(filter(H5Z_FLAG_REVERSE, NULL, 0, frame, sizeof(frame), &back), 0);
}

/* Frames of writers that stream do not tell their size. */
static void unknown_size(void **state)
{
	static uint8_t z[N + 1000];
	static const size_t sizes[] = {1, 1000, N};
	unsigned cd[2] = {1, 0};

	(void)state;
	fill();
	for (size_t i = 0; i < 3; i++) {
		ZSTD_CStream *c = ZSTD_createCStream();
		ZSTD_outBuffer dst = {z, sizeof(z), 0};
		ZSTD_inBuffer src = {plain, sizes[i], 0};
		uint8_t *back;

		ZSTD_initCStream(c, 1);
		ZSTD_compressStream(c, &dst, &src);
		assert_int_equal(ZSTD_endStream(c, &dst), 0);
		ZSTD_freeCStream(c);
		assert_true(ZSTD_getFrameContentSize(z, dst.pos) == ZSTD_CONTENTSIZE_UNKNOWN);
		for (unsigned limit = 0; limit < 2; limit++) {
			cd[1] = limit ? (unsigned)sizes[i] : 0;
			assert_int_equal(filter(H5Z_FLAG_REVERSE, cd, 2, z, dst.pos, &back), sizes[i]);
			assert_memory_equal(back, plain, sizes[i]);
			free(back);
		}
		if (sizes[i] > 1) {
			cd[1] = (unsigned)sizes[i] - 1;
			assert_int_equal(filter(H5Z_FLAG_REVERSE, cd, 2, z, dst.pos, &back), 0);
		}
		assert_int_equal(filter(H5Z_FLAG_REVERSE, NULL, 0, z, dst.pos - 1, &back), 0);
	}
}

/* Cut short, followed by bytes, or with a bit flipped: refused, or at least never more than allowed. */
static void damage(void **state)
{
	const unsigned cd[2] = {1, 3000};
	uint8_t *z, *back, more[4096];
	size_t zn;

	(void)state;
	fill();
	zn = filter(0, cd, 2, plain, 3000, &z);
	assert_true(zn < sizeof(more));
	for (size_t n = 0; n < zn; n++)
		assert_int_equal(filter(H5Z_FLAG_REVERSE, cd, 2, z, n, &back), 0);
	memcpy(more, z, zn);
	more[zn] = 0;
	assert_int_equal(filter(H5Z_FLAG_REVERSE, cd, 2, more, zn + 1, &back), 0);
	for (size_t bit = 0; bit < zn * 8; bit++) {
		size_t n;

		memcpy(more, z, zn);
		more[bit / 8] ^= (uint8_t)(1 << bit % 8);
		n = filter(H5Z_FLAG_REVERSE, cd, 2, more, zn, &back);
		assert_true(n <= 3000);
		if (n)
			free(back);
	}
	free(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),   cmocka_unit_test(limits), cmocka_unit_test(huge_claim),
		cmocka_unit_test(unknown_size), cmocka_unit_test(damage),
	};

	return cmocka_run_group_tests_name("zfilter", tests, NULL, NULL);
}
