/* What a module says about itself, and its parameters.
 *
 * Each declaration leaves a record in a section of the module; the loader walks them (bottomhalf/linux/module.hpp). */
#ifndef _LINUX_MODULEPARAM_H
#define _LINUX_MODULEPARAM_H

#include <linux/bh_module_record.h>
#include <linux/init.h>
#include <linux/stringify.h>
#include <linux/types.h>

struct kernel_param_ops {
    unsigned int flags;
    int (*set)(const char *val, const struct kernel_param *kp);
    int (*get)(char *buffer, const struct kernel_param *kp);
    void (*free)(void *arg);
};
struct kparam_string {
    unsigned int maxlen;
    char *string;
};
struct kernel_param {
    const char *name;
    const struct kernel_param_ops *ops;
    u16 perm;
    void *arg;
};

#define __bh_module_text(tag, info) __bh_record(BH_MODULE_TEXT, 0, tag, info, NULL, 0, 0, NULL, NULL)
#define MODULE_INFO(tag, info) __bh_module_text(#tag, info)
#define MODULE_PARM_DESC(parm, desc) __bh_record(BH_MODULE_PARAM_TEXT, 0, #parm, desc, NULL, 0, 0, NULL, NULL)

/* A declaration whose type does not fit its variable does not compile. */
#define __bh_param_check(name, var, type) \
    static inline __maybe_unused type *__bh_check_##name(void) { return &(var); }
#define __bh_type_byte unsigned char
#define __bh_type_hexint unsigned int
#define __bh_type_short short
#define __bh_type_ushort unsigned short
#define __bh_type_int int
#define __bh_type_uint unsigned int
#define __bh_type_long long
#define __bh_type_ulong unsigned long
#define __bh_type_ullong unsigned long long
#define __bh_type_charp char *
#define __bh_type_bool bool
#define __bh_type_invbool bool

#define module_param_named(name, value, type, perm)    \
    __bh_param_check(name, value, __bh_type_##type)    \
    __bh_record(BH_MODULE_PARAM, perm, #name, #type, &(value), sizeof(value), 0, NULL, NULL)
#define module_param(name, type, perm) module_param_named(name, name, type, perm)
#define module_param_unsafe(name, type, perm) module_param(name, type, perm)
#define module_param_hw(name, type, hwtype, perm) module_param(name, type, perm)
#define core_param(name, var, type, perm) module_param_named(name, var, type, perm)
#define module_param_string(name, string_, len, perm) \
    __bh_record(BH_MODULE_PARAM, perm, #name, "string", string_, len, 0, NULL, NULL)
#define module_param_array_named(name, array, type, nump, perm)                                             \
    __bh_record(BH_MODULE_PARAM, perm, #name, #type, &(array)[0], sizeof((array)[0]),                       \
                sizeof(array) / sizeof((array)[0]), (u32 *)(void *)(nump), NULL)
#define module_param_array(name, type, nump, perm) module_param_array_named(name, name, type, nump, perm)
#define module_param_cb(name_, ops_, arg_, perm_)                                              \
    static const struct kernel_param __bh_kernel_param_##name_ = {#name_, ops_, perm_, arg_};  \
    __bh_record(BH_MODULE_PARAM, perm_, #name_, "custom", arg_, 0, 0, NULL, &__bh_kernel_param_##name_)

#define module_param_call(name, set_, get_, arg, perm)                             \
    static const struct kernel_param_ops __bh_param_ops_##name = {0, set_, get_, NULL}; \
    module_param_cb(name, &__bh_param_ops_##name, arg, perm)

int param_set_byte(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_byte);
int param_get_byte(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_byte);
int param_set_short(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_short);
int param_get_short(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_short);
int param_set_ushort(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_ushort);
int param_get_ushort(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_ushort);
int param_set_int(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_int);
int param_get_int(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_int);
int param_set_uint(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_uint);
int param_get_uint(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_uint);
int param_set_long(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_long);
int param_get_long(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_long);
int param_set_ulong(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_ulong);
int param_get_ulong(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_ulong);
int param_set_bool(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_bool);
int param_get_bool(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_bool);
int param_set_charp(const char *val, const struct kernel_param *kp) __bh_symbol(param_set_charp);
int param_get_charp(char *buffer, const struct kernel_param *kp) __bh_symbol(param_get_charp);

#define __bh_param_ops(type) \
    static const struct kernel_param_ops param_ops_##type __maybe_unused = {0, param_set_##type, param_get_##type, NULL}
__bh_param_ops(byte);
__bh_param_ops(short);
__bh_param_ops(ushort);
__bh_param_ops(int);
__bh_param_ops(uint);
__bh_param_ops(long);
__bh_param_ops(ulong);
__bh_param_ops(bool);
__bh_param_ops(charp);

#endif
