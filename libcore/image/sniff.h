/* What a file is, told by its first bytes; names and extensions are never believed. */
#ifndef NST_IMAGE_SNIFF_H
#define NST_IMAGE_SNIFF_H

#include <stddef.h>
#include <stdint.h>

enum nst_file_type {
	NST_FILE_UNKNOWN,
	NST_FILE_EMPTY, /* no bytes at all */
	NST_FILE_JPEG,
	NST_FILE_PNG,
	NST_FILE_GIF,
	NST_FILE_BMP,
	NST_FILE_TIFF,
	NST_FILE_WEBP,
	NST_FILE_PNM, /* P1 ... P6 */
	NST_FILE_TGA, /* version 2, which ends with a signature */
};

enum nst_file_type nst_sniff(const uint8_t *data, size_t n);

/* "JPEG", "PNG", ...; "empty" and "unknown" for those. */
const char *nst_file_type_name(enum nst_file_type t);

#endif
