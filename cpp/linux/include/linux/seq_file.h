/* Files whose text is written by a function, or element by element. */
#ifndef _LINUX_SEQ_FILE_H
#define _LINUX_SEQ_FILE_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct seq_operations;
struct seq_file {
    char *buf;
    size_t size, from, count;
    loff_t index;
    const struct seq_operations *op;
#ifdef __cplusplus
    void *__private;
#else
    void *private;
#endif
    struct file *file;
};
struct seq_operations {
    void *(*start)(struct seq_file *m, loff_t *pos);
    void (*stop)(struct seq_file *m, void *v);
    void *(*next)(struct seq_file *m, void *v, loff_t *pos);
    int (*show)(struct seq_file *m, void *v);
};
#define SEQ_SKIP 1
#define SEQ_START_TOKEN ((void *)1)

int seq_open(struct file *file, const struct seq_operations *op) __bh_symbol(seq_open);
ssize_t seq_read(struct file *file, char __user *buf, size_t size, loff_t *ppos) __bh_symbol(seq_read);
loff_t seq_lseek(struct file *file, loff_t offset, int whence) __bh_symbol(seq_lseek);
int seq_release(struct inode *inode, struct file *file) __bh_symbol(seq_release);
int seq_release_private(struct inode *inode, struct file *file) __bh_symbol(seq_release_private);
void *__seq_open_private(struct file *file, const struct seq_operations *op, int size)
    __bh_symbol(seq_open_private);
int single_open(struct file *file, int (*show)(struct seq_file *, void *), void *data) __bh_symbol(single_open);
int single_release(struct inode *inode, struct file *file) __bh_symbol(single_release);
__printf(2, 3) void seq_printf(struct seq_file *m, const char *fmt, ...) __bh_symbol(seq_printf);
__printf(2, 0) void seq_vprintf(struct seq_file *m, const char *fmt, va_list args) __bh_symbol(seq_vprintf);
int seq_write(struct seq_file *m, const void *data, size_t len) __bh_symbol(seq_write);
void seq_puts(struct seq_file *m, const char *s) __bh_symbol(seq_puts);
void seq_putc(struct seq_file *m, char c) __bh_symbol(seq_putc);
/* The text has no limit. */
static inline bool seq_has_overflowed(struct seq_file *m) {
    (void)m;
    return false;
}
#define seq_put_decimal_ull(m, delimiter, num) seq_printf(m, "%s%llu", delimiter, (unsigned long long)(num))
#define seq_put_decimal_ll(m, delimiter, num) seq_printf(m, "%s%lld", delimiter, (long long)(num))
struct list_head *seq_list_start(struct list_head *head, loff_t pos) __bh_symbol(seq_list_start);
struct list_head *seq_list_next(void *v, struct list_head *head, loff_t *ppos) __bh_symbol(seq_list_next);

#define DEFINE_SHOW_ATTRIBUTE(__name)                                                   \
    static int __name##_open(struct inode *inode, struct file *file) {                  \
        return single_open(file, __name##_show, inode->i_private);                      \
    }                                                                                   \
    static const struct file_operations __name##_fops = {                               \
        .owner = THIS_MODULE,                                                           \
        .llseek = seq_lseek,                                                            \
        .read = seq_read,                                                               \
        .open = __name##_open,                                                          \
        .release = single_release,                                                      \
    }
#define DEFINE_PROC_SHOW_ATTRIBUTE(__name)                                              \
    static int __name##_open(struct inode *inode, struct file *file) {                  \
        return single_open(file, __name##_show, pde_data(inode));                       \
    }                                                                                   \
    static const struct proc_ops __name##_proc_ops = {                                  \
        .proc_open = __name##_open,                                                     \
        .proc_read = seq_read,                                                          \
        .proc_lseek = seq_lseek,                                                        \
        .proc_release = single_release,                                                 \
    }
#endif
