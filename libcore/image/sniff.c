/* Sniffing: compare the first bytes with the signatures of the formats we can decode. */
#include "libcore/image/sniff.h"

#include <string.h>

static int has(const uint8_t *data, size_t n, size_t at, const char *magic, size_t len)
{
	return n >= len && at <= n - len && !memcmp(data + at, magic, len);
}

/* "P1" to "P6", white space or a comment after it. */
static int is_pnm(const uint8_t *d, size_t n)
{
	return n >= 3 && d[0] == 'P' && d[1] >= '1' && d[1] <= '6' &&
	       (d[2] == ' ' || (d[2] >= '\t' && d[2] <= '\r') || d[2] == '#');
}

/* The signature that version 2 puts at the end, the closing NUL included. */
static int is_tga(const uint8_t *d, size_t n)
{
	return n >= 18 + 26 && has(d, n, n - 18, "TRUEVISION-XFILE.", 18);
}

enum nst_file_type nst_sniff(const uint8_t *data, size_t n)
{
	if (!n)
		return NST_FILE_EMPTY;
	if (has(data, n, 0, "\xff\xd8\xff", 3))
		return NST_FILE_JPEG;
	if (has(data, n, 0, "\x89PNG\r\n\x1a\n", 8))
		return NST_FILE_PNG;
	if (has(data, n, 0, "GIF87a", 6) || has(data, n, 0, "GIF89a", 6))
		return NST_FILE_GIF;
	if (has(data, n, 0, "RIFF", 4) && has(data, n, 8, "WEBP", 4))
		return NST_FILE_WEBP;
	if (has(data, n, 0, "II*\0", 4) || has(data, n, 0, "MM\0*", 4))
		return NST_FILE_TIFF;
	if (has(data, n, 0, "BM", 2) && n >= 26)
		return NST_FILE_BMP;
	if (is_pnm(data, n))
		return NST_FILE_PNM;
	if (is_tga(data, n))
		return NST_FILE_TGA;
	return NST_FILE_UNKNOWN;
}

const char *nst_file_type_name(enum nst_file_type t)
{
	static const char *const names[] = {
		[NST_FILE_UNKNOWN] = "unknown", [NST_FILE_EMPTY] = "empty",
		[NST_FILE_JPEG] = "JPEG",       [NST_FILE_PNG] = "PNG",
		[NST_FILE_GIF] = "GIF",         [NST_FILE_BMP] = "BMP",
		[NST_FILE_TIFF] = "TIFF",       [NST_FILE_WEBP] = "WebP",
		[NST_FILE_PNM] = "PNM",         [NST_FILE_TGA] = "TGA",
	};

	return names[t];
}
