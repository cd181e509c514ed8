/* NST_CLONES in front of a function: it is compiled once more for AVX2 and once for AVX-512 (for its
 * 32 registers, that is), and the machine at hand decides at start-up which one runs.  For plain
 * loops over integers or single operations on floats, whose results do not depend on how many are
 * done at a time; all that they call must be inlined, and they must be static (clang 14 would give
 * others no name).  Elsewhere than on x86-64 with the GNU C library, and under sanitizers, it is
 * nothing. */
#ifndef NST_UTIL_CLONES_H
#define NST_UTIL_CLONES_H

#include <limits.h> /* __GLIBC__ */

#if defined(__has_attribute)
#define NST_HAS_CLONES __has_attribute(target_clones)
#else
#define NST_HAS_CLONES 0
#endif
#if defined(__has_feature)
#define NST_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NST_SANITIZED 1
#else
#define NST_SANITIZED 0
#endif

#if NST_HAS_CLONES && !NST_SANITIZED && defined(__x86_64__) && defined(__GLIBC__)
#define NST_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define NST_CLONES
#endif

#endif
