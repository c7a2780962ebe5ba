/* A kernel module: a shared object that the loader opens once for each machine it is loaded into. */
#ifndef _LINUX_MODULE_H
#define _LINUX_MODULE_H

#include <linux/export.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#ifndef KBUILD_MODNAME /* the loader names the module: -DKBUILD_MODNAME='"name"' */
#define KBUILD_MODNAME "module"
#endif

enum module_state { MODULE_STATE_LIVE, MODULE_STATE_COMING, MODULE_STATE_GOING, MODULE_STATE_UNFORMED };

struct module {
    char name[56];
    int state;
    atomic_t refcnt; /* try_module_get() less module_put(): rmmod refuses while it is above zero */
    const char *version; /* MODULE_VERSION, or NULL */
};

#define MODULE_LICENSE(text) MODULE_INFO(license, text)
#define MODULE_AUTHOR(text) MODULE_INFO(author, text)
#define MODULE_DESCRIPTION(text) MODULE_INFO(description, text)
#define MODULE_VERSION(text) MODULE_INFO(version, text)
#define MODULE_ALIAS(text) MODULE_INFO(alias, text)
#define MODULE_SOFTDEP(text) MODULE_INFO(softdep, text)
#define MODULE_FIRMWARE(text) MODULE_INFO(firmware, text)
#define MODULE_IMPORT_NS(ns) MODULE_INFO(import_ns, __stringify(ns))
#define MODULE_SUPPORTED_DEVICE(text) MODULE_INFO(supported_device, text)
#define MODULE_ALIAS_CHARDEV_MAJOR(major) MODULE_INFO(alias, "char-major-" __stringify(major) "-*")
#define MODULE_ALIAS_MISCDEV(minor) MODULE_INFO(alias, "char-major-10-" __stringify(minor))
#define MODULE_DEVICE_TABLE(type, table) extern __typeof__(table) table

/* What the loader asks of the shared object, found as "bh_linux_module_table". */
struct bh_module_table {
    const struct bh_module_record *const *begin, *const *end;
    struct module *module;
};

extern const struct bh_module_record *const __start_bh_linux_modinfo[]
    __attribute__((weak, visibility("hidden")));
extern const struct bh_module_record *const __stop_bh_linux_modinfo[] __attribute__((weak, visibility("hidden")));

struct module __bh_this_module __attribute__((weak, visibility("hidden"))) = {KBUILD_MODNAME, MODULE_STATE_LIVE,
                                                                                   {0}, NULL};

void __bh_module_table(struct bh_module_table *table) __asm__("bh_linux_module_table")
    __attribute__((weak, used, visibility("default")));
void __bh_module_table(struct bh_module_table *table) {
    table->begin = __start_bh_linux_modinfo;
    table->end = __stop_bh_linux_modinfo;
    table->module = &__bh_this_module;
}

/* Below 0 it is on its way out: nobody gets it any more. */
static inline bool try_module_get(struct module *module) {
    int users;
    if (module == NULL) return true;
    users = __atomic_load_n(&module->refcnt.counter, __ATOMIC_SEQ_CST);
    do {
        if (users < 0) return false;
    } while (!__atomic_compare_exchange_n(&module->refcnt.counter, &users, users + 1, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return true;
}
static inline void __module_get(struct module *module) { (void)try_module_get(module); }
static inline void module_put(struct module *module) {
    if (module != NULL) __atomic_fetch_sub(&module->refcnt.counter, 1, __ATOMIC_SEQ_CST);
}
static inline int module_refcount(struct module *module) {
    int users = __atomic_load_n(&module->refcnt.counter, __ATOMIC_SEQ_CST);
    return users < 0 ? -1 : users;
}
#define module_name(mod) ((mod) != NULL ? (const char *)(mod)->name : "kernel")

#endif
