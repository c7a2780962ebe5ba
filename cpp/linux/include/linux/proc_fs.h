#ifndef _LINUX_PROC_FS_H
#define _LINUX_PROC_FS_H
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/types.h>
struct proc_dir_entry;
struct proc_ops {
    unsigned int proc_flags;
    int (*proc_open)(struct inode *, struct file *);
    ssize_t (*proc_read)(struct file *, char __user *, size_t, loff_t *);
    ssize_t (*proc_write)(struct file *, const char __user *, size_t, loff_t *);
    loff_t (*proc_lseek)(struct file *, loff_t, int);
    int (*proc_release)(struct inode *, struct file *);
    __poll_t (*proc_poll)(struct file *, struct poll_table_struct *);
    long (*proc_ioctl)(struct file *, unsigned int, unsigned long);
    /* Nobody calls these. */
    ssize_t (*proc_read_iter)(struct kiocb *, struct iov_iter *);
    long (*proc_compat_ioctl)(struct file *, unsigned int, unsigned long);
    int (*proc_mmap)(struct file *, struct vm_area_struct *);
    unsigned long (*proc_get_unmapped_area)(struct file *, unsigned long, unsigned long, unsigned long, unsigned long);
};
struct proc_dir_entry *proc_create_data(const char *name, umode_t mode, struct proc_dir_entry *parent,
                                        const struct proc_ops *ops, void *data) __bh_symbol(proc_create_data);
struct proc_dir_entry *proc_create_single_data(const char *name, umode_t mode, struct proc_dir_entry *parent,
                                               int (*show)(struct seq_file *, void *), void *data)
    __bh_symbol(proc_create_single_data);
struct proc_dir_entry *proc_create_seq_private(const char *name, umode_t mode, struct proc_dir_entry *parent,
                                               const struct seq_operations *op, unsigned int size, void *data)
    __bh_symbol(proc_create_seq_private);
struct proc_dir_entry *proc_mkdir(const char *name, struct proc_dir_entry *parent) __bh_symbol(proc_mkdir);
void remove_proc_entry(const char *name, struct proc_dir_entry *parent) __bh_symbol(remove_proc_entry);
int remove_proc_subtree(const char *name, struct proc_dir_entry *parent) __bh_symbol(remove_proc_subtree);
void proc_remove(struct proc_dir_entry *entry) __bh_symbol(proc_remove);
void proc_set_size(struct proc_dir_entry *entry, loff_t size) __bh_symbol(proc_set_size);
/* Accepted: whoever opens a file may do everything. */
static inline void proc_set_user(struct proc_dir_entry *entry, kuid_t uid, kgid_t gid) {
    (void)entry;
    (void)uid;
    (void)gid;
}
void *pde_data(const struct inode *inode) __bh_symbol(pde_data);
#define proc_mkdir_mode(name, mode, parent) proc_mkdir(name, parent)
#define PDE_DATA(inode) pde_data(inode)
#define proc_create(name, mode, parent, ops) proc_create_data(name, mode, parent, ops, NULL)
#define proc_create_single(name, mode, parent, show) proc_create_single_data(name, mode, parent, show, NULL)
#define proc_create_seq(name, mode, parent, op) proc_create_seq_private(name, mode, parent, op, 0, NULL)
#endif
