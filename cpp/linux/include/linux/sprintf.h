/* printf into memory, with the kernel's extensions. */
#ifndef _LINUX_SPRINTF_H
#define _LINUX_SPRINTF_H
#include <linux/types.h>
__printf(2, 3) int __bh_sprintf(char *buf, const char *fmt, ...) __bh_symbol(sprintf);
__printf(3, 4) int __bh_snprintf(char *buf, size_t size, const char *fmt, ...) __bh_symbol(snprintf);
__printf(3, 4) int scnprintf(char *buf, size_t size, const char *fmt, ...) __bh_symbol(scnprintf);
__printf(3, 0) int __bh_vsnprintf(char *buf, size_t size, const char *fmt, va_list args) __bh_symbol(vsnprintf);
__printf(3, 0) int vscnprintf(char *buf, size_t size, const char *fmt, va_list args) __bh_symbol(vscnprintf);
__printf(2, 0) int __bh_vsprintf(char *buf, const char *fmt, va_list args) __bh_symbol(vsprintf);
__printf(2, 3) char *kasprintf(gfp_t gfp, const char *fmt, ...) __bh_symbol(kasprintf);
__printf(2, 0) char *kvasprintf(gfp_t gfp, const char *fmt, va_list args) __bh_symbol(kvasprintf);
__scanf(2, 3) int __bh_sscanf(const char *str, const char *fmt, ...) __asm__("sscanf");
#ifndef __cplusplus /* C++ has the C library's in sight */
#define sprintf __bh_sprintf
#define snprintf __bh_snprintf
#define vsnprintf __bh_vsnprintf
#define vsprintf __bh_vsprintf
#define sscanf __bh_sscanf
#endif
#endif
