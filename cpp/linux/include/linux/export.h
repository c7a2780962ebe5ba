/* Symbols that a module offers to those that are loaded after it into the same machine. */
#ifndef _LINUX_EXPORT_H
#define _LINUX_EXPORT_H

#include <linux/bh_module_record.h>
#include <linux/compiler.h>

#define __bh_export(sym, name, for_whom) \
    extern __typeof__(sym) sym;          \
    __bh_record(BH_MODULE_EXPORT, 0, name, for_whom, &(sym), 0, 0, NULL, NULL)
#define EXPORT_SYMBOL(sym) __bh_export(sym, #sym, "")
#define EXPORT_SYMBOL_GPL(sym) __bh_export(sym, #sym, "GPL")
/* Accepted: a name space is open to every module. */
#define EXPORT_SYMBOL_NS(sym, ns) __bh_export(sym, #sym, "")
#define EXPORT_SYMBOL_NS_GPL(sym, ns) __bh_export(sym, #sym, "GPL")

struct module;
extern struct module __bh_this_module __attribute__((weak, visibility("hidden")));
#define THIS_MODULE (&__bh_this_module)

#endif
