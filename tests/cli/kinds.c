/* kinds: one small file of every kind of the format in the current directory, for the shell tests.
 *
 *	kinds [none|gzip|zstd [HISTORY-LINE]] */
#include "tests/unit/formats_util.h"

int main(int argc, char **argv)
{
	struct nst_out_options opt = {.compress = NST_COMPRESS_NONE, .run = argc > 2 ? argv[2] : NULL};

	if (argc > 1 && !strcmp(argv[1], "gzip"))
		opt.compress = NST_COMPRESS_GZIP;
	if (argc > 1 && !strcmp(argv[1], "zstd"))
		opt.compress = NST_COMPRESS_ZSTD;
	with_points = 0;
	for (int k = 0; k < NST_KINDS; k++)
		write_kind((enum nst_kind)k, &opt);
	return 0;
}
