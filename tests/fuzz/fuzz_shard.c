/* Files of every kind: any bytes, verified as a whole, so that every column is found, expanded, summed
 * and interpreted.  libhdf5 parses the structure; what it lets through is held against the schema. */
#include "tests/fuzz/fuzz.h"

#include "formats/verify.h"
#include "tests/unit/formats_util.h"

#include <sys/mman.h>

static void seeds(struct nst_buf seed[FUZZ_MAX_SEEDS], size_t *count)
{
	for (int k = 0; k < NST_KINDS; k++)
		for (int c = NST_COMPRESS_NONE; c <= NST_COMPRESS_ZSTD; c++) {
			struct nst_out_options opt = {.run = "line", .compress = (enum nst_compress)c};
			char path[32];

			write_kind((enum nst_kind)k, &opt);
			snprintf(path, sizeof(path), "%s.h5", nst_kind_name((enum nst_kind)k));
			seed[(*count)++] = read_file(path);
		}
}

static void fuzz_one(const uint8_t *data, size_t n)
{
	struct nst_verify_result v;
	char path[32];
	int fd = memfd_create("nst-fuzz", 0);

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (nst_verify(path, NULL, &v, &err) < 0 && (!err.msg[0] || !strstr(err.msg, "/proc/self/fd")))
		abort();
	close(fd);
}
