/* DECLARE_WORK and INIT_WORK, and what becomes of the data argument that they had until 2.6.20: an error that says what
 * to write instead or, with -DBOTTOMHALF_LEGACY_API, a warning. Included by workqueue.h alone. */
#ifndef _LINUX_BH_WORK_FORMS_H
#define _LINUX_BH_WORK_FORMS_H

#include <linux/compiler.h>

#define __bh_pick_form(a, b, c, d, ...) d
#define INIT_WORK(...) __bh_pick_form(__VA_ARGS__, __bh_INIT_WORK_3, __bh_INIT_WORK_2, )(__VA_ARGS__)
#define DECLARE_WORK(...) __bh_pick_form(__VA_ARGS__, __bh_DECLARE_WORK_3, __bh_DECLARE_WORK_2, )(__VA_ARGS__)

#ifndef BOTTOMHALF_LEGACY_API

#define __bh_INIT_WORK_2(work, func) __bh_init_work(work, func)
#define __bh_DECLARE_WORK_2(n, f) struct work_struct n = __WORK_INITIALIZER(n, f)
#define __bh_no_data_argument                                                                                      \
    "lost its data argument in 2.6.20: the handler takes the struct work_struct *, and container_of() leads to the " \
    "structure around it; or build with -DBOTTOMHALF_LEGACY_API"
#define __bh_INIT_WORK_3(work, func, data)                                          \
    do {                                                                            \
        __bh_static_assert(0, "INIT_WORK(work, func, data) " __bh_no_data_argument); \
    } while (0)
#define __bh_DECLARE_WORK_3(n, f, data) \
    struct work_struct n;               \
    __bh_static_assert(0, "DECLARE_WORK(name, func, data) " __bh_no_data_argument)

#else

/* The handler of the old form takes its data, not its item: it is kept by the item's address. */
void __bh_init_work_old(void *work, void (*func)(void *), void *data) __bh_symbol(init_work_old);
static inline __bh_legacy("INIT_WORK and DECLARE_WORK lost their data argument in 2.6.20: the handler takes the struct "
                          "work_struct *, container_of() leads to what is around it") void
__bh_init_work_3(void *work, void (*func)(void *), void *data) { __bh_init_work_old(work, func, data); }

/* Functions are cast: old handlers take void * with the new macros, too. */
#define __bh_INIT_WORK_2(work, func) __bh_init_work((struct work_struct *)(work), (work_func_t)(func))
#define __bh_INIT_WORK_3(work, func, data) __bh_init_work_3(work, (void (*)(void *))(func), (void *)(data))
#define __bh_DECLARE_WORK_2(n, f) struct work_struct n = __WORK_INITIALIZER(n, (work_func_t)(f))
#define __bh_DECLARE_WORK_3(n, f, data)                                                                      \
    struct work_struct n;                                                                                    \
    __attribute__((__constructor__)) static void __bh_declare_##n(void) {                                    \
        __bh_init_work_3(&n, (void (*)(void *))(f), (void *)(data));                                         \
    }                                                                                                        \
    extern struct work_struct n

#endif
#endif
