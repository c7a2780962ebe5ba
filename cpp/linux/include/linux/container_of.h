#ifndef _LINUX_CONTAINER_OF_H
#define _LINUX_CONTAINER_OF_H
#include <linux/compiler.h>
#include <linux/types.h>
/* A pointer to something else than the member (or void) does not compile. */
#ifdef __cplusplus
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#else
#define container_of(ptr, type, member)                                                                         \
    __extension__({                                                                                             \
        void *__bh_member = (void *)(ptr);                                                                      \
        __bh_static_assert(__same_type(*(ptr), ((type *)0)->member) || __same_type(*(ptr), void),               \
                           "container_of(): the pointer is not one to that member");                            \
        (type *)((char *)__bh_member - offsetof(type, member));                                                 \
    })
#endif
#define container_of_const(ptr, type, member) container_of(ptr, type, member)
#define typeof_member(T, m) __typeof__(((T *)0)->m)
#endif
