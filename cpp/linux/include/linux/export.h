/* Exported symbols: a module's are its own. */
#ifndef _LINUX_EXPORT_H
#define _LINUX_EXPORT_H

#include <linux/compiler.h>

#define EXPORT_SYMBOL(sym) extern __typeof__(sym) sym
#define EXPORT_SYMBOL_GPL(sym) extern __typeof__(sym) sym
#define EXPORT_SYMBOL_NS(sym, ns) extern __typeof__(sym) sym
#define EXPORT_SYMBOL_NS_GPL(sym, ns) extern __typeof__(sym) sym
#define EXPORT_PER_CPU_SYMBOL(sym) extern __typeof__(sym) sym
#define EXPORT_PER_CPU_SYMBOL_GPL(sym) extern __typeof__(sym) sym

struct module;
extern struct module __bh_this_module __attribute__((weak, visibility("hidden")));
#define THIS_MODULE (&__bh_this_module)

#endif
