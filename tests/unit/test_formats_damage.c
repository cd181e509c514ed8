/* Damage: one byte after another of files of every kind is changed, and everything that can be read
 * is read.  Whatever comes out, it is either an error or exactly what was written; never a crash, a
 * hang, or other data. */
#include "tests/unit/formats_util.h"

#include <hdf5.h>
#include <sys/mman.h>

#include "formats/image.h"
#include "formats/verify.h"
#include "libcore/util/hash.h"

/* A file in memory that has a path. */
struct memory_file {
	int fd;
	char path[32];
};

static void memory_open(struct memory_file *m)
{
	m->fd = memfd_create("nst-damage", 0);
	assert_true(m->fd >= 0);
	snprintf(m->path, sizeof(m->path), "/proc/self/fd/%d", m->fd);
}

/* Hash of all that a reader can see of the one image of a file.  Returns 0 or the error. */
static int see(const char *path, uint8_t digest[16])
{
	struct nst_hash *h = nst_hash_new();
	const struct nst_schema *schema;
	struct nst_verify_result v;
	struct nst_image *im;
	int r = nst_verify(path, NULL, &v, &err);

	if (!r)
		r = nst_image_open(&im, path, ALL_KINDS, &err);
	if (r) {
		nst_hash_free(h);
		return r;
	}
	schema = nst_schema(nst_image_kind(im));
	nst_hash_add(h, nst_image_uuid(im), NST_UUID_LEN);
	nst_hash_add(h, nst_image_history(im), strlen(nst_image_history(im)));
	nst_hash_add(h, &im->last, sizeof(im->last));
	nst_hash_add(h, im->total, sizeof(im->total));
	for (int i = 0; !r && schema->column[i].name; i++) {
		struct nst_column c;

		if (!nst_image_has(im, schema->column[i].name))
			continue;
		r = nst_image_column(im, schema->column[i].name, &c, &err);
		if (!r) {
			nst_hash_add(h, &c.type, sizeof(c.type));
			nst_hash_add(h, c.dim, sizeof(c.dim));
			nst_hash_add(h, c.data, c.size);
		}
	}
	nst_hash_digest(h, digest);
	nst_hash_free(h);
	nst_image_free(im);
	return r;
}

/* Change every step-th byte of a file in one of a few ways; count what became of it. */
static void sweep(enum nst_kind kind, enum nst_compress compress, size_t step)
{
	static const uint8_t change[] = {0x01, 0x10, 0x80, 0xff};
	struct nst_out_options opt = {.run = "nst-test 1: a line", .compress = compress};
	size_t refused = 0, same = 0;
	uint8_t want[16], got[16];
	struct memory_file m;
	struct nst_buf file;
	char path[32];
	ssize_t open_objects;

	write_kind(kind, &opt);
	snprintf(path, sizeof(path), "%s.h5", nst_kind_name(kind));
	OK(see(path, want));
	open_objects = H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL);
	file = read_file(path);
	memory_open(&m);
	assert_int_equal(pwrite(m.fd, file.data, file.len, 0), file.len);
	for (size_t i = (size_t)kind % step; i < file.len; i += step) {
		uint8_t other = file.data[i] ^ change[i % sizeof(change)];

		assert_int_equal(pwrite(m.fd, &other, 1, (off_t)i), 1);
		alarm(20);
		if (see(m.path, got)) {
			refused++;
			assert_non_null(strstr(err.msg, "/proc/self/fd"));
		} else {
			if (memcmp(got, want, sizeof(got)))
				fail_msg("'%s': byte %zu changed and other data came", path, i);
			same++;
		}
		assert_int_equal(pwrite(m.fd, &file.data[i], 1, (off_t)i), 1);
	}
	alarm(0);
	/* What may change unseen is the space between objects, less than a line for each. */
	print_message("%s, %zu bytes: %zu changes refused, %zu without effect\n", path, file.len, refused,
		      same);
	assert_true(refused > same);
	/* No way out forgets to close something. */
	assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), open_objects);
	nst_buf_release(&file);
	close(m.fd);
}

static void every_kind(void **state)
{
	(void)state;
	for (int k = 0; k < NST_KINDS; k++) /* the kinds are alike: thorough with one, quicker with others */
		sweep((enum nst_kind)k, NST_COMPRESS_NONE, k == NST_SHARD ? 1 : 5);
}

static void compressed(void **state)
{
	(void)state;
	sweep(NST_PREDICTION, NST_COMPRESS_ZSTD, 3);
	sweep(NST_STATISTICS, NST_COMPRESS_GZIP, 3);
}

/* Cut at every length, with the superblock's idea of the length left alone. */
static void every_length(void **state)
{
	uint8_t digest[16];
	struct memory_file m;
	struct nst_buf file;

	(void)state;
	write_kind(NST_PREDICTION, NULL);
	file = read_file("prediction.h5");
	memory_open(&m);
	assert_int_equal(pwrite(m.fd, file.data, file.len, 0), file.len);
	OK(see(m.path, digest));
	for (size_t n = file.len; n-- > 0;) {
		assert_int_equal(ftruncate(m.fd, (off_t)n), 0);
		assert_true(see(m.path, digest) < 0);
	}
	nst_buf_release(&file);
	close(m.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(compressed),
		cmocka_unit_test(every_length),
	};

	return cmocka_run_group_tests_name("formats_damage", tests, scratch_make, scratch_remove);
}
