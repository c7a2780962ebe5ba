#ifndef _LINUX_CIRC_BUF_H
#define _LINUX_CIRC_BUF_H
struct circ_buf {
    char *buf;
    int head;
    int tail;
};
/* The size is a power of two; one place stays empty. */
#define CIRC_CNT(head, tail, size) (((head) - (tail)) & ((size)-1))
#define CIRC_SPACE(head, tail, size) CIRC_CNT((tail), ((head) + 1), (size))
#define CIRC_CNT_TO_END(head, tail, size)                       \
    __extension__({                                             \
        int __bh_end = (size) - (tail);                         \
        int __bh_n = ((head) + __bh_end) & ((size)-1);          \
        __bh_n < __bh_end ? __bh_n : __bh_end;                  \
    })
#define CIRC_SPACE_TO_END(head, tail, size)                     \
    __extension__({                                             \
        int __bh_end = (size)-1 - (head);                       \
        int __bh_n = (__bh_end + (tail)) & ((size)-1);          \
        __bh_n <= __bh_end ? __bh_n : __bh_end + 1;             \
    })
#endif
