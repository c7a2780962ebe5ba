#ifndef _LINUX_UTSNAME_H
#define _LINUX_UTSNAME_H
#include <generated/utsrelease.h>
#ifdef __aarch64__
#define __BH_UTS_MACHINE "aarch64"
#else
#define __BH_UTS_MACHINE "x86_64"
#endif
struct new_utsname {
    char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
static inline struct new_utsname *utsname(void) {
    static struct new_utsname name = {"Linux", "(none)", UTS_RELEASE, "#1 SMP", __BH_UTS_MACHINE, "(none)"};
    return &name;
}
#define init_utsname() utsname()
struct uts_namespace {
    struct new_utsname name;
};
#define init_uts_ns (*(struct uts_namespace *)utsname())
#endif
