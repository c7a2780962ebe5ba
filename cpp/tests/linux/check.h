/* Tests written as a module's C: each function returns 0, or the line of the first check that failed. */
#ifndef BH_TEST_CHECK_H
#define BH_TEST_CHECK_H

#define CHECK(expr)                                                          \
    do {                                                                     \
        if (!(expr)) {                                                       \
            printk(KERN_ERR "check failed at %s:%d: %s\n", __FILE__, __LINE__, #expr); \
            return __LINE__;                                                 \
        }                                                                    \
    } while (0)

#endif
