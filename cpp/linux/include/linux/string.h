/* Strings and memory: the C library's functions, and the kernel's own. */
#ifndef _LINUX_STRING_H
#define _LINUX_STRING_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/types.h>

#ifdef __cplusplus
#include <cstring>
#else
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *s, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
char *strcpy(char *dst, const char *src);
char *strncpy(char *dst, const char *src, size_t n);
char *strcat(char *dst, const char *src);
char *strncat(char *dst, const char *src, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *wanted);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
size_t strspn(const char *s, const char *accept);
size_t strcspn(const char *s, const char *reject);
char *strpbrk(const char *s, const char *accept);
char *strsep(char **s, const char *delimiters);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t n);
char *strchrnul(const char *s, int c);
#endif

ssize_t __bh_strscpy(char *dst, const char *src, size_t size) __bh_symbol(strscpy);
ssize_t strscpy_pad(char *dst, const char *src, size_t size) __bh_symbol(strscpy_pad);
size_t __bh_strlcpy(char *dst, const char *src, size_t size) __bh_symbol(strlcpy);
size_t __bh_strlcat(char *dst, const char *src, size_t size) __bh_symbol(strlcat);
char *skip_spaces(const char *s) __bh_symbol(skip_spaces);
char *strim(char *s) __bh_symbol(strim);
char *strreplace(char *s, char old, char fresh) __bh_symbol(strreplace);
char *__bh_strnstr(const char *s, const char *wanted, size_t n) __bh_symbol(strnstr);
bool sysfs_streq(const char *a, const char *b) __bh_symbol(sysfs_streq);
int match_string(const char *const *array, size_t n, const char *string) __bh_symbol(match_string);
void *memchr_inv(const void *s, int c, size_t n) __bh_symbol(memchr_inv);
void *memdup_user(const void __user *src, size_t len) __bh_symbol(memdup_user);
void *memdup_user_nul(const void __user *src, size_t len) __bh_symbol(memdup_user_nul);

/* Without a size: that of the array it goes to. */
#define __bh_strscpy_pick(a, b, c, d, ...) d
#define __bh_strscpy_2(dst, src) __bh_strscpy(dst, src, sizeof(dst))
#define strscpy(...) __bh_strscpy_pick(__VA_ARGS__, __bh_strscpy, __bh_strscpy_2, )(__VA_ARGS__)
#define strlcpy(dst, src, size) __bh_strlcpy(dst, src, size)
#define strlcat(dst, src, size) __bh_strlcat(dst, src, size)
#define strnstr(s, wanted, n) __bh_strnstr(s, wanted, n)
static inline char *strstrip(char *s) { return strim(s); }
static inline bool strstarts(const char *s, const char *prefix) {
    while (*prefix != '\0')
        if (*s++ != *prefix++) return false;
    return true;
}
static inline size_t str_has_prefix(const char *s, const char *prefix) {
    size_t n = 0;
    for (; prefix[n] != '\0'; ++n)
        if (s[n] != prefix[n]) return 0;
    return n;
}
static inline void memzero_explicit(void *s, size_t n) {
    __builtin_memset(s, 0, n);
    barrier();
}
static inline const char *kbasename(const char *path) {
    const char *tail = path;
    for (; *path != '\0'; ++path)
        if (*path == '/') tail = path + 1;
    return tail;
}
static inline const char *str_yes_no(bool v) { return v ? "yes" : "no"; }
static inline const char *str_on_off(bool v) { return v ? "on" : "off"; }
static inline const char *str_enabled_disabled(bool v) { return v ? "enabled" : "disabled"; }
static inline const char *str_true_false(bool v) { return v ? "true" : "false"; }
#endif
