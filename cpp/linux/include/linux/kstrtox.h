#ifndef _LINUX_KSTRTOX_H
#define _LINUX_KSTRTOX_H
#include <linux/types.h>
#include <linux/uaccess.h>
int kstrtoull(const char *s, unsigned int base, unsigned long long *res) __bh_symbol(kstrtoull);
int kstrtoll(const char *s, unsigned int base, long long *res) __bh_symbol(kstrtoll);
int kstrtoul(const char *s, unsigned int base, unsigned long *res) __bh_symbol(kstrtoul);
int kstrtol(const char *s, unsigned int base, long *res) __bh_symbol(kstrtol);
int kstrtouint(const char *s, unsigned int base, unsigned int *res) __bh_symbol(kstrtouint);
int kstrtoint(const char *s, unsigned int base, int *res) __bh_symbol(kstrtoint);
int kstrtou16(const char *s, unsigned int base, u16 *res) __bh_symbol(kstrtou16);
int kstrtos16(const char *s, unsigned int base, s16 *res) __bh_symbol(kstrtos16);
int kstrtou8(const char *s, unsigned int base, u8 *res) __bh_symbol(kstrtou8);
int kstrtos8(const char *s, unsigned int base, s8 *res) __bh_symbol(kstrtos8);
int kstrtobool(const char *s, bool *res) __bh_symbol(kstrtobool);
int kstrtoul_from_user(const char __user *s, size_t count, unsigned int base, unsigned long *res)
    __bh_symbol(kstrtoul_from_user);
int kstrtol_from_user(const char __user *s, size_t count, unsigned int base, long *res) __bh_symbol(kstrtol_from_user);
int kstrtouint_from_user(const char __user *s, size_t count, unsigned int base, unsigned int *res)
    __bh_symbol(kstrtouint_from_user);
int kstrtoint_from_user(const char __user *s, size_t count, unsigned int base, int *res)
    __bh_symbol(kstrtoint_from_user);
/* Of the others: a copy of the text, as long as any number. */
#define __bh_from_user(name, type)                                                                            \
    static inline int name##_from_user(const char __user *s, size_t count, unsigned int base, type *res) {     \
        char text[72];                                                                                        \
        if (count > sizeof(text) - 1) count = sizeof(text) - 1;                                                \
        if (copy_from_user(text, s, count)) return -EFAULT;                                                    \
        text[count] = '\0';                                                                                    \
        return name(text, base, res);                                                                         \
    }
__bh_from_user(kstrtoull, unsigned long long) __bh_from_user(kstrtoll, long long)
__bh_from_user(kstrtou16, u16) __bh_from_user(kstrtos16, s16) __bh_from_user(kstrtou8, u8) __bh_from_user(kstrtos8, s8)
int kstrtobool_from_user(const char __user *s, size_t count, bool *res) __bh_symbol(kstrtobool_from_user);
unsigned long simple_strtoul(const char *cp, char **endp, unsigned int base) __bh_symbol(simple_strtoul);
long simple_strtol(const char *cp, char **endp, unsigned int base) __bh_symbol(simple_strtol);
unsigned long long simple_strtoull(const char *cp, char **endp, unsigned int base) __bh_symbol(simple_strtoull);
long long simple_strtoll(const char *cp, char **endp, unsigned int base) __bh_symbol(simple_strtoll);
static inline int kstrtou64(const char *s, unsigned int base, u64 *res) { return kstrtoull(s, base, res); }
static inline int kstrtos64(const char *s, unsigned int base, s64 *res) { return kstrtoll(s, base, res); }
static inline int kstrtou32(const char *s, unsigned int base, u32 *res) { return kstrtouint(s, base, res); }
static inline int kstrtos32(const char *s, unsigned int base, s32 *res) { return kstrtoint(s, base, res); }
#endif
