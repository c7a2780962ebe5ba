/* What a module's declarations leave for its loader: a record each, in a section of the module. */
#ifndef _LINUX_BH_MODULE_RECORD_H
#define _LINUX_BH_MODULE_RECORD_H

#include <linux/stddef.h>
#include <linux/types.h>

struct kernel_param;

/* The loader reads this, too: its module_record.hpp has the same. */
enum { BH_MODULE_TEXT = 1, BH_MODULE_PARAM = 2, BH_MODULE_PARAM_TEXT = 3, BH_MODULE_EXPORT = 4 };
struct bh_module_record {
    u32 kind;
    u32 perm;
    const char *name;  /* the tag ("license"), the parameter's name, or the exported symbol */
    const char *text;  /* the tag's or the description's text, the parameter's type ("int", "charp", "string"), or
                          "GPL" of a symbol that is exported to such modules alone */
    void *address;     /* of the value, of an array's first, of the symbol */
    u64 size;          /* of one value in bytes; of a string: of its buffer */
    u32 max;           /* of an array: how many; else 0 */
    u32 order;         /* of declaration: compilers turn variables round */
    u32 *count;        /* of an array: where to write how many were given, or null */
    const struct kernel_param *custom; /* module_param_cb: its functions do it all */
};

#define __bh_record(...) ___bh_record(__COUNTER__, __VA_ARGS__)
#define ___bh_record(id, ...) ____bh_record(id, __VA_ARGS__)
#define ____bh_record(id, kind_, perm_, name_, text_, address_, size_, max_, count_, custom_)                 \
    static const struct bh_module_record __bh_record_at_##id = {                                              \
        (kind_), (perm_), (name_), (text_), (void *)(address_), (size_), (max_), (id), (count_), (custom_)};     \
    static const struct bh_module_record *const __bh_record_to_##id                                           \
        __attribute__((section("bh_linux_modinfo"), used)) = &__bh_record_at_##id

#endif
