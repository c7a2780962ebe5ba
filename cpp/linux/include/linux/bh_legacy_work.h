/* DECLARE_WORK and INIT_WORK with the data argument that they had until 2.6.20. Included by workqueue.h alone. */
#ifndef _LINUX_BH_LEGACY_WORK_H
#define _LINUX_BH_LEGACY_WORK_H

/* The handler of the old form takes its data, not its item: they are kept by the item's address. */
__BH_BEGIN_DECLS
void __bh_init_work_old(void *work, void (*func)(void *), void *data) __bh_symbol(init_work_old);
__BH_END_DECLS
static inline __bh_legacy("INIT_WORK(work, func, data) lost its data argument in 2.6.20: the handler takes the struct "
                          "work_struct *, container_of() leads to what is around it") void
__bh_init_work_3(void *work, void (*func)(void *), void *data) { __bh_init_work_old(work, func, data); }

#define __bh_arg_4(a, b, c, d, ...) d
/* Functions are cast: old handlers take void * with the new macros, too. */
#define INIT_WORK(...) __bh_arg_4(__VA_ARGS__, __bh_INIT_WORK_3, __bh_INIT_WORK_2, )(__VA_ARGS__)
#define __bh_INIT_WORK_2(work, func) __bh_init_work((struct work_struct *)(work), (work_func_t)(func))
#define __bh_INIT_WORK_3(work, func, data) \
    __bh_init_work_3(work, (void (*)(void *))(func), (void *)(data))

#define DECLARE_WORK(...) __bh_arg_4(__VA_ARGS__, __bh_DECLARE_WORK_3, __bh_DECLARE_WORK_2, )(__VA_ARGS__)
#define __bh_DECLARE_WORK_2(n, f) struct work_struct n = __WORK_INITIALIZER(n, (work_func_t)(f))
#define __bh_DECLARE_WORK_3(n, f, data)                                                                      \
    struct work_struct n;                                                                                    \
    __attribute__((__constructor__)) static void __bh_declare_##n(void) {                                    \
        __bh_init_work_3(&n, (void (*)(void *))(f), (void *)(data));                                         \
    }                                                                                                        \
    extern struct work_struct n

#endif
