/* Whether this is a build for the address sanitizer, which brings an allocator of its own. */
#ifndef TARSIER_BASE_SANITIZER_H
#define TARSIER_BASE_SANITIZER_H

#ifdef __has_feature /* clang's way to say it */
#if __has_feature(address_sanitizer)
#define IS_ADDRESS_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) /* gcc's */
#define IS_ADDRESS_SANITIZED 1
#endif
#ifndef IS_ADDRESS_SANITIZED
#define IS_ADDRESS_SANITIZED 0
#endif

#endif
