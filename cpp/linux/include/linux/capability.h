#ifndef _LINUX_CAPABILITY_H
#define _LINUX_CAPABILITY_H
#include <linux/types.h>
#define CAP_DAC_OVERRIDE 1
#define CAP_NET_ADMIN 12
#define CAP_SYS_MODULE 16
#define CAP_SYS_RAWIO 17
#define CAP_SYS_ADMIN 21
#define CAP_SYS_NICE 23
#define CAP_SYS_TTY_CONFIG 26
/* Whoever calls may do everything. */
static inline bool capable(int cap) {
    (void)cap;
    return true;
}
#endif
